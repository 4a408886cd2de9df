//! Captured messages, random values, and a model of the kernel, for the tests of the workspace. Not published.

// The library's unit tests include some of these files: both crates have the same names there.
extern crate self as ipvs_test;

pub mod kernel;
pub mod messages;
mod transport;
pub mod values;
