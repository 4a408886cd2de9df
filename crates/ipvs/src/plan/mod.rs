//! From the rules that the kernel has to the rules that are wanted, without losing one, or a connection.
//!
//! A [`Plan`] holds only what differs between two tables, in an order in which no service that stays is ever missing:
//! what comes first is added, what goes is removed last. [`carry_out`] makes all of it happen or none, and
//! [`carry_out_repeatedly`] plans again when another program changes the table meanwhile.
//!
//! Knows netlink; knows no rule text, no file and no terminal.

mod apply;
mod retry;
mod ruleset;
mod steps;
mod target;

pub use apply::{Broken, Cause, Progress, Undone, carry_out};
pub use retry::{Prepared, carry_out_repeatedly};
pub use ruleset::{Server, Service, Table, TableError, UnknownAttribute};
pub use steps::{Plan, Step};
pub use target::{Existing, Rule, Target};
