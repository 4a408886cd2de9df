//! /proc/net/ip_vs and /proc/net/ip_vs_conn, read as streams: what anybody may read, and what netlink does
//! not tell.

mod connections;
mod fields;
mod lines;
mod table;

use std::io;

use thiserror::Error;

pub use connections::{Connection, Ipv4Connection, for_each_connection_line, has_connections};
pub use table::{ListedService, Table, read_table};

/// Why a file of /proc could not be read.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be opened: ip_vs is not loaded, or /proc is not there.
    #[error("cannot open file {} ({source})", usual(.path))]
    Open {
        /// The file.
        path: &'static str,
        /// What open(2) said.
        source: io::Error,
    },
    /// It cannot be read on.
    #[error("cannot read file {} ({source})", usual(.path))]
    Read {
        /// The file.
        path: &'static str,
        /// What read(2) said.
        source: io::Error,
    },
    /// It has a line that this version does not know.
    #[error("unexpected input from {} (`{line}')", usual(.path))]
    Unexpected {
        /// The file.
        path: &'static str,
        /// The line.
        line: String,
    },
}

/// The path that people know a file by.
fn usual(path: &str) -> String {
    path.replace("/thread-self", "")
}

/// The path of a file of the calling thread's network namespace: /proc/net has those of the process' first thread.
macro_rules! net_file {
    ($name:literal) => {
        concat!("/proc/thread-self/net/", $name)
    };
}
use net_file;
