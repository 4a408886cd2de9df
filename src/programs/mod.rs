//! The main functions of the programs: they parse the arguments, run the command and report its failure.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IsTerminal, LineWriter, Read, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ipvs_rules::{
    ColorChoice, Command, Doctor, Lines, OptionName, ProgramOptions, Save, TableChange,
};
use rustix::io::Errno;

#[cfg(feature = "top")]
use crate::args::top_arguments;
use crate::args::{
    CommandLine, Invocation, Request, RestoreArguments, RestoreMode, restore_arguments,
    save_arguments, typed_color, write_version,
};
use crate::commands::{
    self, AppliedPlan, Error, Restore, Session, TypedOptions, Watcher, of_change, of_listing,
    of_output,
};
use crate::errors::{Failure, FailureKind, SUCCESS};
#[cfg(feature = "top")]
use crate::process::has_unicode;
use crate::process::{
    Confirmation, TerminalWriter, WaitingStream, Watch, choose_colours, has_colours, has_readers,
};

#[cfg(feature = "top")]
use crate::top;

/// The status of `--diff` where a restore would change something.
const CHANGES: u8 = 1;

/// The status of the doctor if a finding is above a note.
const FINDINGS: u8 = 1;

/// ipvsadm(8).
pub fn ipvsadm() -> ExitCode {
    run(|words, session| {
        let line = CommandLine::new(&words);
        let mut program = ProgramOptions::default();
        let parsed = line.parse(&mut program);
        // At a fault, the parser stops before the words that follow.
        let typed = || if parsed.is_err() { typed_color(&words) } else { ColorChoice::default() };
        choose(program.color.unwrap_or_else(typed));
        let command = session.resolve(parsed?)?;
        if !matches!(command, Command::Help(_) | Command::Version) {
            enter(program.namespace.map(OsStr::new), session)?;
        }
        match command {
            Command::Restore(lines) => apply_lines(&lines, session, &mut standard_output()),
            Command::Confirm(change, seconds) => {
                let time = Duration::from_secs(seconds.into());
                confirmed_change(&change, time, &typed_options(&line), session)
            }
            Command::Request(request) if io::stderr().is_terminal() => {
                let typed = typed_options(&line);
                let notes = commands::change_with_notes(&request, &typed, session);
                print_notes(&notes.map_err(of_change)?);
                Ok(SUCCESS)
            }
            Command::Doctor(asked) => doctor(&asked, session),
            command => with_output(|out| commands::run(&command, session, out).map(|()| SUCCESS)),
        }
    })
}

fn print_notes(notes: &[String]) {
    for note in notes {
        let _ = writeln!(io::stderr(), "Note: {note}");
    }
}

/// `--confirm` with a single command.
fn confirmed_change(
    change: &TableChange,
    time: Duration,
    typed: &TypedOptions,
    session: &mut Session,
) -> Result<u8, Failure> {
    // Without a terminal, nothing is done.
    let mut terminal = open_terminal()?;
    let mut watch = watch_signals()?;
    let _lock = commands::lock_edits(session).map_err(of_change)?;
    let planned = commands::plan_change(change, session).map_err(of_change)?;
    watch.begin();
    let applied = planned.carry_out(session, &mut watch).map_err(of_change)?;
    if io::stderr().is_terminal() {
        print_notes(&commands::notes_on(change, typed, &applied));
    }
    confirm(&applied, "The change is made", (&mut terminal, time), &watch, session)?;
    Ok(SUCCESS)
}

fn open_terminal() -> Result<Confirmation, Failure> {
    let terminal = Confirmation::open().map_err(Error::NoTerminal).map_err(of_change)?;
    match terminal.is_in_foreground() {
        true => Ok(terminal),
        false => Err(of_change(Error::InBackground)),
    }
}

fn watch_signals() -> Result<Watch, Failure> {
    Watch::new().map_err(Error::Signals).map_err(of_change)
}

/// Asks for a confirmation of a plan, unless the plan has no steps. Without one, undoes the plan.
fn confirm(
    applied: &AppliedPlan,
    done: &str,
    (terminal, time): (&mut Confirmation, Duration),
    watch: &Watch,
    session: &mut Session,
) -> Result<(), Failure> {
    if applied.is_empty() {
        return Ok(());
    }
    let question = format!("{done}. Press Enter within {} seconds to keep it: ", time.as_secs());
    let answer = terminal.ask(&question, time, || watch.signal());
    applied.confirm(answer, session).map_err(of_change)
}

/// The options of a command line that notes depend on.
fn typed_options(line: &CommandLine<'_>) -> TypedOptions {
    let mut typed = TypedOptions::default();
    for (name, value) in line.options() {
        typed.names.push(name);
        match name {
            OptionName::Weight => typed.weight = value.map(str::to_owned),
            OptionName::RealServer => typed.server = value.map(str::to_owned),
            _ => {}
        }
    }
    typed
}

/// ipvsadm-save(8).
pub fn ipvsadm_save() -> ExitCode {
    run(|words, session| {
        choose(typed_color(&words));
        invoke("ipvsadm-save", save_arguments(words)?, session, |save: Save, session| {
            with_output(|out| {
                commands::save_consistently(&save, session, out).map_err(of_listing)?;
                Ok(SUCCESS)
            })
        })
    })
}

/// ipvsadm-restore(8).
pub fn ipvsadm_restore() -> ExitCode {
    run(|words, session| {
        choose(typed_color(&words));
        invoke("ipvsadm-restore", restore_arguments(words)?, session, |arguments, session| {
            restore(&arguments, session)
        })
    })
}

/// ipvsadm-top(8).
#[cfg(feature = "top")]
pub fn ipvsadm_top() -> ExitCode {
    run(|words, session| {
        choose(typed_color(&words));
        let invocation = top_arguments(words)?;
        let namespace =
            invocation.namespace.as_ref().map(|word| word.to_string_lossy().into_owned());
        invoke("ipvsadm-top", invocation, session, |arguments, session| {
            let settings = top::Settings {
                interval: arguments.interval,
                is_numeric: arguments.is_numeric,
                namespace,
                has_colours: has_colours(&io::stdout()),
                has_unicode: has_unicode(),
            };
            top::run(&settings, session).map_err(of_listing)?;
            Ok(SUCCESS)
        })
    })
}

fn restore(arguments: &RestoreArguments, session: &mut Session) -> Result<u8, Failure> {
    let text = match &arguments.file {
        Some(path) => read_file(path),
        None => read_standard_input(),
    };
    let text = text.map_err(of_change)?;
    let name = match &arguments.file {
        Some(path) => path.to_string_lossy(),
        None => "standard input".into(),
    };
    let restore = Restore {
        name: &name,
        text: &text,
        existing: arguments.existing,
        empty_table: arguments.empty_table,
        weights: arguments.weights,
        scopes: &arguments.scopes,
    };
    with_output(|out| match arguments.mode {
        RestoreMode::Check => {
            commands::check(&restore, session, out).map_err(of_change)?;
            Ok(SUCCESS)
        }
        RestoreMode::Diff(format) => {
            let has_changes = commands::diff(&restore, format, session, out).map_err(of_change)?;
            Ok(if has_changes { CHANGES } else { SUCCESS })
        }
        RestoreMode::Metrics => {
            let file = arguments.metrics_file.as_deref();
            let has_changes =
                commands::diff_metrics(&restore, file, session, out).map_err(of_change)?;
            Ok(if has_changes { CHANGES } else { SUCCESS })
        }
        RestoreMode::Restore => {
            // Without a terminal, nothing is done.
            let confirmation = match arguments.confirmation {
                Some(time) => Some((open_terminal()?, time)),
                None => None,
            };
            let mut watch = watch_signals()?;
            let lock = commands::lock(session.namespace(), arguments.patience, |error| {
                if has_readers(&io::stderr()) {
                    let _ = writeln!(io::stderr(), "{error}; restoring without a lock");
                }
            });
            let _lock = lock.map_err(of_change)?;
            let prepared = commands::prepare(&restore, session).map_err(of_change)?;
            watch.begin();
            let applied = prepared.carry_out(session, &mut watch).map_err(of_change)?;
            if let Some((mut terminal, time)) = confirmation {
                let done = "The restore is done";
                confirm(&applied, done, (&mut terminal, time), &watch, session)?;
            }
            if has_readers(&io::stderr()) {
                let _ = writeln!(io::stderr(), "{}", applied.summary());
            }
            Ok(SUCCESS)
        }
    })
}

impl Watcher for Watch {
    fn signal(&self) -> Option<i32> {
        self.signal()
    }
}

/// Runs a program with its arguments. An error is reported and gives the exit status.
fn run(program: impl FnOnce(Vec<OsString>, &mut Session) -> Result<u8, Failure>) -> ExitCode {
    let words = env::args_os().skip(1).collect();
    let mut session = Session::new();
    let status = program(words, &mut session).unwrap_or_else(|failure| {
        report(&failure, &session);
        failure.status()
    });
    status.into()
}

/// Reports a failure. Its reason is looked for in the network namespace of the session.
fn report(failure: &Failure, session: &Session) {
    if session.namespace().enter(|| failure.report()).is_err() {
        failure.report();
    }
}

/// Works in the namespace that `--netns` names.
fn enter(namespace: Option<&OsStr>, session: &mut Session) -> Result<(), Failure> {
    if let Some(word) = namespace {
        session.enter(commands::find_namespace(word).map_err(of_change)?);
    }
    Ok(())
}

/// Carries out `--color`.
fn choose(color: ColorChoice) {
    match color {
        ColorChoice::Auto => {}
        ColorChoice::Always => choose_colours(true),
        ColorChoice::Never => choose_colours(false),
    }
}

/// Runs a program with its arguments, or prints its help or its version.
fn invoke<A>(
    name: &str,
    invocation: Invocation<A>,
    session: &mut Session,
    program: impl FnOnce(A, &mut Session) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    match invocation.request {
        Request::Run(arguments) => {
            enter(invocation.namespace.as_deref(), session)?;
            program(arguments, session)
        }
        Request::Help(help) => with_output(|out| {
            let result = match has_colours(&io::stdout()) {
                true => write!(out, "{}", help.ansi()),
                false => write!(out, "{help}"),
            };
            result.map(|()| SUCCESS).map_err(of_output)
        }),
        Request::Version => {
            with_output(|out| write_version(out, name).map(|()| SUCCESS).map_err(of_output))
        }
    }
}

/// Runs a command that prints, and makes sure that all of it was printed.
fn with_output(command: impl FnOnce(&mut dyn Write) -> Result<u8, Failure>) -> Result<u8, Failure> {
    let mut out = standard_output();
    let status = command(&mut out)?;
    out.flush().map_err(of_output)?;
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
    match WaitingStream(io::stdin().lock()).read_to_end(&mut text) {
        // Opened for writing alone: there is nothing to read.
        Err(error) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => {}
        result => drop(result.map_err(Error::Input)?),
    }
    Ok(text)
}

/// `--doctor`: the status tells whether there are findings above notes.
fn doctor(asked: &Doctor, session: &mut Session) -> Result<u8, Failure> {
    let other = asked.against.as_deref().map(|path| match path.as_os_str() == "-" {
        true => Ok::<_, Error>(("standard input".into(), read_standard_input()?)),
        false => Ok((path.to_string_lossy(), read_file(path)?)),
    });
    let other = other.transpose().map_err(of_change)?;
    let other = other.as_ref().map(|(name, text)| (name.as_ref(), text.as_slice()));
    with_output(|out| {
        let has_faults = commands::doctor(asked, other, session, out).map_err(of_change)?;
        Ok(if has_faults { FINDINGS } else { SUCCESS })
    })
}

/// `-R`: every line takes effect or fails by itself. The status is that of the first line that failed.
fn apply_lines(lines: &Lines, session: &mut Session, out: &mut dyn Write) -> Result<u8, Failure> {
    let file = lines.file.as_deref();
    let input = (open_lines(file).map_err(of_change)?, file);
    let first = match lines.is_dry_run {
        true => commands::show_lines(input, session, out, &mut report)?,
        false => commands::apply_lines(input, session, out, &mut report)?,
    };
    Ok(first.map_or(SUCCESS, FailureKind::status))
}

fn open_lines(file: Option<&Path>) -> Result<File, Error> {
    match file {
        Some(path) => {
            File::open(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })
        }
        None => {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Error::Input)?;
            Ok(File::from(stdin))
        }
    }
}
