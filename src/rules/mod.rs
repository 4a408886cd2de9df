//! The rule language: what ipvsadm's command line and a line of a rules file say, read and written.
//!
//! One table describes every command and option. Words become tokens ([`Tokens`]), tokens become a
//! [`Command`], and a [`Change`](crate::model::Change) becomes a line again ([`write_change`]). Knows no
//! clap, no netlink and no file.

mod answers;
mod command;
mod error;
mod line;
mod options;
mod read;
mod saved;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod tunnel;
mod values;
mod waiting;

pub use answers::{Answers, NamesRefused};
pub use command::{Command, ConnectionColumns, JsonSubject, List, ListFormat, Save};
pub use error::{RuleError, ValueError};
pub use line::{LineError, Words, words};
pub use read::parse_command;
pub use saved::{has_line, write_change};
pub use table::{
    COMMANDS, CommandName, CommandSpec, OPTIONS, OptionName, OptionSpec, Presence, Takes,
};
pub use tokens::{Token, TokenError, Tokens};
pub use values::is_host_name;
pub use waiting::{Parsed, WaitingCommand};

/// Parses a line of a rules file. `None` stands for a line with nothing to do: blank, or a comment.
///
/// # Errors
/// The first fault of the line, unless a name that comes before it has to be looked up: see [`WaitingCommand`].
pub fn parse_line(line: &[u8]) -> Result<Option<Parsed<'_>>, LineError> {
    let words = words(line)?;
    if words.clone().next().is_none() {
        return Ok(None);
    }
    Ok(Some(parse_command(Tokens::new(words))?))
}

/// Parses a line like [`parse_line`]. Hosts and ports have to be numbers; a name is a fault.
///
/// # Errors
/// The first fault of the line.
pub fn parse_numeric_line(line: &[u8]) -> Result<Option<Command>, LineError> {
    let Some(parsed) = parse_line(line)? else { return Ok(None) };
    Ok(Some(parsed.resolve(&mut NamesRefused)?))
}
