//! From argv to an exit status: the three programs.
//!
//! Responsible for standard streams, arguments, messages and exit statuses; what a command does is in
//! `commands`.

mod companions;
mod front;
mod help;
mod report;
mod run;
mod watch;

pub use run::{ipvsadm, ipvsadm_restore, ipvsadm_save};
