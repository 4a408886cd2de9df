//! Lists the connections that meet conditions, or counts them. Everybody may read them.

use std::collections::BTreeSet;

use ipvs::ErrorKind;
use ipvs::model::{Connection, ConnectionFilter, ServiceKey};
use ipvs::netlink::Transport;
use ipvs::state::{Attribution, Owner, ServiceSummary, Summary};
use ipvs_rules::{
    ConnectionColumns, ConnectionGrouping, ConnectionQuery, ConnectionReport, OutputFormat,
};

use super::{Error, Session};
use crate::output::{
    Buffered, ConnectionsText, EntryCount, GridStyle, GroupCounter, JsonRows, Rows, TotalCount,
    virtual_end, write_document,
};
use crate::process::TerminalStyle;
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

/// Answers a question about the connections.
pub(super) fn list_connections<T: Transport>(
    query: &ConnectionQuery,
    is_numeric: bool,
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    // If the file is missing, the kernel may have to load ip_vs.
    if !session.namespace().has_connections()? {
        session.client()?;
    }
    let by_service = matches!(
        query.report,
        ConnectionReport::CountBy { grouping: ConnectionGrouping::Service, .. }
    );
    let attribution = match by_service || query.service.is_some() {
        true => read_attribution(session)?,
        false => Attribution::default(),
    };
    let filter = query.filter.clone();
    let connections = match query.report {
        ConnectionReport::CountBy { grouping: ConnectionGrouping::Origin, .. } => {
            session.namespace().connections_with_origin(filter)?
        }
        _ => session.namespace().connections(filter)?,
    };
    let connections = connections.filter(|connection| match (&query.service, connection) {
        (Some(service), Ok(connection)) => belongs_to(connection, service, &attribution),
        _ => true,
    });
    let resolver = &mut session.resolver;
    match query.report {
        ConnectionReport::Rows(columns) => {
            let listing = ConnectionsListing { columns, is_numeric, format };
            list_entries(listing, connections, resolver, out)
        }
        ConnectionReport::Count { has_header } => {
            let mut count = EntryCount::default();
            for connection in connections {
                count.add(&connection?);
            }
            let total = TotalCount { count, style: style(has_header) };
            out.add(|buffer| write_document(buffer, &total, format)).map_err(Error::Output)
        }
        ConnectionReport::CountBy { grouping, limit, has_header } => {
            let mut counter = GroupCounter::new(grouping, &attribution);
            for connection in connections {
                counter.add(&connection?);
            }
            let counts = counter.largest(limit);
            let numeric = Labels::numeric();
            let labels = match is_numeric || format == OutputFormat::Json {
                true => &numeric,
                false => resolver.label(counts.addresses()),
            };
            let table = counts.labelled(labels, style(has_header));
            out.add(|buffer| write_document(buffer, &table, format)).map_err(Error::Output)
        }
    }
}

fn style(has_header: bool) -> GridStyle {
    GridStyle { terminal: TerminalStyle::of_standard_output(), has_header }
}

/// Reads the services that entries belong to. Without rights they are those of `/proc`, which lacks the family of marks.
fn read_attribution<T: Transport>(session: &mut Session<T>) -> Result<Attribution, Error> {
    match session.client().and_then(Attribution::read) {
        Err(error) if error.kind() == ErrorKind::NotPermitted => {
            let mut attribution = Attribution::default();
            let summary = Summary::of_file(session.namespace().services_file()?);
            for ServiceSummary { service, servers } in summary.services() {
                attribution.insert(service, servers.iter().map(|server| server.key));
            }
            Ok(attribution)
        }
        result => Ok(result?),
    }
}

/// Tests whether an entry is one of a service, which may be deleted.
fn belongs_to(connection: &Connection, service: &ServiceKey, attribution: &Attribution) -> bool {
    match attribution.owner_of(connection) {
        Owner::Service(owner) | Owner::Deleted(owner) => owner == *service,
        // It may be of a mark, but the address is the one that was asked for.
        Owner::Unknown => ConnectionFilter::default().service(*service).matches(connection),
    }
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
