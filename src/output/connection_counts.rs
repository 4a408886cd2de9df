//! The numbers of connections as documents: in all, or by group.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::AddAssign;

use ipvs::model::{
    Connection, ConnectionOrigin, ConnectionState, Network, RealServerKey, ServiceKey,
};
use ipvs::state::Owner;
use ipvs_rules::{ConnectionGrouping, EndpointNames as _, append_address};
use serde::{Serialize, Serializer};

use super::document::Document;
use super::grid::{Column, Grid, GridStyle};
use super::service_label::service_label;
use crate::resolve::Labels;

/// The number of entries. A template assigns a client to a real server and carries no packets, so it is not counted as a
/// connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EntryCount {
    /// The connections.
    connections: u64,
    /// The persistence templates.
    templates: u64,
}

impl EntryCount {
    /// Counts an entry.
    pub fn add(&mut self, connection: &Connection) {
        match connection.is_template() {
            true => self.templates += 1,
            false => self.connections += 1,
        }
    }

    fn add_to(self, grid: &mut Grid) {
        grid.number(self.connections);
        grid.number(self.templates);
    }
}

impl AddAssign for EntryCount {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.templates += other.templates;
    }
}

const COUNTS: [Column; 2] = [Column::Number("Connections"), Column::Number("Templates")];

/// The number of all entries, as a table of one row.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TotalCount {
    /// The number.
    #[serde(flatten)]
    pub count: EntryCount,
    /// The look of the table.
    #[serde(skip)]
    pub style: GridStyle,
}

impl Document for TotalCount {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut grid = Grid::new(COUNTS);
        self.count.add_to(&mut grid);
        grid.write(out, self.style)
    }
}

/// A group of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Client(Network),
    Service(Owner),
    Server(SocketAddr),
    State(ConnectionState),
    Origin(Option<ConnectionOrigin>),
}

/// A group with its number of entries.
#[derive(Clone, Debug)]
pub(super) struct GroupCount {
    pub(super) group: Group,
    pub(super) count: EntryCount,
}

/// The numbers of entries by group.
#[derive(Clone, Debug)]
pub struct GroupCounts {
    pub(super) grouping: ConnectionGrouping,
    pub(super) counts: Vec<GroupCount>,
}

impl GroupCounts {
    /// The addresses that are shown, for a look-up of their names.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.counts.iter().filter_map(|GroupCount { group, .. }| match *group {
            Group::Client(network) => whole_address(network),
            Group::Service(Owner::Service(key) | Owner::Deleted(key)) => match key {
                ServiceKey::Address { address, .. } => Some(address),
                ServiceKey::Fwmark { .. } => None,
            },
            Group::Server(server) => Some(server.ip()),
            Group::Service(Owner::Unknown) | Group::State(_) | Group::Origin(_) => None,
        })
    }

    /// The document, with names or numbers.
    pub const fn labelled<'a>(&'a self, labels: &'a Labels, style: GridStyle) -> GroupTable<'a> {
        GroupTable { counts: self, labels, style }
    }
}

/// The address of a network that has no other.
fn whole_address(network: Network) -> Option<IpAddr> {
    let address = network.address();
    (network == Network::host(address)).then_some(address)
}

/// The numbers of entries by group as a document.
#[derive(Clone, Copy, Debug)]
pub struct GroupTable<'a> {
    counts: &'a GroupCounts,
    labels: &'a Labels,
    style: GridStyle,
}

impl GroupTable<'_> {
    fn add_group(&self, group: &Group, grid: &mut Grid) {
        match group {
            Group::Client(network) => grid.written(|out| match whole_address(*network) {
                Some(address) => match self.labels.host(address) {
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => append_address(out, address),
                },
                None => {
                    append_address(out, network.address());
                    out.push(b'/');
                    out.extend_from_slice(itoa::Buffer::new().format(network.length()).as_bytes());
                }
            }),
            Group::Service(Owner::Service(key)) => grid.text(service_label(key, self.labels)),
            Group::Service(Owner::Deleted(key)) => {
                grid.text(format_args!("{} (deleted)", service_label(key, self.labels)));
            }
            Group::Server(server) => {
                let endpoint = self.labels.endpoint(server.ip(), server.port(), None);
                grid.written(|out| endpoint.append_to(out));
            }
            Group::State(state) => grid.text(state),
            Group::Origin(Some(origin)) => grid.text(origin),
            Group::Service(Owner::Unknown) | Group::Origin(None) => grid.text("?"),
        }
    }
}

impl Document for GroupTable<'_> {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let title = match self.counts.grouping {
            ConnectionGrouping::Client { .. } => "Client",
            ConnectionGrouping::Service => "Service",
            ConnectionGrouping::Server => "Server",
            ConnectionGrouping::State => "State",
            ConnectionGrouping::Origin => "Origin",
        };
        let mut grid = Grid::new([Column::Text(title)].into_iter().chain(COUNTS));
        for GroupCount { group, count } in &self.counts.counts {
            self.add_group(group, &mut grid);
            count.add_to(&mut grid);
        }
        grid.write(out, self.style)
    }
}

#[derive(Serialize)]
struct TableForm<'a> {
    #[serde(serialize_with = "serialize_rows")]
    counts: &'a [GroupCount],
}

/// Makes each row when it is printed: a row takes more memory than its group.
fn serialize_rows<S: Serializer>(counts: &[GroupCount], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(counts.iter().map(RowForm::from))
}

/// A row of the JSON document. Exactly one field names the group.
#[derive(Default, Serialize)]
struct RowForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// `null` for an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Option<ServiceKey>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_server: Option<RealServerKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Option<ConnectionOrigin>>,
    #[serde(flatten)]
    count: EntryCount,
}

impl From<&GroupCount> for RowForm {
    fn from(GroupCount { group, count }: &GroupCount) -> Self {
        let mut row = Self { count: *count, ..Self::default() };
        match group {
            Group::Client(network) => {
                let address = whole_address(*network).map(|address| address.to_string());
                row.client = Some(address.unwrap_or_else(|| network.to_string()));
            }
            Group::Service(owner) => {
                row.is_deleted = matches!(owner, Owner::Deleted(_));
                row.service = Some(match *owner {
                    Owner::Service(key) | Owner::Deleted(key) => Some(key),
                    Owner::Unknown => None,
                });
            }
            Group::Server(server) => {
                let (address, port) = (server.ip(), server.port());
                row.real_server = Some(RealServerKey { address, port });
            }
            Group::State(state) => row.state = Some(state.to_string()),
            Group::Origin(origin) => row.origin = Some(*origin),
        }
        row
    }
}

impl Serialize for GroupTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TableForm { counts: &self.counts.counts }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{GroupCounter, write_document};
    use crate::process::TerminalStyle;
    use ipvs::procfs::Connections;
    use ipvs::state::Attribution;
    use ipvs_rules::OutputFormat;

    const ENTRIES: &str = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n\
        TCP C0000201 9C43 0A000001 0050 0A010001 1F90 ESTABLISHED 899\n\
        TCP C0000202 9C43 0A000001 0050 0A010002 1F90 ESTABLISHED 899\n\
        TCP C0000202 9C44 0A000001 0051 0A010002 1F90 FIN_WAIT    99\n\
        TCP C0000202 0000 0A000001 0050 0A010002 1F90 ASSURED     99\n\
        UDP C6336401 0035 0A000001 FFFF 0A010002 FFFF UDP         99\n";

    const STYLE: GridStyle = GridStyle {
        terminal: TerminalStyle { width: 80, has_colours: false, is_terminal: false },
        has_header: true,
    };

    fn shown(grouping: &str, limit: Option<usize>, format: OutputFormat) -> String {
        let mut attribution = Attribution::default();
        let service = ipvs::model::VirtualService::new("tcp 10.0.0.1:80".parse().unwrap());
        attribution.insert(&service, []);
        let mut counter = GroupCounter::new(grouping.parse().unwrap(), &attribution);
        for connection in Connections::from_reader(ENTRIES.as_bytes()) {
            counter.add(&connection.unwrap());
        }
        let (mut out, labels) = (Vec::new(), Labels::numeric());
        let counts = counter.largest(limit);
        write_document(&mut out, &counts.labelled(&labels, STYLE), format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn largest_group_comes_first_and_templates_are_counted_apart() {
        assert_eq!(
            shown("client", None, OutputFormat::Text),
            "Client        Connections  Templates\n\
             192.0.2.2               2          1\n\
             192.0.2.1               1          0\n\
             198.51.100.1            1          0\n"
        );
        assert_eq!(
            shown("client/24", Some(1), OutputFormat::Text),
            "Client        Connections  Templates\n\
             192.0.2.0/24            3          1\n"
        );
    }

    #[test]
    fn networks_of_clients_have_a_length_for_each_family() {
        let entry = |last: &str| {
            let client = format!("2001:0db8:0000:0000:0000:0000:0000:{last}");
            let others = "2001:0db8:0000:0000:0000:0000:0000:0001 13C4";
            format!("UDP {client} 9C43 {others} {others} UDP 54\n")
        };
        let entries = format!("{ENTRIES}{}{}", entry("000a"), entry("000b"));
        let counted = |grouping: &str| {
            let attribution = Attribution::default();
            let mut counter = GroupCounter::new(grouping.parse().unwrap(), &attribution);
            for connection in Connections::from_reader(entries.as_bytes()) {
                counter.add(&connection.unwrap());
            }
            let (mut out, labels) = (Vec::new(), Labels::numeric());
            let style = GridStyle { has_header: false, ..STYLE };
            let counts = counter.largest(Some(2));
            write_document(&mut out, &counts.labelled(&labels, style), OutputFormat::Text).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(counted("client/24,64"), "192.0.2.0/24   3  1\n2001:db8::/64  2  0\n");
        assert_eq!(counted("client/8,127"), "192.0.0.0/8      3  1\n2001:db8::a/127  2  0\n");
        assert_eq!(counted("client/24"), "192.0.2.0/24     3  1\n198.51.100.0/24  1  0\n");
    }

    #[test]
    fn entries_of_a_deleted_service_are_shown_as_such() {
        assert_eq!(
            shown("service", None, OutputFormat::Text),
            "Service                       Connections  Templates\n\
             TCP 10.0.0.1:80                         2          1\n\
             TCP 10.0.0.1:81 (deleted)               1          0\n\
             UDP 10.0.0.1:65535 (deleted)            1          0\n"
        );
    }

    #[test]
    fn json_has_the_group_and_both_numbers() {
        assert_eq!(
            shown("service", Some(2), OutputFormat::Json),
            "{\"counts\":[\n\
             {\"service\":{\"protocol\":\"tcp\",\"address\":\"10.0.0.1\",\"port\":80},\
             \"connections\":2,\"templates\":1},\n\
             {\"service\":{\"protocol\":\"tcp\",\"address\":\"10.0.0.1\",\"port\":81},\
             \"is_deleted\":true,\"connections\":1,\"templates\":0}\n]}\n"
        );
        for (grouping, group) in [
            ("client", "\"client\":\"192.0.2.2\""),
            ("client/16", "\"client\":\"192.0.0.0/16\""),
            ("server", "\"real_server\":{\"address\":\"10.1.0.2\",\"port\":8080}"),
            ("state", "\"state\":\"ESTABLISHED\""),
            ("origin", "\"origin\":null"),
        ] {
            let text = shown(grouping, Some(1), OutputFormat::Json);
            assert!(text.starts_with(&format!("{{\"counts\":[\n{{{group},\"conn")), "{text}");
        }
    }

    #[test]
    fn total_is_a_table_of_one_row() {
        let mut count = EntryCount::default();
        for connection in Connections::from_reader(ENTRIES.as_bytes()) {
            count.add(&connection.unwrap());
        }
        let total = |style, format| {
            let mut out = Vec::new();
            write_document(&mut out, &TotalCount { count, style }, format).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            total(STYLE, OutputFormat::Text),
            "Connections  Templates\n          4          1\n"
        );
        let bare = GridStyle { has_header: false, ..STYLE };
        assert_eq!(total(bare, OutputFormat::Text), "4  1\n");
        let json = total(STYLE, OutputFormat::Json);
        assert_eq!(json, "{\"connections\":4,\"templates\":1}\n");
    }
}
