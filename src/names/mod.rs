//! Host and port names to numbers and back: the only resolver.
//!
//! Responsible for asking each thing once, for asking many at a time, and for giving up on name servers that
//! never answer. Nothing here is reached when everything is a number.

mod hosts;
mod labels;
mod services;

use std::net::IpAddr;

pub use hosts::ResolveError;
pub(crate) use hosts::is_host_name;
pub use labels::{Endpoint, Labels};

use crate::model::Protocol;
use services::ServicesFile;

/// Looks names up, and remembers what it found.
#[derive(Debug, Default)]
pub struct Names {
    services: ServicesFile,
    resolved: hosts::Resolved,
    shown: Labels,
    exact: Labels,
}

impl Names {
    /// Nothing looked up yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses of a host, IPv4 before IPv6, as getaddrinfo(3) gives them.
    ///
    /// # Errors
    /// When the name is none, or the name server does not answer.
    pub fn addresses(&mut self, host: &str) -> Result<&[IpAddr], ResolveError> {
        self.resolved.addresses(host)
    }

    /// What `read` gives if nobody has to be asked for it; `None` if a name server would be, which may take its time.
    pub(crate) fn without_asking<R>(&mut self, read: impl FnOnce(&mut Self) -> R) -> Option<R> {
        self.resolved.pause();
        let result = read(self);
        self.resolved.resume().then_some(result)
    }

    /// Looks up, together, all that was missed when nobody was to be asked.
    pub(crate) fn ask_for_missed(&mut self) {
        self.resolved.ask_for_missed();
    }

    /// The port of a service name, as /etc/services has it for the protocol.
    pub fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16> {
        self.services.port(name, protocol)
    }

    /// The names of addresses for people to read. Those not asked for before are looked up together; where no
    /// name is found, or no answer at all has come for 12 seconds, an address stays a number.
    pub fn label(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> &Labels {
        self.shown.extend(|| self.services.names(), addresses, hosts::name);
        &self.shown
    }

    /// As [`Names::label`], for rules that are read back: only names that lead to the address or the port, and to no
    /// other.
    pub fn label_exactly(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> &Labels {
        self.exact.extend(|| self.services.exact_names(), addresses, hosts::exact_name);
        &self.exact
    }
}
