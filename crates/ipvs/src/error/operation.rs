//! Operations and their subjects: the same errno has different meanings for different operations.

use std::fmt;
use std::path::PathBuf;

use crate::model::{Change, RealServerKey, ServiceKey, SyncRole};

/// An operation that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a netlink socket.
    Connect,
    /// Looking up the number of the generic netlink family IPVS.
    FindFamily,
    /// Adding a virtual service.
    AddService,
    /// Editing a virtual service.
    EditService,
    /// Deleting a virtual service.
    DeleteService,
    /// Adding a real server.
    AddServer,
    /// Editing a real server.
    EditServer,
    /// Deleting a real server.
    DeleteServer,
    /// Zeroing counters.
    Zero,
    /// Deleting all virtual services.
    Flush,
    /// Setting the connection timeouts.
    SetTimeouts,
    /// Starting a sync daemon.
    StartDaemon,
    /// Stopping a sync daemon.
    StopDaemon,
    /// Reading virtual services.
    ListServices,
    /// Reading the real servers of a virtual service.
    ListServers,
    /// Reading the connection timeouts.
    GetTimeouts,
    /// Reading the sync daemons.
    ListDaemons,
    /// Reading the version of IPVS and the size of its connection table.
    GetInfo,
    /// Opening a file of `/proc`.
    OpenFile,
    /// Reading a file of `/proc`.
    ReadFile,
    /// Entering a network namespace.
    EnterNamespace,
    /// Taking the lock of a network namespace.
    Lock,
}

impl Operation {
    /// The operation as a verb and its object, without the entry that it is about.
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Self::Connect => "open a netlink socket",
            Self::FindFamily => "look up the generic netlink family IPVS",
            Self::AddService => "add service",
            Self::EditService => "edit service",
            Self::DeleteService => "delete service",
            Self::AddServer => "add real server",
            Self::EditServer => "edit real server",
            Self::DeleteServer => "delete real server",
            Self::Zero => "zero the counters",
            Self::Flush => "delete all services",
            Self::SetTimeouts => "set the timeouts",
            Self::StartDaemon => "start the sync daemon",
            Self::StopDaemon => "stop the sync daemon",
            Self::ListServices => "read the services",
            Self::ListServers => "read the real servers",
            Self::GetTimeouts => "read the timeouts",
            Self::ListDaemons => "read the sync daemons",
            Self::GetInfo => "read the version of IPVS",
            Self::OpenFile => "open",
            Self::ReadFile => "read",
            Self::EnterNamespace => "enter the network namespace",
            Self::Lock => "lock",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
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

/// The entry or file that an operation was about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A virtual service.
    Service(ServiceKey),
    /// A real server of a virtual service.
    Server(ServiceKey, RealServerKey),
    /// A sync daemon.
    Daemon(SyncRole),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => service.fmt(f),
            Self::Server(service, server) => write!(f, "{server} of {service}"),
            Self::Daemon(role) => write!(f, "{role} daemon"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Subject {
    /// The entry that a change is about, if it is about one.
    pub fn of(change: &Change) -> Option<Self> {
        match change {
            Change::AddService(service) | Change::EditService(service) => {
                Some(Self::Service(service.key))
            }
            Change::DeleteService(key) => Some(Self::Service(*key)),
            Change::AddServer(key, server) | Change::EditServer(key, server) => {
                Some(Self::Server(*key, server.key))
            }
            Change::DeleteServer(key, server) => Some(Self::Server(*key, *server)),
            Change::Zero(key) => key.map(Self::Service),
            Change::StartDaemon(daemon) => Some(Self::Daemon(daemon.role)),
            Change::StopDaemon(role) => Some(Self::Daemon(*role)),
            Change::Flush | Change::SetTimeouts(_) => None,
        }
    }
}
