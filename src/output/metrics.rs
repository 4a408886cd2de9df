//! Metrics: the state in Prometheus' text exposition format 0.0.4, which node_exporter's textfile collector reads too.
//!
//! A family is written as a whole, so a document needs the whole snapshot. No client library writes it: a registry of
//! metrics serves programs that count themselves, and these numbers are the kernel's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipvs::model::{
    Change, ConnectionProtocol, ConnectionState, Counters, Family, Info, Protocol, RealServerState,
    ServiceKey, SyncDaemon,
};
use ipvs::plan::Plan;
use ipvs::procfs::Totals;
use ipvs::state::ServiceSnapshot;
use ipvs_rules::MetricsDetail;

/// The number of entries in the connection table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections by protocol and state.
    pub connections: BTreeMap<(ConnectionProtocol, ConnectionState), u64>,
    /// Persistence templates.
    pub templates: u64,
}

/// The state that metrics show.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The version of IPVS and the size of its connection table.
    pub info: Info,
    /// The services with their real servers, each key once.
    pub services: Vec<ServiceSnapshot>,
    /// The sync daemons. `None` if the process may not read them; then services and servers have no counters either.
    pub daemons: Option<Vec<SyncDaemon>>,
    /// The totals, where the kernel has them.
    pub totals: Option<Totals>,
    /// The entries of the connection table.
    pub connections: ConnectionCounts,
}

/// The name of a counter, its help, and its value.
type CounterKind = (&'static str, &'static str, fn(Counters) -> u64);

/// A text of metrics.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    /// The lines before the first sample of a family.
    fn family(&mut self, name: &str, help: &str) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Into<u64>) {
        let value = value.into();
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A family with one sample for each row. A family without samples is left out.
    fn samples<R, V: Into<u64>>(
        &mut self,
        (name, help): (&str, &str),
        rows: &[(String, R)],
        value: impl Fn(&R) -> V,
    ) {
        if rows.is_empty() {
            return;
        }
        self.family(name, help);
        for (labels, row) in rows {
            self.sample(name, labels, value(row));
        }
    }

    /// The five counters of a kind of entry.
    fn counters<R>(
        &mut self,
        (prefix, of): (&str, &str),
        rows: &[(String, R)],
        counters: impl Fn(&R) -> Counters,
    ) {
        let kinds: [CounterKind; 5] = [
            ("connections", "Connections scheduled", |c| c.connections),
            ("incoming_packets", "Packets from clients", |c| c.incoming_packets),
            ("outgoing_packets", "Packets to clients, which NAT alone sees", |c| {
                c.outgoing_packets
            }),
            ("incoming_bytes", "Bytes from clients", |c| c.incoming_bytes),
            ("outgoing_bytes", "Bytes to clients, which NAT alone sees", |c| c.outgoing_bytes),
        ];
        for (kind, help, value) in kinds {
            let name = format!("{prefix}_{kind}_total");
            self.samples((&name, &format!("{help}, {of}.")), rows, |row| value(counters(row)));
        }
    }
}

impl Metrics {
    /// The metrics of a state.
    pub fn text(&self, detail: MetricsDetail) -> String {
        let mut text = Text::default();
        self.write_director(&mut text);
        let services: Vec<(String, &ServiceSnapshot)> = self
            .services
            .iter()
            .map(|snapshot| (service_labels(&snapshot.service.service.key), snapshot))
            .collect();
        self.write_services(&mut text, &services);
        if detail == MetricsDetail::Servers {
            self.write_servers(&mut text, &services);
        }
        text.0
    }

    /// True if the process could read only the files of `/proc`.
    const fn is_partial(&self) -> bool {
        self.daemons.is_none()
    }

    fn write_director(&self, text: &mut Text) {
        text.family("ipvs_info", "The versions of IPVS in the kernel and of the program.");
        let version = env!("CARGO_PKG_VERSION");
        let labels = format!("kernel=\"{}\",ipvsadm=\"{version}\"", self.info.version);
        text.sample("ipvs_info", &labels, 1_u8);
        let mut one = |name: &str, help, value: u64| {
            text.family(name, help);
            text.sample(name, "", value);
        };
        one(
            "ipvs_partial",
            "1 if the metrics lack all that takes CAP_NET_ADMIN to read.",
            self.is_partial().into(),
        );
        one(
            "ipvs_connection_table_size",
            "Buckets of the connection table; 0 if the kernel has made none yet.",
            self.info.table_size.into(),
        );
        let templates = self.connections.templates;
        one("ipvs_persistence_templates", "Persistence templates in the table.", templates);
        let connections: Vec<(String, u64)> = self
            .connections
            .connections
            .iter()
            .map(|((protocol, state), &count)| {
                let (protocol, state) = (lower(protocol.as_str()), lower(state.as_str()));
                (format!("protocol=\"{protocol}\",state=\"{state}\""), count)
            })
            .collect();
        let entries = ("ipvs_connection_table_connections", "Connections in the table by state.");
        text.samples(entries, &connections, |&count| count);
        if let Some(totals) = self.totals {
            let rows = [(String::new(), totals.counters)];
            text.counters(("ipvs", "all services together"), &rows, |&counters| counters);
        }
        let daemons: Vec<(String, u8)> = self.daemons.iter().flatten().map(daemon).collect();
        text.samples(
            ("ipvs_sync_daemon", "A sync daemon that runs; always 1."),
            &daemons,
            |&one| one,
        );
    }

    fn write_services(&self, text: &mut Text, rows: &[(String, &ServiceSnapshot)]) {
        let scheduled: Vec<(String, ())> = rows
            .iter()
            .map(|(labels, snapshot)| {
                let scheduler = escaped(snapshot.service.service.scheduler.as_str());
                (format!("{labels},scheduler=\"{scheduler}\""), ())
            })
            .collect();
        text.samples(
            ("ipvs_service_info", "A virtual service and its scheduler; always 1."),
            &scheduled,
            |()| 1_u8,
        );
        let sum = |snapshot: &ServiceSnapshot, value: fn(&RealServerState) -> u32| -> u64 {
            snapshot.servers.iter().map(|state| u64::from(value(state))).sum()
        };
        text.samples(("ipvs_service_servers", "Real servers of the service."), rows, |snapshot| {
            sum(snapshot, |_| 1)
        });
        text.samples(
            ("ipvs_service_drained_servers", "Real servers with weight 0."),
            rows,
            |snapshot| sum(snapshot, |state| (state.server.weight == 0).into()),
        );
        text.samples(
            ("ipvs_service_weight", "Sum of the weights of the real servers."),
            rows,
            |snapshot| sum(snapshot, |state| state.server.weight),
        );
        text.samples(
            ("ipvs_service_active_connections", "Established connections of the real servers."),
            rows,
            |snapshot| sum(snapshot, |state| state.active_connections),
        );
        text.samples(
            ("ipvs_service_inactive_connections", "Other connections of the real servers."),
            rows,
            |snapshot| sum(snapshot, |state| state.inactive_connections),
        );
        if self.is_partial() {
            return;
        }
        text.samples(
            ("ipvs_service_persistent_clients", "Clients that persistence keeps with a server."),
            rows,
            |snapshot| sum(snapshot, |state| state.persistent_connections),
        );
        text.counters(("ipvs_service", "of the service"), rows, |row| row.service.counters);
    }

    fn write_servers(&self, text: &mut Text, services: &[(String, &ServiceSnapshot)]) {
        let rows: Vec<(String, &RealServerState)> = services
            .iter()
            .flat_map(|(labels, snapshot)| {
                snapshot.servers.iter().map(move |state| {
                    let key = state.server.key;
                    let server = format!("server=\"{}\",server_port=\"{}\"", key.address, key.port);
                    (format!("{labels},{server}"), state)
                })
            })
            .collect();
        let rows = rows.as_slice();
        text.samples(
            ("ipvs_server_weight", "Weight of the real server; 0 drains it."),
            rows,
            |state| state.server.weight,
        );
        text.samples(
            ("ipvs_server_active_connections", "Established connections."),
            rows,
            |state| state.active_connections,
        );
        text.samples(
            ("ipvs_server_inactive_connections", "Connections that open, close or are idle."),
            rows,
            |state| state.inactive_connections,
        );
        if self.is_partial() {
            return;
        }
        text.samples(
            ("ipvs_server_persistent_clients", "Clients that persistence keeps with the server."),
            rows,
            |state| state.persistent_connections,
        );
        text.samples(
            (
                "ipvs_server_upper_threshold",
                "Connections at which the server gets no new ones; 0 for no limit.",
            ),
            rows,
            |state| state.server.upper_threshold,
        );
        text.samples(
            (
                "ipvs_server_lower_threshold",
                "Connections below which the server gets new ones again.",
            ),
            rows,
            |state| state.server.lower_threshold,
        );
        text.counters(("ipvs_server", "of the real server"), rows, |state| state.counters);
    }
}

fn service_labels(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = match protocol {
                Protocol::Other(other) => other.number().to_string(),
                named => lower(named.name()),
            };
            format!("protocol=\"{protocol}\",address=\"{address}\",port=\"{port}\"")
        }
        ServiceKey::Fwmark { mark, family } => {
            let family = match family {
                Family::Ipv4 => "ipv4",
                Family::Ipv6 => "ipv6",
            };
            format!("fwmark=\"{mark}\",family=\"{family}\"")
        }
    }
}

fn daemon(daemon: &SyncDaemon) -> (String, u8) {
    let SyncDaemon { role, interface, sync_id, .. } = daemon;
    let interface = escaped(&interface.to_string());
    (format!("role=\"{role}\",interface=\"{interface}\",syncid=\"{sync_id}\""), 1)
}

fn lower(name: &str) -> String {
    escaped(&name.to_ascii_lowercase())
}

/// The value of a label, in which a backslash, a double quote and a newline are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The metrics of a plan: whether the kernel has the wanted rules, and the changes by kind. Also returns whether there are
/// changes. Zeroing alone does not count as a change, as in the lines of a plan.
pub fn plan_metrics<O>(plan: &Plan<O>) -> (String, bool) {
    const KINDS: [&str; 8] = [
        "add_service",
        "edit_service",
        "delete_service",
        "add_server",
        "edit_server",
        "delete_server",
        "settings",
        "zero",
    ];
    let mut counts = KINDS.map(|kind| (format!("kind=\"{kind}\""), 0_u64));
    let steps = plan.steps().filter(|_| !plan.zeroes_only());
    let mut has_changes = false;
    for step in steps {
        has_changes = true;
        let place = match step.change {
            Change::AddService(_) => 0,
            Change::EditService(_) => 1,
            Change::DeleteService(_) | Change::Flush => 2,
            Change::AddServer(..) => 3,
            Change::EditServer(..) => 4,
            Change::DeleteServer(..) => 5,
            Change::SetTimeouts(_) | Change::StartDaemon(_) | Change::StopDaemon(_) => 6,
            Change::Zero(_) => 7,
        };
        if let Some((_, count)) = counts.get_mut(place) {
            *count += 1;
        }
    }
    let mut text = Text::default();
    text.family("ipvs_rules_match", "1 if the kernel has the rules of the file.");
    text.sample("ipvs_rules_match", "", u8::from(!has_changes));
    let family = ("ipvs_rules_changes", "Changes that a restore of the file would make, by kind.");
    text.samples(family, &counts, |&count| count);
    (text.0, has_changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::model::{RealServer, ServiceState, SyncRole, Version, VirtualService};
    use std::collections::BTreeSet;

    fn metrics() -> Metrics {
        let server = |key: &str| RealServerState::new(RealServer::new(key.parse().unwrap()));
        let service = |key: &str| {
            let mut state = ServiceState::new(VirtualService::new(key.parse().unwrap()));
            state.counters.connections = u64::MAX;
            let mut drained = server("10.1.0.1:80");
            drained.server.weight = 0;
            drained.active_connections = 3;
            ServiceSnapshot { service: state, servers: vec![drained, server("10.1.0.2:80")] }
        };
        let keys = ["tcp 10.0.0.1:80", "tcp 10.0.0.1:81", "fwmark 7", "fwmark 7 ipv6"];
        let version = Version { major: 1, minor: 2, patch: 1 };
        let mut connections = ConnectionCounts { templates: 2, ..ConnectionCounts::default() };
        let key = (ConnectionProtocol::Tcp, ConnectionState::from_name("odd\"\n"));
        connections.connections.insert(key, 5);
        Metrics {
            info: Info::new(version, 4096),
            services: keys.map(service).into(),
            daemons: Some(vec![SyncDaemon::new(SyncRole::Master, "eth0".parse().unwrap())]),
            totals: Some(Totals::default()),
            connections,
        }
    }

    #[test]
    fn every_series_has_labels_of_its_own() {
        let text = metrics().text(MetricsDetail::Servers);
        let series: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap().0)
            .collect();
        assert_eq!(series.iter().collect::<BTreeSet<_>>().len(), series.len(), "{text}");
        for line in [
            "ipvs_info{kernel=\"1.2.1\",ipvsadm=",
            "ipvs_service_connections_total{fwmark=\"7\",family=\"ipv6\"} 18446744073709551615",
            "ipvs_service_drained_servers{protocol=\"tcp\",address=\"10.0.0.1\",port=\"80\"} 1",
            "ipvs_server_active_connections{protocol=\"tcp\",address=\"10.0.0.1\",port=\"81\",server=\"10.1.0.1\",server_port=\"80\"} 3",
            "ipvs_connection_table_connections{protocol=\"tcp\",state=\"odd\\\"\\n\"} 5",
            "ipvs_sync_daemon{role=\"master\",interface=\"eth0\",syncid=\"0\"} 1",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} in\n{text}");
        }
    }

    #[test]
    fn metrics_by_service_have_no_series_of_servers() {
        let text = metrics().text(MetricsDetail::Services);
        assert!(!text.contains("ipvs_server_") && text.contains("ipvs_service_servers{"), "{text}");
    }

    #[test]
    fn metrics_without_rights_are_marked_and_have_no_counters_of_entries() {
        let mut partial = metrics();
        partial.daemons = None;
        let text = partial.text(MetricsDetail::Servers);
        assert!(text.contains("\nipvs_partial 1\n") && text.contains("ipvs_server_weight{"));
        for absent in ["ipvs_service_connections_total", "ipvs_sync_daemon", "threshold"] {
            assert!(!text.contains(absent), "{absent} in\n{text}");
        }
    }
}
