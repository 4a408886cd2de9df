//! The answers to probes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipvs::model::{Protocol, RealServerKey};

use super::counters::refused_by_nat;
use super::real_server::QUIET;
use super::{drain, hardware_text};
use crate::doctor::{Answer, Facts, Found, options_of};

fn answered(facts: &Facts, wanted: &[Answer]) -> Vec<Found> {
    let mut found = Vec::new();
    for (key, server) in facts.servers() {
        let RealServerKey { address, port } = server.key;
        let Some(protocol) = key.protocol() else { continue };
        let answer = facts.answers.get(&(protocol, SocketAddr::new(address, port)));
        let Some(answer) = answer.filter(|answer| wanted.contains(answer)) else { continue };
        if server.weight == 0 {
            continue;
        }
        let answer = match answer {
            Answer::Refused if protocol == Protocol::Udp => "refuses a datagram by ICMP",
            Answer::Refused => "refuses a connection",
            Answer::Unreachable => "is unreachable",
            Answer::Silent | Answer::Accepted => "does not answer",
        };
        let seen = format!("{} of {} {answer}", server.key, options_of(key));
        let one = Found::new(seen).here(drain(key, server));
        // The server may listen on the virtual address alone.
        found.push(if server.forwarding.maps_ports() { one } else { one.as_note() });
    }
    found
}

/// Real servers that refused a probe, or by their counters all connections.
pub(super) fn refused(facts: &Facts) -> Vec<Found> {
    let mut found = answered(facts, &[Answer::Refused]);
    found.extend(refused_by_nat(facts));
    found
}

pub(super) fn unanswered(facts: &Facts) -> Vec<Found> {
    answered(facts, &[Answer::Silent, Answer::Unreachable])
}

/// Other machines that answer ARP for a virtual address.
pub(super) fn other_owners(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for (&address, owners) in &facts.owners {
        let is_here = host.is_local(&IpAddr::V4(address));
        // Elsewhere, one machine answers: the other director.
        if owners.is_empty() || (!is_here && owners.len() == 1) {
            continue;
        }
        let names: Vec<String> = owners.iter().map(|one| hardware_text(one)).collect();
        let besides = if is_here { ", and this machine has it" } else { "" };
        let one = Found::new(format!("{} answers ARP for {address}{besides}", names.join(" and ")));
        let servers = facts.servers().map(|(_, server)| server.key.address);
        let servers: BTreeSet<IpAddr> = servers
            .filter(|server| {
                let hardware = host.neighbours.get(server).and_then(|one| one.hardware.as_deref());
                hardware.is_some_and(|hardware| owners.iter().any(|owner| owner == hardware))
            })
            .collect();
        found.push(servers.into_iter().fold(one, |one, server| one.on(server, QUIET)));
    }
    found
}
