//! The number of entries of the connection table, in all or of a group.

use std::net::SocketAddr;
use std::ops::AddAssign;

use ipvs::model::{Connection, ConnectionOrigin, ConnectionState, Network};
use ipvs::state::Owner;
use serde::Serialize;

/// The number of entries. A template assigns a client to a real server and carries no packets, so it is not counted as a
/// connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EntryCount {
    /// The connections.
    pub(super) connections: u64,
    /// The persistence templates.
    pub(super) templates: u64,
}

impl EntryCount {
    pub(super) const fn new(connections: u64, templates: u64) -> Self {
        Self { connections, templates }
    }

    /// Counts an entry.
    pub fn add(&mut self, connection: &Connection) {
        match connection.is_template() {
            true => self.templates += 1,
            false => self.connections += 1,
        }
    }

    /// The count of many such groups.
    pub(super) const fn times(self, groups: usize) -> Self {
        let groups = groups as u64;
        Self { connections: self.connections * groups, templates: self.templates * groups }
    }
}

impl AddAssign for EntryCount {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.templates += other.templates;
    }
}

/// A group of entries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Client(Network),
    Service(Owner),
    Server(SocketAddr),
    State(ConnectionState),
    Origin(Option<ConnectionOrigin>),
}

/// A group with its number of entries.
#[derive(Clone, Debug)]
pub(super) struct GroupCount {
    pub(super) group: Group,
    pub(super) count: EntryCount,
}
