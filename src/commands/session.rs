//! What the commands of one process share: one socket, and the names looked up.

use ipvs::{Client, Error, ErrorKind};

use crate::resolve::Resolver;
use ipvs::netlink::load_module;
use ipvs_rules::{Command, Parsed, RuleError};

/// A client that connects when it is first needed, and the resolver.
#[derive(Debug, Default)]
pub struct Session {
    client: Option<Client>,
    /// Host and port names.
    pub resolver: Resolver,
}

impl Session {
    /// Nothing connected, nothing looked up.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client. Where the kernel has no IPVS, its module is loaded and the kernel asked once more.
    ///
    /// # Errors
    /// [`ErrorKind::NoFamily`] when there is none after that either.
    pub fn client(&mut self) -> Result<&mut Client, Error> {
        let client = match self.client.take() {
            Some(client) => client,
            None => match Client::connect() {
                Err(error) if error.kind() == ErrorKind::NoFamily => {
                    // Whether modprobe worked shows in the second try.
                    let _ = load_module();
                    Client::connect()?
                }
                result => result?,
            },
        };
        Ok(self.client.insert(client))
    }

    /// The command that was parsed. If it has names, they are looked up together, which may take long.
    ///
    /// # Errors
    /// The first fault of the command, a name that leads nowhere among them.
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
