//! The files of IPVS under `/proc/net`, which everybody may read: streaming readers.

mod connections;
mod fields;
mod lines;
mod services;

use std::fs::File;
use std::io;

use thiserror::Error;

pub use connections::{Connections, has_connections};
pub use services::{ListedService, ServicesFile};

/// A file of IPVS under `/proc/net`. Each network namespace has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetFile {
    /// `ip_vs`: services and their real servers.
    Services,
    /// `ip_vs_conn`: the connection table.
    Connections,
    /// `ip_vs_conn_sync`: the connection table with the origin of each entry.
    ConnectionsSync,
}

impl NetFile {
    /// The path for the calling thread. `/proc/net` would be that of the process' first thread.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Services => "/proc/thread-self/net/ip_vs",
            Self::Connections => "/proc/thread-self/net/ip_vs_conn",
            Self::ConnectionsSync => "/proc/thread-self/net/ip_vs_conn_sync",
        }
    }

    /// The path that people know the file by.
    pub const fn usual_path(self) -> &'static str {
        match self {
            Self::Services => "/proc/net/ip_vs",
            Self::Connections => "/proc/net/ip_vs_conn",
            Self::ConnectionsSync => "/proc/net/ip_vs_conn_sync",
        }
    }

    pub(crate) fn open(self) -> Result<File, Error> {
        File::open(self.path()).map_err(|source| Error::Open { path: self, source })
    }
}

/// Why a file of /proc could not be read.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be opened: ip_vs is not loaded, or /proc is not mounted.
    #[error("cannot open file {} ({source})", .path.usual_path())]
    Open {
        /// The file.
        path: NetFile,
        /// The error of open(2).
        source: io::Error,
    },
    /// A read failed.
    #[error("cannot read file {} ({source})", .path.usual_path())]
    Read {
        /// The file.
        path: NetFile,
        /// The error of read(2).
        source: io::Error,
    },
    /// A line has a form that this version does not know.
    #[error("unexpected input from {} (`{line}')", .path.usual_path())]
    Unexpected {
        /// The file.
        path: NetFile,
        /// The line.
        line: String,
    },
}

impl Error {
    fn unexpected(path: NetFile, line: &[u8]) -> Self {
        Self::Unexpected { path, line: String::from_utf8_lossy(line).into_owned() }
    }
}
