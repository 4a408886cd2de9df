//! The first step to real servers: routes, routers and neighbours.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipvs::model::RealServer;

use super::{drain, hardware_text};
use crate::doctor::{Facts, Found, options_of};
use crate::output::counted;

/// True if the server, or the router to it, does not answer ARP or neighbour discovery.
pub(super) fn is_silent(facts: &Facts, server: &RealServer) -> bool {
    facts.host.next_hop(&server.key.address).is_some_and(|neighbour| neighbour.is_silent)
}

/// Adds the command that brings a server's answers to this director.
pub(super) fn by_this_director(facts: &Facts, server: &IpAddr, found: Found) -> Found {
    match facts.host.beside(server) {
        Some(own) => found.on(server, format!("ip route replace default via {}", own.address)),
        None => found,
    }
}

pub(super) fn silent_neighbour(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    let mut behind: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, server) in facts.servers().filter(|(_, server)| server.weight > 0) {
        if !is_silent(facts, server) {
            continue;
        }
        let address = server.key.address;
        let end = format!("{address} of {}", options_of(key));
        match facts.host.routes.get(&address).and_then(|route| route.gateway) {
            Some(gateway) => behind.entry(gateway).or_default().push(end),
            None => {
                let seen = format!("No machine answers {} for {end}", discovery(&address));
                found.push(Found::new(seen).here(drain(key, server)));
            }
        }
    }
    let routers = behind.into_iter().map(|(gateway, ends)| {
        Found::new(format!(
            "No machine answers {} for {gateway}, the router to {}",
            discovery(&gateway),
            first_and_more(&ends)
        ))
    });
    found.extend(routers);
    found
}

/// The protocol that finds hardware addresses.
fn discovery(address: &IpAddr) -> &'static str {
    if address.is_ipv6() { "neighbour discovery" } else { "ARP" }
}

/// The first of some real servers, and the number of the others.
fn first_and_more(ends: &[String]) -> String {
    match ends {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => {
            format!("{first} and {}", counted(others.len(), "more real server"))
        }
    }
}

/// Real servers to which no route leads, or none by the interface of their network.
pub(super) fn no_route(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut lost: BTreeMap<Option<u32>, Vec<(String, IpAddr, bool)>> = BTreeMap::new();
    for (key, server) in facts.servers().filter(|(_, server)| server.weight > 0) {
        let address = server.key.address;
        if host.interfaces.is_empty() || host.is_local(&address) {
            continue;
        }
        let has_route = host.routes.contains_key(&address);
        let down = host.networks(&address).find(|network| !network.is_up);
        let is_reached = has_route && host.beside(&address).is_some();
        if is_reached || (has_route && down.is_none()) {
            continue;
        }
        let end = format!("{} of {}", server.key, options_of(key));
        lost.entry(down.map(|one| one.index)).or_default().push((end, address, has_route));
    }
    let found = lost.into_iter().map(|(index, ends)| {
        let names: Vec<String> = ends.iter().map(|(end, ..)| end.clone()).collect();
        let has_others = ends.iter().all(|(.., has_route)| *has_route);
        let names = first_and_more(&names);
        match index.and_then(|index| host.interface(index)) {
            Some(interface) => {
                let name = &interface.name;
                let one = match has_others {
                    true => Found::new(format!(
                        "{name} is down, and only a router leads to {names}, which is on its network"
                    )),
                    false => Found::new(format!("{name} is down, so no route leads to {names}")),
                };
                let one = one.here(format!("ip link set {name} up"));
                if has_others { one.as_warning() } else { one }
            }
            None => {
                let one = Found::new(format!("No route leads to {names}"));
                let first = ends.first().map(|(_, address, _)| *address);
                first.into_iter().fold(one, |one, address| {
                    one.template(format!("ip route replace {address} via ROUTER"))
                })
            }
        }
    });
    found.collect()
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
