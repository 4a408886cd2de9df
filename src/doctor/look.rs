//! Reads the facts about this machine, in the network namespace of the calling thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs::model::{Connection, ConnectionState, ConnectionTarget, Protocol, Timeouts};

use super::addresses::{Addresses, beside};
use super::facts::Waiting;
use super::{Facts, Filters, Host, Tally};
use crate::host::{
    InterfaceKind, ModuleState, Neighbour, Route, addresses, counter, has_classifiers, interfaces,
    kernel_release, legacy_tables, listeners, module_state, neighbours, nf_tables, receivers,
    routes_to, sysctl,
};

/// The settings of each interface.
const PER_INTERFACE: &[&str] =
    &["arp_announce", "arp_ignore", "forwarding", "rp_filter", "send_redirects"];

/// Other settings.
const SYSCTLS: &[&str] = &[
    "net/ipv4/vs/backup_only",
    "net/ipv4/vs/conn_reuse_mode",
    "net/ipv4/vs/conntrack",
    "net/ipv4/vs/expire_nodest_conn",
    "net/ipv4/vs/expire_quiescent_template",
    "net/ipv4/vs/pmtu_disc",
    "net/ipv4/vs/run_estimation",
    "net/ipv4/vs/secure_tcp",
    "net/ipv4/vs/sloppy_tcp",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
];

/// An address that no machine has (RFC 7600): its route is the default route.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

/// The most clients of a tally.
const MOST_CLIENTS: usize = 4;

/// The most waiting entries of a tally.
const MOST_WAITING: usize = 16;

/// Programs that move virtual addresses between directors.
const FAILOVER: &[&str] = &["keepalived", "corosync", "pacemakerd", "heartbeat"];

/// Looks at the interfaces and the addresses of this machine alone.
///
/// # Errors
/// The errors of the netlink socket.
pub fn look_at_addresses() -> io::Result<Host> {
    Ok(Host { interfaces: interfaces()?, addresses: addresses()?.into(), ..Host::default() })
}

/// Looks at this machine, and at its routes to some addresses.
///
/// # Errors
/// The errors of the netlink socket.
pub fn look_at_host(targets: &BTreeSet<IpAddr>) -> io::Result<Host> {
    let interfaces = interfaces()?;
    let mut sysctls = BTreeMap::new();
    let mut add = |path: String| {
        if let Some(value) = sysctl(&path) {
            sysctls.insert(path, value);
        }
    };
    let names = interfaces.iter().map(|interface| interface.name.as_str());
    for name in names.chain(["all"]) {
        // A dot in the name of a VLAN is a dot in the file's, too.
        for setting in PER_INTERFACE {
            add(format!("net/ipv4/conf/{name}/{setting}"));
        }
        add(format!("net/ipv6/conf/{name}/forwarding"));
    }
    SYSCTLS.iter().for_each(|path| add((*path).to_owned()));
    let addresses = Addresses::from(addresses()?);
    // The others are this machine's.
    let is_elsewhere = |address: &IpAddr| addresses.of(address).next().is_none();
    // A dummy with a network may have its route.
    let of_dummies = addresses.iter().filter(|own| {
        let interface = interfaces.iter().find(|one| one.index == own.interface);
        interface
            .is_some_and(|one| matches!(one.kind, InterfaceKind::Dummy | InterfaceKind::Tunnel))
    });
    let beside_dummies: BTreeSet<IpAddr> = of_dummies.filter_map(beside).collect();
    let targets: Vec<IpAddr> =
        targets.union(&beside_dummies).copied().filter(is_elsewhere).collect();
    let listed = routes_to(&[ANYWHERE])?.remove(&ANYWHERE);
    let routes = routes_to(&targets)?;
    Ok(Host {
        neighbours: neighbours_on(&routes)?,
        routes,
        addresses,
        default_interface: listed.and_then(|route| route.interface),
        interfaces,
        sysctls,
        filters: look_at_filters(),
        reverse_path_drops: counter("netstat", "TcpExt", "IPReversePathFilter"),
        unknown_protocols: counter("snmp", "Ip", "InUnknownProtos"),
        listeners: listeners().ok(),
        receivers: receivers().ok(),
        has_failover: runs_one_of(FAILOVER),
        release: kernel_release().unwrap_or_default(),
    })
}

/// The neighbours by their addresses. If several interfaces have an entry, that of the route's interface counts.
fn neighbours_on(routes: &BTreeMap<IpAddr, Route>) -> io::Result<BTreeMap<IpAddr, Neighbour>> {
    let hops = routes.iter().filter_map(|(to, route)| {
        let interface = route.interface?;
        Some((route.gateway.unwrap_or(*to), interface))
    });
    let hops: BTreeSet<(IpAddr, u32)> = hops.collect();
    let mut found = BTreeMap::new();
    for entry in neighbours()? {
        if hops.contains(&(entry.address, entry.interface)) {
            found.insert(entry.address, entry);
        } else {
            found.entry(entry.address).or_insert(entry);
        }
    }
    Ok(found)
}

fn look_at_filters() -> Filters {
    // The tables of ebtables are in no file.
    let has_ebtables = module_state("ebtables") == Some(ModuleState::Present);
    let ebtables = has_ebtables.then(|| "ebtables".to_owned());
    Filters {
        nf_tables: nf_tables().ok(),
        legacy: legacy_tables().ok().map(|tables| tables.into_iter().chain(ebtables).collect()),
        has_classifiers: has_classifiers().ok(),
    }
}

/// True if a process of this network namespace has one of these names. Other users' processes do not show their namespaces.
fn runs_one_of(names: &[&str]) -> bool {
    let own = fs::read_link("/proc/thread-self/ns/net").ok();
    fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
        let is_process =
            entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
        is_process
            && fs::read_to_string(entry.path().join("comm"))
                .is_ok_and(|name| names.contains(&name.trim_end()))
            && fs::read_link(entry.path().join("ns/net")).map_or(true, |its| Some(its) == own)
    })
}

/// Adds a connection to the tallies, and its ends to the answered ones. `timeouts` are the kernel's, if they are known.
pub fn tally(facts: &mut Facts, connection: &Connection, timeouts: Option<Timeouts>) {
    let (Some(protocol), ConnectionTarget::Address(target)) =
        (connection.protocol.transport(), connection.target)
    else {
        return;
    };
    if connection.is_template() {
        return;
    }
    let seconds = timeouts.and_then(|timeouts| idle_seconds(connection, timeouts));
    let tally = facts.connections.entry((protocol, target, connection.server)).or_default();
    count(tally, connection, target, seconds);
    if protocol != Protocol::Tcp {
        return;
    }
    if !facts.has_service_of(protocol, target) {
        count(facts.marked.entry(connection.server).or_default(), connection, target, seconds);
    }
    if connection.state != ConnectionState::SynRecv {
        let seconds = seconds.unwrap_or(0);
        let ends = (connection.client.ip(), connection.server.ip());
        let last = facts.answered.entry(ends).or_insert(seconds);
        *last = seconds.min(*last);
    }
}

/// Adds a connection with the seconds since its last packet.
fn count(tally: &mut Tally, connection: &Connection, target: SocketAddr, seconds: Option<u32>) {
    tally.entries += 1;
    tally.established += u64::from(connection.state == ConnectionState::Established);
    tally.has_targets |= *tally.target.get_or_insert(target) != target;
    if connection.protocol.transport() != Some(Protocol::Tcp) {
        return;
    }
    let client = connection.client.ip();
    if connection.state == ConnectionState::SynRecv {
        tally.opening += 1;
        if tally.clients.len() < MOST_CLIENTS && !tally.clients.contains(&client) {
            tally.clients.push(client);
        }
        if let (Some(seconds), ..MOST_WAITING) = (seconds, tally.waiting.len()) {
            tally.waiting.push(Waiting { client, seconds });
        }
    } else {
        // An entry of unknown age may be new.
        let seconds = seconds.unwrap_or(0);
        let last = tally.last_answered.map_or(seconds, |last| last.min(seconds));
        tally.last_answered = Some(last);
    }
}

/// Seconds since the last packet of a TCP connection, rounded up: each packet restarts the timer of its state.
fn idle_seconds(connection: &Connection, timeouts: Timeouts) -> Option<u32> {
    // net/netfilter/ipvs/ip_vs_proto_tcp.c has these in a table that --set changes in two places.
    let timeout = match connection.state {
        ConnectionState::Established => timeouts.tcp,
        ConnectionState::FinWait => timeouts.tcp_fin,
        ConnectionState::SynSent | ConnectionState::TimeWait => 120,
        ConnectionState::SynRecv | ConnectionState::CloseWait => 60,
        ConnectionState::LastAck => 30,
        ConnectionState::Close => 10,
        _ => return None,
    };
    timeout.checked_sub(connection.expires)
}

#[cfg(test)]
mod tests {
    use ipvs::model::ConnectionProtocol;

    use super::*;

    #[test]
    fn age_of_an_entry_is_the_used_part_of_its_timeout() {
        let [client, server] =
            ["198.51.100.7:1025", "10.0.0.11:80"].map(|end| end.parse().unwrap());
        let target = ConnectionTarget::Address("192.0.2.100:80".parse().unwrap());
        let mut facts = Facts::default();
        let mut add = |state, expires| {
            let connection =
                Connection::new(ConnectionProtocol::Tcp, [client, server], target, state, expires);
            tally(&mut facts, &connection, Some(Timeouts::new(900, 120, 300)));
            facts.connections.values().next().unwrap().clone()
        };
        assert_eq!(add(ConnectionState::TimeWait, 100).last_answered, Some(20));
        assert_eq!(add(ConnectionState::Established, 895).last_answered, Some(5));
        assert_eq!(add(ConnectionState::FinWait, 60).last_answered, Some(5));
        // The timeout was longer when the entry was made.
        assert_eq!(add(ConnectionState::Established, 901).last_answered, Some(0));
        let tally = add(ConnectionState::SynRecv, 57);
        assert_eq!(tally.waiting, [Waiting { client: client.ip(), seconds: 3 }]);
        assert_eq!(facts.answered.get(&(client.ip(), server.ip())), Some(&0));
        assert!(facts.is_answered(client.ip()) && !facts.is_answered(server.ip()));
    }
}
