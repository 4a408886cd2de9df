//! The same commands with Debian's ipvsadm 1.31 and with ours, each in a fresh network namespace, and what differs:
//! standard output byte for byte, exit status, the kernel's table after each command, and what stderr's first line says.

use std::fmt;

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
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
    input: Option<Vec<u8>>,
}

/// What a command did.
struct Seen {
    outcome: Outcome,
    state: Table,
}

/// What two programs can differ in.
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
    /// Reads a line of a case file; its syntax stands at the head of tests/compliance/cases.txt.
    pub(crate) fn parse(text: &str) -> Case {
        let steps = text.split(" ;; ").map(|step| match step.strip_prefix("R<") {
            Some(input) => Step {
                text: step.to_owned(),
                arguments: vec!["-R".to_owned()],
                input: Some(
                    input
                        .replace("\\n", "\n")
                        .replace("\\t", "\t")
                        .replace("\\r", "\r")
                        .into_bytes(),
                ),
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

    /// Plays it with both programs, and tells what differs. Once two tables have parted, they stay so: that is told once.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let (reference, ours) = (Program::reference(), Program::ours());
        let expected = self.play(&reference);
        let got = self.play(&ours);
        let steps = self.steps.iter().zip(expected.iter().zip(&got));
        let mut found: Vec<Difference> = steps
            .flat_map(|(step, (expected, got))| step.compare((&reference, expected), (&ours, got)))
            .collect();
        let mut parted = false;
        found.retain(|difference| {
            difference.aspect != Aspect::State || !std::mem::replace(&mut parted, true)
        });
        found
    }

    fn play(&self, program: &Program) -> Vec<Seen> {
        fresh_namespace();
        let kernel = Kernel::open();
        let steps = self.steps.iter().map(|step| {
            let outcome = match &step.input {
                Some(input) => program.feed(&step.arguments, input),
                None => program.run(&step.arguments),
            };
            Seen { outcome, state: kernel.rules() }
        });
        steps.collect()
    }
}

impl Step {
    fn compare(&self, reference: (&Program, &Seen), ours: (&Program, &Seen)) -> Vec<Difference> {
        let ((reference, expected), (ours, got)) = (reference, ours);
        let mut found = Vec::new();
        let mut differ = |aspect, expected: String, got: String| {
            found.push(Difference {
                aspect,
                step: self.text.clone(),
                reference: expected,
                ours: got,
            });
        };
        let stdout = [&expected.outcome, &got.outcome].map(|outcome| readable(&outcome.stdout));
        let same_stdout = match self.words_are_our_own() {
            true => stdout[0].is_empty() == stdout[1].is_empty(),
            false => expected.outcome.stdout == got.outcome.stdout,
        };
        let stderr = [(reference, expected), (ours, got)].map(|(program, seen)| {
            readable(&seen.outcome.stderr).replace(program.name(), "ipvsadm")
        });
        let same_stderr = match got.outcome.status.success() {
            true => stderr[1].is_empty(),
            false => self.is_explained(&stderr[1], &stderr[0]),
        };
        if !same_stdout {
            differ(Aspect::Stdout, stdout[0].clone(), stdout[1].clone());
        }
        if !same_stderr {
            differ(Aspect::Stderr, stderr[0].clone(), stderr[1].clone());
        }
        if expected.outcome.status != got.outcome.status {
            differ(
                Aspect::Status,
                expected.outcome.status.to_string(),
                got.outcome.status.to_string(),
            );
        }
        if expected.state != got.state {
            differ(Aspect::State, expected.state.to_string(), got.state.to_string());
        }
        found
    }

    /// Help and version are written anew in each program: only the stream and the status are compared.
    fn words_are_our_own(&self) -> bool {
        let input = self.input.as_deref().map(readable).unwrap_or_default();
        let mut words =
            self.arguments.iter().map(String::as_str).chain(input.split_ascii_whitespace());
        words.any(|word| ["-h", "--help", "-v", "--version"].contains(&word))
    }

    /// Whether a failure is explained as well as 1.31 explains it: the same sentence first, and more after it as we like.
    /// Where 1.31 has no sentence but a "Try `ipvsadm -h'" or nothing at all, ours says what is wrong, and then that.
    fn is_explained(&self, ours: &str, reference: &str) -> bool {
        let first = ours.lines().next().unwrap_or_default();
        match reference.lines().find(|line| !line.is_empty()) {
            Some(sentence) if !sentence.starts_with("Try `") => first.starts_with(sentence),
            Some(_) if self.input.is_none() => {
                !first.starts_with("Try `") && ours.contains("Try `ipvsadm -h'")
            }
            _ => !first.is_empty(),
        }
    }
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
