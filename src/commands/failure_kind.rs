//! The kind of each error of a command: what the user asked for decides it together with the error.

use std::io;

use ipvs::ErrorKind;
use ipvs::error::Operation;
use ipvs::plan::Cause;

use super::{DrainFailure, Error};
use crate::errors::{Failure, FailureKind};
use crate::process::Answer;

/// An error of a command that changes something.
pub fn of_change(error: impl Into<Error>) -> Failure {
    let error = error.into();
    let hints: Vec<String> = match &error {
        Error::Drain(failure) => failure.hints().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let failure = Failure::new(kind(&error), error);
    hints.into_iter().fold(failure, Failure::with_hint)
}

/// An error of a command that only reads. 1.31 has one status for all of them, except without IPVS or rights.
pub fn of_listing(error: impl Into<Error>) -> Failure {
    let error = error.into();
    let kind = match kind(&error) {
        FailureKind::Refused => FailureKind::NotListed,
        kind => kind,
    };
    Failure::new(kind, error)
}

/// An error of standard output.
pub fn of_output(error: io::Error) -> Failure {
    of_change(Error::Output(error))
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::Signals(_) => FailureKind::Refused,
        Error::Stopped { signal } => FailureKind::Stopped(*signal),
        Error::NoNamespace { .. }
        | Error::NoCode { .. }
        | Error::NoServiceToExamine(_)
        | Error::NothingSeen(_)
        | Error::Host(_) => FailureKind::WrongValue,
        Error::Library(error) if error.operation() == Operation::EnterNamespace => {
            FailureKind::WrongValue
        }
        Error::Library(error) => {
            let is_of_file = matches!(error.operation(), Operation::OpenFile | Operation::ReadFile);
            match error.kind() {
                ErrorKind::NoFamily => FailureKind::NoIpvs,
                _ if is_of_file => FailureKind::NotListed,
                ErrorKind::NotPermitted => FailureKind::NotPermitted,
                // The kernel's refusals have an errno; this is a relative weight that leads too far.
                ErrorKind::OutOfRange if error.errno().is_none() => FailureKind::WrongValue,
                _ => FailureKind::Refused,
            }
        }
        Error::NotApplied { signal: Some(signal), failed, .. }
            if matches!(failed.cause, Cause::Stopped) =>
        {
            FailureKind::Stopped(*signal)
        }
        Error::Drain(failure) => match &**failure {
            DrainFailure::Obstacle { .. } | DrainFailure::Signals(_) => FailureKind::Refused,
            DrainFailure::TimedOut { .. } | DrainFailure::Contested { .. } => {
                FailureKind::NotDrained
            }
            DrainFailure::Interrupted { signal, .. } => FailureKind::Stopped(*signal),
        },
        Error::Locked { .. } | Error::NotApplied { .. } => FailureKind::Refused,
        #[cfg(feature = "top")]
        Error::NoScreen(_) => FailureKind::WrongValue,
        Error::Weight(_) | Error::NoTerminal(_) | Error::InBackground | Error::NotAChange => {
            FailureKind::WrongValue
        }
        Error::NotConfirmed { answer: Answer::Signal(signal), .. } => FailureKind::Stopped(*signal),
        Error::NotConfirmed { .. } => FailureKind::NotConfirmed,
        Error::Input(_)
        | Error::ReadFile { .. }
        | Error::Script { .. }
        | Error::Partial { .. }
        | Error::Document
        | Error::BadRules { .. }
        | Error::NoRules { .. }
        | Error::UnmeantClearing { .. } => FailureKind::BadInput,
        Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            FailureKind::ClosedPipe
        }
        Error::Output(_)
        | Error::NoLine { .. }
        | Error::Restless
        | Error::NothingToSave { .. }
        | Error::NoSysctls
        | Error::SaveFile { .. } => FailureKind::NotWritten,
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
            let [bad] = file.bad_rules.as_slice() else { panic!("{line}: {:?}", file.bad_rules) };
            let (said, sentence) = (bad.problem().to_string(), sentence(operation, errno));
            assert!(said.starts_with(&sentence), "{line}: {said:?} is not {sentence:?}");
        }
    }
}
