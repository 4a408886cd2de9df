//! Lists the state as metrics, or replaces a file with them.

use std::path::Path;

use ipvs::kernel::Namespace;
use ipvs::model::ConnectionFilter;
use ipvs::netlink::Transport;
use ipvs_rules::MetricsQuery;

use super::current_table::{CurrentTable, read_table};
use super::{Error, Session};
use crate::output::{Buffered, ConnectionCounts, Metrics};
use crate::process::AtomicFile;

pub(super) fn list_metrics<T: Transport>(
    query: &MetricsQuery,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let text = read_metrics(session)?.text(query.detail);
    match &query.file {
        Some(path) => replace(path, &text),
        None => out
            .add(|buffer| {
                buffer.extend_from_slice(text.as_bytes());
                Ok(())
            })
            .map_err(Error::Output),
    }
}

/// Replaces a file atomically, so that no scrape reads half of it.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::SaveFile { path: path.to_owned(), source };
    AtomicFile::resolve(path).and_then(|file| file.write(text.as_bytes())).map_err(failed)
}

/// Reads the state; without rights, as much as the files of `/proc` have.
fn read_metrics<T: Transport>(session: &mut Session<T>) -> Result<Metrics, Error> {
    let CurrentTable { info, services, daemons } = read_table(session)?;
    let namespace = session.namespace();
    let connections = count_connections(namespace)?;
    // Kernels without proc files of statistics exist; the rest is useful without them.
    Ok(Metrics { info, services, daemons, totals: namespace.totals().ok(), connections })
}

fn count_connections(namespace: &Namespace) -> Result<ConnectionCounts, Error> {
    let mut counts = ConnectionCounts::default();
    for connection in namespace.connections(ConnectionFilter::default())? {
        let connection = connection?;
        if connection.is_template() {
            counts.templates += 1;
        } else {
            *counts.connections.entry((connection.protocol, connection.state)).or_default() += 1;
        }
    }
    Ok(counts)
}
