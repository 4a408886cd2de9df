//! A sample: one reading of the table, with the rates since the readings before.
//!
//! The kernel renews the counters that it reports every two seconds (6.1: `estimation_timer`, `ip_vs_copy_stats`). Between
//! two samples of one second they stay or grow by two seconds' traffic. A rate is therefore a difference divided by the
//! time between two samples that changed the counters.

use std::time::Duration;

use ipvs::model::{Counters, Info, RealServerKey, RealServerState, ServiceKey, ServiceState};
use ipvs::state::ServiceSnapshot;

/// One reading of the table, as the source delivers it.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The time of the reading, since the program started.
    pub(super) time: Duration,
    /// The version of IPVS and the size of its connection table.
    pub(super) info: Info,
    /// The services in the order of their keys.
    pub(super) services: Vec<ServiceSnapshot>,
    /// False without rights: the counters of services and servers are missing, and so are the thresholds.
    pub(super) has_counters: bool,
    /// The counters of all services together.
    pub(super) totals: Option<Counters>,
    /// The entries of connection tracking and their limit, if IPVS uses it.
    pub(super) conntrack: Option<Conntrack>,
}

/// The load of connection tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conntrack {
    /// The entries.
    pub(super) entries: u64,
    /// The most entries.
    pub(super) limit: u64,
}

/// Numbers per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PerSecond {
    pub(super) connections: f64,
    pub(super) incoming_packets: f64,
    pub(super) outgoing_packets: f64,
    pub(super) incoming_bytes: f64,
    pub(super) outgoing_bytes: f64,
}

impl PerSecond {
    /// The rates between two readings of the same counters.
    fn between(before: &Counters, now: &Counters, seconds: f64) -> Self {
        let rate = |before: u64, now: u64| {
            // A counter that went back was zeroed between the readings.
            let difference = now.checked_sub(before).unwrap_or(now);
            as_float(difference) / seconds
        };
        Self {
            connections: rate(before.connections, now.connections),
            incoming_packets: rate(before.incoming_packets, now.incoming_packets),
            outgoing_packets: rate(before.outgoing_packets, now.outgoing_packets),
            incoming_bytes: rate(before.incoming_bytes, now.incoming_bytes),
            outgoing_bytes: rate(before.outgoing_bytes, now.outgoing_bytes),
        }
    }

    /// The packets of both directions.
    pub(super) fn packets(&self) -> f64 {
        self.incoming_packets + self.outgoing_packets
    }

    /// The bytes of both directions.
    pub(super) fn bytes(&self) -> f64 {
        self.incoming_bytes + self.outgoing_bytes
    }

    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// The time after which the kernel renews its counters.
const RENEWAL: Duration = Duration::from_secs(2);
/// A counter that stays the same for longer belongs to an entry without traffic.
const QUIET: Duration = Duration::from_millis(2500);

/// The rates of an entry, and the time of the sample that last changed its counters.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    rates: Option<PerSecond>,
    /// The first sample of the entry.
    first: Duration,
    changed: Option<Duration>,
}

impl Course {
    /// The course of an entry that was not there before.
    const fn new(time: Duration) -> Self {
        Self { rates: None, first: time, changed: None }
    }

    /// The course after another sample, which came a time after the one before.
    fn next(self, (before, now): (&Counters, &Counters), time: Duration, step: Duration) -> Self {
        if before == now {
            let quiet = time.saturating_sub(self.changed.unwrap_or(self.first));
            let is_quiet = quiet >= QUIET || step >= RENEWAL;
            let rates = if is_quiet { Some(PerSecond::default()) } else { self.rates };
            return Self { rates, ..self };
        }
        let elapsed = match self.changed {
            // After a quiet time, the traffic is not older than one renewal.
            Some(changed) => Some(time.saturating_sub(changed).min(RENEWAL.max(step))),
            // The first change may have begun before the first sample.
            None => Some(step).filter(|step| *step >= RENEWAL),
        };
        let rates = elapsed
            .filter(|elapsed| !elapsed.is_zero())
            .map(|elapsed| PerSecond::between(before, now, elapsed.as_secs_f64()));
        Self { rates: rates.or(self.rates), first: self.first, changed: Some(time) }
    }
}

/// A number as a float. Beyond 2^53 the last digits are lost, which a screen never shows.
#[expect(clippy::cast_precision_loss, reason = "rates are shown with three digits")]
pub(super) const fn as_float(number: u64) -> f64 {
    number as f64
}

/// The condition of a real server or of a service that matters to the one who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// It takes connections.
    Serving,
    /// It has no connections, and none came since the last sample.
    Idle,
    /// The weight is 0: it gets no new connections. A service is drained if all its servers are.
    Drained,
    /// The upper threshold is reached: the kernel gives it no new connections until enough have ended.
    Overloaded,
    /// The service has no real server.
    Empty,
}

impl Condition {
    /// The word on the screen.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Serving => "",
            Self::Idle => "idle",
            Self::Drained => "drained",
            Self::Overloaded => "overload",
            Self::Empty => "empty",
        }
    }

    /// The letter where the word does not fit.
    pub(super) const fn letter(self) -> &'static str {
        match self {
            Self::Serving => "",
            Self::Idle => "i",
            Self::Drained => "D",
            Self::Overloaded => "O",
            Self::Empty => "E",
        }
    }
}

/// A real server in a sample.
#[derive(Clone, Debug)]
pub(super) struct ServerSample {
    pub(super) state: RealServerState,
    course: Course,
    pub(super) condition: Condition,
}

impl ServerSample {
    /// `None` in its first samples, and without rights.
    pub(super) const fn rates(&self) -> Option<PerSecond> {
        self.course.rates
    }

    pub(super) const fn key(&self) -> &RealServerKey {
        &self.state.server.key
    }
}

/// A service in a sample.
#[derive(Clone, Debug)]
pub(super) struct ServiceSample {
    pub(super) state: ServiceState,
    course: Course,
    pub(super) condition: Condition,
    /// The active connections of all its servers.
    pub(super) active: u64,
    /// The inactive connections of all its servers.
    pub(super) inactive: u64,
    pub(super) servers: Vec<ServerSample>,
}

impl ServiceSample {
    /// `None` in its first samples, and without rights.
    pub(super) const fn rates(&self) -> Option<PerSecond> {
        self.course.rates
    }

    pub(super) const fn key(&self) -> &ServiceKey {
        &self.state.service.key
    }
}

/// A reading with its rates.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) time: Duration,
    pub(super) info: Info,
    pub(super) services: Vec<ServiceSample>,
    pub(super) has_counters: bool,
    pub(super) conntrack: Option<Conntrack>,
    /// The counters of all services together.
    counters: Option<Counters>,
    course: Course,
}

impl Sample {
    /// Computes the rates of a reading. Both lists are in the order of their keys, so one pass finds all partners.
    pub(super) fn new(reading: Reading, before: Option<&Self>) -> Self {
        let Reading { time, info, services, has_counters, totals: counters, conntrack } = reading;
        let step = before.map(|before| time.saturating_sub(before.time)).unwrap_or_default();
        let is_complete = has_counters && before.is_some_and(|before| before.has_counters);
        let pace = Pace { time, step: Some(step).filter(|_| is_complete) };
        let mut earlier = before.map(|before| before.services.as_slice()).unwrap_or_default();
        let services = services.into_iter().map(|snapshot| {
            let partner = partner(&mut earlier, &snapshot.service.service.key, |it| it.key());
            service_sample(snapshot, partner, pace)
        });
        let services = services.collect();
        let course = match (before, before.and_then(|before| before.counters), counters) {
            (Some(before), Some(old), Some(now)) => before.course.next((&old, &now), time, step),
            _ => Course::new(time),
        };
        Self { time, info, services, has_counters, conntrack, counters, course }
    }

    /// The rates of all services together.
    pub(super) const fn totals(&self) -> Option<PerSecond> {
        self.course.rates
    }
}

/// The time of a sample.
#[derive(Clone, Copy)]
struct Pace {
    time: Duration,
    /// The time since the sample before. `None` if one of both lacks the counters.
    step: Option<Duration>,
}

impl Pace {
    fn course(self, before: Option<(&Course, &Counters)>, now: &Counters) -> Course {
        match (before, self.step) {
            (Some((course, before)), Some(step)) => course.next((before, now), self.time, step),
            _ => Course::new(self.time),
        }
    }
}

/// The entry of a sorted list with a key. Entries before it are dropped, so that a sequence of sorted keys passes the list
/// once.
fn partner<'a, T, K: Ord>(list: &mut &'a [T], key: &K, key_of: impl Fn(&T) -> &K) -> Option<&'a T> {
    while let Some((first, rest)) = list.split_first() {
        match key_of(first).cmp(key) {
            std::cmp::Ordering::Less => *list = rest,
            std::cmp::Ordering::Equal => {
                *list = rest;
                return Some(first);
            }
            std::cmp::Ordering::Greater => return None,
        }
    }
    None
}

fn service_sample(
    snapshot: ServiceSnapshot,
    before: Option<&ServiceSample>,
    pace: Pace,
) -> ServiceSample {
    let ServiceSnapshot { service: state, servers } = snapshot;
    let mut earlier = before.map(|before| before.servers.as_slice()).unwrap_or_default();
    let servers: Vec<ServerSample> = servers
        .into_iter()
        .map(|state| {
            let before = partner(&mut earlier, &state.server.key, |server| server.key());
            server_sample(state, before, pace)
        })
        .collect();
    let before_counters = before.map(|before| (&before.course, &before.state.counters));
    let course = pace.course(before_counters, &state.counters);
    let sum = |count: fn(&RealServerState) -> u32| {
        servers.iter().map(|server| u64::from(count(&server.state))).sum::<u64>()
    };
    let active = sum(|state| state.active_connections);
    let inactive = sum(|state| state.inactive_connections);
    let is_idle = active + inactive == 0 && course.rates.is_none_or(|rates| rates.is_zero());
    let condition = match of_servers(&servers) {
        Condition::Serving if is_idle => Condition::Idle,
        condition => condition,
    };
    ServiceSample { state, course, condition, active, inactive, servers }
}

/// The condition that the servers of a service make.
fn of_servers(servers: &[ServerSample]) -> Condition {
    let mut unavailable = servers.iter().map(|server| server.condition);
    let is_unavailable =
        |condition| matches!(condition, Condition::Drained | Condition::Overloaded);
    match (servers.is_empty(), unavailable.clone().all(is_unavailable)) {
        (true, _) => Condition::Empty,
        (false, false) => Condition::Serving,
        // New connections are refused: the more urgent reason counts.
        (false, true) if unavailable.any(|condition| condition == Condition::Overloaded) => {
            Condition::Overloaded
        }
        (false, true) => Condition::Drained,
    }
}

fn server_sample(
    state: RealServerState,
    before: Option<&ServerSample>,
    pace: Pace,
) -> ServerSample {
    let before_counters = before.map(|before| (&before.course, &before.state.counters));
    let course = pace.course(before_counters, &state.counters);
    let connections = u64::from(state.active_connections) + u64::from(state.inactive_connections);
    let was_overloaded = before.is_some_and(|before| before.condition == Condition::Overloaded);
    let condition = if state.server.weight == 0 {
        Condition::Drained
    } else if is_overloaded(&state, connections, was_overloaded) {
        Condition::Overloaded
    } else if connections == 0 && course.rates.is_none_or(|rates| rates.is_zero()) {
        Condition::Idle
    } else {
        Condition::Serving
    };
    ServerSample { state, course, condition }
}

/// Tests whether the kernel gives a server no new connections because of its upper threshold. The kernel shows no flag,
/// so the rule is applied here (6.1: `ip_vs_dest_update_overload`, `ip_vs_unbind_dest`): a server that has reached its
/// upper threshold is overloaded until its connections fall below the lower one, or below three quarters of the upper one
/// if it has none.
fn is_overloaded(state: &RealServerState, connections: u64, was_overloaded: bool) -> bool {
    let upper = u64::from(state.server.upper_threshold);
    let lower = u64::from(state.server.lower_threshold);
    if upper == 0 {
        return false;
    }
    let is_released = match lower {
        0 => connections * 4 < upper * 3,
        lower => connections < lower,
    };
    connections >= upper || (was_overloaded && !is_released)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{reading, server, service};

    /// The conditions of the servers of the first service.
    fn conditions(sample: &Sample) -> Vec<Condition> {
        sample.services[0].servers.iter().map(|server| server.condition).collect()
    }

    #[test]
    fn rates_are_differences_of_counters_divided_by_the_time() {
        let mut first = service("tcp 10.0.0.1:80", vec![server("10.1.0.1:80", 1)]);
        first.service.counters.connections = 1 << 40;
        first.servers[0].counters.incoming_bytes = 100;
        let before = Sample::new(reading(1, vec![first.clone()]), None);
        assert_eq!(before.services[0].rates(), None);
        first.service.counters.connections += 50;
        first.service.counters.outgoing_packets = 10;
        first.servers[0].counters.incoming_bytes = 350;
        let new = service("tcp 10.0.0.2:80", Vec::new());
        let now = Sample::new(reading(3, vec![first.clone(), new]), Some(&before));
        let rates = now.services[0].rates().unwrap();
        assert_eq!(rates, PerSecond { connections: 25.0, outgoing_packets: 5.0, ..rates });
        assert_eq!((rates.packets(), rates.bytes()), (5.0, 0.0));
        assert_eq!(now.services[0].servers[0].rates().unwrap().incoming_bytes, 125.0);
        assert_eq!(now.services[1].rates(), None, "it was not there before");
        // -Z zeroes the counters.
        first.service.counters.connections = 6;
        let zeroed = Sample::new(reading(4, vec![first]), Some(&now));
        assert_eq!(zeroed.services[0].rates().unwrap().connections, 6.0);
    }

    #[test]
    fn counters_that_the_kernel_renews_every_two_seconds_give_steady_rates() {
        let mut before: Option<Sample> = None;
        let mut seen = Vec::new();
        // Ten connections a second until the sixth second.
        for (time, connections) in (0..).zip([7, 20, 20, 40, 40, 60, 60, 60, 60, 80]) {
            let mut service = service("tcp 10.0.0.1:80", Vec::new());
            service.service.counters.connections = connections;
            let sample = Sample::new(reading(time, vec![service]), before.as_ref());
            seen.push(sample.services[0].rates().map(|rates| rates.connections));
            before = Some(sample);
        }
        let (none, ten, zero) = (None, Some(10.0), Some(0.0));
        assert_eq!(seen, [none, none, none, ten, ten, ten, ten, ten, zero, ten]);
    }

    #[test]
    fn deleted_and_added_entries_disturb_no_others() {
        let keys = |keys: &[&str], count| {
            let of = |key: &&str| {
                let mut service = service(key, vec![server("10.1.0.1:80", 1)]);
                service.service.counters.connections = count;
                service
            };
            keys.iter().map(of).collect()
        };
        let before =
            Sample::new(reading(0, keys(&["tcp 10.0.0.1:80", "tcp 10.0.0.3:80"], 1)), None);
        let later = keys(&["tcp 10.0.0.2:80", "tcp 10.0.0.3:80", "tcp 10.0.0.4:80"], 3);
        let now = Sample::new(reading(2, later), Some(&before));
        let rates: Vec<_> = now
            .services
            .iter()
            .map(|service| service.rates().map(|rates| rates.connections))
            .collect();
        assert_eq!(rates, [None, Some(1.0), None]);
    }

    #[test]
    fn servers_are_drained_idle_or_overloaded_until_the_lower_threshold() {
        let sample = |active: u32, before: Option<&Sample>| {
            let mut servers = vec![server("10.1.0.1:80", 0), server("10.1.0.2:80", 1)];
            servers.extend([server("10.1.0.3:80", 1), server("10.1.0.4:80", 1)]);
            for (place, lower) in [(2, 3), (3, 0)] {
                servers[place].server.upper_threshold = 8;
                servers[place].server.lower_threshold = lower;
                servers[place].active_connections = active;
            }
            Sample::new(reading(1, vec![service("tcp 10.0.0.1:80", servers)]), before)
        };
        use Condition::{Drained, Idle, Overloaded, Serving};
        let fresh = sample(7, None);
        assert_eq!(conditions(&fresh), [Drained, Idle, Serving, Serving]);
        let full = sample(8, Some(&fresh));
        assert_eq!(conditions(&full), [Drained, Idle, Overloaded, Overloaded]);
        let fewer = sample(6, Some(&full));
        assert_eq!(conditions(&fewer), [Drained, Idle, Overloaded, Overloaded]);
        let few = sample(5, Some(&fewer));
        assert_eq!(conditions(&few), [Drained, Idle, Overloaded, Serving]);
        assert_eq!(conditions(&sample(2, Some(&few))), [Drained, Idle, Serving, Serving]);
    }

    #[test]
    fn service_has_the_condition_that_its_clients_notice() {
        let condition = |servers| {
            let sample = Sample::new(reading(1, vec![service("tcp 10.0.0.1:80", servers)]), None);
            sample.services[0].condition
        };
        let mut full = server("10.1.0.2:80", 1);
        full.server.upper_threshold = 1;
        full.active_connections = 1;
        let drained = || server("10.1.0.1:80", 0);
        let mut busy = server("10.1.0.3:80", 1);
        busy.inactive_connections = 1;
        assert_eq!(condition(vec![]), Condition::Empty);
        assert_eq!(condition(vec![drained()]), Condition::Drained);
        assert_eq!(condition(vec![drained(), full.clone()]), Condition::Overloaded);
        assert_eq!(condition(vec![drained(), full, busy]), Condition::Serving);
        assert_eq!(condition(vec![drained(), server("10.1.0.3:80", 1)]), Condition::Idle);
    }

    #[test]
    fn without_counters_there_are_no_rates_but_totals() {
        let mut first = reading(0, vec![service("tcp 10.0.0.1:80", Vec::new())]);
        first.has_counters = false;
        let mut second = first.clone();
        second.time += Duration::from_secs(2);
        second.totals.as_mut().unwrap().connections += 10;
        let before = Sample::new(first, None);
        let now = Sample::new(second, Some(&before));
        assert_eq!(now.services[0].rates(), None);
        assert_eq!(now.totals().unwrap().connections, 5.0);
    }
}
