//! The files of IPVS under `/proc/net` and `/proc/sys`, which everybody may read: streaming readers.

mod applications;
mod connections;
mod fields;
mod lines;
mod services;
mod stats;
mod status;
mod sysctls;

use std::fs::File;
use std::io;

use crate::error::{Error, ErrorKind, Operation, Subject};

pub use applications::{Application, read_applications};
pub use connections::{Connections, has_connections};
pub use services::{ListedService, ServicesFile};
pub use stats::{CpuCounters, Totals, read_cpu_counters};
pub use status::{StatusLine, read_status};
pub use sysctls::Sysctl;
pub(crate) use sysctls::read_sysctls;

/// A file of IPVS under `/proc/net`. Each network namespace has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetFile {
    /// `ip_vs`: services and their real servers.
    Services,
    /// `ip_vs_conn`: the connection table.
    Connections,
    /// `ip_vs_conn_sync`: the connection table with the origin of each entry.
    ConnectionsSync,
    /// `ip_vs_stats`: the totals.
    Stats,
    /// `ip_vs_stats_percpu`: the totals of each CPU.
    StatsPerCpu,
    /// `ip_vs_status`: the load of the tables.
    Status,
    /// `ip_vs_app`: the helpers of applications.
    Applications,
}

impl NetFile {
    /// The path for the calling thread. `/proc/net` would be that of the process' first thread.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Services => "/proc/thread-self/net/ip_vs",
            Self::Connections => "/proc/thread-self/net/ip_vs_conn",
            Self::ConnectionsSync => "/proc/thread-self/net/ip_vs_conn_sync",
            Self::Stats => "/proc/thread-self/net/ip_vs_stats",
            Self::StatsPerCpu => "/proc/thread-self/net/ip_vs_stats_percpu",
            Self::Status => "/proc/thread-self/net/ip_vs_status",
            Self::Applications => "/proc/thread-self/net/ip_vs_app",
        }
    }

    /// The path that people know the file by.
    pub const fn usual_path(self) -> &'static str {
        match self {
            Self::Services => "/proc/net/ip_vs",
            Self::Connections => "/proc/net/ip_vs_conn",
            Self::ConnectionsSync => "/proc/net/ip_vs_conn_sync",
            Self::Stats => "/proc/net/ip_vs_stats",
            Self::StatsPerCpu => "/proc/net/ip_vs_stats_percpu",
            Self::Status => "/proc/net/ip_vs_status",
            Self::Applications => "/proc/net/ip_vs_app",
        }
    }

    /// Opens the file of the calling thread's network namespace.
    pub(crate) fn open(self) -> Result<File, Error> {
        File::open(self.path()).map_err(|error| self.failed(Operation::OpenFile, error))
    }

    fn failed(self, operation: Operation, error: io::Error) -> Error {
        Error::io(operation, error).with_subject(Subject::File(self.usual_path().into()))
    }

    /// A line in a form that this version does not know.
    fn unexpected(self, line: &[u8]) -> Error {
        Error::new(ErrorKind::Malformed, Operation::ReadFile)
            .with_subject(Subject::File(self.usual_path().into()))
            .with_detail(format!("`{}'", String::from_utf8_lossy(line)))
    }
}
