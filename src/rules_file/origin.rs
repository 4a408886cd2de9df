//! The place of a rule in its file: a line, or a member of a JSON document.

use std::fmt;
use std::num::NonZeroU32;

/// The number of a line, from 1. Lines beyond 2^32 share the last number.
pub type LineNumber = NonZeroU32;

/// The place of a rule in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line.
    Line(LineNumber),
    /// A service of a document, or one of its real servers, each by its index.
    Entry {
        /// The index of the service.
        service: u32,
        /// The index of the real server.
        server: Option<u32>,
    },
    /// The timeouts of a document.
    Timeouts,
    /// A sync daemon of a document.
    Daemon(u32),
}

impl Origin {
    /// The origin of a rule in a line.
    pub fn line(number: u64) -> Self {
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        Self::Line(number.unwrap_or(NonZeroU32::MAX))
    }

    /// The text that follows the name of a file in a message.
    pub fn behind_file(&self) -> String {
        match self {
            Self::Line(number) => format!(":{number}"),
            _ => format!(": {self}"),
        }
    }
}

/// `line 5`, or a JSON pointer.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Entry { service, server: None } => write!(f, "/services/{service}"),
            Self::Entry { service, server: Some(server) } => {
                write!(f, "/services/{service}/real_servers/{server}")
            }
            Self::Timeouts => f.write_str("/timeouts"),
            Self::Daemon(index) => write!(f, "/daemons/{index}"),
        }
    }
}
