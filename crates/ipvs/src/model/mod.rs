//! The vocabulary of IPVS: virtual services, real servers, sync daemons, timeouts and counters, as plain
//! types.
//!
//! Responsible for what these things are, for which of their states make sense, and for their spelling in
//! text (`FromStr`, `Display`) and in the kernel's numbers. Knows no netlink and no files.

#[macro_use]
mod setters;
#[macro_use]
mod unnamed;

mod change;
mod check;
mod checked_name;
mod connection;
mod connection_filter;
mod connection_state;
mod counters;
mod daemon;
mod kernel_names;
mod key_text;
mod network;
mod real_server;
mod reported;
mod request;
mod ruleset;
mod scope;
#[cfg(feature = "serde")]
pub(crate) mod serde_form;
mod service;
mod service_with_servers;
mod timeouts;

pub use change::Change;
pub use check::Misfit;
pub use checked_name::{InterfaceName, NameError, PersistenceEngineName, SchedulerName};
pub use connection::{
    Connection, ConnectionOrigin, ConnectionProtocol, ConnectionTarget, EngineData,
};
pub use connection_filter::ConnectionFilter;
pub use connection_state::ConnectionState;
pub use counters::{Counters, Rates};
pub use daemon::{MulticastGroup, NotMulticast, SyncDaemon, SyncRole, UnknownRole};
pub use kernel_names::UnknownName;
pub use key_text::InvalidKey;
pub use network::{InvalidNetwork, Network};
pub use real_server::{
    Forwarding, OtherChecksum, OtherForwarding, OtherTunnel, RealServer, RealServerKey, Tunnel,
    TunnelChecksum,
};
pub use reported::{Configured, Info, RealServerState, RealServerSummary, ServiceState, Version};
pub use request::{
    Entry, ForwardingEdit, Request, ServerEdit, ServiceEdit, WeightEdit, WeightTooLarge,
};
pub use ruleset::{
    Rule, RuleConflict, Ruleset, ServerRule, ServiceRules, Settings, UnknownAttribute,
};
pub use scope::{InvalidScope, Scope};
#[cfg(feature = "serde")]
pub(crate) use serde_form::serde_by_form;
pub use service::{
    Family, Netmask, OtherProtocol, Persistence, PersistenceError, Protocol, SchedulerFlagError,
    SchedulerFlags, ServiceKey, VirtualService,
};
pub use service_with_servers::ServiceWithServers;
pub use timeouts::Timeouts;
