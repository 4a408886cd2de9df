//! Real servers: what connections are given to. The kernel calls them destinations.

use std::cmp::Ordering;
use std::net::IpAddr;

/// What identifies a real server within its virtual service.
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

/// Whether the outer header of a tunnel carries a checksum (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelChecksum {
    /// None: the flag that the kernel takes as the default.
    #[default]
    None,
    /// An ordinary one.
    Full,
    /// Remote checksum offload; options ask for it with GUE only.
    Remote,
    /// Any other number of flags, which only other programs set.
    Other(u16),
}

/// How packets are wrapped on their way to a tunneled real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
    /// A type that no option is for: of a newer kernel, or one that the kernel keeps without looking at it.
    Other {
        /// `IPVS_DEST_ATTR_TUN_TYPE`.
        kind: u8,
        /// The port, in host order.
        port: u16,
        /// The checksum.
        checksum: TunnelChecksum,
    },
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// Network address translation, `-m`.
    Masquerading,
    /// The packet goes out as it came, to the server's hardware address, `-g`; the default.
    #[default]
    DirectRouting,
    /// The packet is wrapped in another, `-i`.
    Tunneling(Tunnel),
    /// The packet stays on the director. No option asks for it: kernels find that out by themselves.
    LocalNode,
    /// Any other number: 4 (bypass), or one of a newer kernel. No option asks for it.
    Other(u32),
}

impl Forwarding {
    /// Whether the kernel can give the server another port than the service's.
    ///
    /// Only masquerading rewrites the transport header.
    pub const fn maps_ports(self) -> bool {
        matches!(self, Self::Masquerading)
    }
}

/// A real server and the share of connections that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealServer {
    /// What identifies it within its service.
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
    /// The weight that ipvsadm takes when none is given.
    pub const DEFAULT_WEIGHT: u32 = 1;

    /// A server with ipvsadm's defaults: direct routing, weight 1, no thresholds.
    pub const fn new(key: RealServerKey) -> Self {
        Self {
            key,
            forwarding: Forwarding::DirectRouting,
            weight: Self::DEFAULT_WEIGHT,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_sort_by_the_bytes_of_their_address_whatever_its_family() {
        let sorted = ["10.0.0.1", "2001:db8::1", "3fff::1", "100.0.0.1", "200.0.0.1"]
            .map(|address| RealServerKey { address: address.parse().unwrap(), port: 80 });
        assert!(sorted.is_sorted());
    }
}
