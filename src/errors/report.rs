//! Writes a failure to standard error.
//!
//! The first line begins with the sentence of ipvsadm 1.31, and the context follows in brackets. Hints come below it, and
//! only on a terminal: scripts merge standard error with the output and would parse them.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use super::explain::reason;
use super::{Failure, FailureKind};
use crate::process::{WaitingStream, has_colours, visible};

const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
const ARE_YOU_SURE: &str =
    "Are you sure that IP Virtual Server is built in the kernel or as module?";
const CANNOT_INITIALIZE: &str = "Can't initialize ipvs";

const WITHOUT_IPVS: &[&str] = &[
    "Check with: modprobe ip_vs && cat /proc/net/ip_vs",
    "Nothing there? The kernel was built without CONFIG_IP_VS, or its modules package is not installed.",
    "In a container, the host has to load the module (modprobe ip_vs), or the container needs CAP_SYS_MODULE \
     and /lib/modules.",
];
const NOT_PERMITTED: &[&str] = &[
    "Changing IPVS takes CAP_NET_ADMIN: be root, or start the container with --cap-add NET_ADMIN.",
];

impl Failure {
    /// Writes the message and the hints to standard error.
    pub fn report(&self) {
        if self.kind == FailureKind::ClosedPipe {
            return;
        }
        let stderr = io::stderr().lock();
        // Words, paths and names in a message may hold escape sequences, which must not reach a terminal.
        let reason = self.library_error().and_then(reason);
        let message = self.message(reason.as_deref());
        let mut text = visible(&message).into_owned();
        if has_colours(&stderr) {
            text = coloured(&text);
        }
        text.push('\n');
        // Beside a reason, the question of 1.31 whether the kernel has IPVS would mislead.
        let is_explained = reason.is_some() && self.kind == FailureKind::NotPermitted;
        if let Some(line) = self.line_of_1_31().filter(|_| !is_explained) {
            text.push_str(line);
            text.push('\n');
        }
        if stderr.is_terminal() && !is_explained {
            let hints = self.hints.iter().map(String::as_str);
            for hint in self.hints_of_kind().iter().copied().chain(hints) {
                text.push_str(hint);
                text.push('\n');
            }
        }
        // Nothing can be reported where standard error is closed.
        let _ = WaitingStream(stderr).write_all(text.as_bytes());
    }

    /// The first line, or more where the source lists several faults.
    fn message(&self, reason: Option<&str>) -> String {
        let mut text = match self.kind {
            FailureKind::NoIpvs => format!("{CANNOT_INITIALIZE}: Protocol not available"),
            FailureKind::NotPermitted => format!("{CANNOT_INITIALIZE}: {}", self.source),
            _ => self.source.to_string(),
        };
        for context in reason.into_iter().chain(self.context.iter().map(String::as_str)) {
            text.push_str(&format!(" ({context})"));
        }
        text
    }

    /// The second line of 1.31, where it has one.
    fn line_of_1_31(&self) -> Option<&'static str> {
        match self.kind {
            FailureKind::NoCommand => Some(TRY),
            FailureKind::NoIpvs | FailureKind::NotPermitted => Some(ARE_YOU_SURE),
            _ => None,
        }
    }

    fn hints_of_kind(&self) -> &'static [&'static str] {
        match self.kind {
            FailureKind::NoIpvs => WITHOUT_IPVS,
            FailureKind::NotPermitted => NOT_PERMITTED,
            _ => &[],
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(None))
    }
}

/// The first line in red, up to the context in brackets.
fn coloured(text: &str) -> String {
    const RED: &str = "\u{1b}[31m";
    const PLAIN: &str = "\u{1b}[0m";

    let line_end = text.find('\n').unwrap_or(text.len());
    let end = text.find(" (").map_or(line_end, |context| context.min(line_end));
    let (sentence, rest) = text.split_at(end);
    format!("{RED}{sentence}{PLAIN}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sentence_is_coloured() {
        assert_eq!(
            coloured("No such service (line 3)"),
            "\u{1b}[31mNo such service\u{1b}[0m (line 3)"
        );
        assert_eq!(coloured("a:1: x\na:2 (y)"), "\u{1b}[31ma:1: x\u{1b}[0m\na:2 (y)");
    }

    #[test]
    fn context_follows_the_sentence_in_brackets() {
        let failure = Failure::new(FailureKind::Refused, "No such service");
        assert_eq!(failure.with_context("line 3").message(None), "No such service (line 3)");
    }
}
