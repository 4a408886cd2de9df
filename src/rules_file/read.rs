//! Parses the text of a rules file into rules and bad lines.

use std::fmt;
use std::num::NonZeroU32;

use thiserror::Error;

use super::quoted::{quoted_line, shortened};
use crate::errors::conflict_sentence;
use crate::resolve::Resolver;
use ipvs::model::{Change, Entry, Request, RuleConflict, Scope};
use ipvs_rules::{Command, LineError, Parsed, WaitingCommand, lines, parse_line};

/// The fault of a line of a rules file.
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
    Conflict(RuleConflict<LineNumber>),
}

/// A line that cannot be restored.
#[derive(Debug)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// The start of it.
    pub text: String,
    /// Its fault.
    pub problem: Problem,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.text, shortened(&self.problem.to_string()))
    }
}

/// The number of a line, from 1. Lines beyond 2^32 share the last number.
pub type LineNumber = NonZeroU32;

/// The request of a line.
pub type Rule = ipvs::model::Rule<LineNumber>;

fn line_number(number: u64) -> LineNumber {
    u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}

/// A rules file in memory.
#[derive(Debug)]
pub struct RuleFile<'a> {
    text: &'a [u8],
    /// The rules in order.
    pub rules: Vec<Rule>,
    /// The lines that cannot be restored.
    pub bad_lines: Vec<BadLine>,
}

/// A line that waits for names, with its number and its text.
type WaitingLine<'a> = (u64, &'a [u8], Box<WaitingCommand<'a>>);

impl<'a> RuleFile<'a> {
    /// Parses all lines of a text. The names in them are looked up together.
    pub fn read(text: &'a [u8], resolver: &mut Resolver) -> Self {
        let mut file = Self { text, rules: Vec::new(), bad_lines: Vec::new() };
        let mut waiting = Vec::new();
        for (number, line) in lines(text) {
            match parse_line(line) {
                Ok(None) => {}
                Ok(Some(Parsed::Command(command))) => file.add(number, line, Ok(command)),
                Ok(Some(Parsed::Waiting(command))) => waiting.push((number, line, command)),
                Err(error) => file.add(number, line, Err(error)),
            }
        }
        if !waiting.is_empty() {
            file.resolve(waiting, resolver);
        }
        file
    }

    /// True if a line describes a table: it adds a virtual service or clears all of them. Settings and `-Z` alone do not.
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

    fn resolve(&mut self, waiting: Vec<WaitingLine<'a>>, resolver: &mut Resolver) {
        resolver.look_up_all(waiting.iter().flat_map(|(.., command)| command.host_names()));
        for (number, line, command) in waiting {
            self.add(number, line, command.resolve(resolver).map_err(LineError::from));
        }
        self.rules.sort_by_key(|rule| rule.origin);
        self.bad_lines.sort_by_key(|bad| bad.line);
    }

    fn add(&mut self, number: u64, line: &[u8], command: Result<Command, LineError>) {
        let problem = match command {
            Ok(Command::Request(request)) => {
                self.rules.push(Rule { origin: line_number(number), request });
                return;
            }
            Ok(Command::Drain(_)) => Problem::Drain,
            Ok(Command::DryRun(_)) => Problem::DryRun,
            Ok(_) => Problem::NotARule,
            Err(error) => Problem::Line(error),
        };
        self.bad_lines.push(BadLine { line: number, text: quoted_line(line), problem });
    }

    /// Moves rules about anything outside scopes to the bad lines. `-C` is a rule about all services inside.
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
        self.reject_lines(outside.into_iter().map(|rule| (rule.origin, Problem::Outside)));
    }

    /// Adds lines that do not fit the lines before them to the bad lines. The conflicts are in the order of lines.
    pub fn reject(&mut self, conflicts: Vec<(LineNumber, RuleConflict<LineNumber>)>) {
        let conflicts = conflicts.into_iter();
        self.reject_lines(conflicts.map(|(line, conflict)| (line, Problem::Conflict(conflict))));
    }

    /// Adds lines with their problems, in the order of lines, to the bad lines.
    fn reject_lines(&mut self, problems: impl Iterator<Item = (LineNumber, Problem)>) {
        let mut lines = lines(self.text);
        for (number, problem) in problems {
            let number = u64::from(number.get());
            let line = lines.find(|&(line, _)| line == number).map_or(&b""[..], |(_, line)| line);
            self.bad_lines.push(BadLine { line: number, text: quoted_line(line), problem });
        }
        self.bad_lines.sort_by_key(|bad| bad.line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_rule_a_comment_or_a_bad_line_with_its_number() {
        let text = b"# rules\n-A -t 10.0.0.1:80\r\n\n-A -t bogus..:80\n-Ln\n-C";
        let file = RuleFile::read(text, &mut Resolver::new());
        let rules: Vec<u32> = file.rules.iter().map(|rule| rule.origin.get()).collect();
        assert_eq!(rules, [2, 6]);
        let bad: Vec<String> = file.bad_lines.iter().map(ToString::to_string).collect();
        assert_eq!(
            bad,
            [
                "4: -A -t bogus..:80: illegal virtual server address[:port] specified (`bogus..' is \
                 neither an address nor a host name)",
                "5: -Ln: only rules can be restored",
            ]
        );
    }

    #[test]
    fn long_or_binary_line_is_shown_in_part_and_escaped() {
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(b"\n\xff\x07");
        let file = RuleFile::read(&text, &mut Resolver::new());
        let [long, binary] = file.bad_lines.as_slice() else { panic!("two bad lines") };
        assert!(long.text.len() <= 80);
        assert_eq!(binary.text, "\u{fffd}\\u{7}");
    }
}
