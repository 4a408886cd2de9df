//! Rules files: every rule, and every bad line with its fault.
//!
//! Knows rules and plans; knows no options and no streams.

mod file;
mod quoted;
#[cfg(test)]
mod tests;

pub use file::{BadLine, LineNumber, Problem, Rule, RuleFile};
pub(crate) use quoted::shortened;
