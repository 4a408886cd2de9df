//! What the commands do, one function each: they ask the kernel and write what it says.
//!
//! Knows netlink, /proc and the views; knows no command line, no standard streams and no exit status.

mod lines;
mod list;
mod save;
mod session;

use std::io;

use thiserror::Error;

pub use lines::{Event, Lines};
pub use list::list;
pub use save::save;
pub use session::Session;

use crate::model::{Forwarding, ServiceKey};
use crate::{netlink, procfs};

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel, or the way to it.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    /// A file of /proc.
    #[error(transparent)]
    Procfs(#[from] procfs::Error),
    /// What was to be printed could not be.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// What was to be carried out could not be read.
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
    /// A rule has something that no line can say.
    #[error(
        "cannot save the service {service:?}: attribute {attribute} is not known to this version"
    )]
    UnknownAttribute {
        /// The service.
        service: ServiceKey,
        /// The attribute's number in linux/ip_vs.h.
        attribute: u16,
    },
    /// A real server is reached in a way that no line can say.
    #[error("cannot save the service {service:?}: {forwarding:?} is not known to this version")]
    UnknownForwarding {
        /// The service.
        service: ServiceKey,
        /// How a real server of it is reached.
        forwarding: Forwarding,
    },
}
