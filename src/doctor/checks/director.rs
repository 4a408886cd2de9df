//! The director: virtual addresses, forwarding, redirects and packet filters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipvs::model::{Forwarding, Protocol, ServiceKey};

use super::drain;
use crate::doctor::addresses::full_length;
use crate::doctor::{Facts, Found, Host, options_of};
use crate::host::{Interface, InterfaceKind};
use crate::output::counted;

/// The virtual addresses, each once.
pub(super) fn virtual_addresses(facts: &Facts) -> BTreeSet<IpAddr> {
    facts.services.iter().filter_map(|entry| entry.service.service.key.address()).collect()
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
        if host.is_local(&address) || host.interfaces.is_empty() {
            continue;
        }
        let seen = format!("No interface has the virtual address {address}");
        let beside = host.beside(&address).and_then(|own| host.interface(own.interface));
        let Some(interface) = beside.or_else(|| host.interface_to(&address)) else {
            found.push(Found::new(seen));
            continue;
        };
        let length = full_length(&address);
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
    // The interface that takes no packets, the place of the addresses, and true for a note.
    let mut faults: BTreeMap<(u32, &str, bool), Vec<IpAddr>> = BTreeMap::new();
    for address in virtual_addresses(facts) {
        let owners: Vec<&Interface> = host.owners(&address).collect();
        let Some(&first) = owners.first() else { continue };
        if owners.iter().all(|owner| !works(owner)) {
            // The kernel serves the address on other interfaces too. A dummy, for example, has no clients of its own.
            let is_alone =
                first.kind == InterfaceKind::Bridge && host.below(first).next().is_none();
            let fault = (first.index, "", !first.has_neighbours || is_alone);
            faults.entry(fault).or_default().push(address);
        } else if owners.iter().all(|owner| owner.is_loopback || !owner.has_neighbours) {
            // Its clients ask on the network that it belongs to.
            let networks: Vec<&Interface> = host.networks(&address).collect();
            if networks.iter().any(|network| works(network)) {
                continue;
            }
            let Some(network) = networks.first() else { continue };
            let fault = (network.index, first.name.as_str(), !first.is_loopback);
            faults.entry(fault).or_default().push(address);
        }
    }
    let found = faults.into_iter().filter_map(|((index, place, is_note), addresses)| {
        let interface = host.interface(index)?;
        let state = state_of(host, interface);
        let first = addresses.first()?;
        let more = match addresses.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let seen = match place {
            "" => format!("{state}, and has the virtual address {first}{more}"),
            _ => format!(
                "{state}, and leads to the network of the virtual address {first}{more} on {place}"
            ),
        };
        let one = set_up(host, interface).into_iter().fold(Found::new(seen), Found::here);
        Some(if is_note { one.as_note() } else { one })
    });
    found.collect()
}

/// True if an interface takes packets.
fn works(interface: &Interface) -> bool {
    interface.is_up && interface.has_carrier
}

/// The reason why an interface takes no packets.
fn state_of(host: &Host, interface: &Interface) -> String {
    let name = &interface.name;
    match host.below(interface).find(|below| !below.is_up) {
        _ if !interface.is_up => format!("{name} is down"),
        Some(below) => format!("{name} has no carrier, since {} is down", below.name),
        None => format!("{name} has no carrier"),
    }
}

/// The command after which an interface may take packets. A cable has none.
fn set_up(host: &Host, interface: &Interface) -> Option<String> {
    let down = match interface.is_up {
        true => host.below(interface).find(|below| !below.is_up)?,
        false => interface,
    };
    Some(format!("ip link set {} up", down.name))
}

/// Addresses of IPv6 that the kernel does not use, since another machine answered for them.
pub(super) fn duplicate_address(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for address in virtual_addresses(facts) {
        let Some(own) = host.addresses.of(&address).find(|own| own.is_duplicate) else { continue };
        let Some(interface) = host.interface(own.interface) else { continue };
        let (name, length) = (&interface.name, own.prefix_length);
        let seen = format!("{name} has the virtual address {address} with the flag dadfailed");
        found.push(
            Found::new(seen)
                .here(format!("ip address del {address}/{length} dev {name}"))
                .here(format!("ip address add {address}/{length} dev {name}")),
        );
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
        let owner = host.owners(address).find(|owner| !owner.is_loopback && owner.has_neighbours);
        let (Some(clients), Some(servers)) =
            (owner.or_else(|| host.segment(address)), host.interface_to(&server.key.address))
        else {
            continue;
        };
        let is_on_link =
            host.routes.get(&server.key.address).is_some_and(|route| route.gateway.is_none());
        if clients.index == servers.index && is_on_link {
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
    let filters = &facts.host.filters;
    if facts.services.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(tables) = filters.legacy.as_deref().filter(|tables| !tables.is_empty()) {
        found.push(Found::new(format!("These tables are loaded: {}", tables.join(", "))));
    }
    let tables = filters.nf_tables.as_ref().map(|filter| filter.tables.as_slice());
    if let Some(tables) = tables.filter(|tables| !tables.is_empty()) {
        found.push(Found::new(format!("nf_tables has these tables: {}", tables.join(", "))));
    }
    found
}

/// Virtual addresses that only loopback or an interface without neighbours has, and for which nothing answers.
pub(super) fn unanswered_address(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let mut found = Vec::new();
    for address in virtual_addresses(facts) {
        let mut owners = host.owners(&address).peekable();
        let Some(owner) = owners.peek().copied() else { continue };
        let is_hidden = owners.all(|one| one.is_loopback || !one.has_neighbours);
        let Some(segment) = host.segment(&address).filter(|_| is_hidden) else { continue };
        let reason = match address {
            IpAddr::V4(_) => match host.largest(&segment.name, "arp_ignore") {
                Some(value @ 1..) => format!("arp_ignore of {} is {value}", segment.name),
                _ => continue,
            },
            // The kernel answers neighbour discovery for addresses of the asked interface alone.
            IpAddr::V6(_) => format!("{} lacks it", segment.name),
        };
        let seen = format!(
            "{} has the virtual address {address} of the network of {}, and {reason}",
            owner.name, segment.name
        );
        let one = Found::new(seen);
        found.push(match facts.may_stand_by() || !owner.is_loopback {
            true => one.as_note(),
            false => one.here(format!(
                "ip address add {address}/{} dev {}",
                full_length(&address),
                segment.name
            )),
        });
    }
    found
}

/// The interface of a virtual address's network, if the default route leaves by another one and the filter is strict.
pub(super) fn reverse_path(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let Some(drops) = host.reverse_path_drops.filter(|&drops| drops > 0) else {
        return Vec::new();
    };
    let Some(default) = host.default_interface.and_then(|index| host.interface(index)) else {
        if host.interfaces.is_empty() || !virtual_addresses(facts).iter().any(IpAddr::is_ipv4) {
            return Vec::new();
        }
        let seen = format!(
            "This machine has no default route, and the reverse path filter has dropped {}",
            counted(drops, "packet")
        );
        return vec![Found::new(seen).template("ip route add default via ROUTER")];
    };
    let mut interfaces = BTreeSet::new();
    for address in virtual_addresses(facts).into_iter().filter(IpAddr::is_ipv4) {
        let owners = host.owners(&address).chain(host.segment(&address));
        interfaces.extend(
            owners
                .filter(|one| one.has_neighbours && !one.is_loopback && one.index != default.index)
                .filter(|one| host.largest(&one.name, "rp_filter") == Some(1))
                .map(|one| one.name.as_str()),
        );
    }
    let found = interfaces.into_iter().map(|name| {
        let seen = format!(
            "rp_filter of {name} is 1, the default route leaves by {}, and the filter has dropped {}",
            default.name,
            counted(drops, "packet")
        );
        Found::new(seen).here(format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2"))
    });
    found.collect()
}

pub(super) fn untracked_sources(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let nf_tables = host.filters.nf_tables.as_ref();
    let by_rule = nf_tables.is_some_and(|filter| filter.translates_sources);
    let legacy = host.filters.legacy.as_deref().unwrap_or_default();
    let by_table = legacy.iter().any(|name| name == "iptables nat" || name == "ip6tables nat");
    let has_nat = facts.servers().any(|(_, server)| server.forwarding == Forwarding::Masquerading);
    let is_off = host.number("net/ipv4/vs/conntrack") == Some(0);
    if !(is_off && has_nat && (by_rule || by_table)) {
        return Vec::new();
    }
    let place = if by_rule { "A rule of nf_tables translates" } else { "iptables may translate" };
    let seen = format!("{place} source addresses, and net.ipv4.vs.conntrack is 0");
    vec![Found::new(seen).here("sysctl -w net.ipv4.vs.conntrack=1")]
}

/// Services of this machine's own programs, whose connections nobody accepts.
pub(super) fn no_local_listener(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (key, server) in facts.servers() {
        let ServiceKey::Address { protocol, address, port } = *key else { continue };
        let is_here =
            server.forwarding == Forwarding::LocalNode || facts.host.is_local(&server.key.address);
        // The kernel translates with NAT here too.
        let (address, port) = match server.forwarding {
            Forwarding::Masquerading => (server.key.address, server.key.port),
            _ => (address, port),
        };
        if !is_here || server.weight == 0 || port == 0 {
            continue;
        }
        let sockets = match protocol {
            Protocol::Tcp => &facts.host.listeners,
            Protocol::Udp => &facts.host.receivers,
            _ => continue,
        };
        let Some(sockets) = sockets else { continue };
        let of_port = || sockets.iter().filter(|socket| socket.port() == port);
        // A socket of IPv6 takes packets of IPv4 too.
        let accepts = |ip: IpAddr| {
            ip == address || (ip.is_unspecified() && (ip.is_ipv6() || address.is_ipv4()))
        };
        if of_port().any(|socket| accepts(socket.ip())) {
            continue;
        }
        let others: Vec<String> = of_port().map(ToString::to_string).collect();
        let place = match others.is_empty() {
            true => "no program listens on the port".to_owned(),
            false => format!("programs listen on {}", others.join(", ")),
        };
        let seen = format!("{} of {} is this machine, and {place}", server.key, options_of(key));
        found.push(Found::new(seen).here(drain(key, server)));
    }
    found
}
