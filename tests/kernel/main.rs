//! Tests on a real IPVS kernel: comparisons with 1.31, tests of ours alone, and tests with traffic. If the machine's
//! kernel has no IPVS, `make test` boots one that has.
//!
//! Each test runs in a fresh network namespace (`network`) and runs the programs as a user does (`program`). It reads
//! the kernel's table back through a netlink stack that shares no code with the one under test (`table`).

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod careful_changes;
#[cfg(test)]
mod client;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod compliance;
#[cfg(test)]
mod conduct;
#[cfg(test)]
mod confirm;
#[cfg(test)]
mod connection_queries;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod digest;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod doctor_healthy;
#[cfg(test)]
mod doctor_module;
#[cfg(test)]
mod doctor_routed;
#[cfg(test)]
mod doctor_set_ups;
#[cfg(test)]
mod doctor_states;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod drain_kinds;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod held;
#[cfg(test)]
mod hostile_directory;
#[cfg(test)]
mod kernel_model;
#[cfg(test)]
mod ldirectord;
#[cfg(test)]
mod library;
#[cfg(test)]
mod listings;
#[cfg(test)]
mod lockstep;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod names;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod network;
#[cfg(test)]
mod odd_entries;
#[cfg(test)]
mod one_machine;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod program;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod restore_empty;
#[cfg(test)]
mod restore_failure;
#[cfg(test)]
mod restore_file;
#[cfg(test)]
mod restore_lines;
#[cfg(test)]
mod restore_lock;
#[cfg(test)]
mod restore_rivals;
#[cfg(test)]
mod restore_rules;
#[cfg(test)]
mod restore_scope;
#[cfg(test)]
mod restore_signals;
#[cfg(test)]
mod restore_summary;
#[cfg(test)]
mod restore_tables;
#[cfg(test)]
mod restore_traffic;
#[cfg(test)]
mod restore_weights;
#[cfg(test)]
mod restore_wire;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod save_file;
#[cfg(test)]
mod save_stream;
#[cfg(test)]
mod saves;
#[cfg(test)]
mod schedulers;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod session;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod system_calls;
#[cfg(test)]
mod table;
#[cfg(feature = "top")]
#[cfg(test)]
mod terminal;
#[cfg(feature = "top")]
#[cfg(test)]
mod top;
#[cfg(feature = "top")]
#[cfg(test)]
mod top_picture;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod wait;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod without_ipvs;
