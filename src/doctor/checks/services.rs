//! The services: weights, schedulers, persistence, thresholds, and services beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipvs::model::{
    Change, Family, Forwarding, Protocol, RealServer, RealServerKey, RealServerState,
    SchedulerFlags, ServiceKey, VirtualService,
};
use ipvs::state::ServiceSnapshot;

use crate::doctor::{Facts, Found, TableAccess, command, options_of};
use crate::output::counted;

/// One finding for each service for which a function returns one.
fn each(
    facts: &Facts,
    find: impl Fn(&VirtualService, &ServiceSnapshot) -> Option<Found>,
) -> Vec<Found> {
    facts.services.iter().filter_map(|entry| find(&entry.service.service, entry)).collect()
}

pub(super) fn no_servers(facts: &Facts) -> Vec<Found> {
    each(facts, |service, entry| {
        if !entry.servers.is_empty() {
            return None;
        }
        let options = options_of(&service.key);
        let found = Found::new(format!("{options} has no real server"));
        Some(match server_for(facts, &service.key) {
            Some(server) => found.here(command(&Change::AddServer(service.key, server))),
            None => found.template(format!("ipvsadm -a {options} -r REAL-SERVER")),
        })
    })
}

/// A real server of another service, as one of this service: of the same virtual address if there is one, and with the
/// service's port.
fn server_for(facts: &Facts, key: &ServiceKey) -> Option<RealServer> {
    let is_alike = |other: &ServiceKey, server: &RealServer| {
        Family::of(server.key.address) == key.family() && other.family() == key.family()
    };
    let alike = || facts.servers().filter(|(other, server)| is_alike(other, server));
    let same = alike().find(|(other, _)| other.address() == key.address());
    let (_, server) = same.or_else(|| alike().next())?;
    let port = match *key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::Fwmark { .. } => 0,
    };
    let forwarding = match server.forwarding {
        // The kernel knows its own addresses.
        Forwarding::LocalNode => Forwarding::DirectRouting,
        other => other,
    };
    let key = RealServerKey { address: server.key.address, port };
    Some(RealServer::new(key).forwarding(forwarding))
}

pub(super) fn all_drained(facts: &Facts) -> Vec<Found> {
    each(facts, |service, entry| {
        let first = entry.servers.first()?;
        if entry.servers.iter().any(|state| state.server.weight > 0) {
            return None;
        }
        let options = options_of(&service.key);
        let seen = match entry.servers.len() {
            1 => format!("The weight of the only real server of {options} is 0"),
            count => format!("The weight of all {count} real servers of {options} is 0"),
        };
        let weighted = first.server.weight(1);
        Some(Found::new(seen).here(command(&Change::EditServer(service.key, weighted))))
    })
}

pub(super) fn hash_to_drained(facts: &Facts) -> Vec<Found> {
    // The flags are unknown without rights.
    if facts.access != TableAccess::Complete {
        return Vec::new();
    }
    each(facts, |service, entry| {
        let scheduler = service.scheduler.as_str();
        let has_fallback = service.scheduler_flags.get().first() == Some(&true);
        let is_hash = match scheduler {
            "sh" | "mh" => !has_fallback,
            "dh" => true,
            _ => false,
        };
        let (closed, others): (Vec<_>, Vec<_>) =
            entry.servers.iter().partition(|state| state.server.weight == 0 || is_full(state));
        let closed = closed.first().filter(|_| is_hash && !others.is_empty())?.server;
        let reason = match closed.weight {
            0 => "has weight 0".to_owned(),
            _ => format!("is at its upper threshold, {}", closed.upper_threshold),
        };
        let seen = format!(
            "{} of {} {reason}, and {scheduler} has no fallback",
            closed.key,
            options_of(&service.key)
        );
        let change = match scheduler {
            "dh" if closed.weight == 0 => Change::DeleteServer(service.key, closed.key),
            "dh" => Change::EditServer(service.key, raised(closed)),
            _ => {
                let [_, second, third] = service.scheduler_flags.get();
                let scheduler_flags = SchedulerFlags::new([true, second, third]);
                Change::EditService(service.clone().scheduler_flags(scheduler_flags))
            }
        };
        Some(Found::new(seen).here(command(&change)))
    })
}

pub(super) fn persistent_drained(facts: &Facts) -> Vec<Found> {
    if facts.host.number("net/ipv4/vs/expire_quiescent_template") != Some(0) {
        return Vec::new();
    }
    each(facts, |service, entry| {
        service.persistence?;
        let drained = entry.servers.iter().find(|state| state.server.weight == 0)?;
        let seen = format!(
            "{} of {} has weight 0, the service is persistent, and net.ipv4.vs.expire_quiescent_template is 0",
            drained.server.key,
            options_of(&service.key)
        );
        Some(Found::new(seen).here("sysctl -w net.ipv4.vs.expire_quiescent_template=1"))
    })
}

pub(super) fn deleted_servers(facts: &Facts) -> Vec<Found> {
    if facts.host.number("net/ipv4/vs/expire_nodest_conn") != Some(0) {
        return Vec::new();
    }
    let services: BTreeMap<ServiceKey, BTreeSet<RealServerKey>> = facts
        .services
        .iter()
        .map(|entry| {
            let servers = entry.servers.iter().map(|state| state.server.key).collect();
            (entry.service.service.key, servers)
        })
        .collect();
    let mut found = Vec::new();
    for (&(protocol, target, server), tally) in &facts.connections {
        // An ended connection needs no more packets, and UDP entries outlive their use.
        if protocol != Protocol::Tcp || tally.established == 0 {
            continue;
        }
        let of_port = ServiceKey::new(protocol, target);
        let of_all = ServiceKey::new(protocol, SocketAddr::new(target.ip(), 0));
        // Marks may have made the entries of other services.
        let key = [of_port, of_all].into_iter().find(|key| services.contains_key(key));
        let Some((key, servers)) = key.and_then(|key| Some((key, services.get(&key)?))) else {
            continue;
        };
        let ports = [server.port(), 0, target.port()];
        let is_there = ports
            .into_iter()
            .any(|port| servers.contains(&RealServerKey { address: server.ip(), port }));
        if !is_there {
            let seen = format!(
                "The kernel has {} of {} with {server}, which is not a real server any more",
                counted(tally.established, "connection"),
                options_of(&key)
            );
            found.push(Found::new(seen).here("sysctl -w net.ipv4.vs.expire_nodest_conn=1"));
        }
    }
    found
}

/// A server that edits left with another forwarding method than the others.
pub(super) fn mixed_forwarding(facts: &Facts) -> Vec<Found> {
    each(facts, |service, entry| {
        let remote =
            || entry.servers.iter().filter(|state| !facts.host.is_local(&state.server.key.address));
        let is_nat = |server: &RealServer| server.forwarding == Forwarding::Masquerading;
        let with_nat = entry.servers.iter().filter(|state| is_nat(&state.server)).count();
        if with_nat == 0 || with_nat == entry.servers.len() {
            return None;
        }
        let nat = remote().filter(|state| is_nat(&state.server)).count();
        let others = remote().count() - nat;
        let is_odd_nat = nat <= others;
        let odd = remote().find(|state| is_nat(&state.server) == is_odd_nat)?;
        if nat == 0 || others == 0 {
            return None;
        }
        let seen = format!(
            "{} has {} with NAT and {others} without",
            options_of(&service.key),
            counted(nat, "real server")
        );
        let pattern = remote().find(|state| is_nat(&state.server) != is_odd_nat)?;
        let alike = odd.server.forwarding(pattern.server.forwarding);
        Some(Found::new(seen).here(command(&Change::EditServer(service.key, alike))))
    })
}

pub(super) fn unequal_servers(facts: &Facts) -> Vec<Found> {
    let mut known: BTreeMap<(Option<Protocol>, RealServerKey), (&ServiceKey, &RealServer)> =
        BTreeMap::new();
    let mut found = Vec::new();
    for (key, server) in facts.servers() {
        let Some((other, first)) = known.get(&(key.protocol(), server.key)) else {
            known.insert((key.protocol(), server.key), (key, server));
            continue;
        };
        if (first.weight, first.forwarding) != (server.weight, server.forwarding) {
            found.push(Found::new(format!(
                "{} has another weight or forwarding method in {} than in {}",
                server.key,
                options_of(other),
                options_of(key)
            )));
        }
    }
    found
}

pub(super) fn thresholds_reached(facts: &Facts) -> Vec<Found> {
    each(facts, |service, entry| {
        let usable = || entry.servers.iter().filter(|state| state.server.weight > 0);
        let first = usable().next()?.server;
        let are_full = usable().all(is_full);
        // The kernel does not tell whether they were full before.
        if !are_full && !usable().all(may_be_closed) {
            return None;
        }
        let RealServer { key, upper_threshold: most, .. } = first;
        let options = options_of(&service.key);
        let command = command(&Change::EditServer(service.key, raised(first)));
        Some(match are_full {
            true => Found::new(format!(
                "All usable real servers of {options} have as many connections as their upper threshold, {most} at {key}"
            ))
            .here(command),
            false => Found::new(format!(
                "All usable real servers of {options} are near their upper threshold, {most} at {key}, and one that was full takes no connection yet"
            ))
            .here(command)
            .as_note(),
        })
    })
}

/// The connections of a server, as the thresholds count them.
fn connections(state: &RealServerState) -> u64 {
    u64::from(state.active_connections) + u64::from(state.inactive_connections)
}

/// True if a server has as many connections as its upper threshold.
fn is_full(state: &RealServerState) -> bool {
    let most = u64::from(state.server.upper_threshold);
    most > 0 && connections(state) >= most
}

/// True if a server that was full takes no connections yet: it has to fall below the lower threshold, or below three quarters
/// of the upper one.
fn may_be_closed(state: &RealServerState) -> bool {
    let (most, least) = (state.server.upper_threshold, state.server.lower_threshold);
    let connections = connections(state);
    match least {
        _ if most == 0 => false,
        0 => connections * 4 >= u64::from(most) * 3,
        _ => connections >= u64::from(least),
    }
}

/// A server with twice the upper threshold.
fn raised(server: RealServer) -> RealServer {
    server.upper_threshold(server.upper_threshold.saturating_mul(2).min(2_147_483_647))
}

/// A persistence engine brings the answers back: the kernel makes an entry for each packet of a real server.
pub(super) fn one_packet_nat(facts: &Facts) -> Vec<Found> {
    each(facts, |service, entry| {
        let nat = entry.servers.iter().find(|state| {
            state.server.forwarding == Forwarding::Masquerading
                && !facts.host.is_local(&state.server.key.address)
        });
        let nat = nat.filter(|_| service.one_packet && service.engine.is_none())?;
        let seen = format!("{} has -o, and {} has -m", options_of(&service.key), nat.server.key);
        let edited = service.clone().one_packet(false);
        Some(Found::new(seen).here(command(&Change::EditService(edited))))
    })
}

/// Services whose packets another service takes first.
pub(super) fn overlapping(facts: &Facts) -> Vec<Found> {
    let keys: BTreeSet<ServiceKey> =
        facts.services.iter().map(|entry| entry.service.service.key).collect();
    let overlaps = keys.iter().filter_map(|key| match *key {
        ServiceKey::Address { protocol, address, port } if port != 0 => {
            let all = ServiceKey::new(protocol, SocketAddr::new(address, 0));
            keys.contains(&all).then(|| {
                Found::new(format!(
                    "{} takes all ports but that of {}",
                    options_of(&all),
                    options_of(key)
                ))
            })
        }
        _ => None,
    });
    overlaps.chain(marks_and_addresses(facts)).collect()
}

/// A mark and an address with a real server in common: the service of the mark takes the packets that have it.
fn marks_and_addresses(facts: &Facts) -> Option<Found> {
    let is_mark = |key: &ServiceKey| matches!(key, ServiceKey::Fwmark { .. });
    let mut of_marks: BTreeMap<IpAddr, &ServiceKey> = BTreeMap::new();
    for (key, server) in facts.servers().filter(|(key, _)| is_mark(key)) {
        of_marks.entry(server.key.address).or_insert(key);
    }
    facts.servers().filter(|(key, _)| !is_mark(key)).find_map(|(key, server)| {
        let mark = of_marks.get(&server.key.address)?;
        Some(Found::new(format!(
            "{} and {} share the real server {}, and the mark takes its packets first",
            options_of(mark),
            options_of(key),
            server.key.address
        )))
    })
}

/// Real servers that are in several services, with the same weight and method.
pub(super) fn shared_servers(facts: &Facts) -> Vec<Found> {
    let mut services: BTreeMap<_, Vec<(&ServiceKey, &RealServer)>> = BTreeMap::new();
    for (key, server) in facts.servers() {
        services.entry((key.protocol(), server.key)).or_default().push((key, server));
    }
    // Different servers, and ports of one address, have checks of their own.
    let is_shared = |entries: &[(&ServiceKey, &RealServer)]| {
        let Some(((first, server), others)) = entries.split_first() else { return false };
        let is_equal = |(_, other): &(&ServiceKey, &RealServer)| {
            (other.weight, other.forwarding) == (server.weight, server.forwarding)
        };
        let is_nat = server.forwarding == Forwarding::Masquerading;
        let is_elsewhere = |(key, _): &(&ServiceKey, &RealServer)| key.address() != first.address();
        others.iter().any(|other| is_equal(other) && (!is_nat || is_elsewhere(other)))
    };
    let shared: Vec<_> = services.iter().filter(|(_, entries)| is_shared(entries)).collect();
    let Some(((_, server), entries)) = shared.first() else { return Vec::new() };
    let names: Vec<String> = entries.iter().take(3).map(|(key, _)| options_of(key)).collect();
    vec![Found::new(format!(
        "Several services have {} in common, as {} have {server}",
        counted(shared.len(), "real server"),
        names.join(" and ")
    ))]
}

/// Services by firewall mark, and the rules that may set marks.
pub(super) fn unset_marks(facts: &Facts) -> Vec<Found> {
    let marks = facts.services.iter().map(|entry| &entry.service.service.key);
    let marks: Vec<String> =
        marks.filter(|key| matches!(key, ServiceKey::Fwmark { .. })).map(options_of).collect();
    let Some(first) = marks.first() else { return Vec::new() };
    let names = match marks.len() {
        1 => first.clone(),
        count => format!("{first} and {}", counted(count - 1, "more service")),
    };
    let filters = &facts.host.filters;
    let mut setters = Vec::new();
    if let Some(tables) = filters.legacy.as_deref().filter(|tables| !tables.is_empty()) {
        setters.push(tables.join(", "));
    }
    if filters.nf_tables.as_ref().is_some_and(|filter| filter.sets_marks) {
        setters.push("nf_tables".to_owned());
    }
    if filters.has_classifiers == Some(true) {
        setters.push("tc".to_owned());
    }
    let is_seen = filters.nf_tables.is_some()
        && filters.legacy.is_some()
        && filters.has_classifiers.is_some();
    match (setters.is_empty(), is_seen) {
        (false, _) => {
            let seen = format!("{names} depends on rules of {}", setters.join(" and "));
            vec![Found::new(seen).as_note()]
        }
        (true, false) => Vec::new(),
        (true, true) => {
            vec![Found::new(format!(
                "No rule of nf_tables, table of iptables or classifier sets a mark, and {names} waits for marked packets"
            ))]
        }
    }
}
