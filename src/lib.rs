//! Lists and changes the Linux Virtual Server (IPVS), the kernel's layer-4 load balancer.
//!
//! A [`Client`](netlink::Client) talks to the kernel's generic netlink family IPVS. What it takes and gives are
//! the plain types of [`model`]: a [`VirtualService`](model::VirtualService) is what clients connect to, a
//! [`RealServer`](model::RealServer) is what their connections are given to, and a
//! [`Change`](model::Change) is one thing to do to the table. [`rules`] reads and writes the same changes as the
//! lines that ipvsadm has for them.
//!
//! ```no_run
//! use ipvs::model::{Change, RealServer, RealServerKey};
//! use ipvs::names::{Labels, Names};
//! use ipvs::netlink::Client;
//! use ipvs::rules::{Command, read_line, write_change};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect()?;
//!
//! // Add a virtual service, as a rule line has it, and a real server, as values.
//! let rule = read_line(b"-A -t 192.0.2.1:80 -s wlc", &mut Names::new())?;
//! let Some(Command::Change(Change::AddService(service))) = rule else {
//!     return Err("not a line that adds a service".into());
//! };
//! let key = service.key;
//! client.apply(&Change::AddService(service))?;
//! let server = RealServer {
//!     weight: 3,
//!     ..RealServer::new(RealServerKey { address: "10.0.0.2".parse()?, port: 80 })
//! };
//! client.apply(&Change::AddServer(key, server))?;
//!
//! // Print the table as rules.
//! let mut out = std::io::stdout();
//! for state in client.services()? {
//!     let key = state.service.key;
//!     write_change(&mut out, &Change::AddService(state.service), &Labels::numeric())?;
//!     println!();
//!     for state in client.real_servers(&key)? {
//!         write_change(&mut out, &Change::AddServer(key, state.server), &Labels::numeric())?;
//!         println!();
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The feature `cli`, on by default, adds the command line of the three programs and needs clap. Without it
//! (`default-features = false`) the library is what is described here.

pub mod model;
pub mod names;
pub mod netlink;
pub mod procfs;
pub mod restore;
pub mod rules;

#[cfg(feature = "cli")]
mod actions;
#[cfg(feature = "cli")]
pub mod cli;
// Public for the benchmarks; what it writes may change with the listings.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod view;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
