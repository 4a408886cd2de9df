//! The rule language of ipvsadm: its command line, and the lines of a rules file.
//!
//! One table describes every command and option ([`COMMANDS`], [`OPTIONS`]). The lexer splits a line into [`Tokens`],
//! the parser makes a [`Command`] of them, and [`write_change`] writes a [`Change`](ipvs::model::Change) as a line.
//! Messages begin with the sentences of ipvsadm 1.31.
//!
//! The crate opens no file and no socket, and looks up no name. A line with names becomes a [`WaitingCommand`], which a
//! caller resolves with [`Answers`] from any resolver:
//!
//! ```
//! use ipvs_rules::{Command, NamesRefused, parse_line, parse_numeric_line};
//!
//! let command = parse_numeric_line(b"-A -t 10.0.0.1:80 -s rr").unwrap();
//! assert!(matches!(command, Some(Command::Request(_))));
//!
//! let waiting = parse_line(b"-A -t vip.example:80 -s nosuchschedulername").unwrap().unwrap();
//! let fault = waiting.resolve(&mut NamesRefused).unwrap_err();
//! assert!(fault.to_string().contains("vip.example"));
//! ```

mod answers;
mod command;
mod connection_query;
mod endpoint;
mod error;
mod hints;
mod line;
mod line_options;
mod listing;
mod option_groups;
mod parser;
mod requests;
mod saving;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod tunnel;
mod values;
mod waiting;
mod writer;

pub use answers::{Answers, NamesRefused};
pub use command::{
    ColorChoice, Command, DigestedWeights, Doctor, Drain, Help, Lines, List, ListSubject,
    MetricsDetail, MetricsQuery, OutputFormat, ProgramOptions, Save, SaveForm, ServiceColumns,
    TableChange, UnknownColorChoice, UnknownDigest,
};
pub use connection_query::{
    ConnectionColumns, ConnectionGrouping, ConnectionQuery, ConnectionReport, UnknownGrouping,
    UnknownOrigin, UnknownState,
};
pub use endpoint::{EndpointNames, EndpointText, Numeric, append_address};
pub use error::{OptionFirst, RuleError, ValueError};
pub use line::{Line, LineError, Words, first_line, lines, other_interpreter, words};
pub use parser::{parse_command_line, parse_line, parse_numeric_line};
pub use table::{
    COMMANDS, CommandName, CommandSpec, OPTIONS, OptionName, OptionSpec, Presence, ValueSpec,
};
pub use tokens::{Token, TokenError, Tokens};
pub use values::{is_host_name, looks_like_a_number};
pub use waiting::{Parsed, WaitingCommand};
pub use writer::{ServiceText, has_line, has_server_line, has_service_line, write_change};

/// The README's example compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
