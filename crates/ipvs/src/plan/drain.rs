//! Drains real servers: sets their weights to 0 and counts their connections until none is left.
//!
//! A [`Drain`] decides; it neither sleeps nor catches signals. The caller polls it about once a second, and gives up or
//! restores the weights when it wants to.

mod pace;
mod remaining;

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::kernel::Namespace;
use crate::model::{
    Change, Connection, ConnectionFilter, RealServer, RealServerKey, RealServerState,
    SchedulerName, ServiceKey, VirtualService,
};
use crate::netlink::{Client, Transport};
use crate::procfs::Connections;
use crate::state::Attribution;

use pace::Pace;
pub use remaining::{Entries, Remaining};

/// The real servers to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainTarget {
    /// One real server of a service.
    Server(ServiceKey, RealServerKey),
    /// All real servers of a service.
    Service(ServiceKey),
}

impl DrainTarget {
    /// The service.
    pub const fn service(&self) -> ServiceKey {
        match *self {
            Self::Server(service, _) | Self::Service(service) => service,
        }
    }
}

/// A drain of real servers of one virtual service.
///
/// ```no_run
/// use std::thread::sleep;
/// use std::time::Duration;
///
/// use ipvs::plan::{Drain, DrainTarget, NamespaceInput, Poll, Reading};
/// use ipvs::{Client, Namespace};
///
/// let mut client = Client::connect()?;
/// let target = DrainTarget::Server("tcp 10.0.0.1:80".parse()?, "10.1.0.1:80".parse()?);
/// let mut drain = Drain::prepare(target, &mut client)?;
/// drain.begin(&mut client)?;
/// let mut input = NamespaceInput::new(Namespace::current());
/// while let Poll::Waiting(left) = drain.poll(&mut client, &mut input, Reading::Paced)? {
///     println!("{} connections left", left.count());
///     sleep(Duration::from_secs(1));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Drain {
    target: DrainTarget,
    service: VirtualService,
    /// The real servers of the service before the drain began.
    servers: Vec<RealServer>,
    pace: Pace,
    /// The entries in the last reading of the connection table.
    entries: Option<Entries>,
}

/// The inputs of a drain beside the client.
pub trait DrainInput {
    /// The entries of the connection table.
    type Connections: Iterator<Item = Result<Connection, Error>>;

    /// Opens the connection table.
    ///
    /// # Errors
    /// When the table cannot be opened.
    fn connections(&mut self) -> Result<Self::Connections, Error>;

    /// The time since the drain began.
    fn elapsed(&self) -> Duration;

    /// True if to stop reading the connection table, which may take seconds.
    fn should_stop(&self) -> bool;
}

/// Reads the connection table of a network namespace and the system's clock, and never stops.
#[derive(Debug)]
pub struct NamespaceInput {
    namespace: Namespace,
    start: Instant,
}

impl NamespaceInput {
    /// The time begins now.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, start: Instant::now() }
    }
}

impl DrainInput for NamespaceInput {
    type Connections = Connections;

    fn connections(&mut self) -> Result<Connections, Error> {
        self.namespace.connections(ConnectionFilter::default())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn should_stop(&self) -> bool {
        false
    }
}

/// The time of the next reading of the connection table. A reading costs the kernel much: one of 100,000 entries may take
/// a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The table is read if the last reading is 50 times as long ago as it took, and 1 s.
    Paced,
    /// The table is read now.
    Immediate,
}

/// The state of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Connections are left, or the connection table has to be read once more.
    Waiting(Remaining),
    /// Nothing is left.
    Drained,
    /// Another program has changed the service. The drain is over.
    Contested(Contest),
    /// [`DrainInput::should_stop`] returned true while the connection table was read.
    Stopped,
}

/// A change by another program that ends a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contest {
    /// A service without real servers was deleted.
    ServiceDeleted,
    /// A real server was deleted, or its service.
    ServerDeleted(RealServerKey),
    /// The weight of a real server was set to this value.
    WeightChanged(RealServerKey, u32),
    /// A real server was added to a service whose real servers are all drained.
    ServerAdded(RealServerKey),
}

/// A reason why a drain of one real server would harm new connections of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// All other real servers have weight 0, so that new connections would be refused.
    LastServer,
    /// The scheduler assigns clients or destinations to real servers, and may refuse new connections while the assigned
    /// real server has weight 0. Linux 6.1 does so with `sh`, `mh` and `dh`.
    FixedAssignment(SchedulerName),
}

/// The outcome of [`Drain::restore`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredWeights {
    /// The real servers that have their old weight again.
    pub restored: Vec<RealServerKey>,
    /// The real servers that another program has deleted or given a weight meanwhile. They stay so.
    pub changed: Vec<RealServerKey>,
}

impl Drain {
    /// Reads the service and its real servers. Nothing is changed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist or lacks the real server.
    pub fn prepare<T: Transport>(
        target: DrainTarget,
        client: &mut Client<T>,
    ) -> Result<Self, Error> {
        let key = target.service();
        let service = client.service(&key)?.service;
        if let DrainTarget::Server(_, server) = &target {
            client.server(&key, server)?;
        }
        let servers = client.real_servers(&key)?.into_iter().map(|state| state.server).collect();
        Ok(Self { target, service, servers, pace: Pace::default(), entries: None })
    }

    /// The service as it was when the drain was prepared.
    pub const fn service(&self) -> &VirtualService {
        &self.service
    }

    /// The real servers to drain, as they were when the drain was prepared.
    pub fn servers(&self) -> impl Iterator<Item = &RealServer> {
        self.servers.iter().filter(|server| self.is_drained(&server.key))
    }

    fn is_drained(&self, server: &RealServerKey) -> bool {
        match &self.target {
            DrainTarget::Service(_) => true,
            DrainTarget::Server(_, drained) => drained == server,
        }
    }

    /// The reason why the drain would harm new connections. A drain of a whole service has none, and neither has a
    /// real server that has weight 0 already.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let DrainTarget::Server(_, drained) = &self.target else { return None };
        let mut with_weight = self.servers.iter().filter(|server| server.weight > 0);
        let has_weight = with_weight.clone().any(|server| server.key == *drained);
        let is_last = with_weight.all(|server| server.key == *drained);
        let VirtualService { scheduler, scheduler_flags, .. } = &self.service;
        let [has_fallback, ..] = scheduler_flags.get();
        match scheduler.as_str() {
            _ if !has_weight => None,
            _ if is_last => Some(Obstacle::LastServer),
            "sh" | "mh" if !has_fallback => Some(Obstacle::FixedAssignment(*scheduler)),
            "dh" | "lblc" | "lblcr" => Some(Obstacle::FixedAssignment(*scheduler)),
            _ => None,
        }
    }

    /// Sets the weights to 0, and keeps all other settings.
    ///
    /// # Errors
    /// The kernel's refusal. The weights are as before then.
    pub fn begin<T: Transport>(&self, client: &mut Client<T>) -> Result<(), Error> {
        let key = self.service.key;
        let states = client.real_servers(&key)?;
        let changes: Vec<Change> = states
            .iter()
            .map(|state| state.server)
            .filter(|server| self.is_drained(&server.key) && server.weight > 0)
            .map(|server| Change::EditServer(key, RealServer { weight: 0, ..server }))
            .collect();
        let mut failures = client.apply_all(&changes)?.into_failures().into_iter();
        match failures.next() {
            None => Ok(()),
            Some(failure) => {
                // The refusal is the error to report, whether or not restoring works.
                let _ = self.restore(client);
                Err(failure.error)
            }
        }
    }

    /// Looks at the real servers, and once they have no active connection at the connection table.
    ///
    /// # Errors
    /// The kernel's refusal, or a connection table that cannot be read.
    pub fn poll<T: Transport>(
        &mut self,
        client: &mut Client<T>,
        input: &mut impl DrainInput,
        reading: Reading,
    ) -> Result<Poll, Error> {
        let states = client.real_servers(&self.service.key)?;
        if let Some(contest) = self.contest(&states) {
            return Ok(Poll::Contested(contest));
        }
        if states.is_empty() && self.is_deleted(client)? {
            return Ok(Poll::Contested(Contest::ServiceDeleted));
        }
        let drained = states.iter().filter(|state| self.is_drained(&state.server.key));
        let active = drained.map(|state| u64::from(state.active_connections)).sum();
        let is_due = reading == Reading::Immediate || self.pace.is_due(input.elapsed());
        if active == 0 && is_due {
            let began = input.elapsed();
            let Some(entries) = self.read_entries(client, input)? else { return Ok(Poll::Stopped) };
            self.pace.record(began, input.elapsed());
            self.entries = Some(entries);
            if entries.is_empty() {
                return Ok(Poll::Drained);
            }
        }
        Ok(Poll::Waiting(Remaining { active, entries: self.entries }))
    }

    /// Returns whether the service is missing. The kernel lists no real servers of a service that it does not have.
    fn is_deleted<T: Transport>(&self, client: &mut Client<T>) -> Result<bool, Error> {
        match client.service(&self.service.key) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            service => service.map(|_| false),
        }
    }

    /// The first difference between the service now and a service that nobody else has changed.
    fn contest(&self, states: &[RealServerState]) -> Option<Contest> {
        let find = |key: &RealServerKey| states.iter().find(|state| state.server.key == *key);
        let changed = self.servers().find_map(|server| match find(&server.key) {
            None => Some(Contest::ServerDeleted(server.key)),
            Some(state) if state.server.weight > 0 => {
                Some(Contest::WeightChanged(server.key, state.server.weight))
            }
            Some(_) => None,
        });
        let is_known = |key| self.servers.iter().any(|server| server.key == key);
        let added = || match self.target {
            DrainTarget::Server(..) => None,
            DrainTarget::Service(_) => {
                let mut keys = states.iter().map(|state| state.server.key);
                keys.find(|&key| !is_known(key)).map(Contest::ServerAdded)
            }
        };
        changed.or_else(added)
    }

    /// Reads the connection table. `None` if the input has stopped the reading.
    fn read_entries<T: Transport>(
        &self,
        client: &mut Client<T>,
        input: &mut impl DrainInput,
    ) -> Result<Option<Entries>, Error> {
        let attribution = Attribution::read(client)?;
        let servers: Vec<RealServerKey> = self.servers().map(|server| server.key).collect();
        let mut entries = Entries::default();
        for connection in input.connections()? {
            if input.should_stop() {
                return Ok(None);
            }
            entries.add(&connection?, &attribution, &self.service.key, &servers);
        }
        Ok(Some(entries))
    }

    /// Sets the old weights of the real servers that still have weight 0, and keeps their other settings.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn restore<T: Transport>(&self, client: &mut Client<T>) -> Result<RestoredWeights, Error> {
        let key = self.service.key;
        let states = client.real_servers(&key)?;
        let mut outcome = RestoredWeights::default();
        let mut changes = Vec::new();
        for RealServer { key: server, weight, .. } in self.servers().copied() {
            let now = states.iter().map(|state| state.server).find(|now| now.key == server);
            match now {
                _ if weight == 0 => {}
                Some(now) if now.weight == 0 => {
                    changes.push(Change::EditServer(key, RealServer { weight, ..now }));
                    outcome.restored.push(server);
                }
                _ => outcome.changed.push(server),
            }
        }
        let failures = client.apply_all(&changes)?.into_failures();
        failures.into_iter().next().map_or(Ok(outcome), |failure| Err(failure.error))
    }
}
