//! The programs' main functions. The only place that touches arguments, standard streams and exit codes.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use super::help::{write_help, write_version};
use super::report::Failure;
use crate::actions::{self, Error, Event, Lines, Session};
use crate::model::Change;
use crate::rules::{Command, RuleError, Save, Tokens, read_command};

/// ipvsadm(8).
pub fn ipvsadm() -> ExitCode {
    with_arguments(|words, session| {
        if words.is_empty() {
            // Without arguments it lists.
            return run(read(&["-L"], session)?, session);
        }
        run(read(words, session)?, session)
    })
}

/// ipvsadm-save(8).
pub fn ipvsadm_save() -> ExitCode {
    with_arguments(|words, session| {
        let mut save = Save::default();
        for word in words {
            match *word {
                "-n" => save.is_numeric = true,
                "-h" | "--help" => return print(b"Usage: ipvsadm-save [-n]\n"),
                word => return Err(unexpected(word)),
            }
        }
        run(Command::Save(save), session)
    })
}

/// ipvsadm-restore(8).
pub fn ipvsadm_restore() -> ExitCode {
    with_arguments(|words, session| {
        match words {
            [] => {}
            ["-h" | "--help", ..] => return print(b"Usage: ipvsadm-restore\n"),
            [word, ..] => return Err(unexpected(word)),
        }
        run(Command::Change(Change::Flush), session)?;
        run(Command::Restore, session)
    })
}

fn unexpected(word: &str) -> Failure {
    Failure::Usage(RuleError::UnexpectedArgument(word.to_owned()))
}

fn print(text: &[u8]) -> Result<u8, Failure> {
    io::stdout().write_all(text).map_err(Error::Output)?;
    Ok(0)
}

/// Runs a program with its arguments as text.
fn with_arguments(program: impl FnOnce(&[&str], &mut Session) -> Result<u8, Failure>) -> ExitCode {
    let mut arguments = Vec::new();
    for argument in env::args_os().skip(1) {
        match argument.into_string() {
            Ok(argument) => arguments.push(argument),
            Err(argument) => {
                let failure = Failure::NotUtf8(argument.to_string_lossy().into_owned());
                failure.report(None, &[]);
                return failure.status().into();
            }
        }
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let status = program(&words, &mut Session::new()).unwrap_or_else(|failure| {
        failure.report(None, &words);
        failure.status()
    });
    status.into()
}

fn read(words: &[&str], session: &mut Session) -> Result<Command, Failure> {
    read_command(Tokens::new(words), &mut session.names).map_err(Failure::Usage)
}

/// Carries out a command and gives the status to exit with.
fn run(command: Command, session: &mut Session) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    let status = match command {
        Command::Restore => restore(session, &mut out)?,
        command => {
            carry_out(&command, session, &mut out)?;
            0
        }
    };
    out.flush().map_err(Error::Output)?;
    Ok(status)
}

fn carry_out(command: &Command, session: &mut Session, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Change(change) => {
            session.client().and_then(|client| client.apply(change)).map_err(Error::Netlink)?;
        }
        Command::List(list) => actions::list(list, session, out)?,
        Command::Save(save) => actions::save(save, session, out)?,
        Command::Help => write_help(out).map_err(Error::Output)?,
        Command::Version => write_version(out).map_err(Error::Output)?,
        Command::Restore => return Err(Failure::Usage(RuleError::RestoreInside)),
    }
    Ok(())
}

/// `-R`: every line stands for itself; the status is that of the first that failed.
fn restore(session: &mut Session, out: &mut dyn Write) -> Result<u8, Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(Error::Input)?;
    let mut lines = Lines::new(File::from(input));
    let mut status = 0;
    while let Some(event) = lines.next(session)? {
        let (line, failure) = match event {
            Event::Do { line, command } => match carry_out(&command, session, out) {
                Ok(()) => {
                    out.flush().map_err(Error::Output)?;
                    continue;
                }
                // There is nobody to write to any more.
                Err(failure @ Failure::Action(Error::Output(_))) => return Err(failure),
                Err(failure) => (line, failure),
            },
            Event::Wrong { line, error } => (line, Failure::Line(error)),
            Event::Refused { line, error } => (line, Failure::Action(error)),
        };
        failure.report(Some(line), &[]);
        if status == 0 {
            status = failure.status();
        }
    }
    Ok(status)
}
