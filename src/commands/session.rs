//! The state that the commands of one process share: the network namespace, one client of it, and the names that were
//! looked up. Names are looked up in the caller's namespace.

use ipvs::kernel::Namespace;
use ipvs::netlink::{KernelSocket, Transport, load_module};
use ipvs::{Client, Error, ErrorKind};
use ipvs_rules::{Command, Parsed, RuleError};

use crate::resolve::Resolver;

/// A network namespace, its client, which connects when it is first needed, and the resolver.
#[derive(Debug)]
pub struct Session<T = KernelSocket> {
    namespace: Namespace,
    client: Option<Client<T>>,
    connect: fn(&Namespace) -> Result<Client<T>, Error>,
    /// Host and port names.
    pub resolver: Resolver,
}

impl Session {
    /// Nothing connected, nothing looked up, and the namespace of the calling thread.
    pub fn new() -> Self {
        Self {
            namespace: Namespace::current(),
            client: None,
            connect: connect_and_load,
            resolver: Resolver::new(),
        }
    }

    /// Works in another network namespace from now on.
    pub fn enter(&mut self, namespace: Namespace) {
        self.client = None;
        self.namespace = namespace;
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// Connects to the kernel. If the kernel lacks IPVS, loads the module from the caller's namespace and tries once more.
fn connect_and_load(namespace: &Namespace) -> Result<Client, Error> {
    match namespace.connect() {
        Err(error) if error.kind() == ErrorKind::NoFamily => {
            // The second attempt shows whether modprobe worked.
            let _ = load_module();
            namespace.connect()
        }
        result => result,
    }
}

impl<T: Transport> Session<T> {
    /// A session with a connected client.
    #[cfg(test)]
    pub(super) fn with_client(client: Client<T>) -> Self {
        let connect = |_: &Namespace| Err(Error::refused(ipvs::error::Operation::Connect, None, 0));
        let (namespace, resolver) = (Namespace::current(), Resolver::new());
        Self { namespace, client: Some(client), connect, resolver }
    }

    /// The network namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The client. The first call connects it.
    ///
    /// # Errors
    /// [`ErrorKind::NoFamily`] when the kernel has no IPVS and cannot load it.
    pub fn client(&mut self) -> Result<&mut Client<T>, Error> {
        self.client_and_namespace().map(|(client, _)| client)
    }

    /// The client, as [`Self::client`], together with the namespace.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn client_and_namespace(&mut self) -> Result<(&mut Client<T>, &Namespace), Error> {
        let client = match self.client.take() {
            Some(client) => client,
            None => (self.connect)(&self.namespace)?,
        };
        Ok((self.client.insert(client), &self.namespace))
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
