//! One thing that is asked for: a change, or an edit that keeps the settings it does not name.

use super::{
    Change, Forwarding, Persistence, PersistenceEngineName, RealServer, RealServerKey,
    SchedulerFlags, SchedulerName, ServiceKey, VirtualService,
};

/// A change, or an edit of an entry as the kernel has it. [`perform`](crate::plan::perform) performs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Request {
    /// A change that does not depend on the entry as it is.
    Change(Change),
    /// An edit of some settings of a virtual service.
    EditService(ServiceKey, ServiceEdit),
    /// An edit of some settings of a real server.
    EditServer(ServiceKey, RealServerKey, ServerEdit),
}

impl Request {
    /// An edit of a real server's weight.
    pub fn set_weight(service: ServiceKey, server: RealServerKey, weight: u32) -> Self {
        let edit = ServerEdit { weight: Some(weight), ..ServerEdit::default() };
        Self::EditServer(service, server, edit)
    }
}

impl From<Change> for Request {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

/// The settings of a virtual service to edit. `ServiceEdit::default()` keeps all settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceEdit {
    /// The scheduler.
    pub scheduler: Option<SchedulerName>,
    /// The scheduler's flags.
    pub scheduler_flags: Option<SchedulerFlags>,
    /// The persistence; `Some(None)` ends it.
    pub persistence: Option<Option<Persistence>>,
    /// The persistence engine; `Some(None)` removes it.
    pub engine: Option<Option<PersistenceEngineName>>,
    /// One-packet scheduling.
    pub one_packet: Option<bool>,
}

impl ServiceEdit {
    /// The service with these settings edited.
    #[must_use]
    pub fn applied_to(&self, service: &VirtualService) -> VirtualService {
        let Self { scheduler, scheduler_flags, persistence, engine, one_packet } = self;
        VirtualService {
            key: service.key,
            scheduler: scheduler.unwrap_or(service.scheduler),
            scheduler_flags: scheduler_flags.unwrap_or(service.scheduler_flags),
            persistence: persistence.unwrap_or(service.persistence),
            unused_netmask: service.unused_netmask,
            engine: engine.unwrap_or(service.engine),
            one_packet: one_packet.unwrap_or(service.one_packet),
        }
    }
}

/// The settings of a real server to edit. `ServerEdit::default()` keeps all settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerEdit {
    /// The way packets reach the real server.
    pub forwarding: Option<Forwarding>,
    /// The weight.
    pub weight: Option<u32>,
    /// The upper connection threshold.
    pub upper_threshold: Option<u32>,
    /// The lower connection threshold.
    pub lower_threshold: Option<u32>,
}

impl ServerEdit {
    /// The real server with these settings edited.
    #[must_use]
    pub fn applied_to(&self, server: &RealServer) -> RealServer {
        let Self { forwarding, weight, upper_threshold, lower_threshold } = self;
        RealServer {
            key: server.key,
            forwarding: forwarding.unwrap_or(server.forwarding),
            weight: weight.unwrap_or(server.weight),
            upper_threshold: upper_threshold.unwrap_or(server.upper_threshold),
            lower_threshold: lower_threshold.unwrap_or(server.lower_threshold),
        }
    }
}
