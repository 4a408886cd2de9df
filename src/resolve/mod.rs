//! Resolves the names of hosts and ports, and finds names for addresses and ports: the only resolver.
//!
//! Responsible for looking up each name once and many at a time, and for giving up on name servers that never answer.
//! Knows the questions of rules, but no files or streams of rules. Nothing here runs when everything is a number.

mod hosts;
mod labels;
mod ports;

use std::net::IpAddr;

pub use labels::Labels;

use hosts::{Hosts, Patience};
use ipvs::model::Protocol;
use ipvs_rules::Answers;
use ports::PortNames;

/// Looks names up and caches the answers.
#[derive(Debug, Default)]
pub struct Resolver {
    port_names: PortNames,
    hosts: Hosts,
    shown: Labels,
    exact: Labels,
}

impl Resolver {
    /// A resolver with an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks up the host names of one command, together, and gives them the time that the system's resolver takes. A
    /// name whose last look-up failed is looked up again.
    pub fn look_up<'a>(&mut self, hosts: impl IntoIterator<Item = &'a str>) {
        self.hosts.look_up(hosts, Patience::Unlimited);
    }

    /// Looks up the host names of a whole file, together. If no answer at all comes for 12 seconds, the names without
    /// one count as failed.
    pub fn look_up_all<'a>(&mut self, hosts: impl IntoIterator<Item = &'a str>) {
        self.hosts.look_up(hosts, Patience::WhileAnswersCome);
    }

    /// Labels for people to read. Addresses that were not looked up before are looked up together. An address without
    /// a name stays a number, and so do all that are left when no answer at all has come for 12 seconds.
    pub fn label(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> &Labels {
        self.shown.extend(|| self.port_names.names(), addresses, hosts::name);
        &self.shown
    }

    /// Labels like those of [`Resolver::label`] for rules that are parsed again: only names that lead to the address or
    /// the port, and to no other.
    pub fn label_exactly(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> &Labels {
        self.exact.extend(|| self.port_names.exact_names(), addresses, hosts::exact_name);
        &self.exact
    }
}

/// The answers of the last look-up. A host name that was not in it leads nowhere.
impl Answers for Resolver {
    fn address(&mut self, host: &str) -> Result<IpAddr, String> {
        self.hosts.address(host)
    }

    fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16> {
        self.port_names.port(name, protocol)
    }
}
