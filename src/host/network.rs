//! Interfaces, addresses and routes of the network namespace of the calling thread.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use super::rtnetlink::{
    RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETROUTE, ask_each, attribute, dump, text,
};

// linux/if_link.h
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;

/// The kind of an interface, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A dummy, which drops all packets.
    Dummy,
    /// A tunnel by IP, GRE or SIT.
    Tunnel,
    /// A bridge, which has a carrier only with ports.
    Bridge,
    /// Any other.
    #[default]
    Other,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number in this network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// True if the interface is up (`IFF_UP`).
    pub is_up: bool,
    /// True if the interface has a carrier (`IFF_LOWER_UP`), which takes that it is up.
    pub has_carrier: bool,
    /// The interface of this network namespace below it, such as that of a VLAN.
    pub parent: Option<u32>,
    /// The bridge, bond or VRF that the interface is a port of.
    pub controller: Option<u32>,
    /// True for the loopback interface.
    pub is_loopback: bool,
    /// True if the interface can send to multicast groups (`IFF_MULTICAST`).
    pub is_multicast: bool,
    /// True if the interface resolves addresses of neighbours (no `IFF_NOARP`).
    pub has_neighbours: bool,
    /// The kind.
    pub kind: InterfaceKind,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// The packets that it has received.
    pub received: u64,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The number of the interface.
    pub interface: u32,
    /// The address of this machine.
    pub address: IpAddr,
    /// The length of the network's prefix in bits.
    pub prefix_length: u8,
    /// The broadcast address, if the interface has one.
    pub broadcast: Option<Ipv4Addr>,
    /// True if the address has another machine at its other end.
    pub has_peer: bool,
    /// True if another machine had the IPv6 address already (`IFA_F_DADFAILED`), so the kernel does not use it.
    pub is_duplicate: bool,
}

/// The effect of a route on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteKind {
    /// To a neighbour or a gateway.
    Unicast,
    /// To this machine.
    Local,
    /// To all hosts of a network.
    Broadcast,
    /// To a multicast group.
    Multicast,
    /// Dropped or refused.
    Rejected,
    /// Any other effect.
    Other,
}

/// A route of any routing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The effect.
    pub kind: RouteKind,
    /// The network. `None` for the default route.
    pub destination: Option<IpAddr>,
    /// The length of the network's prefix in bits.
    pub prefix_length: u8,
    /// The number of the interface, if the route names one.
    pub interface: Option<u32>,
    /// The gateway, if the route names one.
    pub gateway: Option<IpAddr>,
    /// The source address of packets, if the route names one.
    pub source: Option<IpAddr>,
    /// The number of the routing table.
    pub table: u32,
}

/// All interfaces.
///
/// # Errors
/// The errors of the netlink socket.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    dump(RTM_GETLINK, &LinkHeader::default(), |message| interfaces.extend(interface(message)))?;
    Ok(interfaces)
}

fn interface(message: &[u8]) -> Option<Interface> {
    let header = LinkHeader::parse(message).ok()?;
    let attributes = message.get(header.buffer_len()..)?;
    let number = |kind| {
        let bytes = attribute(attributes, kind).and_then(<[u8]>::first_chunk);
        bytes.map(|bytes| u32::from_ne_bytes(*bytes))
    };
    // The interface below may be in another namespace. A tunnel has 0.
    let is_elsewhere = attribute(attributes, IFLA_LINK_NETNSID).is_some();
    let parent = number(IFLA_LINK).filter(|&index| index != 0 && !is_elsewhere);
    // Its first counter is that of received packets.
    let received = attribute(attributes, IFLA_STATS64).and_then(<[u8]>::first_chunk);
    let details = attribute(attributes, IFLA_LINKINFO).unwrap_or_default();
    Some(Interface {
        index: header.index,
        name: attribute(attributes, IFLA_IFNAME).map(text).unwrap_or_default(),
        is_up: header.flags.contains(LinkFlags::Up),
        has_carrier: header.flags.contains(LinkFlags::LowerUp),
        parent,
        controller: number(IFLA_MASTER),
        is_loopback: header.flags.contains(LinkFlags::Loopback),
        is_multicast: header.flags.contains(LinkFlags::Multicast),
        has_neighbours: !header.flags.contains(LinkFlags::Noarp),
        kind: match attribute(details, IFLA_INFO_KIND).map(text).as_deref() {
            Some("dummy") => InterfaceKind::Dummy,
            Some("bridge") => InterfaceKind::Bridge,
            Some("ipip" | "sit" | "gre" | "ip6gre" | "ip6tnl") => InterfaceKind::Tunnel,
            _ => InterfaceKind::Other,
        },
        mtu: number(IFLA_MTU).unwrap_or(0),
        received: received.map_or(0, |bytes| u64::from_ne_bytes(*bytes)),
    })
}

/// All addresses of all interfaces.
///
/// # Errors
/// The errors of the netlink socket.
pub fn addresses() -> io::Result<Vec<Address>> {
    let mut addresses = Vec::new();
    dump(RTM_GETADDR, &AddressMessage::default(), |message| {
        let Ok(AddressMessage { header, attributes, .. }) = AddressMessage::parse(message) else {
            return;
        };
        let (mut local, mut remote, mut broadcast) = (None, None, None);
        for attribute in attributes {
            match attribute {
                AddressAttribute::Local(address) => local = Some(address),
                AddressAttribute::Address(address) => remote = Some(address),
                AddressAttribute::Broadcast(address) => broadcast = Some(address),
                _ => {}
            }
        }
        // On a point-to-point link the second is the peer's.
        let Some(address) = local.or(remote) else { return };
        addresses.push(Address {
            interface: header.index,
            address,
            prefix_length: header.prefix_len,
            broadcast,
            has_peer: remote.is_some_and(|remote| remote != address),
            is_duplicate: header.flags.contains(AddressHeaderFlags::Dadfailed),
        });
    })?;
    Ok(addresses)
}

/// All routes of all routing tables.
///
/// # Errors
/// The errors of the netlink socket.
pub fn routes() -> io::Result<Vec<Route>> {
    let mut routes = Vec::new();
    dump(RTM_GETROUTE, &RouteMessage::default(), |message| routes.extend(route(message)))?;
    Ok(routes)
}

/// The routes of packets that this machine sends to some addresses. An address without a route has none in the result.
///
/// # Errors
/// The errors of the netlink socket.
pub fn routes_to(addresses: &[IpAddr]) -> io::Result<BTreeMap<IpAddr, Route>> {
    let requests = addresses.iter().map(|address| {
        let mut message = RouteMessage::default();
        let (family, length, destination) = match *address {
            IpAddr::V4(address) => (AddressFamily::Inet, 32, RouteAddress::Inet(address)),
            IpAddr::V6(address) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(address)),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = length;
        message.attributes.push(RouteAttribute::Destination(destination));
        message
    });
    let answers = ask_each(RTM_GETROUTE, requests)?;
    let routes = answers.into_iter().map(|answer| route(&answer?));
    Ok(addresses.iter().zip(routes).filter_map(|(&to, route)| Some((to, route?))).collect())
}

fn route(message: &[u8]) -> Option<Route> {
    let RouteMessage { header, attributes, .. } = RouteMessage::parse(message).ok()?;
    let mut route = Route {
        kind: kind(header.kind),
        destination: None,
        prefix_length: header.destination_prefix_length,
        interface: None,
        gateway: None,
        source: None,
        table: header.table.into(),
    };
    for attribute in attributes {
        match attribute {
            RouteAttribute::Destination(address) => route.destination = ip_address(&address),
            RouteAttribute::Gateway(address) => route.gateway = ip_address(&address),
            RouteAttribute::PrefSource(address) => route.source = ip_address(&address),
            RouteAttribute::Oif(index) => route.interface = Some(index),
            RouteAttribute::Table(table) => route.table = table,
            _ => {}
        }
    }
    Some(route)
}

/// An entry of the neighbour table: the answer of a machine on the same network to ARP or neighbour discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The number of the interface.
    pub interface: u32,
    /// The neighbour's address.
    pub address: IpAddr,
    /// The hardware address, if one is known.
    pub hardware: Option<Vec<u8>>,
    /// True if the kernel asked for the address and nobody answered.
    pub is_silent: bool,
}

/// All neighbours.
///
/// # Errors
/// The errors of the netlink socket.
pub fn neighbours() -> io::Result<Vec<Neighbour>> {
    let mut neighbours = Vec::new();
    dump(RTM_GETNEIGH, &NeighbourMessage::default(), |message| {
        let Ok(NeighbourMessage { header, attributes, .. }) = NeighbourMessage::parse(message)
        else {
            return;
        };
        let (mut address, mut hardware) = (None, None);
        for attribute in attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                    address = Some(ip.into());
                }
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                    address = Some(ip.into());
                }
                NeighbourAttribute::LinkLayerAddress(bytes) => hardware = Some(bytes),
                _ => {}
            }
        }
        let Some(address) = address else { return };
        let is_silent = header.state == NeighbourState::Failed;
        neighbours.push(Neighbour { interface: header.ifindex, address, hardware, is_silent });
    })?;
    Ok(neighbours)
}

fn kind(kind: RouteType) -> RouteKind {
    match kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local => RouteKind::Local,
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Multicast => RouteKind::Multicast,
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => RouteKind::Rejected,
        _ => RouteKind::Other,
    }
}

fn ip_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_needs_only_the_attributes_that_are_shown() {
        let mut message = vec![0; 16];
        message[4] = 7;
        message[8] = 1;
        // IFLA_TXQLEN, IFLA_LINKINFO with IFLA_INFO_KIND, and IFLA_IFNAME.
        message.extend(b"\x08\0\x0d\0\0\0\0\0\x10\0\x12\0\x0a\0\x01\0dummy\0\0\0\x08\0\x03\0du0\0");
        let found = interface(&message).unwrap();
        assert_eq!((found.index, found.name.as_str(), found.mtu), (7, "du0", 0));
        assert!(found.is_up && found.has_neighbours && !found.is_loopback && !found.has_carrier);
        assert_eq!((found.kind, found.parent, found.received), (InterfaceKind::Dummy, None, 0));
        assert_eq!(interface(&message[..15]), None);
    }

    /// Any machine that builds this has a loopback interface with 127.0.0.1 and its route.
    #[test]
    fn kernel_answers_with_the_loopback_interface() {
        let interfaces = interfaces().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.is_loopback).unwrap();
        assert_eq!(loopback.name, "lo");
        if !loopback.is_up {
            return;
        }
        let own: IpAddr = Ipv4Addr::LOCALHOST.into();
        let addresses = addresses().unwrap();
        assert!(addresses.iter().any(|a| a.address == own && a.interface == loopback.index));
        let routes = routes().unwrap();
        let to_itself = |route: &Route| {
            route.kind == RouteKind::Local
                && route.destination == Some(own)
                && route.prefix_length == 32
        };
        assert!(routes.iter().any(to_itself), "{routes:?}");
    }
}
