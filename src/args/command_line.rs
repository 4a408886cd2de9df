//! The command line of ipvsadm.
//!
//! clap parses it with the rows of the typed command and its options. The matches become the tokens that the parser of
//! rule lines takes. If clap or the parser refuses the line, the lexer reads it once more and finds the first fault in
//! the order and in the words of ipvsadm 1.31.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use clap::error::ContextKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ipvs_rules::{
    COMMANDS, CommandName, CommandSpec, OPTIONS, OptionName, OptionSpec, Parsed, Presence,
    ProgramOptions, RuleError, Token, TokenError, Tokens, ValueError, ValueSpec,
    parse_command_line,
};

use crate::errors::Failure;

/// The id of the words that are neither options nor values.
const ARGUMENTS: &str = "arguments";

/// The value of an option that has none. clap cannot tell a missing value from an empty one, but no word of a command line
/// holds a NUL.
const NO_VALUE: &str = "\0";

/// A character that replaces bytes that are not UTF-8.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// A command line of ipvsadm, split by clap.
#[derive(Debug)]
pub struct CommandLine<'w> {
    /// The words as text, for the lexer. Bytes that are not UTF-8 are replaced.
    text: Vec<Cow<'w, str>>,
    /// The typed command with its words, unless the lexer or clap refuses the line.
    split: Option<(&'static CommandSpec, ArgMatches)>,
}

impl<'w> CommandLine<'w> {
    /// Splits the words behind the program's name. Without words, or with options of the program alone, the command is
    /// `-L`.
    pub fn new(words: &'w [OsString]) -> Self {
        let mut text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let has_command = Tokens::new(text.iter().map(AsRef::as_ref)).any(|token| !is_first(token));
        let default = (!has_command).then_some(DEFAULT);
        text.extend(default.map(Cow::Borrowed));
        let words = words.iter().map(OsString::as_os_str).chain(default.map(OsStr::new));
        let split = typed_command(&text).and_then(|spec| {
            let matches = command(spec).try_get_matches_from(words);
            Some((spec, matches.ok()?))
        });
        Self { text, split }
    }

    /// The command. Host names in it are not looked up yet. `program` gets the options of the program that come before
    /// the first fault.
    ///
    /// # Errors
    /// The first fault. A word that is not UTF-8 where an option or a value belongs is the first fault if no other comes
    /// before the first host name.
    pub fn parse<'a>(&'a self, program: &mut ProgramOptions<'a>) -> Result<Parsed<'a>, Failure> {
        if let Some(tokens) = self.tokens() {
            if let Ok(parsed) = parse_command_line(tokens.into_iter().map(Ok), program) {
                return Ok(parsed);
            }
        }
        let tokens = self.lexer();
        *program = ProgramOptions::default();
        let parsed = parse_command_line(tokens.clone(), program);
        let parsed = parsed.map_err(|fault| self.failure(fault))?;
        match tokens.filter_map(Result::ok).find_map(not_text) {
            Some(fault) => Err(fault.into()),
            None => Ok(parsed),
        }
    }

    /// The options with their values, of a line without a fault.
    pub fn options(&self) -> impl Iterator<Item = (OptionName, Option<&str>)> {
        self.lexer().filter_map(|token| match token {
            Ok(Token::Option { spec, value }) => Some((spec.option, value)),
            _ => None,
        })
    }

    fn lexer(&self) -> Tokens<'_, impl Iterator<Item = &str> + Clone> {
        Tokens::new(self.text.iter().map(AsRef::as_ref))
    }

    /// The tokens that clap's matches stand for, in the order of the words.
    fn tokens(&self) -> Option<Vec<Token<'_>>> {
        let (spec, matches) = self.split.as_ref()?;
        let mut tokens = Vec::with_capacity(self.text.len());
        for id in matches.ids() {
            let indices = matches.indices_of(id.as_str())?;
            for (index, value) in indices.zip(matches.get_raw(id.as_str())?) {
                tokens.push((index, token(spec, id.as_str(), value)?));
            }
        }
        tokens.sort_unstable_by_key(|&(index, _)| index);
        Some(tokens.into_iter().map(|(_, token)| token).collect())
    }

    fn failure(&self, fault: RuleError) -> Failure {
        let is_unknown_option = matches!(
            fault,
            RuleError::Token(TokenError::UnknownOption(_))
                | RuleError::BadStart(TokenError::UnknownOption(_))
        );
        let failure = Failure::from(fault);
        match self.suggestion().filter(|_| is_unknown_option) {
            Some(suggestion) => failure.with_context(format!("did you mean {suggestion}?")),
            None => failure,
        }
    }

    /// The option that clap suggests in the place of an unknown one, as `--long`.
    fn suggestion(&self) -> Option<String> {
        let words = self.text.iter().map(|word| OsStr::new(word.as_ref()));
        let error = full_command().try_get_matches_from(words).err()?;
        error.get(ContextKind::SuggestedArg).map(ToString::to_string)
    }
}

/// The command of a command line that has none.
const DEFAULT: &str = "-L";

/// Tests for an option of the program, which may come before the command.
fn is_first(token: Result<Token<'_>, TokenError>) -> bool {
    matches!(token, Ok(Token::Option { spec, .. }) if spec.is_of_program())
}

/// The row of the first command, unless that is help or version, which run without a look at the other words.
fn typed_command(text: &[Cow<'_, str>]) -> Option<&'static CommandSpec> {
    for token in Tokens::new(text.iter().map(AsRef::as_ref)) {
        match token.ok()? {
            Token::Command { spec, .. } => return Some(spec).filter(|spec| !is_immediate(spec)),
            Token::Argument(_) => {}
            Token::Option { spec, .. } if spec.is_of_program() => {}
            Token::Option { .. } => return None,
        }
    }
    None
}

/// Tests whether a command runs without a look at the words behind it.
fn is_immediate(spec: &CommandSpec) -> bool {
    matches!(spec.command, CommandName::Help | CommandName::Version)
}

/// The token for a match: its command or option, and its value, unless that is not UTF-8.
fn token<'a>(spec: &'static CommandSpec, id: &str, value: &'a OsStr) -> Option<Token<'a>> {
    if id == ARGUMENTS {
        return Some(Token::Argument(value));
    }
    let text = value.to_str()?;
    let value_of = |takes| match takes {
        ValueSpec::Nothing => None,
        ValueSpec::Value(_) | ValueSpec::MaybeValue(_) | ValueSpec::GluedValue(_) => {
            Some(text).filter(|&text| text != NO_VALUE)
        }
    };
    if id == spec.long {
        return Some(Token::Command { spec, value: value_of(spec.value), word: spec.long });
    }
    let spec = OPTIONS.iter().find(|spec| spec.long == id)?;
    Some(Token::Option { spec, value: value_of(spec.value) })
}

/// The fault of an option whose value is not UTF-8.
fn not_text(token: Token<'_>) -> Option<RuleError> {
    match token {
        Token::Option { spec, value: Some(value) } if value.contains(REPLACEMENT) => {
            let (option, value) = (spec.option, value.to_owned());
            Some(RuleError::BadValue { option, value, reason: ValueError::NotUtf8 })
        }
        _ => None,
    }
}

/// The rows of one command and its options: all that its command lines can hold.
fn command(spec: &'static CommandSpec) -> Command {
    let options =
        OPTIONS.iter().filter(|option| option.presence_with(spec.command) != Presence::Refused);
    let command = bare().arg(command_arg(spec)).args(options.map(option_arg));
    match spec.arguments.len() {
        0 => command,
        most => command.arg(
            // Options may come between the arguments.
            Arg::new(ARGUMENTS)
                .num_args(0..=most)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString)),
        ),
    }
}

/// All rows, for the help and for suggestions.
pub(super) fn full_command() -> Command {
    let commands = COMMANDS.iter().map(|spec| {
        let arg = command_arg(spec).help(spec.help).help_heading("Commands");
        match spec.alias {
            Some(letter) => arg.visible_short_alias(letter),
            None => arg,
        }
    });
    let options =
        OPTIONS.iter().map(|spec| option_arg(spec).help(spec.help).help_heading(spec.heading()));
    bare().args(commands).args(options).arg(Arg::new(ARGUMENTS).num_args(0..).hide(true))
}

fn bare() -> Command {
    Command::new("ipvsadm").no_binary_name(true).disable_help_flag(true).disable_version_flag(true)
}

fn command_arg(spec: &'static CommandSpec) -> Arg {
    let arg = arg(spec.long, spec.short, spec.value);
    match spec.alias {
        Some(letter) => arg.short_alias(letter),
        None => arg,
    }
}

fn option_arg(spec: &'static OptionSpec) -> Arg {
    arg(spec.long, spec.short, spec.value)
}

fn arg(long: &'static str, short: Option<char>, takes: ValueSpec) -> Arg {
    let arg = Arg::new(long).long(long).action(ArgAction::Append);
    let arg = arg.short(short).value_parser(value_parser!(OsString));
    match takes {
        // clap keeps the place of a flag only if the flag has a value.
        ValueSpec::Nothing => arg.num_args(0).default_missing_value(NO_VALUE),
        ValueSpec::Value(name) => arg.value_name(name).allow_hyphen_values(true),
        ValueSpec::MaybeValue(name) => {
            arg.value_name(name).num_args(0..=1).default_missing_value(NO_VALUE)
        }
        ValueSpec::GluedValue(name) => arg
            .value_name(name)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(NO_VALUE),
    }
}

#[cfg(test)]
mod tests;
