//! Everything that can be asked of the kernel's table, as a value.
//!
//! A plan holds changes as its steps, and the client sends them.

use super::{
    RealServer, RealServerKey, ServiceKey, SyncDaemon, SyncRole, Timeouts, VirtualService,
};

/// One change to IPVS; each is one command of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Adds a virtual service.
    AddService(VirtualService),
    /// Replaces all settings of a virtual service.
    EditService(VirtualService),
    /// Deletes a virtual service with its real servers.
    DeleteService(ServiceKey),
    /// Adds a real server to a virtual service.
    AddServer(ServiceKey, RealServer),
    /// Replaces all settings of a real server.
    EditServer(ServiceKey, RealServer),
    /// Deletes a real server from a virtual service; its connections stay until they end.
    DeleteServer(ServiceKey, RealServerKey),
    /// Zeroes the counters of one service and its servers, or of all.
    Zero(Option<ServiceKey>),
    /// Deletes all virtual services.
    Flush,
    /// Sets the timeouts that are not zero.
    SetTimeouts(Timeouts),
    /// Starts a sync daemon.
    StartDaemon(SyncDaemon),
    /// Stops a sync daemon.
    StopDaemon(SyncRole),
}

impl Change {
    /// The service that the change is about. `None` for a change of all services, of timeouts or of sync daemons.
    pub const fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::AddService(service) | Self::EditService(service) => Some(&service.key),
            Self::DeleteService(key)
            | Self::AddServer(key, _)
            | Self::EditServer(key, _)
            | Self::DeleteServer(key, _)
            | Self::Zero(Some(key)) => Some(key),
            Self::Zero(None)
            | Self::Flush
            | Self::SetTimeouts(_)
            | Self::StartDaemon(_)
            | Self::StopDaemon(_) => None,
        }
    }

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
