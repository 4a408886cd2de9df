//! Counts the connections that keep a real server from being drained.

use crate::model::{
    Connection, ConnectionProtocol, ConnectionTarget, Family, RealServerKey, ServiceKey,
};
use crate::state::Attribution;

/// The connections that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Active connections, by the counters of the real servers. The kernel counts none for UDP.
    pub active: u64,
    /// The entries in the last reading of the connection table, which is read once no connection is active.
    pub entries: Option<Entries>,
}

impl Remaining {
    /// The number of connections: those that are active or, if none is, the entries of the last reading.
    pub fn count(&self) -> u64 {
        match self.entries {
            Some(entries) if self.active == 0 => entries.count(),
            _ => self.active,
        }
    }
}

/// The entries of the connection table that keep real servers from being drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// TCP and SCTP connections that have not begun to close.
    pub open: u64,
    /// Entries of UDP, which has no end of a connection: they expire.
    pub datagrams: u64,
    /// The part of both that belongs to an unknown service: several firewall marks have its real server, or its service
    /// was deleted.
    pub unattributed: u64,
}

impl Entries {
    /// The number of entries.
    pub const fn count(&self) -> u64 {
        self.open + self.datagrams
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Counts an entry if it keeps one of the real servers from being drained. Templates never do: they carry no packets.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        attribution: &Attribution,
        service: &ServiceKey,
        servers: &[RealServerKey],
    ) {
        if connection.is_template() || connection.state.is_closing() {
            return;
        }
        if !servers.iter().any(|server| carries(server, service, connection)) {
            return;
        }
        let is_unattributed = match attribution.service_of(connection) {
            Some(owner) if owner == *service => false,
            None if may_be_of(service, connection) => true,
            _ => return,
        };
        match connection.protocol {
            ConnectionProtocol::Udp => self.datagrams += 1,
            _ => self.open += 1,
        }
        self.unattributed += u64::from(is_unattributed);
    }
}

/// Returns whether the connections of a service to a real server include this one.
fn carries(server: &RealServerKey, service: &ServiceKey, connection: &Connection) -> bool {
    // The kernel gives a connection the server's port if the client used the service's port, and otherwise keeps the
    // client's: in a service of all ports, a persistent firewall mark, and FTP's data connections.
    let keeps_port = match (service, connection.target) {
        (ServiceKey::Address { port, .. }, ConnectionTarget::Address(target)) => {
            target.port() != *port
        }
        (_, ConnectionTarget::Address(target)) => target.port() == connection.server.port(),
        (_, ConnectionTarget::Fwmark(_)) => false,
    };
    server.address == connection.server.ip()
        && (server.port == 0 || keeps_port || server.port == connection.server.port())
}

/// Returns whether a connection that no service is known for may belong to this one.
fn may_be_of(service: &ServiceKey, connection: &Connection) -> bool {
    match (service, connection.target) {
        (ServiceKey::Fwmark { family, .. }, _) => Family::of(connection.client.ip()) == *family,
        (ServiceKey::Address { protocol, address, .. }, ConnectionTarget::Address(target)) => {
            connection.protocol.transport() == Some(*protocol) && target.ip() == *address
        }
        _ => false,
    }
}
