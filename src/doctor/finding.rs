//! Findings, and the rows that make them.

use serde::Serialize;

use super::Facts;

/// The severity of a finding. Errors sort first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Traffic is lost now.
    Error,
    /// Traffic will be lost.
    Warning,
    /// Many sites do so on purpose, or the check cannot be sure.
    Note,
}

impl Severity {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    /// The sequences before and after a text of this severity on a terminal.
    pub const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Error => ("\u{1b}[1;31m", "\u{1b}[0m"),
            Self::Warning => ("\u{1b}[1;33m", "\u{1b}[0m"),
            Self::Note => ("\u{1b}[1m", "\u{1b}[0m"),
        }
    }
}

/// A row of the table of checks.
pub struct Check {
    /// The stable code.
    pub code: &'static str,
    /// The severity of its findings, unless one of them says another.
    pub severity: Severity,
    /// The effect of the fault, in one sentence.
    pub why: &'static str,
    /// Looks for the fault.
    pub find: fn(&Facts) -> Vec<Found>,
}

/// A command that mends a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// The machine that runs the command; `None` for this one.
    pub machine: Option<String>,
    /// The command, ready to paste unless it is a template.
    pub command: String,
    /// True if a word in capital letters has to be replaced first.
    pub is_template: bool,
}

/// A fault that a check has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The value that was seen, as a sentence without its full stop.
    pub seen: String,
    /// The commands that mend it.
    pub mends: Vec<Mend>,
    /// Replaces the severity of the row.
    pub severity: Option<Severity>,
}

impl Found {
    /// A fault without a command.
    pub fn new(seen: impl Into<String>) -> Self {
        Self { seen: seen.into(), ..Self::default() }
    }

    /// Adds a command for this machine.
    #[must_use]
    pub fn here(mut self, command: impl Into<String>) -> Self {
        self.mends.push(Mend { machine: None, command: command.into(), is_template: false });
        self
    }

    /// Adds a command for another machine.
    #[must_use]
    pub fn on(mut self, machine: impl ToString, command: impl Into<String>) -> Self {
        let machine = Some(machine.to_string());
        self.mends.push(Mend { machine, command: command.into(), is_template: false });
        self
    }

    /// Adds a command for this machine with a word that the reader has to replace.
    #[must_use]
    pub fn template(mut self, command: impl Into<String>) -> Self {
        self.mends.push(Mend { machine: None, command: command.into(), is_template: true });
        self
    }

    /// Lowers the finding to a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Some(Severity::Warning);
        self
    }

    /// Lowers the finding to a note.
    #[must_use]
    pub fn as_note(mut self) -> Self {
        self.severity = Some(Severity::Note);
        self
    }
}

/// A fault with the fields of its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable code.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The value that was seen.
    pub seen: String,
    /// The effect.
    pub why: &'static str,
    /// The commands that mend it.
    pub commands: Vec<Mend>,
}

impl Finding {
    /// A finding of a check.
    pub fn new(check: &Check, found: Found) -> Self {
        Self {
            code: check.code,
            severity: found.severity.unwrap_or(check.severity),
            seen: found.seen,
            why: check.why,
            commands: found.mends,
        }
    }
}
