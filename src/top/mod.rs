//! The screen of ipvsadm-top: the services and their real servers with rates since the last sample.
//!
//! `sample` computes rates from two readings of the table, and `history` keeps those of the last minute. `view` holds the
//! choices of the user, and `draw` makes a picture. `run` waits for keys, signals and the next sample. Nothing here changes
//! the kernel's table.

mod columns;
mod connections;
mod draw;
mod history;
mod keys;
mod names;
mod numbers;
mod order;
mod run;
mod sample;
mod screen;
mod source;
#[cfg(test)]
mod tests;
mod theme;
mod view;

pub use run::{Settings, run};
