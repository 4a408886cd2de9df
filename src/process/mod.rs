//! The process and its surroundings: the standard streams.
//!
//! Knows descriptors; knows no rules and no kernel table.

mod streams;

pub use streams::{TerminalWriter, WaitingStream, visible};
