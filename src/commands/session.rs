//! The state that the commands of one process share: one client, and the names that were looked up.

use ipvs::netlink::{KernelSocket, Transport, load_module};
use ipvs::{Client, Error, ErrorKind};
use ipvs_rules::{Command, Parsed, RuleError};

use crate::resolve::Resolver;

/// A client that connects when it is first needed, and the resolver.
#[derive(Debug)]
pub struct Session<T = KernelSocket> {
    client: Option<Client<T>>,
    connect: fn() -> Result<Client<T>, Error>,
    /// Host and port names.
    pub resolver: Resolver,
}

impl Session {
    /// Nothing connected, nothing looked up.
    pub fn new() -> Self {
        Self { client: None, connect: connect_and_load, resolver: Resolver::new() }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// Connects to the kernel. If the kernel lacks IPVS, loads the module and tries once more.
fn connect_and_load() -> Result<Client, Error> {
    match Client::connect() {
        Err(error) if error.kind() == ErrorKind::NoFamily => {
            // The second attempt shows whether modprobe worked.
            let _ = load_module();
            Client::connect()
        }
        result => result,
    }
}

impl<T: Transport> Session<T> {
    /// A session with a connected client.
    #[cfg(test)]
    pub(super) fn with_client(client: Client<T>) -> Self {
        let connect = || Err(Error::refused(ipvs::error::Operation::Connect, None, 0));
        Self { client: Some(client), connect, resolver: Resolver::new() }
    }

    /// The client. The first call connects it.
    ///
    /// # Errors
    /// [`ErrorKind::NoFamily`] when the kernel has no IPVS and cannot load it.
    pub fn client(&mut self) -> Result<&mut Client<T>, Error> {
        let client = match self.client.take() {
            Some(client) => client,
            None => (self.connect)()?,
        };
        Ok(self.client.insert(client))
    }

    /// Resolves the names of a parsed command, all together. A look-up may take long.
    ///
    /// # Errors
    /// The first fault of the command. A name that cannot be resolved is one.
    pub fn resolve(&mut self, parsed: Parsed<'_>) -> Result<Command, RuleError> {
        match parsed {
            Parsed::Command(command) => Ok(command),
            Parsed::Waiting(waiting) => {
                self.resolver.look_up(waiting.host_names());
                waiting.resolve(&mut self.resolver)
            }
        }
    }
}
