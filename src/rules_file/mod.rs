//! Rules files: every rule, and every bad line with its fault.
//!
//! Knows rules and plans; knows no options and no streams.

mod quoted;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use quoted::shortened;
pub use read::{BadLine, LineNumber, Problem, Rule, RuleFile};
