//! What can go wrong between a client and the kernel, in the words that ipvsadm has had for it.

use std::fmt;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

use super::codec::DecodeError;
use crate::model::Change;

/// What was asked of the kernel: one errno means different things for different operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Looking the family IPVS up.
    FindFamily,
    /// `-A`.
    AddService,
    /// `-E`.
    EditService,
    /// `-D`.
    DeleteService,
    /// `-a`.
    AddServer,
    /// `-e`.
    EditServer,
    /// `-d`.
    DeleteServer,
    /// `-Z`.
    Zero,
    /// `-C`.
    Flush,
    /// `--set`.
    SetTimeouts,
    /// `--start-daemon`.
    StartDaemon,
    /// `--stop-daemon`.
    StopDaemon,
    /// Reading the virtual services, or one of them.
    ListServices,
    /// Reading the real servers of a virtual service.
    ListServers,
    /// Reading the timeouts.
    GetTimeouts,
    /// Reading the sync daemons.
    ListDaemons,
    /// Reading the version and the table size.
    GetInfo,
}

impl From<&Change> for Operation {
    fn from(change: &Change) -> Self {
        match change {
            Change::AddService(_) => Self::AddService,
            Change::EditService(_) => Self::EditService,
            Change::DeleteService(_) => Self::DeleteService,
            Change::AddServer(..) => Self::AddServer,
            Change::EditServer(..) => Self::EditServer,
            Change::DeleteServer(..) => Self::DeleteServer,
            Change::Zero(_) => Self::Zero,
            Change::Flush => Self::Flush,
            Change::SetTimeouts(_) => Self::SetTimeouts,
            Change::StartDaemon(_) => Self::StartDaemon,
            Change::StopDaemon(_) => Self::StopDaemon,
        }
    }
}

/// The kernel's no to one operation. Displays as the sentence that ipvsadm 1.31 prints for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct Refused {
    /// What was asked.
    pub operation: Operation,
    /// The kernel's answer.
    pub errno: Errno,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Operation::*;

        let sentence = match (self.operation, self.errno) {
            (AddService, Errno::EXIST) => "Service already exists",
            (AddService | EditService, Errno::NOENT) => "Scheduler or persistence engine not found",
            (EditService | DeleteService | Zero | ListServices, Errno::SRCH) => "No such service",
            (AddServer | EditServer | DeleteServer, Errno::SRCH) => "Service not defined",
            (AddServer, Errno::EXIST) => "Destination already exists",
            (EditServer | DeleteServer, Errno::NOENT) => "No such destination",
            (StartDaemon, Errno::EXIST) => "Daemon has already run",
            (StopDaemon, Errno::SRCH) => "No daemon is running",
            (_, Errno::INVAL) => {
                "Invalid operation.  Possibly wrong module version, address not unicast, ..."
            }
            (_, Errno::RANGE) => "Numerical result out of range",
            (_, Errno::PERM) => "Permission denied (you must be root)",
            (_, Errno::NOMEM) => "Memory allocation problem",
            (_, Errno::NODEV) => "No such device",
            (_, Errno::NETUNREACH) => "Network is unreachable",
            (_, errno) => return write!(f, "{}", io::Error::from(errno)),
        };
        f.write_str(sentence)
    }
}

/// Why a client could not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel has no family IPVS: the module is not loaded, or not there at all.
    #[error("the kernel has no generic netlink family IPVS")]
    NoFamily,
    /// The kernel said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The socket does not work.
    #[error("{call} on a netlink socket: {source}")]
    Socket {
        /// The system call.
        call: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The kernel's answer cannot be read.
    #[error("the kernel's answer cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The table changed while the kernel listed it (`NLM_F_DUMP_INTR`), however often it was asked.
    #[error("the table changed while it was read")]
    Interrupted,
}
