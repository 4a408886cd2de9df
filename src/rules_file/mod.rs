//! Reads rules files, lines or a JSON document: every rule with its place, and every bad rule with its fault.
//!
//! Knows the rule language, the form of documents and the resolver. Knows no kernel and no streams.

mod document;
mod origin;
mod quoted;
mod read;
mod rule_file;
#[cfg(test)]
mod tests;

pub use document::is_document;
pub use origin::{LineNumber, Origin};
pub(crate) use quoted::shortened;
pub use rule_file::{BadRule, Problem, Rule, RuleFile};
