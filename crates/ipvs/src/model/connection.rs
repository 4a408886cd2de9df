//! Entries of the kernel's connection table: connections of clients, and templates that persistence keeps.

use std::fmt;
use std::net::SocketAddr;

use super::Protocol;
use super::connection_state::ConnectionState;
use super::kernel_names::{UnknownName, kernel_names};

/// An entry of the connection table, as `/proc/net/ip_vs_conn` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Connection {
    /// The protocol of its packets.
    pub protocol: ConnectionProtocol,
    /// The client. A template has port 0, and the client's network where the service has a netmask.
    pub client: SocketAddr,
    /// The virtual service as the entry names it.
    pub target: ConnectionTarget,
    /// The real server.
    pub server: SocketAddr,
    /// The state of the protocol's state machine.
    pub state: ConnectionState,
    /// Seconds until the entry expires unless a packet arrives.
    pub expires: u32,
    /// The data of a persistence engine. Only templates of services with an engine have it.
    pub engine: Option<Box<EngineData>>,
    /// The director that made the entry. Only `/proc/net/ip_vs_conn_sync` tells.
    pub origin: Option<ConnectionOrigin>,
}

impl Connection {
    /// An entry without engine data, of unknown origin.
    pub const fn new(
        protocol: ConnectionProtocol,
        [client, server]: [SocketAddr; 2],
        target: ConnectionTarget,
        state: ConnectionState,
        expires: u32,
    ) -> Self {
        Self { protocol, client, target, server, state, expires, engine: None, origin: None }
    }

    /// True if the entry is a persistence template: it assigns a client to a real server and carries no packets. The files
    /// of `/proc` have no flag for it, so the entry is recognized by its client port 0 and its state. Connections with
    /// that port have a state of their protocol: the module `ip_vs_ftp` expects data connections before it knows their
    /// port, and a client may send from port 0. Kernels before 4.19 show a template of UDP like such a connection.
    pub const fn is_template(&self) -> bool {
        let is_of_template = matches!(
            self.state,
            ConnectionState::None | ConnectionState::Assured | ConnectionState::Other(_)
        );
        self.client.port() == 0 && is_of_template
    }

    /// True if the entry is a template that the kernel has invalidated because its real server was drained or deleted.
    pub const fn is_dead_template(&self) -> bool {
        self.is_template() && self.server.port() == u16::MAX
    }
}

/// The virtual end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionTarget {
    /// The virtual address and port. A connection of a firewall mark service has the address that its client used.
    Address(SocketAddr),
    /// A template of a firewall mark service has the mark in place of an address.
    Fwmark(u32),
}

/// The data by which a persistence engine recognizes a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineData {
    /// The engine's name, such as `sip`.
    pub engine: String,
    /// Bytes that the client sent: a Call-ID for `sip`. They need not be UTF-8.
    pub data: Vec<u8>,
}

/// The director that made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionOrigin {
    /// This one: the connection was scheduled here.
    Local,
    /// Another one: a sync daemon received the entry.
    Synced,
}

impl ConnectionOrigin {
    /// `local` or `synced`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Synced => "synced",
        }
    }
}

impl fmt::Display for ConnectionOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

kernel_names! {
    /// The protocol of a connection, by the kernel's name.
    ConnectionProtocol {
        /// TCP.
        Tcp = "TCP",
        /// UDP.
        Udp = "UDP",
        /// SCTP.
        Sctp = "SCTP",
        /// Any: the template of a firewall mark service.
        Ip = "IP",
    }
}

impl ConnectionProtocol {
    /// The transport protocol, if the entry has one that services are balanced by.
    pub const fn transport(&self) -> Option<Protocol> {
        match self {
            Self::Tcp => Some(Protocol::Tcp),
            Self::Udp => Some(Protocol::Udp),
            Self::Sctp => Some(Protocol::Sctp),
            Self::Ip | Self::Other(_) => None,
        }
    }
}
