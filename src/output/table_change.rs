//! A change of the kernel's table that was seen, as a line.

use std::io::{self, Write};

use ipvs::model::{Change, RealServer, ServiceKey, SyncDaemon, VirtualService};
use ipvs::state::Event;
use ipvs_rules::{Numeric, write_change};
use serde::{Serialize, Serializer};

use super::document::Document;

/// A change with the time at which it was seen.
#[derive(Clone, Debug)]
pub struct TableChange<'a> {
    /// The time as text.
    pub time: String,
    /// The change.
    pub event: &'a Event,
}

/// The name of a change, and the rule lines that make it and that made the entry before it.
struct Lines {
    name: &'static str,
    line: Change,
    before: Option<Change>,
}

impl TableChange<'_> {
    /// `None` for a kind of change that this version does not know.
    fn lines(&self) -> Option<Lines> {
        use Change::{AddServer, AddService, StartDaemon};

        let (name, line, before) = match self.event.clone() {
            Event::ServiceAdded(service) => ("service added", AddService(service), None),
            Event::ServiceEdited { before, after } => {
                let before = Change::EditService(before);
                ("service edited", Change::EditService(after), Some(before))
            }
            Event::ServiceDeleted(service) => {
                let line = Change::DeleteService(service.key);
                ("service deleted", line, Some(AddService(service)))
            }
            Event::ServerAdded(key, server) => ("server added", AddServer(key, server), None),
            Event::ServerEdited { service, before, after } => {
                let before = Change::EditServer(service, before);
                ("server edited", Change::EditServer(service, after), Some(before))
            }
            Event::ServerDeleted(key, server) => {
                let line = Change::DeleteServer(key, server.key);
                ("server deleted", line, Some(AddServer(key, server)))
            }
            Event::DaemonStarted(daemon) => ("daemon started", StartDaemon(daemon), None),
            Event::DaemonStopped(daemon) => {
                let line = Change::StopDaemon(daemon.role);
                ("daemon stopped", line, Some(StartDaemon(daemon)))
            }
            _ => return None,
        };
        Some(Lines { name, line, before })
    }
}

impl Document for TableChange<'_> {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(Lines { name, line, before }) = self.lines() else { return Ok(()) };
        write!(out, "{} {name}: ", self.time)?;
        write_change(out, &line, &Numeric)?;
        if let Some(before) = before {
            out.write_all(b" (was: ")?;
            write_change(out, &before, &Numeric)?;
            out.push(b')');
        }
        out.push(b'\n');
        Ok(())
    }
}

/// An entry of the table.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Service(&'a VirtualService),
    Server(&'a RealServer),
    Daemon(&'a SyncDaemon),
}

#[derive(Serialize)]
struct ChangeForm<'a> {
    time: &'a str,
    change: &'static str,
    /// The service of a real server.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a ServiceKey>,
    /// The entry before the change: `null` if it was added.
    before: Option<Entry<'a>>,
    /// The entry after the change: `null` if it was deleted.
    after: Option<Entry<'a>>,
}

impl Serialize for TableChange<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use Entry::{Daemon, Server, Service};

        let (change, service, before, after) = match self.event {
            Event::ServiceAdded(added) => ("service_added", None, None, Some(Service(added))),
            Event::ServiceEdited { before, after } => {
                ("service_edited", None, Some(Service(before)), Some(Service(after)))
            }
            Event::ServiceDeleted(deleted) => {
                ("service_deleted", None, Some(Service(deleted)), None)
            }
            Event::ServerAdded(key, added) => {
                ("server_added", Some(key), None, Some(Server(added)))
            }
            Event::ServerEdited { service, before, after } => {
                ("server_edited", Some(service), Some(Server(before)), Some(Server(after)))
            }
            Event::ServerDeleted(key, deleted) => {
                ("server_deleted", Some(key), Some(Server(deleted)), None)
            }
            Event::DaemonStarted(started) => ("daemon_started", None, None, Some(Daemon(started))),
            Event::DaemonStopped(stopped) => ("daemon_stopped", None, Some(Daemon(stopped)), None),
            _ => ("unknown", None, None, None),
        };
        ChangeForm { time: &self.time, change, service, before, after }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::write_document;
    use ipvs_rules::OutputFormat;

    fn shown(event: &Event, format: OutputFormat) -> String {
        let mut out = Vec::new();
        write_document(&mut out, &TableChange { time: "T".to_owned(), event }, format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn change_is_a_rule_line_with_the_one_before() {
        let key: ServiceKey = "tcp 10.0.0.1:80".parse().unwrap();
        let service = VirtualService::new(key);
        let before = RealServer::new("10.1.0.1:80".parse().unwrap());
        let after = before.weight(0);
        for (event, text) in [
            (Event::ServiceAdded(service.clone()), "T service added: -A -t 10.0.0.1:80 -s wlc\n"),
            (
                Event::ServiceDeleted(service),
                "T service deleted: -D -t 10.0.0.1:80 (was: -A -t 10.0.0.1:80 -s wlc)\n",
            ),
            (
                Event::ServerEdited { service: key, before, after },
                "T server edited: -e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0 \
                 (was: -e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1)\n",
            ),
        ] {
            assert_eq!(shown(&event, OutputFormat::Text), text);
        }
    }

    #[test]
    fn json_line_has_both_values() {
        let key = "tcp 10.0.0.1:80".parse().unwrap();
        let server = RealServer::new("10.1.0.1:80".parse().unwrap());
        let text = shown(&Event::ServerDeleted(key, server), OutputFormat::Json);
        let start = "{\"time\":\"T\",\"change\":\"server_deleted\",\"service\":{\"protocol\":\"tcp\",\
            \"address\":\"10.0.0.1\",\"port\":80},\"before\":{\"address\":\"10.1.0.1\",\"port\":80,";
        assert!(text.starts_with(start) && text.ends_with(",\"after\":null}\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
        let mut service = VirtualService::new(key);
        service.scheduler_flags = Default::default();
        let text = shown(&Event::ServiceAdded(service), OutputFormat::Json);
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
