//! The parts that the command lines of ipvsadm-save and ipvsadm-restore share: help, version, FILE, and the messages for
//! words that clap refuses.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::errors::{Failure, FailureKind};

/// The request of a command line: work, or a text about the program.
#[derive(Clone, Debug)]
pub enum Invocation<A> {
    /// Its work, with these arguments.
    Run(A),
    /// Its help.
    Help(StyledStr),
    /// Its version.
    Version,
}

/// A command line with the options that both programs have.
pub(super) fn program(name: &'static str, about: &'static str) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let version = Arg::new("version").short('V').visible_short_alias('v').long("version");
    Command::new(name)
        .about(about)
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        // clap wants a text for its own version output, which the programs do not print.
        .version(env!("CARGO_PKG_VERSION"))
        .arg(help.help("Print this help").display_order(LAST))
        .arg(version.action(ArgAction::Version).help("Print the version").display_order(LAST))
}

/// Behind all other options.
const LAST: usize = 100;

pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

pub(super) fn file_argument(help: &'static str) -> Arg {
    Arg::new("FILE").help(help).value_parser(value_parser!(PathBuf))
}

/// The file of a command line, unless it is a standard stream.
pub(super) fn file(matches: &mut ArgMatches) -> Option<PathBuf> {
    matches.remove_one::<PathBuf>("FILE").filter(|file| file.as_os_str() != "-")
}

/// Parses a command line and makes arguments of its matches.
pub(super) fn parse<A>(
    command: Command,
    words: Vec<OsString>,
    arguments: impl FnOnce(ArgMatches) -> A,
) -> Result<Invocation<A>, Failure> {
    let name = command.get_name().to_owned();
    match command.try_get_matches_from(words) {
        Ok(matches) => Ok(Invocation::Run(arguments(matches))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Invocation::Help(error.render())),
            ErrorKind::DisplayVersion => Ok(Invocation::Version),
            _ => Err(refused(&name, &error)),
        },
    }
}

/// The failure for a command line that clap refuses, in the words that ipvsadm uses.
fn refused(program: &str, error: &clap::Error) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => "",
    };
    let word = text(ContextKind::InvalidArg);
    let option = word.split(['=', '[', ' ']).next().unwrap_or(word);
    let message = match error.kind() {
        ErrorKind::UnknownArgument if word.starts_with('-') => format!("{word}: unknown option"),
        ErrorKind::UnknownArgument => format!("unexpected argument {word}"),
        ErrorKind::ArgumentConflict if text(ContextKind::PriorArg) == word => {
            format!("multiple '{}' options specified", option.trim_start_matches('-'))
        }
        ErrorKind::ArgumentConflict => {
            format!(
                "The option '{option}' conflicts with the '{}' option",
                text(ContextKind::PriorArg)
            )
        }
        ErrorKind::TooManyValues => format!("{option}: option does not take an argument"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = text(ContextKind::InvalidValue);
            format!("illegal {} value `{value}' specified", option.trim_start_matches('-'))
        }
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    let failure = Failure::new(FailureKind::WrongWord, message);
    let failure = match text(ContextKind::SuggestedArg) {
        "" => failure,
        suggested => failure.with_context(format!("did you mean {suggested}?")),
    };
    failure.with_hint(format!("Try `{program} --help' for more information."))
}
