//! The counters of real servers with NAT, whose answers pass the director: in all, or between two looks.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipvs::model::{Forwarding, Protocol, RealServer, ServiceKey, VirtualService};
use ipvs::state::ServiceSnapshot;

use super::drain;
use super::reach::{by_this_director, is_silent};
use crate::doctor::{Facts, Found, options_of};

/// This many connections without an answer, and no other ones, are a fault rather than bad luck.
pub(super) const MANY: u64 = 3;

/// The packets of each service between two looks, if the doctor looked twice, or since the counters were zero.
fn traffic(facts: &Facts) -> Vec<(&VirtualService, Vec<Traffic>)> {
    match &facts.later {
        Some(later) => between_looks(facts, later).collect(),
        None => in_all(facts).collect(),
    }
}

/// The counters of each service since they were zero.
fn in_all(facts: &Facts) -> impl Iterator<Item = (&VirtualService, Vec<Traffic>)> {
    facts.services.iter().map(|entry| {
        let traffic = entry.servers.iter().map(|state| Traffic {
            server: state.server,
            connections: state.counters.connections,
            sent: state.counters.incoming_packets,
            answered: state.counters.outgoing_packets,
        });
        (&entry.service.service, traffic.collect())
    })
}

/// The packets of a service with a real server, in all or between two looks.
struct Traffic {
    server: RealServer,
    connections: u64,
    sent: u64,
    answered: u64,
}

/// The counters of each service between two looks.
fn between_looks<'a>(
    facts: &'a Facts,
    later: &'a [ServiceSnapshot],
) -> impl Iterator<Item = (&'a VirtualService, Vec<Traffic>)> {
    let mut before = BTreeMap::new();
    for entry in &facts.services {
        let key = entry.service.service.key;
        before.extend(entry.servers.iter().map(|state| ((key, state.server.key), state.counters)));
    }
    later.iter().map(move |entry| {
        let service = &entry.service.service;
        let traffic = entry.servers.iter().filter_map(|state| {
            let (old, new) = (before.get(&(service.key, state.server.key))?, state.counters);
            Some(Traffic {
                server: state.server,
                connections: new.connections.saturating_sub(old.connections),
                sent: new.incoming_packets.saturating_sub(old.incoming_packets),
                answered: new.outgoing_packets.saturating_sub(old.outgoing_packets),
            })
        });
        (service, traffic.collect())
    })
}

/// Servers with NAT that got packets and sent none.
pub(super) fn one_way(facts: &Facts) -> Vec<Found> {
    let services = traffic(facts).into_iter();
    services.flat_map(|(service, traffic)| without_answers(facts, service, &traffic)).collect()
}

fn without_answers(facts: &Facts, service: &VirtualService, traffic: &[Traffic]) -> Vec<Found> {
    let time = if facts.later.is_some() { " between the two looks" } else { "" };
    let key = &service.key;
    let mut found = Vec::new();
    for one in traffic {
        let (server, address) = (&one.server, one.server.key.address);
        let is_nat = server.forwarding == Forwarding::Masquerading && server.weight > 0;
        let is_one_way = one.sent >= MANY && one.answered == 0;
        if !(is_nat && is_one_way) || service.one_packet {
            continue;
        }
        if facts.host.is_local(&address) || is_silent(facts, server) {
            continue;
        }
        let seen = format!(
            "{} packets went to {} of {}{time}, and none came back",
            one.sent,
            server.key,
            options_of(key)
        );
        let has_answers = traffic.iter().any(|other| other.answered > 0);
        match key.protocol() {
            // Their connections have a check of their own.
            Some(Protocol::Tcp) | None
                if facts.later.is_none() && facts.tally(key, server).entries > 0 => {}
            Some(Protocol::Udp) | None if !has_answers => found.push(
                Found::new(format!("{seen}, which is right if the service has no answers"))
                    .as_note(),
            ),
            Some(Protocol::Tcp | Protocol::Udp) | None => {
                found.push(by_this_director(facts, &address, Found::new(seen)));
            }
            _ => {}
        }
    }
    found
}

/// Servers with NAT whose connections each had one packet in both directions: a SYN and a RST.
pub(super) fn refused_by_nat(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (service, traffic) in traffic(facts) {
        let ServiceKey::Address { protocol: Protocol::Tcp, port: 1.., .. } = service.key else {
            continue;
        };
        for Traffic { server, connections, sent, answered } in traffic {
            let is_nat = server.forwarding == Forwarding::Masquerading && server.weight > 0;
            let is_refused = connections >= MANY && sent == connections && answered == connections;
            let end = (Protocol::Tcp, SocketAddr::new(server.key.address, server.key.port));
            // Forged clients leave entries that wait.
            if is_nat
                && is_refused
                && !facts.answers.contains_key(&end)
                && facts.tally(&service.key, &server).opening == 0
            {
                let seen = format!(
                    "All {connections} connections of {} to {} had one packet in each direction, so the server refused them",
                    options_of(&service.key),
                    server.key
                );
                found.push(Found::new(seen).here(drain(&service.key, &server)));
            }
        }
    }
    found
}
