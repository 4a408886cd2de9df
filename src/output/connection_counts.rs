//! The numbers of connections as documents: in all, or by group.

use std::fmt;
use std::io;
use std::iter;
use std::net::IpAddr;

use ipvs::model::{Network, RealServerKey};
use ipvs::state::Owner;
use ipvs_rules::{ConnectionGrouping, EndpointNames as _, OutputFormat, append_address};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::document::Document;
use super::entry_count::{EntryCount, Group, GroupCount};
use super::grid::{Column, GAP, Grid, GridStyle, append_cell, characters, write_titles};
use super::group_counter::GroupCounts;
use super::json::JsonRows;
use super::padding::{append, pad, right_number};
use super::rows::{Buffered, Rows};
use super::service_label::service_label;
use crate::resolve::Labels;

const COUNTS: [Column; 2] = [Column::Number("Connections"), Column::Number("Templates")];

/// The room for the text of a group whose width is measured. An IPv6 address has 39 characters at most.
const EXPECTED_LENGTH: usize = 40;

fn add_count(grid: &mut Grid, count: EntryCount) {
    grid.number(count.connections);
    grid.number(count.templates);
}

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
        add_count(&mut grid, self.count);
        grid.write(out, self.style)
    }
}

impl GroupCounts {
    /// The addresses that are shown, for a look-up of their names.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.iter().filter_map(|GroupCount { group, .. }| match group {
            Group::Client(network) => whole_address(network),
            Group::Service(Owner::Service(key) | Owner::Deleted(key)) => key.address(),
            Group::Server(server) => Some(server.ip()),
            Group::Service(Owner::Unknown) | Group::State(_) | Group::Origin(_) => None,
        })
    }

    /// Writes the document row by row: there may be a million clients, and the whole text would take more memory than
    /// the counts.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(
        &self,
        labels: &Labels,
        style: GridStyle,
        format: OutputFormat,
        out: &mut Buffered<'_>,
    ) -> io::Result<()> {
        let groups = Labelled { title: self.title(), labels };
        match format {
            OutputFormat::Json => {
                self.add_rows(&mut GroupObjects(JsonRows::new((), "counts")), out)
            }
            OutputFormat::Text if style.terminal.is_terminal => {
                out.add(|buffer| groups.grid(self.iter()).write(buffer, style))
            }
            OutputFormat::Text => {
                self.add_rows(&mut GroupRows::new(groups, style, self.iter()), out)
            }
        }
    }

    fn add_rows(&self, rows: &mut impl Rows<GroupCount>, out: &mut Buffered<'_>) -> io::Result<()> {
        out.add(|buffer| rows.begin(buffer))?;
        for group in self.iter() {
            out.add(|buffer| rows.row(buffer, &group))?;
        }
        out.add(|buffer| rows.end(buffer))
    }

    const fn title(&self) -> &'static str {
        match self.grouping {
            ConnectionGrouping::Client { .. } => "Client",
            ConnectionGrouping::Service => "Service",
            ConnectionGrouping::Server => "Server",
            ConnectionGrouping::State => "State",
            ConnectionGrouping::Origin => "Origin",
        }
    }
}

/// The address of a network that has no other.
fn whole_address(network: Network) -> Option<IpAddr> {
    let address = network.address();
    (network == Network::host(address)).then_some(address)
}

/// The groups of a table, with names or numbers.
#[derive(Clone, Copy, Debug)]
struct Labelled<'a> {
    title: &'static str,
    labels: &'a Labels,
}

impl Labelled<'_> {
    /// Appends the text of a group.
    fn append(&self, out: &mut Vec<u8>, group: &Group) {
        match group {
            Group::Client(network) => {
                let Some(address) = whole_address(*network) else {
                    return append_network(out, *network);
                };
                match self.labels.host(address) {
                    Some(name) => append_cell(out, |out| out.extend_from_slice(name.as_bytes())),
                    None => append_address(out, address),
                }
            }
            Group::Service(Owner::Service(key)) => {
                append_text(out, format_args!("{}", service_label(key, self.labels)));
            }
            Group::Service(Owner::Deleted(key)) => {
                append_text(out, format_args!("{} (deleted)", service_label(key, self.labels)));
            }
            Group::Server(server) => {
                let endpoint = self.labels.endpoint(server.ip(), server.port(), None);
                append_cell(out, |out| endpoint.append_to(out));
            }
            Group::State(state) => append_text(out, format_args!("{state}")),
            Group::Origin(Some(origin)) => append_text(out, format_args!("{origin}")),
            Group::Service(Owner::Unknown) | Group::Origin(None) => out.push(b'?'),
        }
    }

    /// The number of characters of a group, for which a network without a name need not be written.
    fn width(&self, group: &Group) -> usize {
        if let Group::Client(network) = *group {
            let whole = whole_address(network);
            let has_name = whole.is_some_and(|address| self.labels.host(address).is_some());
            if let IpAddr::V4(client) = network.address() {
                if !has_name {
                    let address = client.octets().map(digits).into_iter().sum::<usize>();
                    let length = if whole.is_some() { 0 } else { 1 + digits(network.length()) };
                    return address + "...".len() + length;
                }
            }
        }
        let mut text = Vec::with_capacity(EXPECTED_LENGTH);
        self.append(&mut text, group);
        characters(&text)
    }

    /// The table for a terminal.
    fn grid(&self, groups: impl Iterator<Item = GroupCount>) -> Grid {
        let mut grid = Grid::new([Column::Text(self.title)].into_iter().chain(COUNTS));
        for GroupCount { group, count } in groups {
            grid.written(|out| self.append(out, &group));
            add_count(&mut grid, count);
        }
        grid
    }
}

/// The number of digits of a number.
const fn digits(number: u8) -> usize {
    match number {
        0..=9 => 1,
        10..=99 => 2,
        _ => 3,
    }
}

fn append_text(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    append_cell(out, |out| append(out, text));
}

/// The rows of a table for a file, as wide as their cells.
struct GroupRows<'a> {
    groups: Labelled<'a>,
    style: GridStyle,
    group_width: usize,
    count_widths: [usize; 2],
}

impl<'a> GroupRows<'a> {
    /// Measures the groups.
    fn new(
        groups: Labelled<'a>,
        style: GridStyle,
        counts: impl Iterator<Item = GroupCount>,
    ) -> Self {
        let (mut group_width, mut largest) = (0, [0; 2]);
        for GroupCount { group, count } in counts {
            group_width = group_width.max(groups.width(&group));
            let [connections, templates] = largest;
            largest = [connections.max(count.connections), templates.max(count.templates)];
        }
        let mut count_widths = largest.map(|number| itoa::Buffer::new().format(number).len());
        if style.has_header {
            group_width = group_width.max(groups.title.len());
            for (width, column) in count_widths.iter_mut().zip(COUNTS) {
                *width = (*width).max(column.title().len());
            }
        }
        Self { groups, style, group_width, count_widths }
    }
}

impl Rows<GroupCount> for GroupRows<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let group = (Column::Text(self.groups.title), self.group_width);
        let columns = iter::once(group).chain(COUNTS.into_iter().zip(self.count_widths));
        write_titles(out, columns, self.style);
        Ok(())
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &GroupCount) -> io::Result<()> {
        let start = out.len();
        self.groups.append(out, &row.group);
        let width = characters(out.get(start..).unwrap_or_default());
        pad(out, out.len() + self.group_width - width);
        let numbers = [row.count.connections, row.count.templates];
        for (number, width) in numbers.into_iter().zip(self.count_widths) {
            right_number(out, number, GAP + width);
        }
        out.push(b'\n');
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// The rows of a document in JSON. serde_json looks for characters to escape in each name and each client, of which there
/// may be millions, so the objects of IPv4 are written without it.
struct GroupObjects(JsonRows<()>);

impl Rows<GroupCount> for GroupObjects {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Rows::<GroupCount>::begin(&mut self.0, out)
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &GroupCount) -> io::Result<()> {
        match row.group {
            Group::Client(network) if network.address().is_ipv4() => {
                self.0.separate(out);
                append_client_object(out, network, row.count);
                Ok(())
            }
            _ => self.0.row(out, row),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Rows::<GroupCount>::end(&mut self.0, out)
    }
}

fn append_client_object(out: &mut Vec<u8>, network: Network, count: EntryCount) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"{\"client\":\"");
    append_network(out, network);
    out.extend_from_slice(b"\",\"connections\":");
    out.extend_from_slice(number.format(count.connections).as_bytes());
    out.extend_from_slice(b",\"templates\":");
    out.extend_from_slice(number.format(count.templates).as_bytes());
    out.push(b'}');
}

/// Appends an address, or a network with its length.
fn append_network(out: &mut Vec<u8>, network: Network) {
    append_address(out, network.address());
    if whole_address(network).is_none() {
        out.push(b'/');
        out.extend_from_slice(itoa::Buffer::new().format(network.length()).as_bytes());
    }
}

/// The client of a row.
struct ClientForm(Network);

impl Serialize for ClientForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match whole_address(self.0) {
            Some(address) => address.serialize(serializer),
            None => serializer.collect_str(&self.0),
        }
    }
}

impl Serialize for GroupCount {
    /// One field, or two for a deleted service, name the group. An unknown one is `null`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { group, count } = self;
        let mut row = serializer.serialize_map(None)?;
        match group {
            Group::Client(network) => row.serialize_entry("client", &ClientForm(*network))?,
            Group::Service(Owner::Service(key)) => row.serialize_entry("service", key)?,
            Group::Service(Owner::Deleted(key)) => {
                row.serialize_entry("service", key)?;
                row.serialize_entry("is_deleted", &true)?;
            }
            Group::Service(Owner::Unknown) => row.serialize_entry("service", &())?,
            Group::Server(server) => {
                let (address, port) = (server.ip(), server.port());
                row.serialize_entry("real_server", &RealServerKey { address, port })?;
            }
            Group::State(state) => row.serialize_entry("state", state.as_str())?,
            Group::Origin(origin) => row.serialize_entry("origin", origin)?,
        }
        row.serialize_entry("connections", &count.connections)?;
        row.serialize_entry("templates", &count.templates)?;
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{GroupCounter, write_document};
    use crate::process::TerminalStyle;
    use ipvs::procfs::Connections;
    use ipvs::state::Attribution;

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
        written(&counter.largest(limit), STYLE, format)
    }

    fn written(counts: &GroupCounts, style: GridStyle, format: OutputFormat) -> String {
        let mut text = Vec::new();
        let mut out = Buffered::new(&mut text);
        counts.write(&Labels::numeric(), style, format, &mut out).unwrap();
        out.finish().unwrap();
        String::from_utf8(text).unwrap()
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
            let style = GridStyle { has_header: false, ..STYLE };
            written(&counter.largest(Some(2)), style, OutputFormat::Text)
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
    fn objects_of_clients_are_those_of_serde() {
        let count = EntryCount::new(12, 3);
        for client in ["192.0.2.1/32", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/64", "::1/128"] {
            let row = GroupCount { group: Group::Client(client.parse().unwrap()), count };
            let mut written = Vec::new();
            GroupObjects(JsonRows::new((), "counts")).row(&mut written, &row).unwrap();
            let expected = format!("\n{}", serde_json::to_string(&row).unwrap());
            assert_eq!(String::from_utf8(written).unwrap(), expected);
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
