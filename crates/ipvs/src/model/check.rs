//! Finds values that the kernel would refuse or misread, before they are sent.
//!
//! Tests on a kernel compare these checks with its answers. The kernel has more conditions that only it can check:
//! whether a scheduler, an interface or a local address exists.

use std::net::IpAddr;

use thiserror::Error;

use super::{
    Change, Family, Forwarding, Persistence, Protocol, RealServer, ServiceKey, SyncDaemon, Tunnel,
    VirtualService,
};

/// A value that the kernel would refuse or misread.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The kernel keeps a service of this protocol number and never schedules a packet to it.
    #[error("the kernel balances TCP, UDP and SCTP, not protocol {0}")]
    Protocol(u16),
    /// The kernel keeps a service of port 0 and schedules no connection to it, unless the service is persistent.
    #[error("a service of port 0 needs persistence")]
    AllPortsWithoutPersistence,
    /// The kernel reads the mask in the form of the service's family: an IPv6 prefix of 24 becomes the mask 24.0.0.0.
    #[error("the persistence mask is of another IP version than the service")]
    NetmaskFamily,
    /// The kernel multiplies the seconds by its clock rate, and the product overflows.
    #[error("a persistence timeout of {0} seconds is not from 1 to {max}", max = Persistence::MAX_TIMEOUT)]
    PersistenceTimeout(u32),
    /// The kernel ignores the persistence engine of a service that is not persistent.
    #[error("a persistence engine needs persistence")]
    EngineWithoutPersistence,
    /// The kernel ignores one-packet scheduling but for UDP.
    #[error("one-packet scheduling is for UDP")]
    OnePacketProtocol,
    /// The kernel refuses a weight that is negative as a signed number.
    #[error("the weight {0} is greater than {max}", max = i32::MAX)]
    Weight(u32),
    /// The kernel refuses a lower threshold above the upper one.
    #[error("the lower threshold {lower} is above the upper threshold {upper}")]
    Thresholds {
        /// The lower threshold.
        lower: u32,
        /// The upper threshold.
        upper: u32,
    },
    /// The kernel refuses a real server of another IP version than the service's, unless packets reach it by a tunnel.
    #[error("the real server is of another IP version than the service, which takes tunneling")]
    ServerFamily,
    /// The kernel refuses the address because it is not a unicast address.
    #[error("{0} is not a unicast address")]
    NotUnicast(IpAddr),
    /// The kernel keeps the port and does not rewrite packets to it: only masquerading maps ports.
    #[error("port {0} of the real server takes masquerading, since it differs from the service's")]
    PortNotMapped(u16),
    /// The kernel refuses a GUE tunnel without a UDP port.
    #[error("a GUE tunnel needs a UDP port")]
    GueWithoutPort,
    /// The kernel replaces a zero by its default.
    #[error("0 as {0} stands for the kernel's default")]
    DaemonZero(&'static str),
    /// The kernel sends messages of at most this length.
    #[error("a sync message of {0} bytes is longer than {max}", max = SyncDaemon::MAX_LENGTH)]
    DaemonMessage(u16),
}

/// Fails with a misfit unless a condition holds.
fn ensure(condition: bool, misfit: impl FnOnce() -> Misfit) -> Result<(), Misfit> {
    if condition { Ok(()) } else { Err(misfit()) }
}

impl VirtualService {
    /// Finds a value that the kernel would refuse or misread.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), Misfit> {
        if let ServiceKey::Address { protocol, port, .. } = self.key {
            ensure(!matches!(protocol, Protocol::Other(_)), || {
                Misfit::Protocol(protocol.number())
            })?;
            let has_port = port != 0 || self.persistence.is_some();
            ensure(has_port, || Misfit::AllPortsWithoutPersistence)?;
            let is_udp = protocol == Protocol::Udp;
            ensure(!self.one_packet || is_udp, || Misfit::OnePacketProtocol)?;
        }
        let mask = self.persistence.map(Persistence::netmask).or(self.unused_netmask);
        let is_of_family = mask.is_none_or(|mask| mask.family() == self.key.family());
        ensure(is_of_family, || Misfit::NetmaskFamily)?;
        if let Some(timeout) = self.persistence.map(Persistence::timeout) {
            let is_in_range = (1..=Persistence::MAX_TIMEOUT).contains(&timeout);
            ensure(is_in_range, || Misfit::PersistenceTimeout(timeout))?;
        }
        let has_use = self.engine.is_none() || self.persistence.is_some();
        ensure(has_use, || Misfit::EngineWithoutPersistence)
    }
}

impl RealServer {
    /// Finds a value that the kernel would refuse or misread in a real server of a virtual service.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self, service: &ServiceKey) -> Result<(), Misfit> {
        let Self { key, forwarding, weight, upper_threshold: upper, lower_threshold: lower } =
            *self;
        ensure(i32::try_from(weight).is_ok(), || Misfit::Weight(weight))?;
        ensure(lower <= upper, || Misfit::Thresholds { lower, upper })?;
        let is_of_family = Family::of(key.address) == service.family();
        let is_tunneled = matches!(forwarding, Forwarding::Tunneling(_));
        ensure(is_of_family || is_tunneled, || Misfit::ServerFamily)?;
        let is_unicast = match key.address {
            IpAddr::V4(address) => {
                !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
            }
            IpAddr::V6(address) => !(address.is_unspecified() || address.is_multicast()),
        };
        ensure(is_unicast, || Misfit::NotUnicast(key.address))?;
        if let Forwarding::Tunneling(Tunnel::Gue { port: 0, .. }) = forwarding {
            return Err(Misfit::GueWithoutPort);
        }
        let service_port = match *service {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Fwmark { .. } => 0,
        };
        let is_mapped = service_port == 0 || key.port == service_port || forwarding.maps_ports();
        ensure(is_mapped, || Misfit::PortNotMapped(key.port))
    }
}

impl SyncDaemon {
    /// Finds a value that the kernel would refuse or misread.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), Misfit> {
        let Self { role: _, interface: _, sync_id: _, max_length, group: _, port, ttl } = self;
        ensure(*max_length != Some(0), || Misfit::DaemonZero("the longest message"))?;
        ensure(*port != Some(0), || Misfit::DaemonZero("the port"))?;
        ensure(*ttl != Some(0), || Misfit::DaemonZero("the time to live"))?;
        let longest = max_length.unwrap_or_default();
        ensure(longest <= Self::MAX_LENGTH, || Misfit::DaemonMessage(longest))
    }
}

impl Change {
    /// Finds a value that the kernel would refuse or misread.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), Misfit> {
        match self {
            Self::AddService(service) | Self::EditService(service) => service.check(),
            Self::AddServer(service, server) | Self::EditServer(service, server) => {
                server.check(service)
            }
            Self::StartDaemon(daemon) => daemon.check(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Netmask, RealServerKey, SyncRole, TunnelChecksum};

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    #[test]
    fn services_that_the_kernel_misreads_are_found() {
        let persistence = |timeout, mask| Some(Persistence::reported(timeout, mask));
        let host = Netmask::host(Family::Ipv4);
        let service = |text| VirtualService::new(key(text));
        let engine = Some("sip".parse().unwrap());
        for (service, misfit) in [
            (service("protocol-47 10.0.0.1:80"), Misfit::Protocol(47)),
            (service("tcp 10.0.0.1:0"), Misfit::AllPortsWithoutPersistence),
            (
                VirtualService { one_packet: true, ..service("tcp 10.0.0.1:80") },
                Misfit::OnePacketProtocol,
            ),
            (
                VirtualService {
                    persistence: persistence(9, Netmask::Ipv6(24)),
                    ..service("fwmark 1")
                },
                Misfit::NetmaskFamily,
            ),
            (
                VirtualService { unused_netmask: Some(host), ..service("tcp [::1]:80") },
                Misfit::NetmaskFamily,
            ),
            (
                VirtualService {
                    persistence: persistence(u32::MAX, host),
                    ..service("tcp 10.0.0.1:80")
                },
                Misfit::PersistenceTimeout(u32::MAX),
            ),
            (
                VirtualService { engine, ..service("udp 10.0.0.1:80") },
                Misfit::EngineWithoutPersistence,
            ),
        ] {
            assert_eq!(service.check(), Err(misfit));
        }
        assert_eq!(service("tcp 10.0.0.1:80").check(), Ok(()));
    }

    #[test]
    fn real_servers_that_the_kernel_refuses_or_misreads_are_found() {
        let service = key("tcp 10.0.0.1:80");
        let server = |text: &str| RealServer::new(text.parse::<RealServerKey>().unwrap());
        let gue = Tunnel::Gue { port: 0, checksum: TunnelChecksum::None };
        for (server, misfit) in [
            (RealServer { weight: 1 << 31, ..server("10.1.0.1:80") }, Misfit::Weight(1 << 31)),
            (
                RealServer { lower_threshold: 1, ..server("10.1.0.1:80") },
                Misfit::Thresholds { lower: 1, upper: 0 },
            ),
            (server("[2001:db8::1]:80"), Misfit::ServerFamily),
            (server("224.0.0.1:80"), Misfit::NotUnicast([224, 0, 0, 1].into())),
            (server("10.1.0.1:8080"), Misfit::PortNotMapped(8080)),
            (
                RealServer { forwarding: Forwarding::Tunneling(gue), ..server("10.1.0.1:80") },
                Misfit::GueWithoutPort,
            ),
        ] {
            assert_eq!(server.check(&service), Err(misfit));
        }
        let mapped = RealServer { forwarding: Forwarding::Masquerading, ..server("10.1.0.1:8080") };
        assert_eq!(Change::AddServer(service, mapped).check(), Ok(()));
    }

    #[test]
    fn zeros_and_messages_that_are_too_long_are_found_in_daemons() {
        let daemon = SyncDaemon::new(SyncRole::Master, "eth0".parse().unwrap());
        assert_eq!(daemon.check(), Ok(()));
        let long = SyncDaemon { max_length: Some(u16::MAX), ..daemon.clone() };
        assert_eq!(long.check(), Err(Misfit::DaemonMessage(u16::MAX)));
        for zero in [
            SyncDaemon { max_length: Some(0), ..daemon.clone() },
            SyncDaemon { port: Some(0), ..daemon.clone() },
            SyncDaemon { ttl: Some(0), ..daemon },
        ] {
            assert!(matches!(zero.check(), Err(Misfit::DaemonZero(_))));
        }
    }
}
