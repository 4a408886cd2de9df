//! Listings, saves, restores and the lines of `-R`: each asks the kernel, changes it, and hands a document to an output.
//!
//! Knows netlink, /proc and the outputs. Knows no standard streams and no exit status.

mod apply_lines;
mod error;
mod list;
mod list_connections;
mod list_services;
mod list_settings;
mod restore;
mod save;
mod session;
#[cfg(test)]
mod tests;

pub use apply_lines::{Event, Lines};
pub use error::Error;
pub use list::list;
pub use restore::{Restore, Watcher, check, diff, lock, prepare};
pub use save::{save, save_consistently};
pub use session::Session;
