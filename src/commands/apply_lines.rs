//! `-R`: applies the commands of a stream, or shows what they would change. A line that fails does not stop the lines
//! after it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::command_stream::{CommandStream, Event};
use super::dry_run::DryRun;
use super::failure_kind::{of_change, of_output};
use super::{Error, Session, run};
use crate::errors::{Failure, FailureKind, SUCCESS};
use crate::rules_file::shortened;
use ipvs_rules::Command;

/// A file of lines with its name; without one, it is standard input.
pub type NamedInput<'a> = (File, Option<&'a Path>);

/// Applies all lines of a file or of standard input. Each failure is handed to `report` as soon as its line has failed.
/// Returns the kind of the first one.
///
/// # Errors
/// When the input cannot be read, or the kernel cannot be asked.
pub fn apply_lines(
    input: NamedInput<'_>,
    session: &mut Session,
    out: &mut dyn Write,
    report: &mut dyn FnMut(&Failure, &Session),
) -> Result<Option<FailureKind>, Failure> {
    let (input, name) = input;
    run_lines((CommandStream::new(input), name), session, out, report, run)
}

/// Prints what all lines of a file or of standard input would change, and changes nothing. Each line sees the effects of
/// the lines before it. Failures are handled as by [`apply_lines`].
///
/// # Errors
/// When the input or the table cannot be read.
pub fn show_lines(
    input: NamedInput<'_>,
    session: &mut Session,
    out: &mut dyn Write,
    report: &mut dyn FnMut(&Failure, &Session),
) -> Result<Option<FailureKind>, Failure> {
    let (input, name) = input;
    let client = session.client().map_err(of_change)?;
    let mut dry_run = DryRun::read(client).map_err(of_change)?;
    let commands = CommandStream::without_changes(input);
    run_lines((commands, name), session, out, report, |command, _, out| {
        dry_run.run(command, out).map_err(of_change)
    })
}

/// Runs the commands of a stream. Each failure is handed to `report`.
fn run_lines(
    (mut commands, name): (CommandStream<File>, Option<&Path>),
    session: &mut Session,
    out: &mut dyn Write,
    report: &mut dyn FnMut(&Failure, &Session),
    mut run: impl FnMut(&Command, &mut Session, &mut dyn Write) -> Result<(), Failure>,
) -> Result<Option<FailureKind>, Failure> {
    let with_name = |error| match (error, name) {
        (Error::Input(source), Some(path)) => Error::ReadFile { path: path.to_owned(), source },
        (error, _) => error,
    };
    let mut first = None;
    let mut is_output_lost = false;
    while let Some(event) = commands.next(session).map_err(|error| of_change(with_name(error)))? {
        let (line, failure) = match event {
            Event::Do { line, command } => {
                let done = run(&command, session, out);
                match done.and_then(|()| out.flush().map_err(of_output)) {
                    Ok(()) => continue,
                    Err(failure) => {
                        let is_of_output = matches!(
                            failure.kind(),
                            FailureKind::ClosedPipe | FailureKind::NotWritten
                        );
                        // A lost output stops no other line. It is reported once.
                        if is_of_output && std::mem::replace(&mut is_output_lost, true) {
                            continue;
                        }
                        (line, failure)
                    }
                }
            }
            Event::Wrong { line, error } => (line, Failure::from(error).map_message(shortened)),
            Event::Refused { line, error } => (line, of_change(error)),
        };
        let failure = failure.with_context(format!("line {line}"));
        report(&failure, session);
        // A closed pipe counts as success, so a later failure decides the status.
        first = first.or(Some(failure.kind()).filter(|kind| kind.status() != SUCCESS));
        if let FailureKind::Stopped(_) = failure.kind() {
            // The signal that stopped a drain asks the whole program to end.
            return Ok(Some(failure.kind()));
        }
    }
    if first.is_none() {
        // A kernel without IPVS is an error even if no line needs the kernel.
        session.client().map_err(of_change)?;
    }
    Ok(first)
}
