//! What the tests of the workspace share: messages that a kernel sent, and random values. Not published.

pub mod values;
