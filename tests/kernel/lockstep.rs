//! Runs the same commands with Debian's ipvsadm 1.31 and with ours, each in a fresh network namespace, and reports the
//! differences. It compares standard output byte for byte, the exit status, the kernel's table after each command, and
//! the first line on standard error.

use std::fmt;
use std::mem;
use std::process::ExitStatus;

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Kernel, Table};

/// One line of a case file: commands that are played in one namespace, in order.
pub(crate) struct Case {
    pub(crate) text: String,
    steps: Vec<Step>,
}

/// One command of a case.
struct Step {
    text: String,
    arguments: Vec<String>,
    input: Option<String>,
}

/// The results of a command, as text; the program calls itself ipvsadm.
struct Seen {
    stdout: String,
    stderr: String,
    status: ExitStatus,
    state: Table,
}

/// An aspect in which two programs can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aspect {
    Stdout,
    Stderr,
    Status,
    State,
}

/// One aspect of one command in which ours is not like 1.31.
pub(crate) struct Difference {
    pub(crate) aspect: Aspect,
    step: String,
    reference: String,
    ours: String,
}

impl Case {
    /// Parses a line of a case file; the head of tests/compliance/cases.txt describes the syntax.
    pub(crate) fn parse(text: &str) -> Case {
        let steps = text.split(" ;; ").map(|step| match step.strip_prefix("R<") {
            Some(input) => Step {
                text: step.to_owned(),
                arguments: vec!["-R".to_owned()],
                input: Some(input.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")),
            },
            None => Step {
                text: step.to_owned(),
                arguments: step
                    .split_ascii_whitespace()
                    .map(|word| word.replace("\"\"", ""))
                    .collect(),
                input: None,
            },
        });
        Case { text: text.to_owned(), steps: steps.collect() }
    }

    /// Runs the case with both programs, and returns the differences. Once two tables differ, they remain different, so
    /// this is reported only once.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let expected = self.play(&Program::reference());
        let got = self.play(&Program::ours());
        let steps = self.steps.iter().zip(expected.iter().zip(&got));
        let mut found: Vec<Difference> =
            steps.flat_map(|(step, (expected, got))| step.compare(expected, got)).collect();
        let mut parted = false;
        found.retain(|difference| {
            difference.aspect != Aspect::State || !mem::replace(&mut parted, true)
        });
        found
    }

    fn play(&self, program: &Program) -> Vec<Seen> {
        fresh_namespace();
        let kernel = Kernel::open();
        let steps = self.steps.iter().map(|step| {
            let outcome = match &step.input {
                Some(input) => program.feed(&step.arguments, input.as_bytes()),
                None => program.run(&step.arguments),
            };
            Seen {
                stdout: outcome.text().to_owned(),
                stderr: outcome
                    .complaint()
                    .replace(program.name(), "ipvsadm")
                    // Debian has corrected this sentence of 1.31 in 1.31-5.
                    .replace("-6 must follow -f", "-6 used before -f"),
                status: outcome.status,
                state: kernel.rules(),
            }
        });
        steps.collect()
    }
}

impl Step {
    fn compare(&self, expected: &Seen, got: &Seen) -> Vec<Difference> {
        let texts = |seen: &Seen| {
            let (status, state) = (seen.status.to_string(), seen.state.to_string());
            [seen.stdout.clone(), seen.stderr.clone(), status, state]
        };
        let same = [
            (Aspect::Stdout, self.says_the_same(expected, got)),
            (Aspect::Stderr, self.complains_as_well(expected, got)),
            (Aspect::Status, expected.status == got.status),
            (Aspect::State, expected.state == got.state),
        ];
        let texts = texts(expected).into_iter().zip(texts(got));
        let different = same.into_iter().zip(texts).filter(|((_, same), _)| !same);
        let reports = different.map(|((aspect, _), (reference, ours))| {
            let step = self.text.clone();
            Difference { aspect, step, reference, ours }
        });
        reports.collect()
    }

    /// Help and version have different texts: only the stream and the status are compared.
    fn says_the_same(&self, expected: &Seen, got: &Seen) -> bool {
        let input = self.input.as_deref().unwrap_or_default();
        let mut words =
            self.arguments.iter().map(String::as_str).chain(input.split_ascii_whitespace());
        match words.any(|word| ["-h", "--help", "-v", "--version"].contains(&word)) {
            true => expected.stdout.is_empty() == got.stdout.is_empty(),
            false => expected.stdout == got.stdout,
        }
    }

    /// Checks that a success prints nothing, and that a failure's message begins with the sentence of 1.31. If 1.31
    /// prints only "Try `ipvsadm -h'" or nothing at all, ours names the fault first and then prints the same.
    fn complains_as_well(&self, expected: &Seen, got: &Seen) -> bool {
        let first = got.stderr.lines().next().unwrap_or_default();
        match expected.stderr.lines().find(|line| !line.is_empty()) {
            _ if got.status.success() => got.stderr.is_empty(),
            Some(sentence) if !sentence.starts_with("Try `") => first.starts_with(sentence),
            Some(_) if self.input.is_none() => {
                !first.starts_with("Try `") && got.stderr.contains("Try `ipvsadm -h'")
            }
            _ => !first.is_empty(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:?} of {}", self.aspect, self.step)?;
        let (mut reference, mut ours): (Vec<&str>, Vec<&str>) =
            (self.reference.lines().collect(), self.ours.lines().collect());
        if self.aspect != Aspect::Stderr {
            let common: Vec<&str> =
                reference.iter().copied().filter(|line| ours.contains(line)).collect();
            reference.retain(|line| !common.contains(line));
            ours.retain(|line| !common.contains(line));
        }
        if reference.is_empty() && ours.is_empty() {
            writeln!(f, "    the same lines in another order, or with other ends")?;
        }
        for line in reference {
            writeln!(f, "    1.31 {line:?}")?;
        }
        for line in ours {
            writeln!(f, "    ours {line:?}")?;
        }
        Ok(())
    }
}
