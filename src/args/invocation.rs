//! The parts that the command lines of ipvsadm-save and ipvsadm-restore share: help, version, FILE, and the messages for
//! words that clap refuses.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr as _;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ipvs::model::{InvalidScope, Scope};
use ipvs_rules::{
    ColorChoice, OPTIONS, OptionName, OptionSpec, UnknownColorChoice, UnknownDigest, ValueError,
    ValueSpec,
};

use crate::errors::{Failure, FailureKind};

/// The request of a command line, and the network namespace.
#[derive(Clone, Debug)]
pub struct Invocation<A> {
    /// The request.
    pub request: Request<A>,
    /// The network namespace as it was typed.
    pub namespace: Option<OsString>,
}

/// The request of a command line: work, or a text about the program.
#[derive(Clone, Debug)]
pub enum Request<A> {
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
        .arg(option_of_program(OptionName::Netns).value_parser(value_parser!(OsString)))
        .arg(option_of_program(OptionName::Color).value_parser(ColorChoice::from_str))
        .arg(help.help("Print this help").display_order(LAST))
        .arg(version.action(ArgAction::Version).help("Print the version").display_order(LAST))
}

/// An option that ipvsadm has too, with the same description.
fn option_of_program(option: OptionName) -> Arg {
    let row = OPTIONS.iter().find(|spec| spec.option == option);
    let (long, help, name) = match row {
        Some(OptionSpec { long, help, value: ValueSpec::Value(name), .. }) => (*long, *help, *name),
        _ => ("", "", ""),
    };
    Arg::new(long).long(long).value_name(name).help(help).allow_hyphen_values(true)
}

/// `--within`.
pub(super) fn within() -> Arg {
    let arg = option_of_program(OptionName::Within);
    arg.action(ArgAction::Append).value_parser(Scope::from_str)
}

/// The scopes of a command line.
pub(super) fn scopes(matches: &mut ArgMatches) -> Vec<Scope> {
    matches.remove_many("within").into_iter().flatten().collect()
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
    let invocation = |request| Invocation { request, namespace: None };
    match command.try_get_matches_from(words) {
        Ok(mut matches) => Ok(Invocation {
            namespace: matches.remove_one("netns"),
            ..invocation(Request::Run(arguments(matches)))
        }),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(invocation(Request::Help(error.render()))),
            ErrorKind::DisplayVersion => Ok(invocation(Request::Version)),
            _ => Err(refused(&name, &error)),
        },
    }
}

/// The choice of colours among the words of a command line. clap returns no matches with a help or a fault, which have
/// colours too.
pub fn typed_color(words: &[OsString]) -> ColorChoice {
    let texts = words.iter().filter_map(|word| word.to_str());
    let next = texts.clone().skip(1).map(Some).chain([None]);
    let typed = texts.zip(next).find_map(|(word, next)| match word.strip_prefix("--color")? {
        "" => next,
        rest => rest.strip_prefix('='),
    });
    typed.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The longest time of an option: a day.
const MOST_SECONDS: u32 = 24 * 60 * 60;

/// Parses whole seconds from 1 to those of a day.
pub(super) fn seconds(text: &str) -> Result<u32, ValueError> {
    match text.parse() {
        Ok(seconds) if (1..=MOST_SECONDS).contains(&seconds) => Ok(seconds),
        _ => {
            let (text, first, last) = (text.to_owned(), 1, MOST_SECONDS.into());
            Err(ValueError::NotInRange { text, first, last })
        }
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
            let prior = text(ContextKind::PriorArg);
            let other = prior.split(['=', '[', ' ']).next().unwrap_or(prior);
            format!("The option '{option}' conflicts with the '{other}' option")
        }
        ErrorKind::MissingRequiredArgument => {
            format!("You need to supply the '{option}' option")
        }
        ErrorKind::TooManyValues => format!("{option}: option does not take an argument"),
        ErrorKind::InvalidValue if text(ContextKind::InvalidValue).is_empty() => {
            format!("{option}: missing argument")
        }
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
    let failure = match std::error::Error::source(error) {
        Some(reason)
            if reason.is::<UnknownColorChoice>()
                || reason.is::<InvalidScope>()
                || reason.is::<UnknownDigest>()
                || reason.is::<ValueError>() =>
        {
            failure.with_context(reason.to_string())
        }
        _ => failure,
    };
    let failure = match text(ContextKind::SuggestedArg) {
        "" => failure,
        suggested => failure.with_context(format!("did you mean {suggested}?")),
    };
    failure.with_hint(format!("Try `{program} --help' for more information."))
}
