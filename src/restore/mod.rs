//! Rules files: every line read, every bad one kept with what is wrong.
//!
//! Knows rules and plans; knows no options and no streams.

mod file;
#[cfg(test)]
mod tests;

pub use file::{BadLine, Problem, RuleFile};
