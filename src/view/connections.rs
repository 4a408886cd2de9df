//! The connections of `-L -c`.

use std::io::{self, Write};

use super::column::{append, left};
use crate::model::Protocol;
use crate::names::Labels;
use crate::procfs::Connection;

/// Writes the two lines above the connections.
///
/// # Errors
/// When they cannot be written.
pub fn write_connections_heading(
    out: &mut (impl Write + ?Sized),
    with_engine_data: bool,
) -> io::Result<()> {
    out.write_all(b"IPVS connection entries\n")?;
    out.write_all(b"pro expire state       source             virtual            destination")?;
    if with_engine_data {
        out.write_all(b"        pe name          pe_data")?;
    }
    out.write_all(b"\n")
}

/// Appends the line of a connection.
pub fn write_connection(
    out: &mut Vec<u8>,
    connection: &Connection<'_>,
    labels: &Labels,
    with_engine_data: bool,
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
    let (minutes, seconds) = (connection.expires / 60, connection.expires % 60);
    left(out, format_args!("{minutes:02}:{seconds:02}"), 6);
    out.push(b' ');
    left(out, connection.state, 11);
    out.push(b' ');
    left(out, endpoint(connection.client), 18);
    out.push(b' ');
    left(out, endpoint(connection.service), 18);
    out.push(b' ');
    match connection.engine.filter(|_| with_engine_data) {
        None => append(out, format_args!("{}", endpoint(connection.server))),
        Some((engine, data)) => {
            left(out, endpoint(connection.server), 16);
            out.push(b' ');
            left(out, engine, 18);
            append(out, format_args!(" {data}"));
        }
    }
    out.push(b'\n');
}
