//! Saved rules: the lines of `-S`.

use std::io;
use std::net::IpAddr;

use ipvs::model::{Change, Configured, ServiceKey, SyncDaemon, Timeouts};
use ipvs::state::ListedRules;
use ipvs_rules::{ServiceText, has_line, has_server_line, has_service_line, write_change};

use crate::resolve::Labels;

/// The rules that make a table out of an empty one, in the order of a listing.
#[derive(Debug, Default)]
pub struct SavedRules {
    services: Vec<ListedRules>,
    /// Timeouts and sync daemons.
    settings: Vec<Change>,
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
    pub const fn new(services: Vec<ListedRules>) -> Self {
        Self { services, settings: Vec::new() }
    }

    /// Appends the timeouts and the sync daemons.
    pub fn add_settings(&mut self, timeouts: Timeouts, daemons: Vec<SyncDaemon>) {
        self.settings.push(Change::SetTimeouts(timeouts));
        self.settings.extend(daemons.into_iter().map(Change::StartDaemon));
    }

    /// Returns whether the table has a virtual service.
    pub fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// The addresses in the rules.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.services.iter().flat_map(|ListedRules { service, servers }| {
            let address = match service.entry.key {
                ServiceKey::Address { address, .. } => Some(address),
                ServiceKey::Fwmark { .. } => None,
            };
            address.into_iter().chain(servers.iter().map(|server| server.entry.key.address))
        })
    }

    /// Writes the rules with names or numbers. A service that is a comment makes comments of its real servers, because
    /// their lines alone could not be restored.
    ///
    /// # Errors
    /// When a line cannot be written.
    pub fn lines(&self, labels: &Labels) -> io::Result<SavedLines> {
        let mut lines = SavedLines { text: Vec::new(), comments: None };
        let mut line = Vec::new();
        for ListedRules { service: listed, servers } in &self.services {
            let service = &listed.entry;
            let text = ServiceText::new(&service.key, labels);
            line.clear();
            text.add_service(&mut line, service)?;
            let is_rule = is_known(listed, &mut line) && has_service_line(service);
            lines.add(&line, if is_rule { Form::Rule } else { Form::Comment });
            let form = if is_rule { Form::Rule } else { Form::OfComment };
            for listed in servers {
                line.clear();
                text.add_server(&mut line, &listed.entry)?;
                let has_line =
                    is_known(listed, &mut line) && has_server_line(&service.key, &listed.entry);
                lines.add(&line, if has_line { form } else { Form::Comment });
            }
        }
        for change in &self.settings {
            line.clear();
            write_change(&mut line, change, labels)?;
            lines.add(&line, if has_line(change) { Form::Rule } else { Form::Comment });
        }
        Ok(lines)
    }
}

/// Returns whether this version knows all attributes that the kernel reported. Otherwise appends the first that it does
/// not know.
fn is_known<T>(listed: &Configured<T>, line: &mut Vec<u8>) -> bool {
    let Some(attribute) = listed.unknown_attributes.first() else { return true };
    line.extend_from_slice(format!(" <attribute {attribute}>").as_bytes());
    false
}

/// The form in which a rule is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rule,
    /// No line can express the rule.
    Comment,
    /// The rule's service is a comment.
    OfComment,
}

impl SavedLines {
    fn add(&mut self, line: &[u8], form: Form) {
        if form != Form::Rule && !line.starts_with(b"# ") {
            self.text.extend_from_slice(b"# ");
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        if form == Form::Comment {
            self.add_comment(line);
        }
    }

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
