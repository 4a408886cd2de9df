//! Captured messages, random values, and a model of the kernel, for the tests of the workspace. Not published.

pub mod messages;
pub mod values;
