//! What people and programs read: listings of the table, connections, timeouts and daemons.
//!
//! Pure: the model and names already found go in, bytes come out. Every listing is byte for byte that of
//! ipvsadm 1.31, blanks at the ends of lines included; parsers have come to rely on them.

mod columns;
mod connections;
mod daemons;
mod json;
mod numbers;
mod services;

pub use connections::{virtual_end, write_connection, write_connections_heading};
pub use daemons::{write_daemon, write_timeouts};
pub use json::{JsonList, write_json_daemons, write_json_timeouts};
pub use services::{TableView, write_info};
