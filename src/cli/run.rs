//! The programs' main functions. The only place that touches arguments, standard input and standard output.

use std::env;
use std::fs::{self, File};
use std::io::{self, IsTerminal, LineWriter, Read, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::companions::{Mode, restore_arguments, save_arguments};
use super::help::{write_help, write_version};
use super::report::{CHANGES, DONE, Failure};
use super::watch::Watch;
use crate::commands::{self, Error, Event, Lines, Restore, Session};
use crate::process::{TerminalWriter, WaitingStream};
use ipvs_rules::{Command, RuleError, Save, Tokens, parse_command};

/// ipvsadm(8).
pub fn ipvsadm() -> ExitCode {
    with_arguments(|words, session| {
        // Without arguments it lists.
        let words = if words.is_empty() { &["-L"] } else { words };
        let tokens = Tokens::new(words.iter().copied());
        let command = parse_command(tokens)
            .and_then(|parsed| session.resolve(parsed))
            .map_err(Failure::Usage)?;
        match command {
            Command::Restore(file) => {
                let file = file.map(as_typed);
                restore_lines(file.as_deref(), session, &mut standard_output())
            }
            Command::Save(save) => with_output(|out| {
                let save = Save { file: save.file.map(as_typed), ..save };
                commands::save(&save, session, out).map_err(Failure::Reading)?;
                Ok(DONE)
            }),
            command => with_output(|out| carry_out(&command, session, out).map(|()| DONE)),
        }
    })
}

/// ipvsadm-save(8).
pub fn ipvsadm_save() -> ExitCode {
    with_arguments(|words, session| {
        let save = match save_arguments(words) {
            Ok(save) => save,
            Err(error) => return answer(error),
        };
        let save = Save { file: save.file.map(as_typed), ..save };
        with_output(|out| {
            commands::save_consistently(&save, session, out).map_err(Failure::Reading)?;
            Ok(DONE)
        })
    })
}

/// ipvsadm-restore(8).
pub fn ipvsadm_restore() -> ExitCode {
    with_arguments(|words, session| {
        let arguments = match restore_arguments(words) {
            Ok(arguments) => arguments,
            Err(error) => return answer(error),
        };
        let file = arguments.file.map(as_typed);
        let text = match &file {
            Some(path) => read_file(path)?,
            None => read_standard_input()?,
        };
        let name = match &file {
            Some(path) => path.to_string_lossy(),
            None => "standard input".into(),
        };
        let restore = Restore {
            name: &name,
            text: &text,
            existing: arguments.existing,
            empty_table: arguments.empty_table,
        };
        with_output(|out| match arguments.mode {
            Mode::Check => {
                commands::check(&restore, session, out)?;
                Ok(DONE)
            }
            Mode::Diff => Ok(if commands::diff(&restore, session, out)? { CHANGES } else { DONE }),
            Mode::Restore => {
                let mut watch = Watch::new().map_err(Failure::Signals)?;
                let _lock = commands::lock(arguments.patience, |error| {
                    if io::stderr().is_terminal() {
                        let _ = writeln!(io::stderr(), "{error}; restoring without a lock");
                    }
                })?;
                let prepared = commands::prepare(&restore, session)?;
                watch.begin();
                prepared.carry_out(session, &mut watch)?;
                Ok(DONE)
            }
        })
    })
}

/// What clap has to say instead of arguments: help that was asked for, or what is wrong.
fn answer(said: clap::Error) -> Result<u8, Failure> {
    if said.use_stderr() {
        return Err(Failure::Companion(said));
    }
    with_output(|out| {
        write!(out, "{}", said.render()).map_err(Error::Output)?;
        Ok(DONE)
    })
}

/// Runs a program with its arguments as text.
fn with_arguments(program: impl FnOnce(&[&str], &mut Session) -> Result<u8, Failure>) -> ExitCode {
    // What is not UTF-8 is no option and no address: read as it looks, it is refused in the right words.
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let status = program(&words, &mut Session::new()).unwrap_or_else(|failure| {
        failure.report(None, &words);
        failure.status()
    });
    status.into()
}

/// The name of a file as it was typed: a file's name need not be UTF-8.
fn as_typed(path: PathBuf) -> PathBuf {
    let typed = env::args_os().find(|word| word.to_string_lossy() == path.to_string_lossy());
    typed.map_or(path, PathBuf::from)
}

/// Runs a command that prints, and makes sure that all of it was printed.
fn with_output(command: impl FnOnce(&mut dyn Write) -> Result<u8, Failure>) -> Result<u8, Failure> {
    let mut out = standard_output();
    let status = command(&mut out)?;
    out.flush().map_err(Error::Output)?;
    Ok(status)
}

/// Standard output, line by line as std has it.
fn standard_output() -> LineWriter<TerminalWriter<StdoutLock<'static>>> {
    LineWriter::new(TerminalWriter::new(io::stdout().lock()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })
}

/// Reads the rules of ipvsadm-restore. A standard input that is closed counts as empty.
fn read_standard_input() -> Result<Vec<u8>, Error> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        let waits = "Reading rules from the terminal; Ctrl-D ends them, Ctrl-C cancels.";
        let _ = writeln!(io::stderr(), "{waits}");
    }
    let mut text = Vec::new();
    WaitingStream(io::stdin().lock()).read_to_end(&mut text).map_err(Error::Input)?;
    Ok(text)
}

fn carry_out(command: &Command, session: &mut Session, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Change(change) => {
            session.client().and_then(|client| client.apply(change)).map_err(Error::Library)?;
        }
        Command::List(list) => commands::list(list, session, out).map_err(Failure::Reading)?,
        Command::Save(save) => commands::save(save, session, out).map_err(Failure::Reading)?,
        Command::Help => write_help(out).map_err(Error::Output)?,
        Command::Version => write_version(out).map_err(Error::Output)?,
        Command::Restore(_) => return Err(Failure::Usage(RuleError::RestoreInside)),
    }
    Ok(())
}

/// `-R`: every line stands for itself; the status is that of the first that failed.
fn restore_lines(
    file: Option<&Path>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let input = match file {
        Some(path) => {
            File::open(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })?
        }
        None => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(Error::Input)?),
    };
    let with_name = |error| match (error, file) {
        (Error::Input(source), Some(path)) => Error::ReadFile { path: path.to_owned(), source },
        (error, _) => error,
    };
    let mut lines = Lines::new(input);
    let mut status = DONE;
    let mut is_unheard = false;
    while let Some(event) = lines.next(session).map_err(with_name)? {
        let (line, failure) = match event {
            Event::Do { line, command } => {
                let done = carry_out(&command, session, out);
                match done.and_then(|()| Ok(out.flush().map_err(Error::Output)?)) {
                    Ok(()) => continue,
                    // What cannot be printed keeps no other line from taking effect. That is said once.
                    Err(failure) if failure.is_unheard() && is_unheard => continue,
                    Err(failure) => {
                        is_unheard |= failure.is_unheard();
                        (line, failure)
                    }
                }
            }
            Event::Wrong { line, error } => (line, Failure::Line(error)),
            Event::Refused { line, error } => (line, Failure::Action(error)),
        };
        failure.report(Some(line), &[]);
        if status == DONE {
            status = failure.status();
        }
    }
    if status == DONE {
        // A kernel without IPVS is an error also where no line has asked it for anything.
        session.client().map_err(Error::Library)?;
    }
    Ok(status)
}
