//! The director: virtual addresses, forwarding, redirects and packet filters.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipvs::model::{Forwarding, ServiceKey};

use crate::doctor::{Facts, Found};

/// The virtual addresses, each once.
fn virtual_addresses(facts: &Facts) -> BTreeSet<IpAddr> {
    let keys = facts.services.iter().map(|entry| entry.service.service.key);
    keys.filter_map(|key| match key {
        ServiceKey::Address { address, .. } => Some(address),
        ServiceKey::Fwmark { .. } => None,
    })
    .collect()
}

pub(super) fn no_forwarding(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut interfaces: BTreeSet<(&str, bool)> = BTreeSet::new();
    for (_, server) in facts.servers() {
        let address = &server.key.address;
        if server.forwarding == Forwarding::Masquerading && !host.is_local(address) {
            let interface = host.interface_to(address);
            interfaces.extend(interface.map(|one| (one.name.as_str(), address.is_ipv6())));
        }
    }
    let is_off = |&(name, is_ipv6): &(&str, bool)| match is_ipv6 {
        // Only the setting of all interfaces counts for IPv6.
        true => host.number("net/ipv6/conf/all/forwarding") == Some(0),
        false => host.number(&format!("net/ipv4/conf/{name}/forwarding")) == Some(0),
    };
    let found = interfaces.into_iter().filter(is_off).map(|(name, is_ipv6)| {
        let (setting, command) = match is_ipv6 {
            true => ("net.ipv6.conf.all.forwarding", "sysctl -w net.ipv6.conf.all.forwarding=1"),
            false => ("net.ipv4.ip_forward", "sysctl -w net.ipv4.ip_forward=1"),
        };
        let seen = format!("{setting} is off for {name}, by which real servers with NAT answer");
        Found::new(seen).here(command)
    });
    found.collect()
}

pub(super) fn no_virtual_address(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for address in virtual_addresses(facts) {
        // The address of an interface that is down has a check of its own.
        if host.is_local(&address) || host.routes.is_empty() {
            continue;
        }
        let seen = format!("No interface has the virtual address {address}");
        let beside = host.beside(&address).and_then(|own| host.interface(own.interface));
        let Some(interface) = beside.or_else(|| host.interface_to(&address)) else {
            found.push(Found::new(seen));
            continue;
        };
        let length = if address.is_ipv6() { 128 } else { 32 };
        let command = format!("ip address add {address}/{length} dev {}", interface.name);
        found.push(match facts.may_stand_by() {
            false => Found::new(seen).here(command),
            true => Found::new(format!("{seen}, which is right while another director has it"))
                .as_note(),
        });
    }
    found
}

pub(super) fn interface_down(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for address in virtual_addresses(facts) {
        let owner = host.addresses.iter().find(|own| own.address == address);
        let interface = owner.and_then(|own| host.interface(own.interface));
        if let Some(interface) = interface.filter(|interface| !interface.is_up) {
            let seen = format!("{} is down, and has the virtual address {address}", interface.name);
            let one = Found::new(seen).here(format!("ip link set {} up", interface.name));
            // The kernel serves the address on other interfaces too. A dummy, for example, has no clients of its own.
            found.push(if interface.has_neighbours { one } else { one.as_note() });
        }
    }
    found
}

pub(super) fn send_redirects(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut interfaces = BTreeSet::new();
    for (key, server) in facts.servers() {
        let ServiceKey::Address { address, .. } = key else { continue };
        let is_nat = server.forwarding == Forwarding::Masquerading;
        if !is_nat || address.is_ipv6() || host.is_local(&server.key.address) {
            continue;
        }
        // Clients come by the interface that leads to the virtual address's network.
        let (Some(clients), Some(servers)) = (
            host.addresses.iter().find(|own| own.address == *address),
            host.interface_to(&server.key.address),
        ) else {
            continue;
        };
        let is_on_link =
            host.routes.get(&server.key.address).is_some_and(|route| route.gateway.is_none());
        if clients.interface == servers.index && is_on_link {
            interfaces.insert(servers.name.as_str());
        }
    }
    let found =
        interfaces.into_iter().filter(|name| host.largest(name, "send_redirects") != Some(0));
    found
        .map(|name| {
            let seen = format!(
                "Clients and real servers with NAT share {name}, and net.ipv4.conf.{name}.send_redirects is 1"
            );
            Found::new(seen).here(format!(
                "sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.{name}.send_redirects=0"
            ))
        })
        .collect()
}

pub(super) fn packet_filter(facts: &Facts) -> Vec<Found> {
    let tables = &facts.host.filters;
    match tables.is_empty() || facts.services.is_empty() {
        true => Vec::new(),
        false => vec![Found::new(format!("iptables has these tables: {}", tables.join(", ")))],
    }
}
