//! The sentences that ipvsadm 1.31 prints for the kernel's refusals. Scripts search for them, so they stay.

use std::error::Error as _;
use std::io;

use ipvs::error::{Error, ErrorKind, Operation};
use ipvs::model::RuleConflict;
use rustix::io::Errno;

const SERVICE_EXISTS: &str = "Service already exists";
const NO_SUCH_SERVICE: &str = "No such service";
const NO_SERVICE_FOR_SERVER: &str = "Service not defined";
const SERVER_EXISTS: &str = "Destination already exists";
const NO_SUCH_SERVER: &str = "No such destination";
const OUT_OF_RANGE: &str = "Numerical result out of range";

/// The first line of the message for an error of the library.
pub fn sentence(error: &Error) -> String {
    use Operation::*;

    let sentence = match (error.operation(), error.kind()) {
        (AddService, ErrorKind::Exists) => SERVICE_EXISTS,
        (_, ErrorKind::NoScheduler) => "Scheduler or persistence engine not found",
        (EditService | DeleteService | Zero | ListServices, ErrorKind::NotFound) => NO_SUCH_SERVICE,
        (_, ErrorKind::NoService) => NO_SERVICE_FOR_SERVER,
        (AddServer, ErrorKind::Exists) => SERVER_EXISTS,
        (EditServer | DeleteServer | ListServers, ErrorKind::NotFound) => NO_SUCH_SERVER,
        (StartDaemon, ErrorKind::Exists) => "Daemon has already run",
        (StopDaemon, ErrorKind::NotFound) => "No daemon is running",
        (OpenFile | ReadFile, _) => return file_sentence(error),
        (EnterNamespace, _) => return namespace_sentence(error),
        (_, ErrorKind::Invalid) => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ..."
        }
        (_, ErrorKind::OutOfRange) => match error.detail() {
            Some(detail) => return format!("{OUT_OF_RANGE} ({detail})"),
            None => OUT_OF_RANGE,
        },
        (_, ErrorKind::NotPermitted) => "Permission denied (you must be root)",
        (_, ErrorKind::NoInterface) => "No such device",
        (_, ErrorKind::NoFamily) => "the kernel has no generic netlink family IPVS",
        (_, ErrorKind::OutOfMemory) if error.errno() == Some(Errno::NOMEM.raw_os_error()) => {
            "Memory allocation problem"
        }
        _ => match (error.errno(), error.source()) {
            (Some(errno), None) => return io_text(&io::Error::from_raw_os_error(errno)),
            _ => return with_sources(error),
        },
    };
    sentence.to_owned()
}

/// The sentence for a change that does not fit the lines before it, and the line that it conflicts with.
pub fn conflict_sentence<L: std::fmt::Display>(conflict: &RuleConflict<L>) -> String {
    let other = |sentence: &str, line: &Option<L>| match line {
        Some(line) => format!("{sentence} ({line} has it with other options)"),
        None => format!("{sentence} (the kernel has it with other options; --replace edits it)"),
    };
    let missing = |sentence: &str| format!("{sentence} (no line before this one adds it)");
    match conflict {
        RuleConflict::ServiceExists(line) => other(SERVICE_EXISTS, line),
        RuleConflict::NoSuchService => missing(NO_SUCH_SERVICE),
        RuleConflict::NoServiceForServer => missing(NO_SERVICE_FOR_SERVER),
        RuleConflict::ServerExists(line) => other(SERVER_EXISTS, line),
        RuleConflict::NoSuchServer => missing(NO_SUCH_SERVER),
        RuleConflict::Weight(error) => format!("{OUT_OF_RANGE} ({error})"),
    }
}

fn file_sentence(error: &Error) -> String {
    let path = error.subject().map(ToString::to_string).unwrap_or_default();
    let verb = if error.operation() == Operation::OpenFile { "open" } else { "read" };
    match error.source() {
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(source) => format!("cannot {verb} file {path} ({})", io_text(source)),
            None => format!("cannot {verb} file {path} ({source})"),
        },
        None => format!("unexpected input from {path} ({})", error.detail().unwrap_or_default()),
    }
}

fn namespace_sentence(error: &Error) -> String {
    let path = error.subject().map(ToString::to_string).unwrap_or_default();
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such network namespace".to_owned(),
        ErrorKind::Invalid => "it is not a network namespace".to_owned(),
        ErrorKind::NotPermitted => "this takes CAP_SYS_ADMIN; be root".to_owned(),
        _ => return with_sources(error),
    };
    format!("cannot enter the network namespace {path}: {reason}")
}

/// An error with its sources, each after a colon.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let error_text = error.downcast_ref().map_or_else(|| error.to_string(), io_text);
        text.push_str(&format!(": {error_text}"));
        source = error.source();
    }
    text
}

/// An error of a system call, without the number that the standard library appends.
pub fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_the_error_is_left_out() {
        assert_eq!(io_text(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(io_text(&io::Error::other("full")), "full");
    }
}
