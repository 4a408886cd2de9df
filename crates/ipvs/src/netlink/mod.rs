//! The kernel's generic netlink family IPVS: one socket, one method for each thing that the kernel can be
//! asked.
//!
//! Responsible for bytes, sequence numbers and answers. Decides nothing: what the kernel refuses is an
//! error with its operation, and whether that matters is up to the caller.

mod client;
mod codec;
mod detail;
mod message;
mod module;
mod outcome;
#[cfg(test)]
mod replay;
mod transport;
mod uapi;
mod verbs;

pub use client::Client;
pub use detail::{Counted, Decode, Detail, Rules};
pub use module::load_module;
pub use outcome::{Failure, Outcome};
pub use transport::{KernelSocket, Transport};
