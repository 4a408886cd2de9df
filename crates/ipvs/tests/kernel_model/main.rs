//! The client and plans against a model of the kernel, over its bytes: the tests need no kernel and no rights.
//!
//! `captured` compares the model with messages that a kernel sent. tests/kernel/kernel_model.rs of the workspace compares
//! it with a running kernel.

#![cfg(test)]

mod apply;
mod captured;
mod client;
mod drain;
mod endurance;
mod requests;
mod verbs;
