//! This machine as a real server: virtual addresses on loopback and tunnel interfaces.
//!
//! Virtual addresses are recognized by their place: on `lo` beside 127.0.0.1, on a dummy, or on a tunnel. The addresses of
//! services of this machine are left out.

use std::net::IpAddr;

use ipvs::model::ServiceKey;

use crate::doctor::{Facts, Found};
use crate::host::{Address, Interface};

/// The IPv4 addresses that this machine may have as a real server, with their interfaces.
fn candidates(facts: &Facts) -> Vec<(&Address, &Interface)> {
    let host = &facts.host;
    let mut found = Vec::new();
    for own in &host.addresses {
        let Some(interface) = host.interface(own.interface) else { continue };
        let IpAddr::V4(address) = own.address else { continue };
        let is_place = interface.is_loopback || !interface.has_neighbours;
        let is_director = facts.services.iter().any(|entry| {
            matches!(entry.service.service.key, ServiceKey::Address { address, .. } if address == own.address)
        });
        if is_place && !address.is_loopback() && !is_director {
            found.push((own, interface));
        }
    }
    found
}

/// The interfaces on whose networks an address would be found by ARP.
fn segments<'a>(facts: &'a Facts, own: &Address) -> impl Iterator<Item = &'a Interface> {
    let host = &facts.host;
    let beside = host.beside(&own.address).and_then(|other| host.interface(other.interface));
    beside.filter(|interface| interface.has_neighbours).into_iter()
}

const COMMAND: &str = "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2";

pub(super) fn arp_ignore(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (own, place) in candidates(facts) {
        for segment in segments(facts, own) {
            if facts.host.largest(&segment.name, "arp_ignore") == Some(0) {
                let seen = format!(
                    "{} on {} is an address of the network of {}, where arp_ignore is 0",
                    own.address, place.name, segment.name
                );
                found.push(Found::new(seen).here(COMMAND));
            }
        }
    }
    found
}

pub(super) fn arp_announce(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (own, place) in candidates(facts) {
        for segment in segments(facts, own) {
            let value = facts.host.largest(&segment.name, "arp_announce");
            // 1 is enough for addresses outside the segment's networks, and this one is inside.
            if let Some(value @ (0 | 1)) = value {
                let seen = format!(
                    "{} on {} is an address of the network of {}, where arp_announce is {value}",
                    own.address, place.name, segment.name
                );
                found.push(Found::new(seen).here(COMMAND));
            }
        }
    }
    found
}

pub(super) fn short_prefix(facts: &Facts) -> Vec<Found> {
    let on_loopback = candidates(facts).into_iter().filter(|(own, place)| {
        place.is_loopback && own.prefix_length < 32 && segments(facts, own).next().is_some()
    });
    on_loopback
        .map(|(own, place)| {
            let (address, length, name) = (own.address, own.prefix_length, &place.name);
            let seen = format!("{name} has {address}/{length}, a network and not an address");
            Found::new(seen)
                .here(format!("ip address add {address}/32 dev {name}"))
                .here(format!("ip address del {address}/{length} dev {name}"))
        })
        .collect()
}

pub(super) fn reverse_path(facts: &Facts) -> Vec<Found> {
    let tunnels = candidates(facts).into_iter().filter(|(_, place)| !place.is_loopback);
    let mut names: Vec<&str> = tunnels.map(|(_, place)| place.name.as_str()).collect();
    names.dedup();
    let strict = names.into_iter().filter(|name| facts.host.largest(name, "rp_filter") == Some(1));
    strict
        .map(|name| {
            let seen = format!("rp_filter of {name}, or of all interfaces, is 1");
            Found::new(seen).here(format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2"))
        })
        .collect()
}

pub(super) fn tunnel_down(facts: &Facts) -> Vec<Found> {
    let down =
        candidates(facts).into_iter().filter(|(_, place)| !place.is_loopback && !place.is_up);
    down.map(|(own, place)| {
        let seen = format!("{} has {} and is down", place.name, own.address);
        Found::new(seen).here(format!("ip link set {} up", place.name))
    })
    .collect()
}
