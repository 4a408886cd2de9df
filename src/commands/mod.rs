//! Changes, drains, listings, saves, restores and the lines of `-R`: each asks the kernel, changes it, and hands a document to an
//! output.
//!
//! Knows netlink, /proc and the outputs. Knows no standard streams and no exit status: it sets the kind of a failure.

mod applied_plan;
mod apply_lines;
mod change;
mod clear;
mod command_stream;
mod confirmed_change;
mod current_table;
mod doctor;
mod drain;
mod dry_run;
mod error;
mod failure_kind;
mod find_namespace;
mod list;
mod list_connections;
mod list_daemons;
mod list_metrics;
mod list_once;
mod list_services;
mod list_summary;
mod list_timeouts;
mod monitor;
mod notes;
mod preview;
mod restore;
mod run;
mod save;
mod session;
mod sysctls;
#[cfg(test)]
mod tests;
mod watch;

pub use applied_plan::AppliedPlan;
pub use apply_lines::{apply_lines, show_lines};
pub use change::{change, lock_edits};
pub use confirmed_change::plan_change;
#[cfg(feature = "top")]
pub use current_table::{CurrentTable, read_table};
pub use doctor::doctor;
pub use drain::{DrainFailure, drain};
pub use dry_run::dry_run;
pub use error::Error;
pub use failure_kind::{of_change, of_listing, of_output};
pub use find_namespace::find_namespace;
pub use list::list;
pub use notes::{TypedOptions, change_with_notes, notes_on};
pub use restore::{Restore, Watcher, check, diff, diff_metrics, lock, prepare};
pub use run::run;
pub use save::{save, save_consistently};
pub use session::Session;
