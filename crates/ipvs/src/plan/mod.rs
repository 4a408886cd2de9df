//! From the rules that the kernel has to the rules that are wanted, without losing one, or a connection.
//!
//! A [`Plan`] holds only the differences between two rulesets, in an order in which no service that stays is ever
//! missing: additions come first, then settings, then removals; counters are zeroed last. [`apply`] applies all of it or nothing.
//!
//! Knows no rule text, no file, no signal and no terminal.

mod apply;
mod counts;
mod drain;
mod perform;
mod plan_options;
mod retry;
mod steps;

pub use apply::{ApplyError, Cause, Progress, Rollback, apply, revert};
pub use counts::PlanCounts;
pub use drain::{
    Contest, Drain, DrainInput, DrainTarget, Entries, NamespaceInput, Obstacle, Poll, Reading,
    Remaining, RestoredWeights,
};
pub use perform::perform;
pub use plan_options::PlanOptions;
pub use retry::{Applied, Prepared, apply_with_retries};
pub use steps::{Plan, Step};
