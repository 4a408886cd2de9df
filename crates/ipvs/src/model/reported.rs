//! The kernel's report: configuration together with what happened since.

use std::fmt;

use super::{Counters, Forwarding, Rates, RealServer, RealServerKey, VirtualService};

/// The settings of a virtual service or real server, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Configured<T> {
    /// The settings.
    pub entry: T,
    /// The numbers of attributes that this version does not know. Rules that are saved without them are incomplete.
    pub unknown_attributes: Vec<u16>,
}

/// A virtual service as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceState {
    /// Its configuration.
    pub service: VirtualService,
    /// Its totals, all real servers together.
    pub counters: Counters,
    /// Its rates, all real servers together.
    pub rates: Rates,
    /// The numbers of attributes that this version does not know; a rule saved without them is not whole.
    pub unknown_attributes: Vec<u16>,
}

impl ServiceState {
    /// A service that has forwarded nothing yet.
    pub fn new(service: VirtualService) -> Self {
        let (counters, rates) = (Counters::default(), Rates::default());
        Self { service, counters, rates, unknown_attributes: Vec::new() }
    }
}

/// A real server as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RealServerState {
    /// Its configuration.
    pub server: RealServer,
    /// Connections that carry data now.
    pub active_connections: u32,
    /// Connections that are opening, closing or idle.
    pub inactive_connections: u32,
    /// Clients that persistence holds to this server.
    pub persistent_connections: u32,
    /// Its totals.
    pub counters: Counters,
    /// Its rates.
    pub rates: Rates,
    /// The numbers of attributes that this version does not know; a rule saved without them is not whole.
    pub unknown_attributes: Vec<u16>,
}

impl RealServerState {
    /// A real server without connections.
    pub fn new(server: RealServer) -> Self {
        Self {
            server,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            counters: Counters::default(),
            rates: Rates::default(),
            unknown_attributes: Vec::new(),
        }
    }

    /// The fields of a plain listing.
    pub const fn summary(&self) -> RealServerSummary {
        RealServerSummary {
            key: self.server.key,
            forwarding: self.server.forwarding,
            weight: self.server.weight,
            active_connections: self.active_connections,
            inactive_connections: self.inactive_connections,
        }
    }
}

/// The fields of a real server in a plain listing: as much as /proc/net/ip_vs has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RealServerSummary {
    /// Its key within its service.
    pub key: RealServerKey,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Its capacity relative to the others.
    pub weight: u32,
    /// Connections that carry data now.
    pub active_connections: u32,
    /// Connections that are opening, closing or idle.
    pub inactive_connections: u32,
}

/// The version of IPVS in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `1` of 1.2.1.
    pub major: u8,
    /// `2` of 1.2.1.
    pub minor: u8,
    /// `1` of 1.2.1.
    pub patch: u8,
}

impl Version {
    /// Reads the kernel's number, 0x010201 for 1.2.1 (`NVERSION` of `ip_vs.h`).
    pub const fn from_number(number: u32) -> Self {
        let [_, major, minor, patch] = number.to_be_bytes();
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The kernel's version of IPVS and the size of its table (`IPVS_CMD_GET_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The version of its IPVS.
    pub version: Version,
    /// The buckets of its connection table.
    pub table_size: u32,
}

impl Info {
    /// The size and the version that a kernel reports.
    pub const fn new(version: Version, table_size: u32) -> Self {
        Self { version, table_size }
    }
}
