//! The version of the JSON documents of services, and the mark of a document that has only some of them. The outputs write
//! both, and the reader of rules files checks them.

/// The version of the documents' form. A version that removes a member, or changes its meaning, has another number.
pub const SCHEMA: u32 = 1;

/// The value of `partial` in a document that has only some services: it names the members that are not complete.
pub const ONLY_SOME: &[&str] = &["services"];
