//! The kernel's table as values: one walk reads it, and everything else collects what the walk visits.
//!
//! The kernel lists services with one dump and the real servers of each service with another. It marks no dump as
//! interrupted, so a reading during changes may have a service twice or lack one.

mod agreement;
mod attribution;
mod differences;
mod mark_places;
#[cfg(feature = "serde")]
mod serde_form;
mod snapshot;
mod summary;
mod walk;

pub use crate::netlink::{Counted, Rules};
pub use agreement::{ListedRules, read_consistent, read_rules, same_entries};
pub use attribution::{Attribution, Owner, ServiceEntries};
pub use differences::{Event, differences};
pub use snapshot::{ServiceSnapshot, Snapshot, read_ruleset, read_selected, read_settings};
pub use summary::{ServiceSummary, Summary};
pub use walk::{Order, Selection, walk};
