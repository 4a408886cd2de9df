//! The kernel's generic netlink family IPVS: one socket, one method for each thing that the kernel can be
//! asked.
//!
//! Responsible for bytes, sequence numbers and answers. Decides nothing: what the kernel refuses is an
//! error with its operation, and whether that matters is up to the caller.

mod client;
mod codec;
mod error;
mod kernel;
mod module;
#[cfg(test)]
mod replay;
mod transport;

pub use client::{Client, Failure};
pub use codec::DecodeError;
pub use error::{Error, Operation, Refused};
pub use module::load_module;
pub use transport::{KernelSocket, Transport};
