//! Lists the connections that meet conditions, or counts them. Everybody may read them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use ipvs::ErrorKind;
use ipvs::model::Connection;
use ipvs::netlink::Transport;
use ipvs::procfs::Connections;
use ipvs::state::{Attribution, ServiceEntries, ServiceSummary, Summary};
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
    let service = query.service.map(|service| attribution.entries_of(service));
    let entries = Entries { connections, service };
    let resolver = &mut session.resolver;
    match query.report {
        ConnectionReport::Rows(columns) => {
            let listing = ConnectionsListing { columns, is_numeric, format };
            list_entries(listing, entries, resolver, out)
        }
        ConnectionReport::Count { has_header } => {
            let mut count = EntryCount::default();
            entries.visit(|connection| {
                count.add(connection);
                Ok(())
            })?;
            let total = TotalCount { count, style: style(has_header) };
            out.add(|buffer| write_document(buffer, &total, format)).map_err(Error::Output)
        }
        ConnectionReport::CountBy { grouping, limit, has_header } => {
            let mut counter = GroupCounter::new(grouping, &attribution);
            entries.visit(|connection| {
                counter.add(connection);
                Ok(())
            })?;
            let counts = counter.largest(limit);
            let numeric = Labels::numeric();
            let labels = match is_numeric || format == OutputFormat::Json {
                true => &numeric,
                false => resolver.label(counts.addresses()),
            };
            counts.write(labels, style(has_header), format, out).map_err(Error::Output)
        }
    }
}

/// Entries of the connection table: all, or those of a service.
pub(super) struct Entries<'a, R = File> {
    pub(super) connections: Connections<R>,
    pub(super) service: Option<ServiceEntries<'a>>,
}

impl<R: Read> Entries<'_, R> {
    /// Passes each entry to a function, and ends at its first error.
    fn visit(
        mut self,
        mut visit: impl FnMut(&Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while let Some(connection) = self.connections.read_next()? {
            if self.service.is_none_or(|service| service.contains(connection)) {
                visit(connection)?;
            }
        }
        Ok(())
    }
}

fn style(has_header: bool) -> GridStyle {
    GridStyle { terminal: TerminalStyle::of_standard_output(), has_header }
}

/// Reads the services that entries belong to. Without rights they are those of `/proc`, which lacks the family of marks.
fn read_attribution<T: Transport>(session: &mut Session<T>) -> Result<Attribution, Error> {
    let read = session.client_and_namespace().and_then(|(client, namespace)| {
        Attribution::read_with_file(client, || namespace.services_file().ok())
    });
    match read {
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

/// Lists entries of the connection table. Memory stays constant.
pub(super) fn list_entries(
    listing: ConnectionsListing,
    entries: Entries<'_, impl Read>,
    resolver: &mut Resolver,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let ConnectionsListing { columns, is_numeric, format } = listing;
    match format {
        OutputFormat::Json => stream(entries, &mut JsonRows::new((), "connections"), out),
        OutputFormat::Text if is_numeric => {
            stream(entries, &mut ConnectionsText::new(columns, &Labels::numeric()), out)
        }
        OutputFormat::Text => list_named(columns, entries, resolver, out),
    }
}

fn stream(
    entries: Entries<'_, impl Read>,
    rows: &mut impl Rows<Connection>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    out.add(|buffer| rows.begin(buffer)).map_err(Error::Output)?;
    entries.visit(|connection| {
        out.add(|buffer| rows.row(buffer, connection)).map_err(Error::Output)
    })?;
    out.add(|buffer| rows.end(buffer)).map_err(Error::Output)
}

/// Lists connections with names, many at a time: their addresses are looked up together.
fn list_named(
    columns: ConnectionColumns,
    entries: Entries<'_, impl Read>,
    resolver: &mut Resolver,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let numeric = Labels::numeric();
    out.add(|buffer| ConnectionsText::new(columns, &numeric).begin(buffer))
        .map_err(Error::Output)?;
    let mut portion = Vec::new();
    entries.visit(|connection| {
        portion.push(connection.clone());
        if portion.len() < LOOKED_UP_TOGETHER {
            return Ok(());
        }
        let rows = add_named(columns, &portion, resolver, out);
        portion.clear();
        rows
    })?;
    add_named(columns, &portion, resolver, out)
}

fn add_named(
    columns: ConnectionColumns,
    portion: &[Connection],
    resolver: &mut Resolver,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    if portion.is_empty() {
        return Ok(());
    }
    let addresses = portion.iter().flat_map(|connection| {
        [connection.client, virtual_end(connection), connection.server].map(|end| end.ip())
    });
    let labels = resolver.label(addresses.collect::<BTreeSet<_>>());
    let mut text = ConnectionsText::new(columns, labels);
    for connection in portion {
        out.add(|buffer| text.row(buffer, connection)).map_err(Error::Output)?;
    }
    Ok(())
}
