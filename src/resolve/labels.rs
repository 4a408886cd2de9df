//! The names of addresses and ports in listings and saves.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipvs::model::Protocol;
use ipvs_rules::{EndpointNames, EndpointText, Numeric};

use super::hosts::{Patience, Reply, ask_all};

/// A cache of the names of addresses and ports.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// `None` for an address without a name.
    hosts: HashMap<IpAddr, Option<String>>,
    ports: HashMap<(Protocol, u16), String>,
    /// A look-up ended because no answer came: no more addresses are looked up.
    is_unanswered: bool,
}

impl Labels {
    /// Labels without names, as for `-n`.
    pub fn numeric() -> Self {
        Self::default()
    }

    /// Adds the names of addresses that were not looked up before, and the first time those of all ports.
    pub(super) fn extend(
        &mut self,
        ports: impl FnOnce() -> HashMap<(Protocol, u16), String>,
        addresses: impl IntoIterator<Item = IpAddr>,
        ask: fn(&IpAddr) -> Reply<Option<String>>,
    ) {
        if self.ports.is_empty() {
            self.ports = ports();
        }
        let new = addresses.into_iter().filter(|address| !self.hosts.contains_key(address));
        let new: BTreeSet<IpAddr> = new.collect();
        if !self.is_unanswered {
            self.is_unanswered = !ask_all(new, ask, Patience::WhileAnswersCome, &mut self.hosts);
        }
    }

    /// An address with its port as it is printed. Without a protocol the port is a number.
    #[inline]
    pub fn endpoint(
        &self,
        address: IpAddr,
        port: u16,
        protocol: Option<Protocol>,
    ) -> EndpointText<'_> {
        if self.ports.is_empty() && self.hosts.is_empty() {
            return EndpointText::new(address, port, None, &Numeric);
        }
        EndpointText::new(address, port, protocol, self)
    }
}

impl EndpointNames for Labels {
    #[inline]
    fn host(&self, address: IpAddr) -> Option<&str> {
        self.hosts.get(&address).and_then(Option::as_deref)
    }

    #[inline]
    fn port(&self, port: u16, protocol: Protocol) -> Option<&str> {
        self.ports.get(&(protocol, port)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
