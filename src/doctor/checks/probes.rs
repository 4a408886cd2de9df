//! The answers to probes.

use std::net::SocketAddr;

use ipvs::model::{Protocol, RealServerKey};

use super::drain;
use crate::doctor::{Answer, Facts, Found, options_of};

fn answered(facts: &Facts, wanted: &[Answer]) -> Vec<Found> {
    let mut found = Vec::new();
    for (key, server) in facts.servers() {
        let RealServerKey { address, port } = server.key;
        let Some(answer) = facts.answers.get(&SocketAddr::new(address, port)) else { continue };
        if !wanted.contains(answer) || server.weight == 0 || key.protocol() != Some(Protocol::Tcp) {
            continue;
        }
        let answer = match answer {
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

pub(super) fn refused(facts: &Facts) -> Vec<Found> {
    answered(facts, &[Answer::Refused])
}

pub(super) fn unanswered(facts: &Facts) -> Vec<Found> {
    answered(facts, &[Answer::Silent, Answer::Unreachable])
}
