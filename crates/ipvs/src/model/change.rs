//! Everything that can be asked of the kernel's table, as a value.
//!
//! The same value is what a rule line says, what a restore plans and undoes, and what netlink sends.

use super::{
    RealServer, RealServerKey, ServiceKey, SyncDaemon, SyncRole, Timeouts, VirtualService,
};

/// One change to IPVS; each is one command of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// `-A`: adds a virtual service.
    AddService(VirtualService),
    /// `-E`: sets everything of a virtual service but its key.
    EditService(VirtualService),
    /// `-D`: deletes a virtual service with its real servers.
    DeleteService(ServiceKey),
    /// `-a`: adds a real server to a virtual service.
    AddServer(ServiceKey, RealServer),
    /// `-e`: sets everything of a real server but its key.
    EditServer(ServiceKey, RealServer),
    /// `-d`: deletes a real server from a virtual service; its connections stay until they end.
    DeleteServer(ServiceKey, RealServerKey),
    /// `-Z`: zeroes the counters of one service and its servers, or of all.
    Zero(Option<ServiceKey>),
    /// `-C`: deletes all virtual services.
    Flush,
    /// `--set`: sets the timeouts that are not zero.
    SetTimeouts(Timeouts),
    /// `--start-daemon`: starts a sync daemon.
    StartDaemon(SyncDaemon),
    /// `--stop-daemon`: stops a sync daemon.
    StopDaemon(SyncRole),
}

impl Change {
    /// The service whose real servers it changes, if it changes real servers.
    pub const fn service_of_server(&self) -> Option<&ServiceKey> {
        match self {
            Self::AddServer(key, _) | Self::EditServer(key, _) | Self::DeleteServer(key, _) => {
                Some(key)
            }
            Self::AddService(_)
            | Self::EditService(_)
            | Self::DeleteService(_)
            | Self::Zero(_)
            | Self::Flush
            | Self::SetTimeouts(_)
            | Self::StartDaemon(_)
            | Self::StopDaemon(_) => None,
        }
    }
}
