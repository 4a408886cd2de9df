//! Names that have been found, ready to be printed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;

use super::hosts::{Answer, ask_all};
use super::services::ServicesFile;
use crate::model::Protocol;

/// What addresses and ports are called in what is printed.
#[derive(Debug, Default)]
pub struct Labels {
    /// `None` for one that has no name.
    hosts: HashMap<IpAddr, Option<String>>,
    ports: HashMap<(Protocol, u16), String>,
    /// No answer came for so long that nobody is asked any more.
    is_unanswered: bool,
}

impl Labels {
    /// Everything is a number, as with `-n`.
    pub fn numeric() -> Self {
        Self::default()
    }

    /// Adds the names of addresses that have not been asked for before.
    pub(super) fn extend(
        &mut self,
        services: &mut ServicesFile,
        addresses: impl IntoIterator<Item = IpAddr>,
        ask: fn(IpAddr) -> Answer,
    ) {
        if self.ports.is_empty() {
            self.ports = services.names();
        }
        let new = addresses.into_iter().filter(|address| !self.hosts.contains_key(address));
        let new: BTreeSet<IpAddr> = new.collect();
        if !self.is_unanswered {
            self.is_unanswered = !ask_all(new, ask, &mut self.hosts);
        }
    }

    /// `address:port` with an IPv6 address or name in brackets. Without a protocol the port is a number.
    pub fn endpoint(&self, address: IpAddr, port: u16, protocol: Option<Protocol>) -> Endpoint<'_> {
        let host = self.hosts.get(&address).and_then(Option::as_deref);
        // Port 0 stands for every port and has no name.
        let service = protocol
            .filter(|_| port != 0)
            .and_then(|protocol| self.ports.get(&(protocol, port)).map(String::as_str));
        Endpoint { address, host, port, service }
    }
}

/// An address with its port as it is printed.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    address: IpAddr,
    host: Option<&'a str>,
    port: u16,
    service: Option<&'a str>,
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.host) {
            (IpAddr::V4(address), None) => write!(f, "{address}")?,
            (IpAddr::V6(address), None) => write!(f, "[{address}]")?,
            (IpAddr::V4(_), Some(host)) => f.write_str(host)?,
            (IpAddr::V6(_), Some(host)) => write!(f, "[{host}]")?,
        }
        match self.service {
            Some(service) => write!(f, ":{service}"),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_numbers_where_nothing_has_a_name() {
        let labels = Labels::numeric();
        let shown = |address: &str| {
            labels.endpoint(address.parse().unwrap(), 80, Some(Protocol::Tcp)).to_string()
        };
        assert_eq!(shown("10.0.0.1"), "10.0.0.1:80");
        assert_eq!(shown("2001:db8::1"), "[2001:db8::1]:80");
    }

    #[test]
    fn endpoint_is_named_and_an_ipv6_name_is_in_brackets() {
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let labels = Labels {
            hosts: HashMap::from([(address, Some("vip.example".into()))]),
            ports: HashMap::from([((Protocol::Tcp, 80), "http".into())]),
            is_unanswered: false,
        };
        let shown = |port, protocol| labels.endpoint(address, port, protocol).to_string();
        assert_eq!(shown(80, Some(Protocol::Tcp)), "[vip.example]:http");
        assert_eq!(shown(80, Some(Protocol::Udp)), "[vip.example]:80");
        assert_eq!(shown(80, None), "[vip.example]:80");
        assert_eq!(shown(0, Some(Protocol::Tcp)), "[vip.example]:0");
    }
}
