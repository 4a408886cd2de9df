//! The rule language: what ipvsadm's command line and a line of a rules file say, read and written.
//!
//! One table describes every command and option. Words become tokens ([`Tokens`]), tokens become a
//! [`Command`], and a [`Change`](crate::model::Change) becomes a line again ([`write_change`]). Knows no
//! clap, no netlink and no file.

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

pub use command::{Command, ConnectionColumns, JsonSubject, List, ListFormat, Save};
pub use error::{RuleError, ValueError};
pub use line::{LineError, Words, words};
pub use read::read_command;
pub use saved::{has_line, write_change};
pub use table::{
    COMMANDS, CommandName, CommandSpec, OPTIONS, OptionName, OptionSpec, Presence, Takes,
};
pub use tokens::{Token, TokenError, Tokens};

use crate::names::Names;

/// Reads a line of a rules file. `None` stands for a line with nothing to do: blank, or a comment.
///
/// # Errors
/// What is wrong with it.
pub fn read_line(line: &[u8], names: &mut Names) -> Result<Option<Command>, LineError> {
    let words = words(line)?;
    if words.clone().next().is_none() {
        return Ok(None);
    }
    Ok(Some(read_command(Tokens::new(words), names)?))
}
