//! The connections of `-L -c`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::padding::{left, left_endpoint, pad};
use super::rows::Rows;
use crate::resolve::Labels;
use ipvs::model::{Connection, ConnectionTarget, EngineData};
use ipvs_rules::ConnectionColumns;

/// The connections for people, with names or numbers.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsText<'a> {
    columns: ConnectionColumns,
    labels: &'a Labels,
}

impl<'a> ConnectionsText<'a> {
    /// A listing with these columns.
    pub const fn new(columns: ConnectionColumns, labels: &'a Labels) -> Self {
        Self { columns, labels }
    }

    /// Appends the line of a connection.
    pub fn connection(&self, out: &mut Vec<u8>, connection: &Connection) {
        let protocol = connection.protocol.transport();
        let endpoint = |end: SocketAddr| self.labels.endpoint(end.ip(), end.port(), protocol);
        left(out, connection.protocol.as_str(), 3);
        out.push(b' ');
        expiry(out, connection.expires);
        left(out, connection.state.as_str(), 11);
        out.push(b' ');
        left_endpoint(out, &endpoint(connection.client), 18);
        out.push(b' ');
        left_endpoint(out, &endpoint(virtual_end(connection)), 18);
        out.push(b' ');
        let server = endpoint(connection.server);
        let has_engine = self.columns == ConnectionColumns::WithEngineData;
        match connection.engine.as_deref().filter(|_| has_engine) {
            None => left_endpoint(out, &server, 0),
            Some(EngineData { engine, data }) => {
                left_endpoint(out, &server, 16);
                out.push(b' ');
                left(out, engine, 18);
                out.push(b' ');
                out.extend_from_slice(data);
            }
        }
        out.push(b'\n');
    }
}

impl Rows<Connection> for ConnectionsText<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(
            b"IPVS connection entries\n\
            pro expire state       source             virtual            destination",
        );
        if self.columns == ConnectionColumns::WithEngineData {
            out.extend_from_slice(b"        pe name          pe_data");
        }
        out.push(b'\n');
        Ok(())
    }

    fn row(&mut self, out: &mut Vec<u8>, connection: &Connection) -> io::Result<()> {
        self.connection(out, connection);
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// The virtual address of a connection. 1.31 prints a firewall mark as if it were an address.
pub fn virtual_end(connection: &Connection) -> SocketAddr {
    match (connection.target, connection.client) {
        (ConnectionTarget::Address(address), _) => address,
        (ConnectionTarget::Fwmark(mark), SocketAddr::V4(_)) => {
            SocketAddr::new(Ipv4Addr::from_bits(mark).into(), 0)
        }
        (ConnectionTarget::Fwmark(mark), SocketAddr::V6(_)) => {
            SocketAddr::new(Ipv6Addr::from_bits(u128::from(mark) << 96).into(), 0)
        }
    }
}

/// Appends minutes and seconds, each of at least two digits, and blanks up to the column's width.
fn expiry(out: &mut Vec<u8>, expires: u32) {
    let end = out.len() + 7;
    for (number, separator) in [(expires / 60, b':'), (expires % 60, b' ')] {
        match u8::try_from(number) {
            Ok(two @ 0..100) => out.extend([two / 10 + b'0', two % 10 + b'0', separator]),
            _ => {
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                out.push(separator);
            }
        }
    }
    pad(out, end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::procfs::Connections;

    fn shown(line: &str, columns: ConnectionColumns) -> String {
        let mut out = Vec::new();
        let heading =
            "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData";
        let text = format!("{heading}\n{line}\n");
        let connection = Connections::from_reader(text.as_bytes()).next().unwrap().unwrap();
        ConnectionsText::new(columns, &Labels::numeric()).connection(&mut out, &connection);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn heading_has_two_more_columns_where_they_are_asked_for() {
        let heading = |columns| {
            let mut out = Vec::new();
            ConnectionsText::new(columns, &Labels::numeric()).begin(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let plain = "IPVS connection entries\n\
            pro expire state       source             virtual            destination";
        assert_eq!(heading(ConnectionColumns::Plain), format!("{plain}\n"));
        assert_eq!(
            heading(ConnectionColumns::WithEngineData),
            format!("{plain}        pe name          pe_data\n")
        );
    }

    #[test]
    fn connection_is_shown_in_columns_that_move_where_they_must() {
        for (line, expected) in [
            (
                "TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55",
                "TCP 00:55  SYN_RECV    10.0.0.1:40003     10.0.0.1:81        10.9.0.77:8080\n",
            ),
            (
                "SCTP 0A000001 9C4F 0A000001 0050 0A090002 0050 SHUTDOWN_ACK_SENT 894",
                "SCTP 14:54  SHUTDOWN_ACK_SENT 10.0.0.1:40015     10.0.0.1:80        10.9.0.2:80\n",
            ),
            (
                "IP  0A000009 0000 00000005 0000 0A090002 0000 ASSURED         394",
                "IP  06:34  ASSURED     10.0.0.9:0         0.0.0.5:0          10.9.0.2:0\n",
            ),
            (
                "UDP 0A000009 0001 0A000001 0035 0A090002 0035 UDP             6000",
                "UDP 100:00 UDP         10.0.0.9:1         10.0.0.1:53        10.9.0.2:53\n",
            ),
            (
                "UDP 0A000009 0001 0A000001 0035 0A090002 0035 UDP       4294967295",
                "UDP 71582788:15 UDP         10.0.0.9:1         10.0.0.1:53        10.9.0.2:53\n",
            ),
        ] {
            assert_eq!(shown(line, ConnectionColumns::Plain), expected);
            assert_eq!(shown(line, ConnectionColumns::WithEngineData), expected);
        }
    }

    #[test]
    fn engine_data_is_shown_when_asked_for() {
        let line = "UDP 2001:0db8:0000:0000:0000:0000:0000:0001 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0001 13C4 0A090002 13C4 NONE 54 sip 1@host";
        let plain = "UDP 00:54  NONE        [2001:db8::1]:0    [2001:db8::1]:5060 10.9.0.2:5060";
        assert_eq!(shown(line, ConnectionColumns::Plain), format!("{plain}\n"));
        assert_eq!(
            shown(line, ConnectionColumns::WithEngineData),
            format!("{plain}    sip                1@host\n")
        );
    }
}
