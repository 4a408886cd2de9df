//! This machine as a real server: virtual addresses on loopback and tunnel interfaces.
//!
//! Virtual addresses are recognized by their place: on `lo` beside 127.0.0.1, on a dummy, or on a tunnel. The addresses of
//! services of this machine are left out.

use std::net::IpAddr;

use ipvs::model::ServiceKey;

use super::director::virtual_addresses;
use crate::doctor::addresses::{beside, full_length};
use crate::doctor::{Facts, Found};
use crate::host::{Address, Interface, InterfaceKind};
use crate::output::counted;

/// The IPv4 addresses that this machine may have as a real server, with their interfaces.
fn candidates(facts: &Facts) -> Vec<(&Address, &Interface)> {
    let host = &facts.host;
    let services = virtual_addresses(facts);
    let mut found = Vec::new();
    for own in host.addresses.iter() {
        let Some(interface) = host.interface(own.interface) else { continue };
        let IpAddr::V4(address) = own.address else { continue };
        if is_place(interface) && !address.is_loopback() && !services.contains(&own.address) {
            found.push((own, interface));
        }
    }
    found
}

/// True for an interface on which a real server has virtual addresses. Interfaces of VPNs have others.
fn is_place(interface: &Interface) -> bool {
    interface.is_loopback || matches!(interface.kind, InterfaceKind::Dummy | InterfaceKind::Tunnel)
}

/// True if this machine has an address that a real server may have.
pub(super) fn has_virtual_address(facts: &Facts) -> bool {
    !candidates(facts).is_empty()
}

/// The interfaces on whose networks an address would be found by ARP.
fn segments<'a>(facts: &'a Facts, own: &Address) -> impl Iterator<Item = &'a Interface> {
    let segments = facts.host.segments(&own.address);
    segments.filter(|one| one.kind == InterfaceKind::Other || one.kind == InterfaceKind::Bridge)
}

fn is_tunnel(interface: &Interface) -> bool {
    interface.kind == InterfaceKind::Tunnel
}

/// The addresses of tunnels to virtual addresses. A tunnel between two machines has other addresses.
fn of_tunnels(facts: &Facts) -> impl Iterator<Item = (&Address, &Interface)> {
    candidates(facts).into_iter().filter(|(own, place)| {
        is_tunnel(place) && !own.has_peer && own.prefix_length == full_length(&own.address)
    })
}

/// Keeps a real server from answering ARP for addresses of other interfaces.
pub(super) const QUIET: &str =
    "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2";

/// A finding about ARP, which is a note if a packet filter may drop or change the ARP packets.
fn of_arp(facts: &Facts, seen: String) -> Found {
    let filters = &facts.host.filters;
    let legacy = filters.legacy.iter().flatten().any(|table| table.starts_with("arptables "));
    let nf_tables = filters.nf_tables.as_ref();
    let is_filtered = legacy
        || nf_tables
            .is_some_and(|filter| filter.tables.iter().any(|name| name.starts_with("arp ")));
    // The addresses of a service by firewall mark are unknown.
    let has_marks = facts.servers().any(|(key, _)| matches!(key, ServiceKey::Fwmark { .. }));
    match (is_filtered, has_marks) {
        (true, _) => {
            Found::new(format!("{seen}; a packet filter for ARP is there, and may hide it"))
                .as_note()
        }
        (false, true) => Found::new(format!(
            "{seen}, which is right if it is the address of a service by firewall mark"
        ))
        .as_note(),
        (false, false) => Found::new(seen).here(QUIET),
    }
}

pub(super) fn arp_ignore(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (own, place) in candidates(facts) {
        for segment in segments(facts, own) {
            if facts.host.largest(&segment.name, "arp_ignore") == Some(0) {
                let seen = format!(
                    "{} on {} is an address of the network of {}, where arp_ignore is 0",
                    own.address, place.name, segment.name
                );
                found.push(of_arp(facts, seen));
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
                found.push(of_arp(facts, seen));
            }
        }
    }
    found
}

pub(super) fn short_prefix(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for own in host.addresses.iter().filter(|own| own.address.is_ipv4()) {
        let Some(place) = host.interface(own.interface).filter(|one| is_place(one)) else {
            continue;
        };
        // A dummy takes the packets to its network if its route comes first.
        let takes_all = || {
            let route = beside(own).and_then(|other| host.routes.get(&other));
            route.is_some_and(|route| route.interface == Some(place.index))
        };
        let is_network = own.prefix_length < 32
            && !own.address.is_loopback()
            && segments(facts, own).any(|one| one.index != place.index)
            && (place.is_loopback || takes_all());
        if is_network {
            let (address, length, name) = (own.address, own.prefix_length, &place.name);
            let seen = format!("{name} has {address}/{length}, a network and not an address");
            found.push(
                Found::new(seen)
                    .here(format!("ip address add {address}/32 dev {name}"))
                    .here(format!("ip address del {address}/{length} dev {name}")),
            );
        }
    }
    found
}

pub(super) fn reverse_path(facts: &Facts) -> Vec<Found> {
    let mut tunnels: Vec<&Interface> = of_tunnels(facts).map(|(_, place)| place).collect();
    tunnels.dedup_by_key(|place| place.index);
    let strict =
        tunnels.into_iter().filter(|one| facts.host.largest(&one.name, "rp_filter") == Some(1));
    strict
        .map(|Interface { name, received, .. }| {
            let command = format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2");
            let seen = format!("rp_filter of {name}, or of all interfaces, is 1");
            match received {
                // With direct routing the address of the tunnel needs none of its packets.
                0 => Found::new(format!("{seen}, and {name} has had no packet"))
                    .here(command)
                    .as_note(),
                _ => Found::new(seen).here(command),
            }
        })
        .collect()
}

pub(super) fn tunnel_down(facts: &Facts) -> Vec<Found> {
    let down = of_tunnels(facts).filter(|(_, place)| !place.is_up);
    down.map(|(own, place)| {
        let seen = format!("{} has {} and is down", place.name, own.address);
        Found::new(seen).here(format!("ip link set {} up", place.name))
    })
    .collect()
}

/// Ports that programs accept at this machine's own address, and at no virtual address.
pub(super) fn own_address_alone(facts: &Facts) -> Vec<Found> {
    let Some(listeners) = &facts.host.listeners else { return Vec::new() };
    let mut found = Vec::new();
    for (own, place) in candidates(facts) {
        let accepts = |port| {
            let mut of_port = listeners.iter().filter(|listener| listener.port() == port);
            of_port.any(|one| one.ip() == own.address || one.ip().is_unspecified())
        };
        let others = listeners.iter().filter(|listener| {
            let ip = listener.ip();
            let is_own = ip.is_ipv4() && !ip.is_loopback() && !ip.is_unspecified();
            is_own && ip != own.address && !accepts(listener.port())
        });
        let others: Vec<String> = others.map(ToString::to_string).collect();
        if !others.is_empty() {
            let seen = format!(
                "{} has {}, and programs listen on {} alone",
                place.name,
                own.address,
                others.join(", ")
            );
            found.push(Found::new(seen));
        }
    }
    found
}

/// Packets that no tunnel takes, on a machine that has a virtual address and no tunnel with one.
pub(super) fn no_tunnel(facts: &Facts) -> Vec<Found> {
    let Some(count) = facts.host.unknown_protocols.filter(|&count| count > 0) else {
        return Vec::new();
    };
    let candidates = candidates(facts);
    let has_tunnel = facts.host.interfaces.iter().any(|one| one.is_up && is_tunnel(one));
    if candidates.is_empty() || has_tunnel {
        return Vec::new();
    }
    let seen = format!(
        "{} came with a protocol that the kernel does not handle, and this machine has no tunnel that is up",
        counted(count, "packet")
    );
    vec![
        Found::new(seen)
            .here("modprobe ipip; ip link set tunl0 up")
            .here("sysctl -w net.ipv4.conf.tunl0.rp_filter=2"),
    ]
}
