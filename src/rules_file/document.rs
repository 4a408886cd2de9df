//! Reads a rules file that is a JSON document: every entry becomes a rule, with its JSON pointer as its origin.
//!
//! The document is read strictly. Unknown and duplicate members, fractions, and values that no option takes are errors.

use ipvs::model::{Change, Misfit, ServiceWithServers, SyncDaemon, Timeouts};
use ipvs_rules::{Numeric, has_line, write_change};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

use super::origin::Origin;
use super::rule_file::{BadRule, Problem, Rule, RuleFile, Source};
use crate::schema::SCHEMA;

/// True for a text that can only be a document. A rule line begins with a dash or a word.
pub fn is_document(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
}

/// The members of a document. The readings of a listing are skipped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, deserialize_with = "known_schema", rename = "schema")]
    _schema: (),
    partial: Option<Vec<String>>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(rename = "connection_table_size")]
    _connection_table_size: Option<IgnoredAny>,
    services: Vec<ServiceWithServers>,
    timeouts: Option<Timeouts>,
    #[serde(default)]
    daemons: Vec<SyncDaemon>,
}

fn known_schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match u32::deserialize(deserializer)? {
        SCHEMA => Ok(()),
        other => {
            Err(D::Error::custom(format!("unknown schema {other}; this version reads {SCHEMA}")))
        }
    }
}

impl<'a> RuleFile<'a> {
    /// Reads a document. A document that is not valid has no rules and one error.
    pub(super) fn read_document(text: &'a [u8]) -> Self {
        let mut file = Self { source: Source::Document, ..Self::empty() };
        match parse(text) {
            Ok(document) => file.add_document(document),
            Err((pointer, problem)) => file.bad_rules.push(BadRule::Member { pointer, problem }),
        }
        file
    }

    fn add_document(&mut self, document: Document) {
        let Document { partial, services, timeouts, daemons, .. } = document;
        self.partial = partial.unwrap_or_default();
        for (service, listed) in (0..).zip(services) {
            let ServiceWithServers { service: entry, servers, .. } = listed;
            let key = entry.key;
            let origin = Origin::Entry { service, server: None };
            if !self.add_change(origin, Change::AddService(entry)) {
                // Without their service, all real servers would be errors too.
                continue;
            }
            for (server, entry) in (0..).zip(servers) {
                let origin = Origin::Entry { service, server: Some(server) };
                self.add_change(origin, Change::AddServer(key, entry));
            }
        }
        if let Some(timeouts) = timeouts {
            self.add_change(Origin::Timeouts, Change::SetTimeouts(timeouts));
        }
        for (index, daemon) in (0..).zip(daemons) {
            self.add_change(Origin::Daemon(index), Change::StartDaemon(daemon));
        }
    }

    /// Adds a change as a rule or, if no option can express it, as an error. Returns whether it is a rule.
    fn add_change(&mut self, origin: Origin, change: Change) -> bool {
        if has_line(&change) {
            self.rules.push(Rule { origin, request: change.into() });
            return true;
        }
        let (member, reason) = fault(&change);
        let pointer = format!("{origin}{member}");
        self.bad_rules.push(BadRule::Member { pointer, problem: Problem::Document(reason) });
        false
    }
}

/// Parses a document, or returns the JSON pointer of its error.
fn parse(text: &[u8]) -> Result<Document, (String, Problem)> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let document: Result<Document, _> = serde_path_to_error::deserialize(&mut deserializer);
    let document = document
        .map_err(|error| (pointer(error.path()), Problem::Document(error.inner().to_string())))?;
    deserializer.end().map_err(|error| (String::new(), Problem::Document(error.to_string())))?;
    Ok(document)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The member of an entry that no option can express, and the reason.
fn fault(change: &Change) -> (&'static str, String) {
    let member = change.check().err().and_then(|misfit| {
        let member = match misfit {
            Misfit::Protocol(_) => "/protocol",
            Misfit::AllPortsWithoutPersistence => "/port",
            Misfit::NetmaskFamily => "/persistence/netmask",
            Misfit::PersistenceTimeout(_) => "/persistence/timeout",
            Misfit::OnePacketProtocol => "/one_packet",
            Misfit::Weight(_) => "/weight",
            Misfit::Thresholds { .. } => "/lower_threshold",
            Misfit::ServerFamily => "/address",
            Misfit::GueWithoutPort => "/tunnel/port",
            _ => return None,
        };
        Some((member, misfit.to_string()))
    });
    member.unwrap_or_else(|| {
        let mut line = Vec::new();
        // Writing to memory does not fail.
        let _ = write_change(&mut line, change, &Numeric);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_start_matches("# ");
        ("", format!("no option expresses the value in angle brackets: {line}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Resolver;
    use ipvs::model::{Request, Scope};

    fn read(text: &str) -> RuleFile<'_> {
        RuleFile::read(text.as_bytes(), &mut Resolver::new())
    }

    fn errors(text: &str) -> Vec<String> {
        let file = read(text);
        file.bad_rules.iter().map(ToString::to_string).collect()
    }

    /// A document with the members of a real server behind its key.
    fn with_server(members: &str) -> String {
        let server = format!(r#"{{"address":"10.1.0.1","port":80{members}}}"#);
        format!(r#"{{"services":[{{"fwmark":7}},{{"fwmark":8,"real_servers":[{server}]}}]}}"#)
    }

    #[test]
    fn entries_become_rules_with_their_pointers() {
        let text = r#"{"schema":1,"version":"1.2.1","connection_table_size":4096,"services":[
            {"fwmark":7,"real_servers":[{"address":"10.1.0.1","port":0,"forwarding":"local"}]},
            {"protocol":"tcp","address":"2001:db8::1","port":80,"counters":{"packets":1.5}}],
            "timeouts":{"tcp":1,"tcp_fin":2,"udp":3},
            "daemons":[{"role":"master","interface":"lo","sync_id":5}]}"#;
        let file = read(text);
        assert!(file.bad_rules.is_empty(), "{:?}", file.bad_rules);
        let shown = file.rules.iter().map(|rule| {
            let Request::Change(change) = &rule.request else { panic!() };
            let mut line = format!("{} ", rule.origin).into_bytes();
            write_change(&mut line, change, &Numeric).unwrap();
            String::from_utf8(line).unwrap()
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "/services/0 -A -f 7 -s wlc",
                "/services/0/real_servers/0 -a -f 7 -r 10.1.0.1:0 -g -w 1",
                "/services/1 -A -t [2001:db8::1]:80 -s wlc",
                "/timeouts --set 1 2 3",
                "/daemons/0 --start-daemon master --mcast-interface lo --syncid 5",
            ]
        );
        assert!(file.describes_a_table() && file.partial.is_empty());
    }

    #[test]
    fn document_without_services_is_an_input_without_rules() {
        let file = read(r#"{"services": []}"#);
        assert!(file.rules.is_empty() && file.bad_rules.is_empty() && !file.describes_a_table());
    }

    #[test]
    fn error_of_a_member_has_its_pointer() {
        for (text, pointer, reason) in [
            (with_server(r#","weight":1.5"#), "/services/1/real_servers/0/weight", "floating"),
            (with_server(r#","weight":-1"#), "/services/1/real_servers/0/weight", "integer `-1`"),
            (with_server(r#","weigth":1"#), "/services/1/real_servers/0/weigth", "unknown field"),
            (
                with_server(r#","weight":2147483648"#),
                "/services/1/real_servers/0/weight",
                "greater than 2147483647",
            ),
            (
                with_server(r#","lower_threshold":5"#),
                "/services/1/real_servers/0/lower_threshold",
                "above the upper threshold 0",
            ),
            (
                with_server(r#","upper_threshold":2147483648"#),
                "/services/1/real_servers/0",
                "-x <2147483648>",
            ),
            (with_server(r#","forwarding":"bypass""#), "/services/1/real_servers/0", "<forwarding"),
            (with_server(r#","port":80"#), "/services/1/real_servers/0", "duplicate field `port`"),
            (r#"{"schema":2,"services":[]}"#.to_owned(), "/schema", "unknown schema 2"),
            (r#"{"schema":1.0,"services":[]}"#.to_owned(), "/schema", "floating point"),
            (r#"{"services":[],"rules":[]}"#.to_owned(), "/rules", "unknown field `rules`"),
            (
                r#"{"services":[{"protocol":"tcp","address":"10.0.0.1","port":0}]}"#.to_owned(),
                "/services/0/port",
                "needs persistence",
            ),
            (
                r#"{"services":[{"fwmark":7},{"fwmark":8,"scheduler":"a-name-of-17-bytes"}]}"#
                    .to_owned(),
                "/services/1/scheduler",
                "a-name-of-17-bytes",
            ),
        ] {
            let errors = errors(&text);
            let [error] = errors.as_slice() else { panic!("{text}: {errors:?}") };
            assert!(error.starts_with(&format!(": {pointer}: ")), "{text}: {error}");
            assert!(error.contains(reason), "{text}: {error}");
        }
        for text in ["{", "{}", "{\"services\":[]} 1", "{\"services\":[],\"services\":[]}"] {
            assert_eq!(errors(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn every_entry_that_no_option_expresses_is_an_error() {
        let text = r#"{"services":[
            {"protocol":"unknown","protocol_number":47,"address":"10.0.0.1","port":80,
             "real_servers":[{"address":"10.1.0.1","port":80}]},
            {"fwmark":7,"real_servers":[{"address":"2001:db8::1","port":80}]}]}"#;
        assert_eq!(
            errors(text),
            [
                ": /services/0/protocol: the kernel balances TCP, UDP and SCTP, not protocol 47",
                ": /services/1/real_servers/0/address: the real server is of another IP version \
                 than the service, which takes tunneling",
            ]
        );
    }

    #[test]
    fn entries_that_differ_or_are_outside_a_scope_have_pointers_too() {
        let text = r#"{"services":[{"fwmark":7},{"fwmark":7,"scheduler":"rr"}]}"#;
        let mut file = read(text);
        let conflicts = ipvs::Ruleset::default().apply_all(&file.rules);
        file.reject(conflicts);
        let said = file.bad_rules.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected =
            ": /services/1: Service already exists (/services/0 has it with other options)";
        assert_eq!(said, [expected]);
        let mut file = read(text);
        let scope: Scope = "fwmark:8".parse().unwrap();
        file.reject_outside(&[scope]);
        assert_eq!(file.bad_rules[0].to_string(), ": /services/0: outside of --within");
    }
}
