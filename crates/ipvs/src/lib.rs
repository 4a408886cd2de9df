//! Lists and changes the Linux Virtual Server (IPVS), the kernel's layer-4 load balancer.
//!
//! A [`Client`](netlink::Client) talks to the kernel's generic netlink family IPVS. It takes and gives the plain types
//! of [`model`]: clients connect to a [`VirtualService`](model::VirtualService), their connections go to a
//! [`RealServer`](model::RealServer), and a [`Change`](model::Change) is one change to the kernel's table.

// So that the values of the test crate compile as a part of this one.
#[cfg(test)]
extern crate self as ipvs;

pub mod error;
pub mod kernel;
pub mod model;
pub mod netlink;
pub mod plan;
pub mod procfs;
pub mod state;

pub use error::{Error, ErrorKind};
pub use kernel::Namespace;
pub use model::{RealServer, RealServerKey, Ruleset, ServiceKey, VirtualService};
pub use netlink::Client;
pub use plan::Plan;
pub use state::Snapshot;

#[cfg(test)]
#[path = "../../ipvs-test/src/values.rs"]
pub mod values;
