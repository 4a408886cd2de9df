//! Administers the Linux Virtual Server (IPVS), the layer-4 load balancer of the Linux kernel.
//!
//! IPVS accepts connections to the address of a [`VirtualService`] and distributes them over its [`RealServer`]s. A
//! scheduler in the kernel picks the server for each new connection, and the kernel forwards the packets. This library
//! lists and changes the kernel's table of services and servers over generic netlink, without running other programs.
//!
//! # Start
//!
//! ```no_run
//! use ipvs::{Client, RealServer, ServiceKey, VirtualService};
//!
//! let mut client = Client::connect()?;
//! let service = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
//! client.add_service(&VirtualService::new(service))?;
//! client.add_server(&service, &RealServer::new("10.1.0.1:80".parse()?))?;
//! for state in client.services()? {
//!     println!("{} {}", state.service.key, state.service.scheduler);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rights
//!
//! The kernel requires CAP_NET_ADMIN in the initial user namespace for every netlink request of IPVS, readings
//! included. The files of `/proc` ([`procfs`]) need no right. Another network namespace ([`Namespace`]) takes
//! CAP_SYS_ADMIN to enter.
//!
//! The module `ip_vs` must be loaded. Without it, connecting fails with [`ErrorKind::NoFamily`], and
//! [`netlink::load_module`] loads it.
//!
//! # Calls block
//!
//! Each call sends its requests and waits for the answers. The kernel handles a request within send(2), after it has
//! taken a lock that all network namespaces share. Most requests take microseconds. A service with a scheduler that the
//! kernel has not loaded waits until modprobe is done. [`Client::set_timeout`] limits the time that a call waits for an
//! answer.
//!
//! The library has no async runtime, because netlink to the kernel has nothing to wait for in parallel: the kernel
//! handles one request at a time. An async program calls the client on a thread for blocking work:
//!
//! ```no_run
//! # async fn list() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = ipvs::Client::connect()?;
//! let services = tokio::task::spawn_blocking(move || client.services()).await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads and network namespaces
//!
//! A [`Client`] is `Send` and `Sync`, and its methods take `&mut self`. Each network namespace has its own table. A
//! client belongs to the namespace in which its socket was opened, and stays there wherever it is used.
//! A [`Namespace`] opens clients, `/proc` files and the lock of any namespace, so one thread can serve many:
//!
//! ```no_run
//! use ipvs::Namespace;
//!
//! let mut client = Namespace::from_name("blue")?.connect()?;
//! println!("{} services in blue", client.services()?.len());
//! # Ok::<(), ipvs::Error>(())
//! ```
//!
//! # Readings while the table changes
//!
//! The kernel sends a long listing in parts and does not mark it when the table changed in between. A listing may then
//! have a service twice, or lack one that exists all the time. [`state::read_consistent`] reads until two readings
//! agree. The real servers of each service are one more listing, so a [`Snapshot`] is not one moment either.
//!
//! # Edit one field
//!
//! The kernel replaces all settings of an entry at once. A [`Request`] names the settings to edit and keeps the others:
//!
//! ```no_run
//! use ipvs::model::ServiceEdit;
//! use ipvs::plan::perform;
//! use ipvs::{Client, Request, ServiceKey};
//!
//! let mut client = Client::connect()?;
//! let service: ServiceKey = "tcp 10.0.0.1:80".parse()?;
//! client.set_weight(&service, &"10.1.0.1:80".parse()?, 0)?;
//! let edit = ServiceEdit { scheduler: Some("sed".parse()?), ..ServiceEdit::default() };
//! perform(&Request::EditService(service, edit), &mut client)?;
//! client.delete_server(&service, &"10.1.0.1:80".parse()?)?;
//! client.delete_service(&service)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`VirtualService::check`](model::VirtualService::check) and its siblings find values that the kernel would refuse or
//! misread.
//!
//! # Take a real server out
//!
//! [`plan::Drain`] sets weights to 0 and counts the connections that are left, until the real server can be deleted. The
//! example `drain` does both.
//!
//! # Many changes
//!
//! [`Client::apply_all`] sends up to 64 changes in one datagram. A refusal does not stop the others:
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use ipvs::model::Change;
//! use ipvs::{Client, RealServer, ServiceKey};
//!
//! let service = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
//! let changes: Vec<Change> = (1..=100)
//!     .map(|host| SocketAddr::from(([10, 1, 0, host], 80)))
//!     .map(|address| Change::AddServer(service, RealServer::new(address.into())))
//!     .collect();
//! let outcome = Client::connect()?.apply_all(&changes)?;
//! for failure in outcome.failures() {
//!     eprintln!("{}", failure.error);
//! }
//! # Ok::<(), ipvs::Error>(())
//! ```
//!
//! # Counters and rates
//!
//! ```no_run
//! use ipvs::{Client, Snapshot};
//!
//! let snapshot = Snapshot::read(&mut Client::connect()?)?;
//! for entry in &snapshot.services {
//!     let (key, counters) = (entry.service.service.key, entry.service.counters);
//!     println!("{key}: {} connections, {} bytes", counters.connections, counters.incoming_bytes);
//!     for server in &entry.servers {
//!         println!("  {}: {} per second", server.server.key, server.rates.connections);
//!     }
//! }
//! # Ok::<(), ipvs::Error>(())
//! ```
//!
//! [`state::differences`] compares two snapshots and returns the changes of the rules as events.
//!
//! # Connections
//!
//! ```no_run
//! use ipvs::Namespace;
//! use ipvs::model::{ConnectionFilter, ConnectionState};
//!
//! let filter = ConnectionFilter::default()
//!     .client("192.0.2.0/24".parse()?)
//!     .state(ConnectionState::Established);
//! for connection in Namespace::current().connections(filter)?.take(10) {
//!     let connection = connection?;
//!     println!("{} -> {}", connection.client, connection.server);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Timeouts and sync daemons
//!
//! ```no_run
//! use ipvs::Client;
//! use ipvs::model::{SyncDaemon, SyncRole, Timeouts};
//!
//! let mut client = Client::connect()?;
//! client.set_timeouts(&Timeouts::new(900, 0, 0))?;
//! client.start_daemon(&SyncDaemon::new(SyncRole::Master, "eth0".parse()?))?;
//! println!("{:?}", client.daemons()?);
//! client.stop_daemon(SyncRole::Master)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From the rules that exist to the rules that are wanted
//!
//! A [`Plan`] holds the differences between two [`Ruleset`]s. Printing its steps is a dry run. [`Plan::apply`]
//! applies all of them, or rolls back to the rules as they were:
//!
//! ```no_run
//! use ipvs::model::ServiceRules;
//! use ipvs::state::read_ruleset;
//! use ipvs::{Client, Plan, RealServer, Ruleset, ServiceKey, VirtualService};
//!
//! let service = VirtualService::new(ServiceKey::tcp(([10, 0, 0, 1], 80).into()));
//! let server = RealServer::new("10.1.0.1:80".parse()?);
//! let wanted: Ruleset = Ruleset::from_iter([ServiceRules::new(service, [server])]);
//!
//! let mut client = Client::connect()?;
//! let current: Ruleset = read_ruleset(&mut client)?;
//! let plan = Plan::between(&current, &wanted);
//! for step in plan.steps() {
//!     println!("{:?}", step.change);
//! }
//! plan.apply(&mut client)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`plan::apply`] also reports progress and can be stopped, and [`plan::apply_with_retries`] plans again when another
//! program changes the rules meanwhile. [`PlanOptions`](plan::PlanOptions) limit a plan to a part of the table, or keep the weights that another program sets.
//!
//! # Errors
//!
//! Every operation of the kernel fails with an [`Error`], which has a kind, the operation, the entry and the errno. Its
//! text is complete: `cannot add real server 10.1.0.1:80 to tcp 10.0.0.1:80: no such service`.
//!
//! Rules as text are in the crate `ipvs-rules`.

#[cfg(not(target_os = "linux"))]
compile_error!("IPVS is a part of the Linux kernel, so this crate builds for Linux only");

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
pub use model::{RealServer, RealServerKey, Request, Ruleset, ServiceKey, VirtualService};
pub use netlink::Client;
pub use plan::Plan;
pub use state::Snapshot;

#[cfg(test)]
#[path = "../../ipvs-test/src/values.rs"]
pub mod values;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
