//! The connections, for people.

use std::collections::BTreeSet;

use super::list::{Page, open_connections};
use super::{Error, Session};
use crate::output::{virtual_end, write_connection, write_connections_heading};
use crate::resolve::Labels;
use ipvs::model::Connection;
use ipvs_rules::ConnectionColumns;

/// The number of connections whose names are looked up together.
const LOOKED_UP_TOGETHER: usize = 10_000;

/// Lists the connections with numbers, one by one.
pub(in crate::commands) fn list_numeric(
    columns: ConnectionColumns,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let connections = open_connections(session)?;
    page.try_add(|out| write_connections_heading(out, columns))?;
    let labels = Labels::numeric();
    for connection in connections {
        let connection = connection?;
        page.add(|out| write_connection(out, &connection, &labels, columns))?;
    }
    Ok(())
}

/// Lists the connections with names, many at a time: their addresses are looked up together, and memory stays constant.
pub(in crate::commands) fn list_named(
    columns: ConnectionColumns,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let mut connections = open_connections(session)?;
    page.try_add(|out| write_connections_heading(out, columns))?;
    loop {
        let next = connections.by_ref().take(LOOKED_UP_TOGETHER);
        let portion = next.collect::<Result<Vec<Connection>, _>>()?;
        if portion.is_empty() {
            return Ok(());
        }
        let addresses = portion.iter().flat_map(|connection| {
            [connection.client, virtual_end(connection), connection.server].map(|end| end.ip())
        });
        let labels = session.resolver.label(addresses.collect::<BTreeSet<_>>());
        for connection in &portion {
            page.add(|out| write_connection(out, connection, labels, columns))?;
        }
    }
}
