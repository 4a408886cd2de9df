//! Restoring rules without losing one, or a connection.
//!
//! A rules file says what the table has to be ([`RuleFile`], [`Target`]). What the kernel has is read
//! ([`Table::read`]) and compared, and a [`Plan`] holds only what differs, in an order in which no service that
//! stays is ever missing: what comes first is added, what goes is removed last. [`carry_out`] makes all of it
//! happen or none.
//!
//! Knows rules and netlink; knows no options and no streams.

mod carry_out;
mod file;
mod lock;
mod plan;
mod table;
mod target;

pub use carry_out::{Broken, Cause, Progress, Undone, carry_out};
pub use file::{BadLine, Problem, Rule, RuleFile};
pub use lock::{Lock, LockError};
pub use plan::{Plan, Step};
pub use table::{Server, Service, Table, TableError, UnknownAttribute};
pub use target::{Existing, Target};
