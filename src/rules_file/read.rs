//! Parses the text of a rules file into rules and errors.

use super::document::is_document;
use super::origin::Origin;
use super::quoted::quoted_line;
use super::rule_file::{BadRule, Problem, Rule, RuleFile, Source};
use crate::resolve::Resolver;
use ipvs_rules::{Command, LineError, Parsed, WaitingCommand, lines, parse_line};

/// A line that waits for names, with its number and its text.
type WaitingLine<'a> = (u64, &'a [u8], Box<WaitingCommand<'a>>);

impl<'a> RuleFile<'a> {
    /// Parses a document, or all lines of a text. The names in the lines are looked up together.
    pub fn read(text: &'a [u8], resolver: &mut Resolver) -> Self {
        if is_document(text) {
            return Self::read_document(text);
        }
        let mut file = Self { source: Source::Lines(text), ..Self::empty() };
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

    fn resolve(&mut self, waiting: Vec<WaitingLine<'a>>, resolver: &mut Resolver) {
        resolver.look_up_all(waiting.iter().flat_map(|(.., command)| command.host_names()));
        for (number, line, command) in waiting {
            self.add(number, line, command.resolve(resolver).map_err(LineError::from));
        }
        self.rules.sort_by_key(|rule| rule.origin);
        self.bad_rules.sort_by_key(BadRule::line);
    }

    fn add(&mut self, number: u64, line: &[u8], command: Result<Command, LineError>) {
        let problem = match command {
            Ok(Command::Request(request)) => {
                self.rules.push(Rule { origin: Origin::line(number), request });
                return;
            }
            Ok(Command::Drain(_)) => Problem::Drain,
            Ok(Command::DryRun(_)) => Problem::DryRun,
            Ok(_) => Problem::NotARule,
            Err(error) => Problem::Line(error),
        };
        self.bad_rules.push(BadRule::Line { number, text: quoted_line(line), problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_rule_a_comment_or_a_bad_line_with_its_number() {
        let text = b"# rules\n-A -t 10.0.0.1:80\r\n\n-A -t bogus..:80\n-Ln\n-C";
        let file = RuleFile::read(text, &mut Resolver::new());
        let rules: Vec<String> = file.rules.iter().map(|rule| rule.origin.to_string()).collect();
        assert_eq!(rules, ["line 2", "line 6"]);
        let bad: Vec<String> = file.bad_rules.iter().map(ToString::to_string).collect();
        assert_eq!(
            bad,
            [
                ":4: -A -t bogus..:80: illegal virtual server address[:port] specified (`bogus..' is \
                 neither an address nor a host name)",
                ":5: -Ln: only rules can be restored",
            ]
        );
    }

    #[test]
    fn long_or_binary_line_is_shown_in_part_and_escaped() {
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(b"\n\xff\x07");
        let file = RuleFile::read(&text, &mut Resolver::new());
        let [BadRule::Line { text: long, .. }, BadRule::Line { text: binary, .. }] =
            file.bad_rules.as_slice()
        else {
            panic!("two bad lines")
        };
        assert!(long.len() <= 80);
        assert_eq!(binary, "\u{fffd}\\u{7}");
    }
}
