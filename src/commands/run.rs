//! Runs a command of ipvsadm: hands it to the module that carries it out. `failure_kind` sets the kind of its failure.

use std::io::Write;

use super::clear::clear_within;
use super::failure_kind::{of_change, of_listing, of_output};
use super::sysctls::save_sysctls;
use super::{Session, change, drain, dry_run, list, save};
use crate::args::{write_help, write_version};
use crate::errors::Failure;
use crate::process::TerminalStyle;
use ipvs_rules::{Command, LineError, RuleError};

/// Runs any command but `-R`, which is a fault here: it cannot occur among the lines that `-R` reads.
///
/// # Errors
/// The failure of the command.
pub fn run(command: &Command, session: &mut Session, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Request(request) => change(request, session).map_err(of_change),
        Command::DryRun(change) => dry_run(change, session, out).map_err(of_change),
        Command::Drain(asked) => drain(asked, session, out).map_err(of_change),
        Command::ClearWithin(scopes) => clear_within(scopes, session).map_err(of_change),
        Command::List(listing) => list(listing, session, out).map_err(of_listing),
        Command::Save(what) => save(what, session, out).map_err(of_listing),
        Command::SaveSysctls(file) => {
            save_sysctls(file.as_deref(), session, out).map_err(of_listing)
        }
        Command::Help(length) => {
            write_help(out, *length, TerminalStyle::of_standard_output()).map_err(of_output)
        }
        Command::Version => write_version(out, "ipvsadm").map_err(of_output),
        // The program runs these: it has the terminal, and a finding decides about the exit status.
        Command::Confirm(..) | Command::Doctor(_) | Command::Restore(_) => {
            Err(LineError::Rule(RuleError::RestoreInside).into())
        }
    }
}
