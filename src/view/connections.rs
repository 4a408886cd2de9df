//! The connections of `-L -c`.

use std::io::{self, Write};

use super::column::{append, left, left_endpoint, pad};
use crate::model::Protocol;
use crate::names::Labels;
use crate::procfs::Connection;
use crate::rules::ConnectionColumns;

/// Writes the two lines above the connections.
///
/// # Errors
/// When they cannot be written.
pub fn write_connections_heading(
    out: &mut (impl Write + ?Sized),
    columns: ConnectionColumns,
) -> io::Result<()> {
    out.write_all(b"IPVS connection entries\n")?;
    out.write_all(b"pro expire state       source             virtual            destination")?;
    if columns == ConnectionColumns::WithEngineData {
        out.write_all(b"        pe name          pe_data")?;
    }
    out.write_all(b"\n")
}

/// Appends the line of a connection.
pub fn write_connection(
    out: &mut Vec<u8>,
    connection: &Connection<'_>,
    labels: &Labels,
    columns: ConnectionColumns,
) {
    let protocol = match connection.protocol {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    };
    let endpoint = |(address, port)| labels.endpoint(address, port, protocol);
    left(out, connection.protocol, 3);
    out.push(b' ');
    expiry(out, connection.expires);
    left(out, connection.state, 11);
    out.push(b' ');
    left_endpoint(out, &endpoint(connection.client), 18);
    out.push(b' ');
    left_endpoint(out, &endpoint(connection.service), 18);
    out.push(b' ');
    let server = endpoint(connection.server);
    match connection.engine.filter(|_| columns == ConnectionColumns::WithEngineData) {
        None => left_endpoint(out, &server, 0),
        Some((engine, data)) => {
            left_endpoint(out, &server, 16);
            out.push(b' ');
            left(out, engine, 18);
            append(out, format_args!(" {data}"));
        }
    }
    out.push(b'\n');
}

/// Appends minutes and seconds, each of two digits or more, and the blanks behind them.
#[inline]
fn expiry(out: &mut Vec<u8>, expires: u32) {
    let end = out.len() + 7;
    for (value, mark) in [(expires / 60, b':'), (expires % 60, b' ')] {
        match u8::try_from(value) {
            Ok(value @ 0..100) => out.extend_from_slice(&[b'0' + value / 10, b'0' + value % 10]),
            _ => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        }
        out.push(mark);
    }
    pad(out, end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, columns: ConnectionColumns) -> String {
        let mut out = Vec::new();
        let connection = Connection::read(line.as_bytes()).unwrap();
        write_connection(&mut out, &connection, &Labels::numeric(), columns);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn heading_has_two_more_columns_columns() {
        let heading = |columns| {
            let mut out = Vec::new();
            write_connections_heading(&mut out, columns).unwrap();
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
