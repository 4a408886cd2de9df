//! The screen of ipvsadm-top: the services and their real servers with rates since the last sample.
//!
//! `sample` computes rates from two readings of the table, `history` keeps those of the last minute, `view` holds what the
//! user has chosen, and `draw` makes a picture of all of them. `run` waits for keys, signals and the next sample. Changes
//! nothing in the kernel.

mod columns;
mod connections;
mod draw;
mod history;
mod keys;
mod names;
mod numbers;
mod run;
mod sample;
mod screen;
mod source;
#[cfg(test)]
mod tests;
mod theme;
mod view;

pub use run::{Settings, run};
