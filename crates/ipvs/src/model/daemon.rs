//! The connection synchronization daemons of the kernel, which tell a second director about connections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

use super::InterfaceName;

/// The role of a sync daemon (`IP_VS_STATE_*`); both may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncRole {
    /// Sends connections.
    Master,
    /// Receives connections.
    Backup,
}

/// A word other than `master` and `backup`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is neither master nor backup")]
pub struct UnknownRole(pub String);

impl FromStr for SyncRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "master" => Ok(Self::Master),
            "backup" => Ok(Self::Backup),
            _ => Err(UnknownRole(text.to_owned())),
        }
    }
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// An address that is not in 224.0.0.0/4 or ff00::/8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is not a multicast address")]
pub struct NotMulticast(pub IpAddr);

/// The multicast address that daemons talk on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MulticastGroup(IpAddr);

impl MulticastGroup {
    /// The address.
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

impl TryFrom<IpAddr> for MulticastGroup {
    type Error = NotMulticast;

    fn try_from(address: IpAddr) -> Result<Self, NotMulticast> {
        if address.is_multicast() { Ok(Self(address)) } else { Err(NotMulticast(address)) }
    }
}

impl Default for MulticastGroup {
    /// 224.0.0.81, the kernel's own default.
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81)))
    }
}

/// A sync daemon. The kernel chooses each value that is left `None`, and lists it filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SyncDaemon {
    /// True if it sends or receives.
    pub role: SyncRole,
    /// The interface that it talks on.
    pub interface: InterfaceName,
    /// 0 to 255; a backup with one that is not 0 takes in that of its own number alone.
    pub sync_id: u8,
    /// The longest message in bytes, up to 65507.
    pub max_length: Option<u16>,
    /// The multicast address.
    pub group: Option<MulticastGroup>,
    /// The first UDP port, in host order.
    pub port: Option<u16>,
    /// The time to live of its packets.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// The longest message in bytes: what fits into a UDP packet over IPv4.
    pub const MAX_LENGTH: u16 = 65507;

    /// A daemon with sync ID 0 that leaves everything else to the kernel.
    pub const fn new(role: SyncRole, interface: InterfaceName) -> Self {
        let (max_length, group, port, ttl) = (None, None, None, None);
        Self { role, interface, sync_id: 0, max_length, group, port, ttl }
    }

    /// True if this daemon, as the kernel lists it, is the wanted one: a value that was left open may be any.
    pub fn serves_as(&self, wanted: &Self) -> bool {
        fn fits<T: PartialEq>(is: &Option<T>, wanted: &Option<T>) -> bool {
            wanted.is_none() || is == wanted
        }
        let Self { role, interface, sync_id, max_length, group, port, ttl } = wanted;
        self.role == *role
            && self.interface == *interface
            && self.sync_id == *sync_id
            && fits(&self.max_length, max_length)
            && fits(&self.group, group)
            && fits(&self.port, port)
            && fits(&self.ttl, ttl)
    }
}

setters! {
    SyncDaemon:
    role: SyncRole,
    interface: InterfaceName,
    sync_id: u8,
    max_length: Option<u16>,
    group: Option<MulticastGroup>,
    port: Option<u16>,
    ttl: Option<u8>,
}
