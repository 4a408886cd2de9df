//! Saved rules: the lines of `-S`, and its JSON document.

use std::io;
use std::net::IpAddr;

use ipvs::model::{Change, Configured, ServiceWithServers, SyncDaemon, Timeouts};
use ipvs::state::ListedRules;
use ipvs_rules::{ServiceText, has_line, has_server_line, has_service_line, write_change};
use serde::Serialize;

use super::json::write_json;
use crate::resolve::Labels;
use crate::schema::SCHEMA;

/// The rules that make a table out of an empty one, in the order of a listing.
#[derive(Debug, Default)]
pub struct SavedRules {
    services: Vec<ListedRules>,
    /// Timeouts and sync daemons.
    settings: Vec<Change>,
}

/// Rules as text.
#[derive(Debug)]
pub struct SavedText {
    /// One line for each rule, or a document.
    pub text: Vec<u8>,
    /// The rules that no option expresses, if any. Among lines they are comments.
    pub inexpressible: Option<Inexpressible>,
}

/// Rules that no option expresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inexpressible {
    /// The first.
    pub first: String,
    /// The number of further ones.
    pub more: usize,
}

impl SavedRules {
    /// The rules of services and their real servers.
    pub fn new(services: Vec<ListedRules>) -> Self {
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
            let address = service.entry.key.address();
            address.into_iter().chain(servers.iter().map(|server| server.entry.key.address))
        })
    }

    /// Writes the rules with names or numbers. A service that is a comment makes comments of its real servers, because
    /// their lines alone could not be restored.
    ///
    /// # Errors
    /// When a line cannot be written.
    pub fn lines(&self, labels: &Labels) -> io::Result<SavedText> {
        let mut lines = SavedText { text: Vec::new(), inexpressible: None };
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

    /// Writes the rules as a document, with numbers. `partial` names the members that do not have the whole table.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn document(&self, partial: Option<&'static [&'static str]>) -> io::Result<SavedText> {
        let services = self.services.iter().map(|ListedRules { service, servers }| {
            let servers = servers.iter().map(|server| server.entry).collect();
            ServiceWithServers::new(service.entry.clone(), servers)
        });
        let (mut timeouts, mut daemons) = (None, Vec::new());
        for change in &self.settings {
            match change {
                Change::SetTimeouts(running) => timeouts = Some(*running),
                Change::StartDaemon(daemon) => daemons.push(daemon.clone()),
                _ => {}
            }
        }
        let services = services.collect();
        let document = RulesDocument { schema: SCHEMA, partial, services, timeouts, daemons };
        let inexpressible = self.lines(&Labels::numeric())?.inexpressible;
        let mut text = Vec::new();
        write_json(&mut text, &document)?;
        Ok(SavedText { text, inexpressible })
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

impl SavedText {
    fn add(&mut self, line: &[u8], form: Form) {
        if form != Form::Rule && !line.starts_with(b"# ") {
            self.text.extend_from_slice(b"# ");
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        if form == Form::Comment {
            self.add_inexpressible(line);
        }
    }

    fn add_inexpressible(&mut self, line: &[u8]) {
        match &mut self.inexpressible {
            Some(rules) => rules.more += 1,
            None => {
                let line = String::from_utf8_lossy(line);
                let first = line.trim_start_matches("# ").to_owned();
                self.inexpressible = Some(Inexpressible { first, more: 0 });
            }
        }
    }
}

/// Rules as a JSON document.
#[derive(Debug, Serialize)]
struct RulesDocument {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<&'static [&'static str]>,
    services: Vec<ServiceWithServers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeouts: Option<Timeouts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    daemons: Vec<SyncDaemon>,
}
