//! A rules file in memory: its rules with their places, and its bad rules with their faults.

use std::fmt;

use thiserror::Error;

use super::origin::Origin;
use super::quoted::{quoted_line, shortened};
use crate::errors::conflict_sentence;
use ipvs::model::{Change, Entry, Request, RuleConflict, Scope};
use ipvs_rules::{LineError, lines};

/// The fault of a rule of a rules file.
#[derive(Debug, Error)]
pub enum Problem {
    /// The line cannot be parsed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A command that is not a change: list, save, restore, help.
    #[error("only rules can be restored")]
    NotARule,
    /// A drain, which waits.
    #[error("a restore does not wait for connections (ipvsadm and ipvsadm -R have --drain)")]
    Drain,
    /// A dry run of one line.
    #[error("a line of a restore is not a dry run (ipvsadm-restore --diff shows all changes)")]
    DryRun,
    /// The line is about entries outside the scopes of a restore.
    #[error("outside of --within")]
    Outside,
    /// The line does not fit the lines before it.
    #[error("{}", conflict_sentence(.0))]
    Conflict(RuleConflict<Origin>),
    /// A member of a document is wrong.
    #[error("{0}")]
    Document(String),
}

/// A rule that cannot be restored.
#[derive(Debug)]
pub enum BadRule {
    /// A line.
    Line {
        /// Its number, from 1.
        number: u64,
        /// The start of it.
        text: String,
        /// Its fault.
        problem: Problem,
    },
    /// A member of a document.
    Member {
        /// The JSON pointer of the member; empty for the whole document.
        pointer: String,
        /// Its fault.
        problem: Problem,
    },
}

impl BadRule {
    /// The fault of the rule.
    pub const fn problem(&self) -> &Problem {
        match self {
            Self::Line { problem, .. } | Self::Member { problem, .. } => problem,
        }
    }

    /// The number of the line. All members of a document come first.
    pub(super) const fn line(&self) -> u64 {
        match self {
            Self::Line { number, .. } => *number,
            Self::Member { .. } => 0,
        }
    }
}

/// The place and the fault, as a message has them behind the name of the file.
impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = shortened(&self.problem().to_string());
        match self {
            Self::Line { number, text, .. } => write!(f, ":{number}: {text}: {problem}"),
            Self::Member { pointer, .. } if pointer.is_empty() => write!(f, ": {problem}"),
            Self::Member { pointer, .. } => write!(f, ": {pointer}: {problem}"),
        }
    }
}

/// A request and its place in the file.
pub type Rule = ipvs::model::Rule<Origin>;

/// A rules file in memory.
#[derive(Debug)]
pub struct RuleFile<'a> {
    pub(super) source: Source<'a>,
    /// The rules in order.
    pub rules: Vec<Rule>,
    /// The rules that cannot be restored.
    pub bad_rules: Vec<BadRule>,
    /// The members of a document that are missing or not complete, as it says itself.
    pub partial: Vec<String>,
}

/// The form of a rules file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// Lines of this text.
    Lines(&'a [u8]),
    /// A document.
    Document,
}

impl RuleFile<'_> {
    /// A file without rules.
    pub(super) const fn empty() -> Self {
        Self {
            source: Source::Lines(b""),
            rules: Vec::new(),
            bad_rules: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// True if a rule describes a table: it adds a virtual service or clears all of them. Settings and `-Z` alone do not.
    pub fn describes_a_table(&self) -> bool {
        let mut requests = self.rules.iter().map(|rule| &rule.request);
        requests.any(|request| {
            matches!(
                request,
                Request::Change(Change::AddService(_) | Change::Flush)
                    | Request::AddIfMissing(Entry::Service(_))
                    | Request::Replace(Entry::Service(_))
            )
        })
    }

    /// Moves rules about anything outside scopes to the errors. `-C` is a rule about all services inside.
    pub fn reject_outside(&mut self, scopes: &[Scope]) {
        if scopes.is_empty() {
            return;
        }
        let is_inside = |rule: &Rule| match rule.request.service() {
            Some(key) => Scope::any_contains(scopes, key),
            None => matches!(rule.request, Request::Change(Change::Flush)),
        };
        let (inside, outside) =
            std::mem::take(&mut self.rules).into_iter().partition::<Vec<Rule>, _>(is_inside);
        self.rules = inside;
        self.reject_rules(outside.into_iter().map(|rule| (rule.origin, Problem::Outside)));
    }

    /// Adds rules that do not fit the rules before them to the errors. The conflicts are in the order of the rules.
    pub fn reject(&mut self, conflicts: Vec<(Origin, RuleConflict<Origin>)>) {
        let conflicts = conflicts.into_iter();
        self.reject_rules(
            conflicts.map(|(origin, conflict)| (origin, Problem::Conflict(conflict))),
        );
    }

    /// Adds rules with their problems, in the order of the rules, to the errors.
    fn reject_rules(&mut self, problems: impl Iterator<Item = (Origin, Problem)>) {
        let text = match self.source {
            Source::Lines(text) => text,
            Source::Document => b"",
        };
        let mut lines = lines(text);
        for (origin, problem) in problems {
            let Origin::Line(number) = origin else {
                self.bad_rules.push(BadRule::Member { pointer: origin.to_string(), problem });
                continue;
            };
            let number = u64::from(number.get());
            let line = lines.find(|&(line, _)| line == number).map_or(&b""[..], |(_, line)| line);
            self.bad_rules.push(BadRule::Line { number, text: quoted_line(line), problem });
        }
        self.bad_rules.sort_by_key(BadRule::line);
    }
}
