//! The ways to real servers and back: NAT, direct routing and tunnels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipvs::model::{Change, Forwarding, Protocol, RealServer, RealServerKey, ServiceKey, Tunnel};

use super::{drain, hardware_text};
use crate::doctor::addresses::{full_length, is_in_network};
use crate::doctor::{Facts, Found, Tally, command, options_of};
use crate::output::counted;

/// This many connections without an answer, and no other ones, are a fault rather than bad luck.
const MANY: u64 = 3;
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
    for (key, server) in facts.servers() {
        if key.protocol() != Some(Protocol::Tcp) || !is_wanted(server) || is_silent(facts, server) {
            continue;
        }
        let Some(tally) = facts.tally(key, server) else { continue };
        let Tally { opening, entries, .. } = tally;
        let ends = || format!("connections of {} to {}", options_of(key), server.key);
        let seen = match tally.last_answered {
            _ if opening == entries && opening >= MANY => {
                format!("All {opening} {} are in SYN_RECV", ends())
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

/// True if connections wait for the server longer than a handshake takes, while no answered one had a packet. Their clients
/// have answers in other entries, so they are neither forged nor cut off.
fn waits_since(facts: &Facts, key: &ServiceKey, tally: &Tally, last: u32) -> bool {
    // A service of all ports has clients that ask for closed ones.
    let has_port = matches!(key, ServiceKey::Address { port: 1.., .. });
    // Under an attack the kernel may have other timeouts.
    let has_usual_timeouts =
        facts.host.number("net/ipv4/vs/secure_tcp").is_none_or(|value| value == 0);
    let waits = tally
        .waiting
        .iter()
        .filter(|one| (HANDSHAKE..last).contains(&one.seconds) && facts.is_answered(one.client));
    has_port && has_usual_timeouts && u64::try_from(waits.count()).is_ok_and(|count| count >= MANY)
}

fn is_silent(facts: &Facts, server: &RealServer) -> bool {
    facts.host.neighbours.get(&server.key.address).is_some_and(|neighbour| neighbour.is_silent)
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
        if server.forwarding != Forwarding::Masquerading || is_silent(facts, server) {
            continue;
        }
        let address = server.key.address;
        let tally = facts.tally(key, server).unwrap_or_default();
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
        let clients = facts.tally(&service, server).unwrap_or_default().clients;
        // They have a check of their own.
        if clients.iter().all(|client| is_beside(facts, &address, client)) {
            continue;
        }
        found.push(match facts.host.beside(&address) {
            Some(own) => Found::new(seen)
                .on(address, format!("ip route replace default via {}", own.address)),
            None => Found::new(seen),
        });
    }
    match &facts.later {
        Some(later) => found.extend(one_way(facts, later)),
        None => found.extend(never_answered(facts)),
    }
    found
}

/// Servers with NAT that never sent a packet back, by the counters. Their connections are in no table any more.
fn never_answered(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in &facts.services {
        let key = &entry.service.service.key;
        if key.protocol() != Some(Protocol::Tcp) {
            continue;
        }
        for state in &entry.servers {
            let (server, counters) = (&state.server, &state.counters);
            let is_nat = server.forwarding == Forwarding::Masquerading && server.weight > 0;
            let is_one_way = counters.incoming_packets >= MANY && counters.outgoing_packets == 0;
            let has_entries = || facts.tally(key, server).is_some_and(|tally| tally.entries > 0);
            if is_nat && is_one_way && !is_silent(facts, server) && !has_entries() {
                found.push(Found::new(format!(
                    "{} packets went to {} of {}, and none came back",
                    counters.incoming_packets,
                    server.key,
                    options_of(key)
                )));
            }
        }
    }
    found
}

/// Servers with NAT whose counters grow in one direction alone between two looks.
fn one_way(facts: &Facts, later: &[ipvs::state::ServiceSnapshot]) -> Vec<Found> {
    let mut before = BTreeMap::new();
    for entry in &facts.services {
        let key = entry.service.service.key;
        before.extend(entry.servers.iter().map(|state| ((key, state.server.key), state.counters)));
    }
    let mut found = Vec::new();
    for entry in later {
        let key = entry.service.service.key;
        for state in &entry.servers {
            let Some(old) = before.get(&(key, state.server.key)) else { continue };
            let sent = state.counters.incoming_packets.saturating_sub(old.incoming_packets);
            let answered = state.counters.outgoing_packets.saturating_sub(old.outgoing_packets);
            // A quiet UDP service may have no answers.
            let is_tcp = key.protocol() == Some(Protocol::Tcp);
            let is_nat = state.server.forwarding == Forwarding::Masquerading;
            if is_tcp && is_nat && sent >= MANY && answered == 0 {
                found.push(Found::new(format!(
                    "{sent} packets went to {} of {} between the two looks, and none came back",
                    state.server.key,
                    options_of(&key)
                )));
            }
        }
    }
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
            if let ServiceKey::Address { address: IpAddr::V4(vip), .. } = key {
                one = one
                    .on(address, "modprobe ipip; ip link set tunl0 up")
                    .on(address, format!("ip address add {vip}/32 dev tunl0"))
                    .on(address, "sysctl -w net.ipv4.conf.tunl0.rp_filter=2");
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
        let ServiceKey::Address { address, .. } = service else { continue };
        let length = full_length(&address);
        let device = match server.forwarding {
            Forwarding::Tunneling(_) => "tunl0",
            _ => "lo",
        };
        let machine = server.key.address;
        let one = Found::new(seen);
        found.push(match address {
            IpAddr::V4(_) => one
                .on(
                    machine,
                    "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
                )
                .on(machine, format!("ip address add {address}/{length} dev {device}")),
            IpAddr::V6(_) => {
                one.on(machine, format!("ip address add {address}/{length} dev {device}"))
            }
        });
    }
    found
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

pub(super) fn silent_neighbour(facts: &Facts) -> Vec<Found> {
    let silent =
        facts.servers().filter(|(_, server)| server.weight > 0 && is_silent(facts, server));
    silent
        .map(|(key, server)| {
            let protocol = if server.key.address.is_ipv6() { "neighbour discovery" } else { "ARP" };
            let seen = format!(
                "No machine answers {protocol} for {} of {}",
                server.key.address,
                options_of(key)
            );
            Found::new(seen).here(drain(key, server))
        })
        .collect()
}

pub(super) fn same_hardware(facts: &Facts) -> Vec<Found> {
    let mut owners: BTreeMap<&[u8], Vec<IpAddr>> = BTreeMap::new();
    for (_, server) in facts.servers() {
        let address = server.key.address;
        let neighbour = facts.host.neighbours.get(&address);
        if let Some(hardware) = neighbour.and_then(|neighbour| neighbour.hardware.as_deref()) {
            let addresses = owners.entry(hardware).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    let shared = owners.into_iter().filter(|(_, addresses)| addresses.len() > 1);
    shared
        .map(|(hardware, addresses)| {
            let names: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
            let more = match addresses.len() - names.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            let hardware = hardware_text(hardware);
            Found::new(format!("{}{more} have the hardware address {hardware}", names.join(", ")))
        })
        .collect()
}

/// One server of a service whose connections wait, while those of the others are established.
pub(super) fn piling_up(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in &facts.services {
        let key = &entry.service.service.key;
        if key.protocol() != Some(Protocol::Tcp) || entry.servers.len() < 2 {
            continue;
        }
        let tallies = entry
            .servers
            .iter()
            .map(|state| (&state.server, facts.tally(key, &state.server).unwrap_or_default()));
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
