//! Documents: listings of services, connections, daemons and timeouts, saved rules, and the lines of a plan.
//!
//! Each document is a type with a text writer and a serde form, and one function prints any of them as JSON. Long listings
//! are printed while they are read ([`Rows`]). The text is byte for byte that of ipvsadm 1.31, blanks at the ends of lines
//! included, because parsers rely on it. Knows the model and labels; knows no kernel and no streams of its own.

mod connection_counts;
mod connections;
mod counted;
mod daemons;
mod digest;
mod director_summary;
mod document;
mod drain;
mod entry_count;
mod grid;
mod group_counter;
mod json;
mod metrics;
mod numbers;
mod padding;
mod partial_services;
mod plan;
mod plan_document;
mod rows;
mod rules;
mod service_label;
mod services;
mod sysctl_rows;
mod sysctls;
mod table_change;
mod table_head;
mod timeouts;

pub use connection_counts::TotalCount;
pub use connections::{ConnectionsText, virtual_end};
pub use counted::counted;
pub use daemons::Daemons;
pub use digest::write_digest;
pub use director_summary::{DirectorSummary, MISSING_IN_SUMMARY, ServiceTally};
pub use document::{Document, write_document};
pub use drain::{DrainStep, DrainedServer, Left, contest_text};
pub use entry_count::EntryCount;
pub use grid::{Column, Grid, GridStyle};
pub use group_counter::GroupCounter;
pub use json::JsonRows;
pub use metrics::{ConnectionCounts, Metrics, plan_metrics};
pub use partial_services::{MISSING_IN_FILE, PartialService};
pub use plan::plan_summary;
pub use plan_document::PlanDocument;
pub use rows::{Buffered, Rows};
pub use rules::{Inexpressible, SavedRules, SavedText};
pub use services::ServicesText;
#[cfg(feature = "top")]
pub use services::forwarding_name;
pub use sysctls::{Sysctls, TableLoad, sysctl_lines};
pub use table_change::TableChange;
pub use table_head::TableHead;
