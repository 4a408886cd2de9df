//! The connections of `-L -c`.

use std::io::{self, Write};

use super::column::{append, left, left_endpoint, pad};
use crate::model::Protocol;
use crate::names::{Labels, numbers};
use crate::procfs::{Connection, Ipv4Connection};
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
            out.push(b' ');
            out.extend_from_slice(data);
        }
    }
    out.push(b'\n');
}

/// Appends the line of a connection with numbers, and without what an engine knows: what [`write_connection`] does,
/// in a third of the time.
#[inline]
pub fn write_ipv4_connection(out: &mut Vec<u8>, connection: &Ipv4Connection) {
    let Ipv4Connection { protocol, endpoints: [client, service, server], state, expires } =
        connection;
    out.extend_from_slice(protocol);
    expiry(out, *expires);
    out.extend_from_slice(state);
    for ((address, port), width) in [(client, 19), (service, 19), (server, 0)] {
        let (text, length) = numbers(*address, *port);
        // From 18 bytes on, one blank.
        let end = out.len() + width.max(length + usize::from(width != 0));
        out.extend_from_slice(&text);
        out.truncate(end);
    }
    out.push(b'\n');
}

/// Appends minutes and seconds, each of two digits or more, and the blanks behind them.
#[inline]
fn expiry(out: &mut Vec<u8>, expires: u32) {
    let end = out.len() + 7;
    let (minutes, seconds) = (expires / 60, expires % 60);
    let digits = [minutes / 100, minutes / 10 % 10, minutes % 10, seconds / 10, seconds % 10];
    match digits.map(|digit| u8::try_from(digit).unwrap_or(u8::MAX)) {
        // Nearly always: one store, and the first digit left out where it is none.
        [a @ 0..10, b, c, d, e] => {
            let [a, b, c, d, e] = [a, b, c, d, e].map(|digit| digit + b'0');
            let text = u64::from_le_bytes([a, b, c, b':', d, e, b' ', b' ']);
            let text = if a == b'0' { (text >> 8) | (u64::from(b' ') << 56) } else { text };
            out.extend_from_slice(&text.to_le_bytes());
            out.truncate(end);
        }
        _ => {
            append(out, format_args!("{minutes:02}:{seconds:02} "));
            pad(out, end);
        }
    }
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
    fn heading_has_two_more_columns_where_they_are_asked_for() {
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
    fn connection_of_ipv4_is_shown_the_same_in_either_way() {
        let mut lines: Vec<String> = [
            "TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55",
            "IP  0A000009 0000 00000005 0000 0A090002 0000 ASSURED         394",
            "UDP FFFFFFFF FFFF FFFFFFFF FFFF FFFFFFFF FFFF ESTABLISHED 4294967295",
            "UDP 0A000009 0001 0A000001 0035 0A090002 0035 NONE         6000 sip 1@host",
        ]
        .map(str::to_owned)
        .into();
        for number in 0..10_000_u32 {
            let (address, port) = (number.wrapping_mul(0x9e37_79b9), number * 13 % 65536);
            lines.push(format!(
                "TCP {address:08X} {port:04X} {:08X} {:04X} {:08X} {port:04X} ESTABLISHED {number:7}",
                !address,
                number % 100,
                address.rotate_left(7)
            ));
        }
        for line in &lines {
            let mut out = Vec::new();
            write_ipv4_connection(&mut out, &Ipv4Connection::read(line.as_bytes()).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), shown(line, ConnectionColumns::Plain));
        }
        let line = lines[0].as_bytes();
        let mut read_by_both = 0;
        for place in 0..line.len() {
            let mut other = line.to_vec();
            other[place] = b'g';
            // Blanks within a state are not looked at.
            if let (Some(connection), Ok(_)) =
                (Ipv4Connection::read(&other), Connection::read(&other))
            {
                let mut out = Vec::new();
                write_ipv4_connection(&mut out, &connection);
                let other = String::from_utf8(other).unwrap();
                assert_eq!(
                    String::from_utf8(out).unwrap(),
                    shown(&other, ConnectionColumns::Plain)
                );
                read_by_both += 1;
            }
            assert_eq!(Ipv4Connection::read(&line[..place.min(line.len() - 2)]), None);
        }
        assert_eq!(read_by_both, "TCP".len() + "SYN_RECV ".len());
        let longer = "SCTP 0A000001 9C4F 0A000001 0050 0A090002 0050 SHUTDOWN_ACK_SENT 894";
        assert_eq!(Ipv4Connection::read(longer.as_bytes()), None);
        assert_eq!(Ipv4Connection::read(&longer.as_bytes()[1..]), None);
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
