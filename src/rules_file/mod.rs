//! Reads rules files: every rule with its line, and every bad line with its fault.
//!
//! Knows the rule language and the resolver. Knows no kernel and no streams.

mod quoted;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use quoted::shortened;
pub use read::{BadLine, LineNumber, Problem, Rule, RuleFile};
