//! Commands: the meaning of a line or of a command line.

use std::path::PathBuf;

use ipvs::model::{Change, ServiceKey};

/// A whole command, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Change the kernel's table.
    Change(Change),
    /// Print the kernel's state.
    List(List),
    /// Print the table as rule lines.
    Save(Save),
    /// Apply the lines of a file, or of standard input.
    Restore(Option<PathBuf>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// A listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Virtual services and their real servers.
    Table {
        /// One service; all of them if `None`.
        service: Option<ServiceKey>,
        /// The columns.
        format: ListFormat,
        /// Addresses and ports as numbers.
        is_numeric: bool,
        /// In order, rather than in the kernel's.
        is_sorted: bool,
    },
    /// The connections.
    Connections {
        /// Addresses and ports as numbers.
        is_numeric: bool,
        /// The columns.
        columns: ConnectionColumns,
    },
    /// The connection timeouts.
    Timeouts,
    /// The sync daemons.
    Daemons,
    /// One of the others as JSON, with all its values.
    Json(JsonSubject),
}

/// The columns of a listing of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionColumns {
    /// Endpoints, state and time.
    Plain,
    /// The columns of `Plain` and the data of persistence engines.
    WithEngineData,
}

/// A listing as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonSubject {
    /// Virtual services and their real servers; one service, or all of them if `None`.
    Table(Option<ServiceKey>),
    /// The connections.
    Connections,
    /// The connection timeouts.
    Timeouts,
    /// The sync daemons.
    Daemons,
}

/// The columns of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListFormat {
    /// Forwarding, weight and connections.
    #[default]
    Plain,
    /// Totals.
    Stats {
        /// All digits.
        is_exact: bool,
    },
    /// Rates.
    Rate {
        /// All digits.
        is_exact: bool,
    },
    /// Thresholds.
    Thresholds,
    /// Persistent clients.
    PersistentConnections,
    /// Tunnels.
    Tunnels,
}

/// A save: the part of the table and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// Addresses and ports as numbers.
    pub is_numeric: bool,
    /// One service; all of them if `None`.
    pub service: Option<ServiceKey>,
    /// The timeouts and the sync daemons, too.
    pub with_settings: bool,
    /// The file; `None` for standard output.
    pub file: Option<PathBuf>,
    /// An empty table may replace a file that holds rules.
    pub may_be_empty: bool,
}
