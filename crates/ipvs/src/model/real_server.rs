//! Real servers: what connections are given to. The kernel calls them destinations.

use std::cmp::Ordering;
use std::net::IpAddr;

/// The key of a real server within its virtual service.
///
/// The order is that of listings: the bytes of the address whatever its family, then the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealServerKey {
    /// The server's address; of another family than the service's only when tunneled.
    pub address: IpAddr,
    /// The port in host order; 0 for a firewall mark service or a service of all ports.
    pub port: u16,
}

impl Ord for RealServerKey {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (IpAddr::V4(one), IpAddr::V4(another)) = (self.address, other.address) {
            return (one.to_bits(), self.port).cmp(&(another.to_bits(), other.port));
        }
        let bytes = |address| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        bytes(self.address)
            .cmp(&bytes(other.address))
            .then(self.port.cmp(&other.port))
            .then(self.address.cmp(&other.address))
    }
}

impl PartialOrd for RealServerKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// True if the outer header of a tunnel carries a checksum (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TunnelChecksum {
    /// None: the flag that the kernel takes as the default.
    #[default]
    None,
    /// An ordinary one.
    Full,
    /// Remote checksum offload, for GUE only.
    Remote,
    /// Any other number of flags, which only other programs set.
    Other(OtherChecksum),
}

unnamed_number! {
    /// Flags of a tunnel that [`TunnelChecksum`] has no name for.
    OtherChecksum(u16), but for 0..=2
}

impl TunnelChecksum {
    /// The flags (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
    pub const fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Full => 1,
            Self::Remote => 2,
            Self::Other(other) => other.number(),
        }
    }

    /// The checksum for these flags.
    pub const fn from_number(number: u16) -> Self {
        match (number, OtherChecksum::new(number)) {
            (_, Some(other)) => Self::Other(other),
            (1, None) => Self::Full,
            (2, None) => Self::Remote,
            (_, None) => Self::None,
        }
    }
}

/// How packets are wrapped on their way to a tunneled real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tunnel {
    /// IP in IP, the default.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The UDP port at the server, in host order.
        port: u16,
        /// The UDP checksum.
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// The GRE checksum.
        checksum: TunnelChecksum,
    },
    /// A type without a name: of a newer kernel, or one that the kernel keeps without using it.
    Other {
        /// `IPVS_DEST_ATTR_TUN_TYPE`.
        kind: OtherTunnel,
        /// The port, in host order.
        port: u16,
        /// The checksum.
        checksum: TunnelChecksum,
    },
}

unnamed_number! {
    /// The number of a type of tunnel that [`Tunnel`] has no name for.
    OtherTunnel(u8), but for 0..=2
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forwarding {
    /// Network address translation.
    Masquerading,
    /// The packet goes out unchanged to the server's hardware address; the default.
    #[default]
    DirectRouting,
    /// The packet is wrapped in another.
    Tunneling(Tunnel),
    /// The packet stays on the director. With direct routing to an own address, kernels do the same.
    LocalNode,
    /// The packet goes where its route leads, past all real servers.
    Bypass,
    /// Any other number, of a newer kernel.
    Other(OtherForwarding),
}

unnamed_number! {
    /// The number of a way of forwarding that [`Forwarding`] has no name for. The kernel keeps three bits of it.
    OtherForwarding(u32), but for 0..=4 | 8..
}

impl Forwarding {
    /// True if the kernel can give the server another port than the service's.
    ///
    /// Only masquerading rewrites the transport header.
    pub const fn maps_ports(self) -> bool {
        matches!(self, Self::Masquerading)
    }
}

/// A real server and the share of connections that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RealServer {
    /// Its key within its service.
    pub key: RealServerKey,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Its capacity relative to the others, 0 to 2^31-1; 0 quiesces it: no new connections.
    pub weight: u32,
    /// No new connections at this number of them; 0 for no limit.
    pub upper_threshold: u32,
    /// New connections again below this number; 0 for three quarters of the upper threshold.
    pub lower_threshold: u32,
}

impl RealServer {
    /// The weight of a new real server.
    pub const DEFAULT_WEIGHT: u32 = 1;
    /// The largest weight: the kernel reads weights as signed numbers.
    pub const MAX_WEIGHT: u32 = i32::MAX.unsigned_abs();

    /// A server with direct routing, weight 1 and no thresholds.
    pub const fn new(key: RealServerKey) -> Self {
        Self {
            key,
            forwarding: Forwarding::DirectRouting,
            weight: Self::DEFAULT_WEIGHT,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// True if this server, as the kernel lists it, meets the wanted settings. Kernels treat direct routing to an address of
    /// their own as local node, so direct routing is satisfied by both.
    pub fn serves_as(&self, wanted: &Self) -> bool {
        let forwarding = match (self.forwarding, wanted.forwarding) {
            (Forwarding::LocalNode, Forwarding::DirectRouting) => Forwarding::LocalNode,
            (_, wanted) => wanted,
        };
        *self == Self { forwarding, ..*wanted }
    }
}

setters! {
    RealServer:
    key: RealServerKey,
    forwarding: Forwarding,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_name_are_no_other_numbers() {
        for number in 0..=300 {
            assert_eq!(TunnelChecksum::from_number(number).number(), number);
        }
        assert_eq!([0, 1, 2].map(OtherChecksum::new), [None; 3]);
        assert_eq!([0, 1, 2].map(OtherTunnel::new), [None; 3]);
        // Above 7 the kernel cuts bits off.
        assert_eq!([0, 1, 2, 3, 4, 8, u32::MAX].map(OtherForwarding::new), [None; 7]);
        assert!([5, 6, 7].map(OtherForwarding::new).iter().all(Option::is_some));
    }

    #[test]
    fn local_server_serves_as_one_of_direct_routing_but_not_the_other_way() {
        let key = RealServerKey { address: [10, 0, 0, 1].into(), port: 80 };
        let direct = RealServer::new(key);
        let local = RealServer { forwarding: Forwarding::LocalNode, ..direct };
        assert!(local.serves_as(&direct) && local.serves_as(&local));
        assert!(!direct.serves_as(&local));
        assert!(!local.serves_as(&RealServer { weight: 7, ..direct }));
    }

    #[test]
    fn servers_sort_by_the_bytes_of_their_address_whatever_its_family() {
        let sorted = ["10.0.0.1", "2001:db8::1", "3fff::1", "100.0.0.1", "200.0.0.1"]
            .map(|address| RealServerKey { address: address.parse().unwrap(), port: 80 });
        assert!(sorted.is_sorted());
    }
}
