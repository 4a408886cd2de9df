//! The programs ipvsadm, ipvsadm-save, ipvsadm-restore and ipvsadm-top. The library for other programs is the crate `ipvs-client`;
//! this one promises nothing and may change with every release.
#![doc(hidden)]

pub mod resolve;
pub mod rules_file;

mod args;
mod commands;
pub mod doctor;
mod errors;
pub mod host;
mod process;
pub mod programs;
mod schema;
#[cfg(feature = "top")]
mod top;
// Public for the benchmarks.
pub mod output;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
