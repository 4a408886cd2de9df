//! The process and its surroundings: files that are replaced as a whole, and the standard streams.
//!
//! Knows files, descriptors and signals; knows no rules and no kernel table.

mod atomic_file;
mod streams;

pub use atomic_file::AtomicFile;
pub use streams::{TerminalWriter, WaitingStream, visible};
