//! The names of hosts and ports that a command waits for, as questions to a resolver. Nothing here looks one up.

use std::net::IpAddr;

use ipvs::model::Protocol;

/// The addresses and ports that names lead to.
pub trait Answers {
    /// The address of a host: the first that a rule takes.
    ///
    /// # Errors
    /// The reason why the name has no address, for a message.
    fn address(&mut self, host: &str) -> Result<IpAddr, String>;

    /// The port of a service name such as `http`, if the protocol has one of that name.
    fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16>;
}

/// Answers for rules that have to be numbers: no name leads to an address or a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamesRefused;

impl Answers for NamesRefused {
    fn address(&mut self, _host: &str) -> Result<IpAddr, String> {
        Err("names are not looked up here".to_owned())
    }

    fn port(&mut self, _name: &str, _protocol: Protocol) -> Option<u16> {
        None
    }
}
