//! Messages and exit statuses.

use std::io::{self, IsTerminal, Write};

use ipvs::ErrorKind;
use ipvs::error::Operation;
use ipvs::plan::Cause;

use super::front;
use crate::commands::Error;
use crate::process::{WaitingStream, visible};
use crate::rules_file::shortened;
use ipvs_rules::{LineError, RuleError, TokenError};

/// Why a program ends without having done everything.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line.
    Usage(RuleError),
    /// The command line of ipvsadm-save or ipvsadm-restore.
    Companion(clap::Error),
    /// A line of `-R`.
    Line(LineError),
    /// Signals cannot be noted.
    Signals(io::Error),
    /// What a command that only reads did.
    Reading(Error),
    /// What any other command did.
    Action(Error),
}

/// All is done.
pub(super) const DONE: u8 = 0;
/// `--diff` has found changes.
pub(super) const CHANGES: u8 = 1;
/// These are 1.31's.
const LISTING_FAILED: u8 = 1;
const WRONG_VALUE: u8 = 2;
const REFUSED: u8 = 255;

impl Failure {
    /// The status to exit with.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Usage(error) | Self::Line(LineError::Rule(error)) => match error {
                RuleError::NoCommand(_)
                | RuleError::OptionFirst(_)
                | RuleError::BadStart(_)
                | RuleError::RestoreInside
                | RuleError::Token(_)
                | RuleError::BadInterface(_) => REFUSED,
                _ => WRONG_VALUE,
            },
            Self::Line(_) => WRONG_VALUE,
            Self::Companion(_) => WRONG_VALUE,
            Self::Signals(_) => REFUSED,
            // 1.31 has this one for whatever keeps it from listing or saving, but for a kernel without IPVS and missing
            // rights.
            Self::Reading(error) => match action_status(error) {
                REFUSED => LISTING_FAILED,
                status => status,
            },
            Self::Action(error) => action_status(error),
        }
    }

    fn action(&self) -> Option<&Error> {
        match self {
            Self::Reading(error) | Self::Action(error) => Some(error),
            _ => None,
        }
    }

    /// What was to be printed cannot be.
    pub(super) fn is_unheard(&self) -> bool {
        matches!(self.action(), Some(Error::Output(_)))
    }

    /// Says on standard error what is wrong, with the number of its line if there is one. The first line
    /// begins with the sentence of 1.31; hints come behind it and only to a terminal, since parsers take
    /// standard error for part of the output.
    pub(super) fn report(&self, line: Option<u64>, words: &[&str]) {
        match self.action() {
            Some(Error::Output(error)) if is_closed_pipe(error) => return,
            _ => {}
        }
        if let Self::Companion(error) = self {
            return say(&error.render().to_string());
        }
        let mut text = self.sentence();
        if let Some(line) = line {
            text.push_str(&format!(" (line {line})"));
        }
        if let Self::Usage(
            RuleError::Token(TokenError::UnknownOption(_))
            | RuleError::BadStart(TokenError::UnknownOption(_)),
        ) = self
        {
            if let Some(suggestion) = front::suggestion(words) {
                text.push_str(&format!(" (did you mean {suggestion}?)"));
            }
        }
        text.push('\n');
        for further in self.further_lines() {
            text.push_str(further);
            text.push('\n');
        }
        say(&text);
    }

    fn sentence(&self) -> String {
        match self {
            Self::Usage(error) => error.to_string(),
            Self::Companion(error) => error.to_string(),
            Self::Line(error) => shortened(&error.to_string()),
            Self::Signals(error) => format!("cannot catch signals: {error}"),
            Self::Reading(error) | Self::Action(error) => match error {
                Error::Library(error) if error.kind() == ErrorKind::NoFamily => {
                    "Can't initialize ipvs: Protocol not available".to_owned()
                }
                error if is_not_permitted(error) => format!("Can't initialize ipvs: {error}"),
                error => error.to_string(),
            },
        }
    }

    fn further_lines(&self) -> Vec<&'static str> {
        const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
        const ARE_YOU_SURE: &str =
            "Are you sure that IP Virtual Server is built in the kernel or as module?";
        const WITHOUT_IPVS: [&str; 3] = [
            "Check with: modprobe ip_vs && cat /proc/net/ip_vs",
            "Nothing there? The kernel was built without CONFIG_IP_VS, or its modules package is not installed.",
            "In a container, the host has to load the module (modprobe ip_vs), or the container needs CAP_SYS_MODULE \
             and /lib/modules.",
        ];
        const NOT_PERMITTED: [&str; 1] = [
            "Changing IPVS takes CAP_NET_ADMIN: be root, or start the container with --cap-add NET_ADMIN.",
        ];

        let hints = match self {
            Self::Usage(
                RuleError::NoCommand(_) | RuleError::OptionFirst(_) | RuleError::BadStart(_),
            ) => return vec![TRY],
            Self::Reading(error) | Self::Action(error) => match error {
                Error::Library(error) if error.kind() == ErrorKind::NoFamily => &WITHOUT_IPVS[..],
                error if is_not_permitted(error) => &NOT_PERMITTED[..],
                _ => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let hints = if io::stderr().is_terminal() { hints } else { &[] };
        std::iter::once(ARE_YOU_SURE).chain(hints.iter().copied()).collect()
    }
}

/// Writes to standard error. Words, paths and names in a text may hold escape sequences, which must not reach a terminal.
fn say(text: &str) {
    // Nothing can be reported where standard error is closed.
    let _ = WaitingStream(io::stderr()).write_all(visible(text).as_bytes());
}

/// The status for what a command did.
fn action_status(error: &Error) -> u8 {
    match error {
        error if is_not_permitted(error) => WRONG_VALUE,
        Error::Library(error) => match (error.kind(), error.operation()) {
            (ErrorKind::NoFamily, _) => WRONG_VALUE,
            (_, Operation::OpenFile | Operation::ReadFile) => LISTING_FAILED,
            _ => REFUSED,
        },
        Error::Lock(_) => REFUSED,
        // Shells use this status for a program that a signal ended.
        Error::NotApplied { signal: Some(signal), failed, .. }
            if matches!(failed.cause, Cause::Stopped) =>
        {
            u8::try_from(128 + signal).unwrap_or(REFUSED)
        }
        Error::NotApplied { .. } => REFUSED,
        Error::Input(_)
        | Error::ReadFile { .. }
        | Error::Script { .. }
        | Error::BadLines { .. }
        | Error::NoRules { .. }
        | Error::UnmeantClearing { .. } => WRONG_VALUE,
        Error::Output(error) if is_closed_pipe(error) => DONE,
        Error::Output(_)
        | Error::NoLine { .. }
        | Error::Restless
        | Error::NothingToSave { .. }
        | Error::SaveFile { .. } => LISTING_FAILED,
    }
}

fn is_not_permitted(error: &Error) -> bool {
    matches!(error, Error::Library(error) if error.kind() == ErrorKind::NotPermitted && !is_of_file(error))
}

fn is_of_file(error: &ipvs::Error) -> bool {
    matches!(error.operation(), Operation::OpenFile | Operation::ReadFile)
}

fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Action(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    use crate::errors;
    use crate::resolve::Resolver;
    use crate::rules_file::RuleFile;
    use ipvs_rules::parse_numeric_line;

    fn sentence(operation: Operation, errno: Errno) -> String {
        errors::sentence(&ipvs::Error::refused(operation, None, errno.raw_os_error()))
    }

    #[test]
    fn what_is_refused_before_the_kernel_is_asked_has_the_sentence_of_its_refusal() {
        for (line, operation, errno) in [
            ("-A -t 10.0.0.1:80 -s a-name-of-17-bytes", Operation::AddService, Errno::NOENT),
            ("-a -t 10.0.0.1:80 -r 10.0.0.2 -x 5 -y 6", Operation::AddServer, Errno::RANGE),
            (
                "--start-daemon master --mcast-interface a-name-of-17-bytes",
                Operation::StartDaemon,
                Errno::NODEV,
            ),
        ] {
            let said = parse_numeric_line(line.as_bytes()).unwrap_err().to_string();
            let sentence = sentence(operation, errno);
            assert!(said.starts_with(&sentence), "{line}: {said:?} is not {sentence:?}");
        }
    }

    #[test]
    fn what_does_not_fit_a_file_has_the_sentence_of_the_kernels_refusal() {
        const SERVICE: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2 -m\n";
        for (line, operation, errno) in [
            ("-A -t 10.0.0.1:80 -s wrr", Operation::AddService, Errno::EXIST),
            ("-E -t 10.0.0.3:80", Operation::EditService, Errno::SRCH),
            ("-a -t 10.0.0.3:80 -r 10.0.0.2", Operation::AddServer, Errno::SRCH),
            ("-a -t 10.0.0.1:80 -r 10.0.0.2 -g", Operation::AddServer, Errno::EXIST),
            ("-e -t 10.0.0.1:80 -r 10.0.0.3", Operation::EditServer, Errno::NOENT),
        ] {
            let text = format!("{SERVICE}{line}\n");
            let mut file = RuleFile::read(text.as_bytes(), &mut Resolver::new());
            let conflicts = ipvs::Ruleset::default().apply_all(&file.rules);
            file.reject(conflicts);
            let [bad] = file.bad_lines.as_slice() else { panic!("{line}: {:?}", file.bad_lines) };
            let (said, sentence) = (bad.problem.to_string(), sentence(operation, errno));
            assert!(said.starts_with(&sentence), "{line}: {said:?} is not {sentence:?}");
        }
    }
}
