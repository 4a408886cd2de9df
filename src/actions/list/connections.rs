//! The connections, for people.

use std::collections::BTreeSet;

use super::{Page, find_connections};
use crate::actions::{Error, Session};
use crate::names::Labels;
use crate::procfs::{Connection, Ipv4Connection, for_each_connection_line};
use crate::rules::ConnectionColumns;
use crate::view::{write_connection, write_connections_heading, write_ipv4_connection};

/// How many bytes of connections are named at once.
const NAMED: usize = 1024 * 1024;

/// The connections with numbers, line by line.
pub(super) fn list_numeric(
    columns: ConnectionColumns,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    find_connections(session)?;
    page.try_add(|out| write_connections_heading(out, columns))?;
    let labels = Labels::numeric();
    for_each_connection_line(|line| {
        let plain = columns == ConnectionColumns::Plain;
        if let Some(connection) = plain.then(|| Ipv4Connection::read(line)).flatten() {
            return page.add(|out| write_ipv4_connection(out, &connection));
        }
        let connection = Connection::read(line)?;
        page.add(|out| write_connection(out, &connection, &labels, columns))
    })
}

/// The connections with names, in portions: the addresses of one are looked up together, and memory stays
/// bounded.
pub(super) fn list_named(
    columns: ConnectionColumns,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    find_connections(session)?;
    page.try_add(|out| write_connections_heading(out, columns))?;
    let mut portion = Vec::new();
    for_each_connection_line(|line| {
        portion.extend_from_slice(line);
        portion.push(b'\n');
        if portion.len() >= NAMED {
            add_named(page, &portion, session, columns)?;
            portion.clear();
        }
        Ok::<_, Error>(())
    })?;
    add_named(page, &portion, session, columns)
}

fn add_named(
    page: &mut Page<'_>,
    lines: &[u8],
    session: &mut Session,
    columns: ConnectionColumns,
) -> Result<(), Error> {
    let lines = || lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut addresses = BTreeSet::new();
    for line in lines() {
        let Connection { client, service, server, .. } = Connection::read(line)?;
        addresses.extend([client.0, service.0, server.0]);
    }
    let labels = session.names.label(addresses);
    for line in lines() {
        let connection = Connection::read(line)?;
        page.add(|out| write_connection(out, &connection, labels, columns))?;
    }
    Ok(())
}
