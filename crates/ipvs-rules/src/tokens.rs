//! The lexer: makes tokens of words, which are commands and options with their values as text. It does not know what
//! they mean.

use std::ffi::OsStr;

use thiserror::Error;

use crate::table::{COMMANDS, CommandSpec, OPTIONS, OptionSpec, ValueSpec};

/// A command, an option or an argument, made of one or two words.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// A command.
    Command {
        /// Its row.
        spec: &'static CommandSpec,
        /// Its value, if it has one.
        value: Option<&'a str>,
        /// The last of its words, for messages.
        word: &'a str,
    },
    /// An option.
    Option {
        /// Its row.
        spec: &'static OptionSpec,
        /// Its value, if it has one.
        value: Option<&'a str>,
    },
    /// Any other word. It may be the name of a file, which need not be UTF-8.
    Argument(&'a OsStr),
}

/// The fault of a word.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// No option has this name.
    #[error("{0}: unknown option")]
    UnknownOption(String),
    /// The line ends before the value of the option.
    #[error("{0}: missing argument")]
    MissingValue(String),
    /// An equals sign follows an option without a value.
    #[error("{0}: option does not take an argument")]
    UnexpectedValue(String),
}

/// An iterator over the tokens of a line or of the command line. Options may be bundled (`-Ln`), and a value may be
/// glued to its option (`-t10.0.0.1:80`, `--weight=5`). All words behind `--` are arguments.
#[derive(Clone, Debug)]
pub struct Tokens<'a, W> {
    words: W,
    /// A word of short options, and the letters of it that are not yet tokens.
    bundle: Option<(&'a str, &'a str)>,
    only_arguments: bool,
}

/// A row of either table.
enum Row {
    Command(&'static CommandSpec),
    Option(&'static OptionSpec),
}

impl Row {
    fn value(&self) -> ValueSpec {
        match self {
            Self::Command(spec) => spec.value,
            Self::Option(spec) => spec.value,
        }
    }

    fn short(letter: char) -> Option<Self> {
        let letter = Some(letter);
        let option = OPTIONS.iter().find(|spec| spec.short == letter);
        option.map(Self::Option).or_else(|| {
            let mut commands = COMMANDS.iter();
            let command = commands.find(|spec| spec.short == letter || spec.alias == letter);
            command.map(Self::Command)
        })
    }

    fn long(name: &str) -> Option<Self> {
        let option = OPTIONS.iter().find(|spec| spec.long == name);
        option
            .map(Self::Option)
            .or_else(|| COMMANDS.iter().find(|spec| spec.long == name).map(Self::Command))
    }

    fn token<'a>(self, value: Option<&'a str>, word: &'a str) -> Token<'a> {
        match self {
            Self::Command(spec) => Token::Command { spec, value, word },
            Self::Option(spec) => Token::Option { spec, value },
        }
    }
}

impl<'a, W: Iterator<Item = &'a str> + Clone> Tokens<'a, W> {
    /// The tokens of words without the program's name.
    pub fn new(words: W) -> Self {
        Self { words, bundle: None, only_arguments: false }
    }

    /// The token of an option. The value of an option that nothing is glued to is the next word.
    fn token(
        &mut self,
        row: Row,
        glued: Option<&'a str>,
        word: &'a str,
    ) -> Result<Token<'a>, TokenError> {
        if glued.is_some() {
            return Ok(row.token(glued, word));
        }
        let value = match row.value() {
            ValueSpec::Nothing | ValueSpec::GluedValue(_) => None,
            ValueSpec::Value(_) => match self.words.next() {
                Some(value) => Some(value),
                None => return Err(TokenError::MissingValue(word.to_owned())),
            },
            ValueSpec::MaybeValue(_) => {
                let mut words = self.words.clone();
                words.next().filter(|next| !next.starts_with('-')).inspect(|_| self.words = words)
            }
        };
        Ok(row.token(value, value.unwrap_or(word)))
    }

    /// The row of a long option, and the value that is glued to it.
    fn long_option(word: &'a str, name: &'a str) -> Result<(Row, Option<&'a str>), TokenError> {
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let row = Row::long(name).ok_or_else(|| TokenError::UnknownOption(word.to_owned()))?;
        match (value, row.value()) {
            (Some(_), ValueSpec::Nothing) => Err(TokenError::UnexpectedValue(word.to_owned())),
            (value, _) => Ok((row, value)),
        }
    }

    /// The row of the first letter, and the value that is glued to it. Letters of other options behind it are kept.
    fn short_option(
        &mut self,
        word: &'a str,
        bundle: &'a str,
    ) -> Result<(Row, Option<&'a str>), TokenError> {
        let mut letters = bundle.chars();
        let row = letters
            .next()
            .and_then(Row::short)
            .ok_or_else(|| TokenError::UnknownOption(word.to_owned()))?;
        let rest = letters.as_str();
        match row.value() {
            _ if rest.is_empty() => Ok((row, None)),
            ValueSpec::Nothing if rest.starts_with('=') => {
                Err(TokenError::UnexpectedValue(word.to_owned()))
            }
            ValueSpec::Nothing => {
                self.bundle = Some((word, rest));
                Ok((row, None))
            }
            ValueSpec::Value(_) | ValueSpec::MaybeValue(_) | ValueSpec::GluedValue(_) => {
                Ok((row, Some(rest.strip_prefix('=').unwrap_or(rest))))
            }
        }
    }
}

impl<'a, W: Iterator<Item = &'a str> + Clone> Iterator for Tokens<'a, W> {
    type Item = Result<Token<'a>, TokenError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (word, letters, long) = match self.bundle.take() {
            Some((word, letters)) => (word, letters, None),
            None => {
                let word = self.words.next()?;
                match word.strip_prefix('-') {
                    Some("-") if !self.only_arguments => {
                        self.only_arguments = true;
                        return self.next();
                    }
                    Some(letters) if !letters.is_empty() && !self.only_arguments => {
                        (word, letters, letters.strip_prefix('-'))
                    }
                    _ => return Some(Ok(Token::Argument(OsStr::new(word)))),
                }
            }
        };
        let option = match long {
            Some(name) => Self::long_option(word, name),
            None => self.short_option(word, letters),
        };
        Some(option.and_then(|(row, glued)| self.token(row, glued, word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Vec<String> {
        Tokens::new(words.iter().copied())
            .map(|token| match token {
                Ok(Token::Command { spec, value, word }) => {
                    format!("{} {} ({word})", spec.title, value.unwrap_or("."))
                }
                Ok(Token::Option { spec, value }) => {
                    format!("{} {}", spec.long, value.unwrap_or("."))
                }
                Ok(Token::Argument(word)) => word.to_str().unwrap().to_owned(),
                Err(error) => error.to_string(),
            })
            .collect()
    }

    #[test]
    fn bundle_is_one_option_after_the_other() {
        assert_eq!(read(&["-LnX"]), ["list . (-LnX)", "numeric .", "exact ."]);
        assert_eq!(read(&["-At", "v:80"]), ["add-service . (-At)", "tcp-service v:80"]);
        assert_eq!(read(&["-n-exact"])[1], "-n-exact: unknown option");
    }

    #[test]
    fn value_is_glued_or_the_next_word() {
        for words in [&["-sRR"][..], &["-s=RR"], &["-s", "RR"], &["--scheduler=RR"]] {
            assert_eq!(read(words), ["scheduler RR"], "{words:?}");
        }
        assert_eq!(read(&["-t", "-p"]), ["tcp-service -p"]);
        assert_eq!(read(&["--scheduler==rr"]), ["scheduler =rr"]);
    }

    #[test]
    fn persistent_takes_the_next_word_unless_it_begins_with_a_dash() {
        assert_eq!(read(&["-p", "300"]), ["persistent 300"]);
        assert_eq!(read(&["-p300"]), ["persistent 300"]);
        assert_eq!(read(&["-p", "-t", "v"]), ["persistent .", "tcp-service v"]);
        assert_eq!(read(&["-p", "--", "300"]), ["persistent .", "300"]);
        assert_eq!(read(&["--persistent="]), ["persistent "]);
    }

    #[test]
    fn drain_takes_no_next_word() {
        assert_eq!(read(&["--drain", "5"]), ["drain .", "5"]);
        assert_eq!(read(&["--drain=5", "--drain="]), ["drain 5", "drain "]);
    }

    #[test]
    fn unknown_option_is_reported_as_it_was_typed() {
        assert_eq!(read(&["-zq"])[0], "-zq: unknown option");
        assert_eq!(read(&["--num"]), ["--num: unknown option"]);
        assert_eq!(read(&["--stats=1"]), ["--stats=1: option does not take an argument"]);
        assert_eq!(read(&["-n="]), ["-n=: option does not take an argument"]);
        assert_eq!(read(&["-w"]), ["-w: missing argument"]);
    }

    #[test]
    fn words_after_two_dashes_are_arguments() {
        assert_eq!(read(&["-L", "--", "-n"]), ["list . (-L)", "-n"]);
        assert_eq!(read(&["-"]), ["-"]);
    }
}
