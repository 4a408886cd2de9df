//! This machine as the calling thread's network namespace sees it: interfaces, addresses, routes, neighbours,
//! packet filters, listening sockets, capabilities, kernel modules and sysctls.
//!
//! The kernel answers every question itself, by rtnetlink or in a file of `/proc` or `/sys`; no other program's output is
//! parsed. Knows no IPVS rule, no message and no command.

mod modules;
mod network;
mod packet_filters;
mod rights;
mod rtnetlink;
mod sockets;

use std::fs;

pub use modules::{
    ModuleState, kernel_release, modprobe_is_banned, modprobe_path, module_is_loaded,
    module_parameter, module_state,
};
pub use network::{
    Address, Interface, InterfaceKind, Neighbour, Route, RouteKind, addresses, interfaces,
    neighbours, routes, routes_to,
};
pub use packet_filters::{NfTables, has_classifiers, legacy_tables, nf_tables};
pub use rights::{Capabilities, Capability, is_initial_user_namespace};
pub use sockets::{counter, listeners, receivers};

/// The value of a sysctl, named by its path below `/proc/sys`. `None` if the kernel has no such setting, or if the caller
/// cannot read it.
pub fn sysctl(path: &str) -> Option<String> {
    let value = fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
    Some(value.trim_end_matches('\n').to_owned())
}
