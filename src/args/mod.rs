//! The command lines of the programs, parsed by clap.
//!
//! ipvsadm's own is parsed with the rows of the typed command and its options alone, since each row costs at every start.
//! The lexer of rule lines reads a refused command line once more, to find the fault that ipvsadm 1.31 reports.
//! Knows no kernel, looks up no name and opens no file.

mod command_line;
mod help;
mod invocation;
mod restore;
mod save;
#[cfg(feature = "top")]
mod top;

pub use command_line::CommandLine;
pub use help::{write_help, write_version};
pub use invocation::{Invocation, Request, typed_color};
pub use restore::{
    EmptyTable, Existing, RestoreArguments, RestoreMode, Weights, restore_arguments,
};
pub use save::save_arguments;
#[cfg(feature = "top")]
pub use top::top_arguments;
