//! The summary of a director: a line for each service, the totals with the share of each CPU, and the helpers of
//! applications.

use std::io;

use ipvs::model::{Counters, Rates, SchedulerName, ServiceKey};
use ipvs::procfs::{Application, CpuCounters, Totals};
use ipvs::state::ServiceSnapshot;
use serde::{Serialize, Serializer};

use super::document::Document;
use super::grid::{Column, Grid, GridStyle};
use super::partial_services::PartialKey;
use super::service_label::service_label;
use crate::resolve::Labels;

/// A virtual service with the sums of its real servers.
#[derive(Clone, Debug)]
pub struct ServiceTally {
    /// The service.
    pub key: ServiceKey,
    scheduler: SchedulerName,
    servers: ServerCount,
    active_connections: u64,
    inactive_connections: u64,
    /// `None` if they could not be read.
    rates: Option<Rates>,
}

/// The numbers of real servers. Each server is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct ServerCount {
    /// Servers that may get new connections.
    up: u64,
    /// Servers with weight 0.
    drained: u64,
    /// Servers with as many connections as their upper threshold. `None` if thresholds could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_threshold: Option<u64>,
}

impl ServiceTally {
    /// Adds up the real servers of a service.
    pub fn new(snapshot: &ServiceSnapshot) -> Self {
        let mut servers = ServerCount { over_threshold: Some(0), ..ServerCount::default() };
        let (mut active_connections, mut inactive_connections) = (0, 0);
        for state in &snapshot.servers {
            let (active, inactive) =
                (u64::from(state.active_connections), u64::from(state.inactive_connections));
            let most = u64::from(state.server.upper_threshold);
            // The kernel compares both kinds of connections (6.1: `ip_vs_dest_totalconns`).
            match (state.server.weight, &mut servers.over_threshold) {
                (0, _) => servers.drained += 1,
                (_, Some(over)) if most > 0 && active + inactive >= most => *over += 1,
                _ => servers.up += 1,
            }
            active_connections += active;
            inactive_connections += inactive;
        }
        Self {
            key: snapshot.service.service.key,
            scheduler: snapshot.service.service.scheduler,
            servers,
            active_connections,
            inactive_connections,
            rates: Some(snapshot.service.rates),
        }
    }

    /// The tally of a service that was read from `/proc`, which lacks thresholds and rates.
    pub fn of_file(snapshot: &ServiceSnapshot) -> Self {
        let mut tally = Self::new(snapshot);
        tally.servers.up += tally.servers.over_threshold.take().unwrap_or_default();
        tally.rates = None;
        tally
    }
}

/// The summary of a network namespace.
#[derive(Clone, Debug)]
pub struct DirectorSummary<'a> {
    /// The services in the order of their keys.
    pub services: Vec<ServiceTally>,
    /// The members that the documents of the services lack, because the process may not read them.
    pub missing: &'static [&'static str],
    /// The totals of the kernel, deleted services included. `None` if it has no file of them.
    pub totals: Option<Totals>,
    /// The counters of each CPU.
    pub cpus: Vec<CpuCounters>,
    /// The helpers of applications.
    pub applications: Vec<Application>,
    /// The names of services.
    pub labels: &'a Labels,
    /// The look of the tables.
    pub style: GridStyle,
}

/// The members that a summary from `/proc` lacks.
pub const MISSING_IN_SUMMARY: &[&str] = &["family", "over_threshold", "rates"];

/// The part that one CPU has of all packets from clients. `None` if there were none.
fn share(cpu: &CpuCounters, cpus: &[CpuCounters]) -> Option<f64> {
    let packets = |cpu: &CpuCounters| cpu.counters.incoming_packets;
    let all: u64 = cpus.iter().map(packets).sum();
    #[expect(clippy::cast_precision_loss, reason = "the share is shown with three digits")]
    let part = packets(cpu) as f64 / all as f64;
    (all > 0).then(|| (part * 1000.0).round() / 1000.0)
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn cells(first: String, counters: Counters, share: String) -> [String; 7] {
    let Counters {
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
        ..
    } = counters;
    let [conns, in_packets, out_packets, in_bytes, out_bytes] =
        [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes]
            .map(|number| number.to_string());
    [first, conns, in_packets, out_packets, in_bytes, out_bytes, share]
}

/// The rates as a row of the table of counters.
fn as_counters(rates: Rates) -> Counters {
    let mut counters = Counters::default();
    counters.connections = rates.connections;
    counters.incoming_packets = rates.incoming_packets;
    counters.outgoing_packets = rates.outgoing_packets;
    counters.incoming_bytes = rates.incoming_bytes;
    counters.outgoing_bytes = rates.outgoing_bytes;
    counters
}

impl DirectorSummary<'_> {
    fn services(&self) -> Grid {
        let numbers = ["Up", "Drained", "Over", "Active", "InAct", "CPS", "PPS", "InBPS", "OutBPS"];
        let columns = [Column::Text("Service")].into_iter();
        let mut grid = Grid::new(columns.chain(numbers.map(Column::Number)));
        let row = |name: String, tally: &ServiceTally| {
            let ServiceTally { servers, active_connections, inactive_connections, rates, .. } =
                tally;
            let rate = |rate: fn(Rates) -> u64| or_dash(rates.map(rate));
            [
                name,
                servers.up.to_string(),
                servers.drained.to_string(),
                or_dash(servers.over_threshold),
                active_connections.to_string(),
                inactive_connections.to_string(),
                rate(|rates| rates.connections),
                rate(|rates| rates.incoming_packets + rates.outgoing_packets),
                rate(|rates| rates.incoming_bytes),
                rate(|rates| rates.outgoing_bytes),
            ]
        };
        for tally in &self.services {
            grid.push(row(service_label(&tally.key, self.labels), tally));
        }
        if let Some(sum) = self.services.iter().cloned().reduce(ServiceTally::plus) {
            grid.push(row("all".to_owned(), &sum));
        }
        grid
    }

    fn totals(&self, totals: &Totals) -> Grid {
        let numbers = ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes", "Share"];
        let columns = [Column::Text("Total")].into_iter();
        let mut grid = Grid::new(columns.chain(numbers.map(Column::Number)));
        grid.push(cells("all".to_owned(), totals.counters, String::new()));
        grid.push(cells("per second".to_owned(), as_counters(totals.rates), String::new()));
        for cpu in &self.cpus {
            let share = share(cpu, &self.cpus);
            let share =
                share.map_or_else(|| "-".to_owned(), |part| format!("{:.1}%", part * 100.0));
            grid.push(cells(format!("CPU {}", cpu.cpu), cpu.counters, share));
        }
        grid
    }

    fn applications(&self) -> Grid {
        let [name, protocol] = ["Application", "Protocol"].map(Column::Text);
        let [port, uses] = ["Port", "Uses"].map(Column::Number);
        let mut grid = Grid::new([name, protocol, port, uses]);
        for Application { name, protocol, port, uses, .. } in &self.applications {
            grid.push([name.clone(), protocol.to_string(), port.to_string(), uses.to_string()]);
        }
        grid
    }
}

impl ServiceTally {
    /// The sums of two services, under the key of the first.
    fn plus(mut self, other: Self) -> Self {
        self.servers.up += other.servers.up;
        self.servers.drained += other.servers.drained;
        self.servers.over_threshold = (self.servers.over_threshold)
            .and_then(|over| Some(over + other.servers.over_threshold?));
        self.active_connections += other.active_connections;
        self.inactive_connections += other.inactive_connections;
        if let (Some(rates), Some(others)) = (&mut self.rates, other.rates) {
            rates.connections += others.connections;
            rates.incoming_packets += others.incoming_packets;
            rates.outgoing_packets += others.outgoing_packets;
            rates.incoming_bytes += others.incoming_bytes;
            rates.outgoing_bytes += others.outgoing_bytes;
        }
        self
    }
}

impl Document for DirectorSummary<'_> {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.services().write(out, self.style)?;
        if let Some(totals) = &self.totals {
            out.push(b'\n');
            self.totals(totals).write(out, self.style)?;
        }
        if !self.applications.is_empty() {
            out.push(b'\n');
            self.applications().write(out, self.style)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct TallyForm<'a> {
    #[serde(flatten)]
    key: PartialKey,
    scheduler: &'a SchedulerName,
    servers: ServerCount,
    active_connections: u64,
    inactive_connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Rates>,
}

#[derive(Serialize)]
struct TotalsForm {
    counters: Counters,
    rates: Rates,
}

#[derive(Serialize)]
struct CpuForm {
    cpu: u32,
    counters: Counters,
    /// `null` before the first packet.
    share: Option<f64>,
}

#[derive(Serialize)]
struct ApplicationForm<'a> {
    name: &'a str,
    protocol: String,
    port: u16,
    uses: u32,
}

#[derive(Serialize)]
struct Form<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    partial: &'a [&'static str],
    services: Vec<TallyForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<TotalsForm>,
    cpus: Vec<CpuForm>,
    applications: Vec<ApplicationForm<'a>>,
}

impl Serialize for DirectorSummary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let services = self.services.iter().map(|tally| TallyForm {
            key: match self.missing.contains(&"family") {
                true => tally.key.into(),
                false => PartialKey::Whole(tally.key),
            },
            scheduler: &tally.scheduler,
            servers: tally.servers,
            active_connections: tally.active_connections,
            inactive_connections: tally.inactive_connections,
            rates: tally.rates,
        });
        let totals =
            self.totals.map(|Totals { counters, rates, .. }| TotalsForm { counters, rates });
        let cpus = self.cpus.iter().map(|cpu| CpuForm {
            cpu: cpu.cpu,
            counters: cpu.counters,
            share: share(cpu, &self.cpus),
        });
        let applications = self.applications.iter().map(|application| ApplicationForm {
            name: &application.name,
            protocol: application.protocol.as_str().to_ascii_lowercase(),
            port: application.port,
            uses: application.uses,
        });
        Form {
            partial: self.missing,
            services: services.collect(),
            totals,
            cpus: cpus.collect(),
            applications: applications.collect(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::write_document;
    use crate::process::TerminalStyle;
    use ipvs::model::{RealServer, RealServerState, ServiceState, VirtualService};
    use ipvs::procfs::{read_applications, read_cpu_counters};
    use ipvs_rules::OutputFormat;

    const CPUS: &str = "CPU Conns Packets Packets Bytes Bytes\n\
                        \u{20} 0        1        3        2                4                5\n\
                        \u{20} 1       10        0        0                0                0\n\
                        \u{20} ~       11        3        2                4                5\n";

    fn snapshots() -> [ServiceSnapshot; 2] {
        ["tcp 10.0.0.1:80", "fwmark 7 ipv6"].map(|key| {
            let mut service = ServiceState::new(VirtualService::new(key.parse().unwrap()));
            service.rates.incoming_packets = 5;
            service.rates.outgoing_packets = 4;
            let servers = [(1, 0), (0, 0), (3, 4), (3, 5)].map(|(weight, upper_threshold)| {
                let server = RealServer::new("10.1.0.1:80".parse().unwrap());
                let server = server.weight(weight).upper_threshold(upper_threshold);
                let mut state = RealServerState::new(server);
                (state.active_connections, state.inactive_connections) = (1, 3);
                state
            });
            ServiceSnapshot { service, servers: servers.into() }
        })
    }

    fn shown(missing: &'static [&'static str], format: OutputFormat) -> String {
        let tally = if missing.is_empty() { ServiceTally::new } else { ServiceTally::of_file };
        let labels = Labels::numeric();
        let terminal = TerminalStyle { width: 80, has_colours: false, is_terminal: false };
        let summary = DirectorSummary {
            services: snapshots().iter().map(tally).collect(),
            missing,
            totals: Some(Totals::default()),
            cpus: read_cpu_counters(CPUS.as_bytes()).unwrap(),
            applications: read_applications("\nTCP  21 3 ftp\n".as_bytes()).unwrap(),
            labels: &labels,
            style: GridStyle { terminal, has_header: true },
        };
        let mut out = Vec::new();
        write_document(&mut out, &summary, format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn service_has_a_line_and_each_server_counts_once() {
        assert_eq!(
            shown(&[], OutputFormat::Text),
            "Service          Up  Drained  Over  Active  InAct  CPS  PPS  InBPS  OutBPS\n\
             TCP 10.0.0.1:80   2        1     1       4     12    0    9      0       0\n\
             FWM 7 IPv6        2        1     1       4     12    0    9      0       0\n\
             all               4        2     2       8     24    0   18      0       0\n\
             \n\
             Total       Conns  InPkts  OutPkts  InBytes  OutBytes   Share\n\
             all             0       0        0        0         0\n\
             per second      0       0        0        0         0\n\
             CPU 0           1       3        2        4         5  100.0%\n\
             CPU 1          16       0        0        0         0    0.0%\n\
             \n\
             Application  Protocol  Port  Uses\n\
             ftp          TCP         21     3\n"
        );
    }

    #[test]
    fn unknown_numbers_are_dashes_and_missing_members() {
        let text = shown(MISSING_IN_SUMMARY, OutputFormat::Text);
        let all = text.lines().find(|line| line.starts_with("all")).unwrap();
        let words: Vec<&str> = all.split_whitespace().collect();
        assert_eq!(words, ["all", "6", "2", "-", "8", "24", "-", "-", "-", "-"]);
        let json = shown(MISSING_IN_SUMMARY, OutputFormat::Json);
        let start = "{\"partial\":[\n\"family\",\n\"over_threshold\",\n\"rates\"\n],";
        let services = json.strip_prefix(start).unwrap_or_else(|| panic!("{json}"));
        for name in MISSING_IN_SUMMARY {
            let services = services.split("\"totals\"").next().unwrap();
            assert!(!services.contains(name), "{name}: {json}");
        }
        assert!(json.contains("\"servers\":{\"up\":3,\"drained\":1},"), "{json}");
    }

    #[test]
    fn json_has_an_entry_a_line() {
        let json = shown(&[], OutputFormat::Json);
        let lines: Vec<&str> = json.lines().collect();
        assert_eq!(lines[0], "{\"services\":[");
        assert!(
            lines[1].starts_with(
                "{\"protocol\":\"tcp\",\"address\":\"10.0.0.1\",\"port\":80,\"scheduler\":\"wlc\",\
                 \"servers\":{\"up\":2,\"drained\":1,\"over_threshold\":1},\"active_connections\":4,"
            ),
            "{json}"
        );
        assert!(lines[3].starts_with("],\"totals\":{\"counters\":{\"connections\":0,"), "{json}");
        assert!(lines[4].ends_with("\"share\":1.0},"), "{json}");
        let application = "{\"name\":\"ftp\",\"protocol\":\"tcp\",\"port\":21,\"uses\":3}";
        assert_eq!(lines[lines.len() - 2], application);
    }
}
