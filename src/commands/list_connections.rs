//! Lists the connections, which everybody may read.

use std::collections::BTreeSet;

use ipvs::model::{Connection, ConnectionFilter};
use ipvs::netlink::Transport;
use ipvs_rules::{ConnectionColumns, OutputFormat};

use super::{Error, Session};
use crate::output::{Buffered, ConnectionsText, JsonRows, Rows, virtual_end};
use crate::resolve::{Labels, Resolver};

/// The number of connections whose names are looked up together.
const LOOKED_UP_TOGETHER: usize = 10_000;

/// A listing of connections.
#[derive(Clone, Copy)]
pub(super) struct ConnectionsListing {
    pub(super) columns: ConnectionColumns,
    pub(super) is_numeric: bool,
    pub(super) format: OutputFormat,
}

pub(super) fn list_connections<T: Transport>(
    listing: ConnectionsListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    // Where the file is missing, the kernel may have to load ip_vs.
    if !session.namespace().has_connections()? {
        session.client()?;
    }
    let connections = session.namespace().connections(ConnectionFilter::default())?;
    list_entries(listing, connections, &mut session.resolver, out)
}

/// Lists the entries of the connection table. Memory stays constant.
pub(super) fn list_entries(
    listing: ConnectionsListing,
    connections: impl Iterator<Item = Result<Connection, ipvs::Error>>,
    resolver: &mut Resolver,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let ConnectionsListing { columns, is_numeric, format } = listing;
    match format {
        OutputFormat::Json => stream(connections, &mut JsonRows::new((), "connections"), out),
        OutputFormat::Text if is_numeric => {
            stream(connections, &mut ConnectionsText::new(columns, &Labels::numeric()), out)
        }
        OutputFormat::Text => list_named(columns, connections, resolver, out),
    }
}

fn stream(
    connections: impl Iterator<Item = Result<Connection, ipvs::Error>>,
    rows: &mut impl Rows<Connection>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    out.add(|buffer| rows.begin(buffer)).map_err(Error::Output)?;
    for connection in connections {
        let connection = connection?;
        out.add(|buffer| rows.row(buffer, &connection)).map_err(Error::Output)?;
    }
    out.add(|buffer| rows.end(buffer)).map_err(Error::Output)
}

/// Lists connections with names, many at a time: their addresses are looked up together.
fn list_named(
    columns: ConnectionColumns,
    mut connections: impl Iterator<Item = Result<Connection, ipvs::Error>>,
    resolver: &mut Resolver,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let numeric = Labels::numeric();
    out.add(|buffer| ConnectionsText::new(columns, &numeric).begin(buffer))
        .map_err(Error::Output)?;
    loop {
        let next = connections.by_ref().take(LOOKED_UP_TOGETHER);
        let portion = next.collect::<Result<Vec<Connection>, _>>()?;
        if portion.is_empty() {
            return Ok(());
        }
        let addresses = portion.iter().flat_map(|connection| {
            [connection.client, virtual_end(connection), connection.server].map(|end| end.ip())
        });
        let labels = resolver.label(addresses.collect::<BTreeSet<_>>());
        let mut text = ConnectionsText::new(columns, labels);
        for connection in &portion {
            out.add(|buffer| text.row(buffer, connection)).map_err(Error::Output)?;
        }
    }
}
