//! The errors of the programs: kind, source and hints. The kind alone decides the exit status.
//!
//! `commands/failure_kind.rs` chooses the kind, since the same error of the kernel has status 1 in a listing and 255 in a
//! change; this module makes a status of it. The source is the error of a lower layer, and its text is the message. Knows
//! the sentences of ipvsadm 1.31; knows no command.

mod explain;
mod reasons;
mod report;
mod sentences;

use std::error::Error;

use ipvs_rules::{LineError, RuleError, TokenError};

pub use explain::{missing_ipvs, reason};
pub use reasons::{KernelPart, daemon_beside_server, missing_part, other_family};
pub use sentences::{conflict_sentence, io_text, sentence};

/// The failure that ends a program.
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    /// A thread in another network namespace may print it.
    source: Box<dyn Error + Send + Sync>,
    /// Texts that follow the text of the source in brackets.
    context: Vec<String>,
    hints: Vec<String>,
}

/// The kind of a failure, on which the exit status depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The reader of standard output went away. Nothing is reported.
    ClosedPipe,
    /// Standard output or a file could not be written.
    NotWritten,
    /// The kernel's state could not be listed or saved.
    NotListed,
    /// A value, a combination of options or an argument is wrong.
    WrongValue,
    /// A word on the command line of ipvsadm-save or ipvsadm-restore is wrong.
    WrongWord,
    /// The input of a restore could not be read, or cannot be restored.
    BadInput,
    /// The kernel has no IPVS.
    NoIpvs,
    /// The process lacks CAP_NET_ADMIN.
    NotPermitted,
    /// The command line has no command, or the first option is unknown.
    NoCommand,
    /// An option is unknown, or lacks a value, or has one too many.
    UnknownOption,
    /// The kernel refused a change, or the change could not be requested.
    Refused,
    /// Connections are left after a drain, or another program has ended the drain.
    NotDrained,
    /// A restore was not confirmed, and is undone.
    NotConfirmed,
    /// This signal stopped a restore or a drain.
    Stopped(i32),
}

/// The exit status of a program that has done everything.
pub const SUCCESS: u8 = 0;

impl FailureKind {
    /// The exit status. All but those of restores and drains are those of ipvsadm 1.31.
    pub fn status(self) -> u8 {
        match self {
            Self::ClosedPipe => SUCCESS,
            Self::NotWritten | Self::NotListed | Self::NotDrained | Self::NotConfirmed => 1,
            Self::WrongValue
            | Self::WrongWord
            | Self::BadInput
            | Self::NoIpvs
            | Self::NotPermitted => 2,
            Self::NoCommand | Self::UnknownOption | Self::Refused => 255,
            // Shells use this status for a program that a signal ended.
            Self::Stopped(signal) => u8::try_from(128 + signal).unwrap_or(255),
        }
    }
}

impl Failure {
    /// A failure whose message is the text of its source.
    pub fn new(kind: FailureKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), context: Vec::new(), hints: Vec::new() }
    }

    /// Replaces the text of the source, for example by a shorter one.
    #[must_use]
    pub fn map_message(self, map: impl FnOnce(&str) -> String) -> Self {
        Self { source: map(&self.source.to_string()).into(), ..self }
    }

    /// Adds a text that the message has in brackets at its end.
    #[must_use]
    pub fn with_context(mut self, text: impl Into<String>) -> Self {
        self.context.push(text.into());
        self
    }

    /// Adds a line below the message, which only a terminal gets.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The kind, which decides the exit status.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.kind.status()
    }

    /// The error of the library that caused the failure, for a look at the machine.
    pub fn library_error(&self) -> Option<&ipvs::Error> {
        let mut source: Option<&(dyn Error + 'static)> = Some(&*self.source);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref() {
                return Some(error);
            }
            source = error.source();
        }
        None
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::new(kind_of_rule(&error), error)
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Self {
        let kind = match &error {
            LineError::Rule(error) => kind_of_rule(error),
            _ => FailureKind::WrongValue,
        };
        // The hint of a missing command is about the command line, not about a line of a file.
        let kind = if kind == FailureKind::NoCommand { FailureKind::UnknownOption } else { kind };
        Self::new(kind, error)
    }
}

fn kind_of_rule(error: &RuleError) -> FailureKind {
    match error {
        RuleError::NoCommand(_) | RuleError::OptionFirst(_) | RuleError::BadStart(_) => {
            FailureKind::NoCommand
        }
        RuleError::Token(
            TokenError::UnknownOption(_)
            | TokenError::MissingValue(_)
            | TokenError::UnexpectedValue(_),
        ) => FailureKind::UnknownOption,
        // The kernel would refuse them.
        RuleError::RestoreInside | RuleError::BadInterface(_) => FailureKind::Refused,
        _ => FailureKind::WrongValue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_library_is_found_below_other_errors() {
        let library = ipvs::Error::refused(ipvs::error::Operation::AddService, None, 17);
        let failure = Failure::new(FailureKind::Refused, library);
        assert_eq!(failure.library_error().and_then(ipvs::Error::errno), Some(17));
        assert!(Failure::new(FailureKind::Refused, "full").library_error().is_none());
    }
}
