//! A command with names in it: parsed up to its first fault, and finished once the names are looked up.

use std::ffi::OsStr;

use crate::answers::Answers;
use crate::command::Command;
use crate::error::RuleError;
use crate::line_options::{Options, WaitingValue};
use crate::table::CommandSpec;

/// A parsed line or command line.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// A command of numbers alone.
    Command(Command),
    /// A command with names that have to be looked up.
    Waiting(Box<WaitingCommand<'a>>),
}

impl Parsed<'_> {
    /// The command, with the names in it resolved.
    ///
    /// # Errors
    /// The first fault: see [`WaitingCommand::resolve`].
    pub fn resolve(self, answers: &mut dyn Answers) -> Result<Command, RuleError> {
        match self {
            Self::Command(command) => Ok(command),
            Self::Waiting(waiting) => waiting.resolve(answers),
        }
    }
}

/// A command that waits for the answers to its names.
///
/// Parsing stops at the first fault. A fault behind a name is kept until the name is resolved, since a name that leads
/// nowhere is the earlier fault, and the one to report.
#[derive(Debug)]
pub struct WaitingCommand<'a> {
    pub(super) options: Options<'a>,
    /// The first fault behind the first name.
    pub(super) fault: Option<RuleError>,
    pub(super) command: &'static CommandSpec,
    /// The value of `--start-daemon` and `--stop-daemon`.
    pub(super) role: &'a str,
    pub(super) arguments: Vec<&'a OsStr>,
}

impl<'a> WaitingCommand<'a> {
    /// The host names to look up, from left to right. An entry that the kernel lists twice appears twice.
    pub fn host_names(&self) -> impl Iterator<Item = &'a str> {
        self.options.waiting.iter().filter_map(WaitingValue::host_name)
    }

    /// Resolves the names from left to right, then reports the kept fault, then checks the options together.
    ///
    /// # Errors
    /// The first fault of the line: the one that a line with numbers in the place of its names has.
    pub fn resolve(mut self, answers: &mut dyn Answers) -> Result<Command, RuleError> {
        for value in std::mem::take(&mut self.options.waiting) {
            self.options.resolve(value, answers)?;
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => self.options.finish(self.command, self.role, &self.arguments),
        }
    }
}
