//! The ways to real servers and back: NAT, direct routing and tunnels.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::net::{IpAddr, SocketAddr};

use ipvs::model::{Change, Forwarding, Protocol, RealServer, RealServerKey, ServiceKey, Tunnel};

use super::counters::{MANY, one_way};
use super::drain;
use super::reach::{by_this_director, is_silent};
use crate::doctor::addresses::{full_length, is_in_network};
use crate::doctor::{Answer, Facts, Found, Tally, command, options_of};
use crate::output::counted;

/// A handshake ends within this many seconds, rounded up.
const HANDSHAKE: u32 = 2;
/// This many connections without an answer, beside answered ones.
const PILE: u64 = 10;

/// A server that does not answer any more.
struct Unanswering<'a> {
    service: ServiceKey,
    server: &'a RealServer,
    seen: String,
}

/// Servers whose connections all wait for an answer, or have waited since the last answered one.
fn unanswering(facts: &Facts, is_wanted: impl Fn(&RealServer) -> bool) -> Vec<Unanswering<'_>> {
    let mut found = Vec::new();
    let mut without_answers = BTreeMap::new();
    for (key, server) in facts.servers() {
        let tally = facts.tally(key, server);
        let Tally { opening, entries, .. } = tally;
        let mut has_no_answers =
            || *without_answers.entry(*key).or_insert_with(|| has_no_answers(facts, key));
        if opening == 0 || !is_tcp(key) || server.weight == 0 || !is_wanted(server) {
            continue;
        }
        if facts.host.is_local(&server.key.address) || is_silent(facts, server) {
            continue;
        }
        let ends = || format!("connections of {} to {}", options_of(key), server.key);
        let seen = match tally.last_answered {
            _ if opening == entries && opening >= MANY => {
                format!("All {opening} {} are in SYN_RECV", ends())
            }
            _ if opening == entries && opening > 0 && has_no_answers() => {
                format!(
                    "No connection of {} has an answer, and {opening} to {} are in SYN_RECV",
                    options_of(key),
                    server.key
                )
            }
            Some(last) if waits_since(facts, key, &tally, last) => format!(
                "{opening} of {entries} {} are in SYN_RECV, and no other had a packet for {last} seconds",
                ends()
            ),
            _ => continue,
        };
        found.push(Unanswering { service: *key, server, seen });
    }
    found
}

/// True if all connections of a service wait, and several of them longer than a handshake takes.
fn has_no_answers(facts: &Facts, key: &ServiceKey) -> bool {
    let place = facts.services.binary_search_by_key(key, |entry| entry.service.service.key);
    let entry = place.ok().and_then(|place| facts.services.get(place));
    let servers = entry.into_iter().flat_map(|entry| &entry.servers);
    let tallies: Vec<Tally> = servers.map(|state| facts.tally(key, &state.server)).collect();
    let waits = tallies.iter().flat_map(|tally| &tally.waiting);
    let long = waits.filter(|one| one.seconds >= HANDSHAKE).count();
    tallies.iter().all(|tally| tally.opening == tally.entries)
        && u64::try_from(long).is_ok_and(|count| count >= MANY)
}

/// True if connections wait for the server longer than a handshake takes, while no answered one had a packet. Their clients
/// have answers in other entries, so they are neither forged nor cut off.
fn waits_since(facts: &Facts, key: &ServiceKey, tally: &Tally, last: u32) -> bool {
    // A service of all ports has clients that ask for closed ones, but not if all ask for one port.
    let has_port = matches!(key, ServiceKey::Address { port: 1.., .. })
        || (tally.target.is_some() && !tally.has_targets);
    // Under an attack the kernel may have other timeouts.
    let has_usual_timeouts =
        facts.host.number("net/ipv4/vs/secure_tcp").is_none_or(|value| value == 0);
    let waits = tally
        .waiting
        .iter()
        .filter(|one| (HANDSHAKE..last).contains(&one.seconds) && facts.is_answered(one.client));
    has_port && has_usual_timeouts && u64::try_from(waits.count()).is_ok_and(|count| count >= MANY)
}

/// True if a service has TCP connections. One by firewall mark may have some.
fn is_tcp(key: &ServiceKey) -> bool {
    key.protocol().is_none_or(|protocol| protocol == Protocol::Tcp)
}

/// The network that a server and a client share, by an address of this machine.
fn is_beside(facts: &Facts, server: &IpAddr, client: &IpAddr) -> bool {
    let host = &facts.host;
    host.beside(server).is_some_and(|own| is_in_network(client, own) && !host.is_local(client))
}

/// True if a connection of a client with a server was answered while its others waited.
fn is_answered_since(facts: &Facts, tally: &Tally, (client, server): (IpAddr, IpAddr)) -> bool {
    let waits = tally.waiting.iter().filter(|one| one.client == client);
    let waits = waits.map(|one| one.seconds).min();
    let answered = facts.answered.get(&(client, server));
    answered.is_some_and(|&answered| waits.is_none_or(|waits| answered <= waits))
}

pub(super) fn client_beside_server(facts: &Facts) -> Vec<Found> {
    let mut found: BTreeMap<(IpAddr, IpAddr), Found> = BTreeMap::new();
    for (key, server) in facts.servers() {
        let tally = facts.tally(key, server);
        let is_nat = server.forwarding == Forwarding::Masquerading;
        if !is_nat || tally.clients.is_empty() || is_silent(facts, server) {
            continue;
        }
        let address = server.key.address;
        for &client in &tally.clients {
            let Some(own) = facts.host.beside(&address) else { continue };
            let is_asked = is_beside(facts, &address, &client) && client != address;
            if !is_asked || is_answered_since(facts, &tally, (client, address)) {
                continue;
            }
            let seen = format!(
                "The client {client} waits for an answer of {}, which is on its network",
                server.key
            );
            let route = format!("ip route add {client} via {}", own.address);
            found.entry((address, client)).or_insert_with(|| Found::new(seen).on(address, route));
        }
    }
    found.into_values().collect()
}

pub(super) fn no_answers_by_nat(facts: &Facts) -> Vec<Found> {
    let is_nat = |server: &RealServer| server.forwarding == Forwarding::Masquerading;
    let mut found = Vec::new();
    for Unanswering { service, server, seen } in unanswering(facts, is_nat) {
        let address = server.key.address;
        let clients = facts.tally(&service, server).clients;
        // They have a check of their own.
        if clients.iter().all(|client| is_beside(facts, &address, client)) {
            continue;
        }
        let is_outside = |client: &IpAddr| {
            client.is_ipv4() && facts.host.addresses.including(client).next().is_none()
        };
        let lacks_route = facts.host.default_interface.is_none()
            && !facts.host.interfaces.is_empty()
            && clients.iter().all(is_outside);
        found.push(match lacks_route {
            true => Found::new(format!("{seen}, and this machine has no default route"))
                .template("ip route add default via ROUTER"),
            false => by_this_director(facts, &address, Found::new(seen)),
        });
    }
    found.extend(one_way(facts));
    found
}

/// Ports of one virtual address that lead to one port of a server.
pub(super) fn mapped_twice(facts: &Facts) -> Vec<Found> {
    let mut ports: BTreeMap<(Protocol, IpAddr, RealServerKey), Vec<ServiceKey>> = BTreeMap::new();
    for (key, server) in facts.servers() {
        if let ServiceKey::Address { protocol, address, .. } = *key {
            if server.forwarding == Forwarding::Masquerading && server.key.port != 0 {
                ports.entry((protocol, address, server.key)).or_default().push(*key);
            }
        }
    }
    let twice: Vec<_> = ports.iter().filter(|(_, keys)| keys.len() > 1).collect();
    let Some(((.., server), keys)) = twice.first() else { return Vec::new() };
    let names: Vec<String> = keys.iter().take(3).map(options_of).collect();
    let seen = format!(
        "Several ports of a virtual address lead to one port of {}, as {server} of {}",
        counted(twice.len(), "real server"),
        names.join(" and ")
    );
    vec![Found::new(seen)]
}

pub(super) fn server_behind_router(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (key, server) in facts.servers() {
        if server.forwarding != Forwarding::DirectRouting {
            continue;
        }
        let address = server.key.address;
        let gateway = facts.host.routes.get(&address).and_then(|route| route.gateway);
        if let Some(gateway) = gateway {
            let seen =
                format!("{} of {} is behind the router {gateway}", server.key, options_of(key));
            let tunnel = Forwarding::Tunneling(Tunnel::Ipip);
            let edited = server.forwarding(tunnel);
            let here = command(&Change::EditServer(*key, edited));
            let mut one = Found::new(seen).here(here);
            if let ServiceKey::Address { address: virtual_address, .. } = *key {
                one = with_tunnel(one, address, Tunnel::Ipip, virtual_address);
            }
            found.push(one);
        }
    }
    found
}

pub(super) fn no_answers_by_routing(facts: &Facts) -> Vec<Found> {
    let is_routed = |server: &RealServer| {
        let is_behind_router = || {
            let route = facts.host.routes.get(&server.key.address);
            route.is_some_and(|route| route.gateway.is_some())
        };
        match server.forwarding {
            Forwarding::DirectRouting => !is_behind_router(),
            Forwarding::Tunneling(_) => true,
            _ => false,
        }
    };
    let mut found = Vec::new();
    for Unanswering { service, server, seen } in unanswering(facts, is_routed) {
        let Some(address) = (match service {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => {
                facts.tally(&service, server).target.map(|target| target.ip())
            }
        }) else {
            continue;
        };
        let machine = server.key.address;
        let port = match service {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Fwmark { .. } => 0,
        };
        let end = (Protocol::Tcp, SocketAddr::new(machine, port));
        let answer = match facts.answers.get(&end) {
            Some(Answer::Accepted) => "; it accepts connections to its own address",
            Some(Answer::Refused) => {
                "; it refuses connections to its own address, so its program may be down"
            }
            _ => "",
        };
        let is_refusing = facts.answers.get(&end) == Some(&Answer::Refused);
        let mut one = Found::new(format!("{seen}{answer}"));
        if is_refusing {
            one = one.here(drain(&service, server));
        }
        if address.is_ipv4() {
            one = one.on(machine, super::real_server::QUIET);
        }
        found.push(match server.forwarding {
            Forwarding::Tunneling(tunnel) => with_tunnel(one, machine, tunnel, address),
            _ => {
                let length = full_length(&address);
                one.on(machine, format!("ip address replace {address}/{length} dev lo"))
            }
        });
    }
    found
}

/// Adds the commands that make a real server take packets from a tunnel.
fn with_tunnel(found: Found, server: IpAddr, tunnel: Tunnel, address: IpAddr) -> Found {
    let (module, device) = match (tunnel, server, address) {
        (Tunnel::Gre { .. }, IpAddr::V4(_), _) => ("ip_gre", "gre0"),
        (Tunnel::Gre { .. }, IpAddr::V6(_), _) => ("ip6_gre", "ip6gre0"),
        (_, IpAddr::V4(_), IpAddr::V4(_)) => ("ipip", "tunl0"),
        (_, IpAddr::V4(_), IpAddr::V6(_)) => ("sit", "sit0"),
        (_, IpAddr::V6(_), _) => ("ip6_tunnel", "ip6tnl0"),
    };
    let found = match tunnel {
        Tunnel::Gue { port, .. } => {
            found.on(server, format!("modprobe fou; ip fou add port {port} gue"))
        }
        _ => found,
    };
    let length = full_length(&address);
    // It takes IPv6 alone at first.
    let mode = match device {
        "ip6tnl0" => " ip -6 tunnel change ip6tnl0 mode any;",
        _ => "",
    };
    let found = found
        .on(server, format!("modprobe {module};{mode} ip link set {device} up"))
        .on(server, format!("ip address replace {address}/{length} dev {device}"));
    match address {
        IpAddr::V4(_) => found.on(server, format!("sysctl -w net.ipv4.conf.{device}.rp_filter=2")),
        IpAddr::V6(_) => found,
    }
}

pub(super) fn ignored_port(facts: &Facts) -> Vec<Found> {
    let ignored = facts.servers().filter(|(key, server)| match key {
        ServiceKey::Address { port, .. } => {
            let is_unmapped =
                matches!(server.forwarding, Forwarding::DirectRouting | Forwarding::Tunneling(_));
            is_unmapped && *port != 0 && server.key.port != *port
        }
        ServiceKey::Fwmark { .. } => false,
    });
    let found = ignored.map(|(key, server)| {
        let seen = format!("{} of {} has another port", server.key, options_of(key));
        Found::new(seen)
    });
    found.collect()
}

pub(super) fn own_address(facts: &Facts) -> Vec<Found> {
    let own = facts.servers().filter(|(_, server)| facts.host.is_local(&server.key.address));
    own.map(|(key, server)| {
        Found::new(format!("{} of {} is this machine", server.key, options_of(key)))
    })
    .collect()
}

/// One server of a service whose connections wait, while those of the others are established.
pub(super) fn piling_up(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in &facts.services {
        let key = &entry.service.service.key;
        if !is_tcp(key) || entry.servers.len() < 2 {
            continue;
        }
        let tallies =
            entry.servers.iter().map(|state| (&state.server, facts.tally(key, &state.server)));
        let tallies: Vec<_> = tallies.collect();
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(|(_, tally)| of(tally)).sum::<u64>();
        let (opening, entries) = (sum(|tally| tally.opening), sum(|tally| tally.entries));
        for (server, tally) in &tallies {
            let others = (opening - tally.opening, entries - tally.entries);
            // A server without an answered connection has a check of its own.
            let is_much = tally.opening >= PILE && tally.opening < tally.entries;
            let is_most = tally.opening * 2 > tally.entries;
            if is_much && is_most && others.1 > 0 && others.0 * 4 < others.1 {
                found.push(Found::new(format!(
                    "{} of {} entries of {} in {} are in SYN_RECV, and {} of {} of the other servers",
                    tally.opening, tally.entries, server.key, options_of(key), others.0, others.1
                )));
            }
        }
    }
    found
}

/// Tunnels whose packets come from a virtual address, which their real servers have too.
pub(super) fn tunnel_source(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let addresses: BTreeSet<IpAddr> = facts.keys.iter().filter_map(ServiceKey::address).collect();
    let is_virtual = |address: &IpAddr| addresses.contains(address);
    let mut found: BTreeMap<(u32, IpAddr), Found> = BTreeMap::new();
    for (key, server) in facts.servers() {
        let address = server.key.address;
        if !matches!(server.forwarding, Forwarding::Tunneling(_)) {
            continue;
        }
        let Some(route) = host.routes.get(&address) else { continue };
        let (Some(source), Some(interface)) = (route.source, host.interface_to(&address)) else {
            continue;
        };
        if !is_virtual(&source) {
            continue;
        }
        let one = found.entry((interface.index, source)).or_insert_with(|| {
            let one = Found::new(format!(
                "The packets of the tunnel to {} of {} come from the virtual address {source}",
                server.key,
                options_of(key)
            ));
            let of_ipv6 = host.addresses.of(&source).find(|_| source.is_ipv6());
            let place = of_ipv6.and_then(|own| Some((own, host.interface(own.interface)?)));
            place.into_iter().fold(one, |one, (own, place)| {
                let (length, name) = (own.prefix_length, &place.name);
                one.here(format!("ip address change {source}/{length} dev {name} preferred_lft 0"))
            })
        });
        *one = match source {
            // IPVS keeps the source of a real server until an edit.
            IpAddr::V6(_) => take(one).here(command(&Change::EditServer(*key, *server))),
            IpAddr::V4(_) => {
                let mut others = host.addresses.iter().filter(|own| {
                    let is_here = own.interface == interface.index && own.address.is_ipv4();
                    is_here && !is_virtual(&own.address)
                });
                let way = match route.gateway {
                    Some(gateway) => format!("via {gateway}"),
                    None => format!("dev {}", interface.name),
                };
                let line = format!("ip route replace {address} {way} src");
                match others.next() {
                    Some(own) => take(one).here(format!("{line} {}", own.address)),
                    None => take(one).template(format!("{line} OWN-ADDRESS")),
                }
            }
        };
    }
    found.into_values().collect()
}

pub(super) fn tunnel_mtu(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut interfaces: BTreeMap<&str, u32> = BTreeMap::new();
    for (key, server) in facts.servers() {
        let (Forwarding::Tunneling(_), ServiceKey::Address { address, .. }) =
            (server.forwarding, key)
        else {
            continue;
        };
        let clients = host.owners(address).next();
        let (Some(clients), Some(path)) = (clients, host.interface_to(&server.key.address)) else {
            continue;
        };
        // The smallest overhead: an IPv4 header.
        if !clients.is_loopback && path.mtu < clients.mtu + 20 {
            interfaces.insert(&path.name, path.mtu);
        }
    }
    let discovery = match host.number("net/ipv4/vs/pmtu_disc") {
        Some(0) => "fragments larger ones, since net.ipv4.vs.pmtu_disc is 0",
        _ => "refuses larger ones by ICMP, since net.ipv4.vs.pmtu_disc is 1",
    };
    let found = interfaces.into_iter().map(|(name, mtu)| {
        Found::new(format!(
            "{name} takes packets of {mtu} bytes, so a tunnel takes {} bytes at most; the kernel {discovery}",
            mtu.saturating_sub(20)
        ))
    });
    found.collect()
}
