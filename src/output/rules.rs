//! Saved rules: the lines of `-S`.

use std::io::{self, Write};
use std::net::IpAddr;

use ipvs::model::{Change, ServiceKey, SyncDaemon, Timeouts};
use ipvs::state::ListedRules;
use ipvs_rules::{has_line, write_change};

use crate::resolve::Labels;

/// The rules that make a table out of an empty one, in the order of a listing.
#[derive(Debug, Default)]
pub struct SavedRules {
    rules: Vec<SavedRule>,
}

/// A change, and an attribute of a newer kernel that no line can express.
#[derive(Debug)]
struct SavedRule {
    change: Change,
    unknown_attribute: Option<u16>,
}

impl SavedRule {
    fn new(change: Change, unknown_attributes: &[u16]) -> Self {
        Self { change, unknown_attribute: unknown_attributes.first().copied() }
    }

    fn has_line(&self) -> bool {
        self.unknown_attribute.is_none() && has_line(&self.change)
    }
}

/// Rules as text.
#[derive(Debug)]
pub struct SavedLines {
    /// One line for each rule.
    pub text: Vec<u8>,
    /// The rules that are comments, if any.
    pub comments: Option<Comments>,
}

/// Rules that no line can express: a save writes them as comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comments {
    /// The first.
    pub first: String,
    /// The number of further ones.
    pub more: usize,
}

impl SavedRules {
    /// The rules of services and their real servers.
    pub fn new(services: Vec<ListedRules>) -> Self {
        let count = services.iter().map(|listed| 1 + listed.servers.len()).sum();
        let mut rules = Vec::with_capacity(count);
        for ListedRules { service, servers } in services {
            let key = service.entry.key;
            let add_service = Change::AddService(service.entry);
            rules.push(SavedRule::new(add_service, &service.unknown_attributes));
            rules.extend(servers.into_iter().map(|server| {
                SavedRule::new(Change::AddServer(key, server.entry), &server.unknown_attributes)
            }));
        }
        Self { rules }
    }

    /// Appends the timeouts and the sync daemons.
    pub fn add_settings(&mut self, timeouts: Timeouts, daemons: Vec<SyncDaemon>) {
        let daemons = daemons.into_iter().map(Change::StartDaemon);
        let settings = std::iter::once(Change::SetTimeouts(timeouts)).chain(daemons);
        self.rules.extend(settings.map(|change| SavedRule::new(change, &[])));
    }

    /// Returns whether the table has a virtual service.
    pub fn has_services(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.change, Change::AddService(_)))
    }

    /// The addresses in the rules.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.rules.iter().filter_map(|rule| match &rule.change {
            Change::AddServer(_, server) => Some(server.key.address),
            Change::AddService(service) => match service.key {
                ServiceKey::Address { address, .. } => Some(address),
                ServiceKey::Fwmark { .. } => None,
            },
            _ => None,
        })
    }

    /// Writes the rules with names or numbers. A service that is a comment makes comments of its real servers, because
    /// their lines alone could not be restored.
    ///
    /// # Errors
    /// When a line cannot be written.
    pub fn lines(&self, labels: &Labels) -> io::Result<SavedLines> {
        let mut lines = SavedLines { text: Vec::new(), comments: None };
        let mut commented_service = None;
        let mut line = Vec::new();
        for rule in &self.rules {
            let has_line = rule.has_line();
            let is_of_comment = match &rule.change {
                Change::AddService(service) => {
                    commented_service = (!has_line).then_some(service.key);
                    false
                }
                Change::AddServer(key, _) => commented_service == Some(*key),
                _ => false,
            };
            line.clear();
            write_change(&mut line, &rule.change, labels)?;
            if let Some(attribute) = rule.unknown_attribute {
                write!(line, " <attribute {attribute}>")?;
            }
            if (!has_line || is_of_comment) && !line.starts_with(b"# ") {
                lines.text.extend_from_slice(b"# ");
            }
            lines.text.extend_from_slice(&line);
            lines.text.push(b'\n');
            if !has_line {
                lines.add_comment(&line);
            }
        }
        Ok(lines)
    }
}

impl SavedLines {
    fn add_comment(&mut self, line: &[u8]) {
        match &mut self.comments {
            Some(comments) => comments.more += 1,
            None => {
                let line = String::from_utf8_lossy(line);
                let first = line.trim_start_matches("# ").to_owned();
                self.comments = Some(Comments { first, more: 0 });
            }
        }
    }
}
