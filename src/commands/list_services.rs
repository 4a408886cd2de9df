//! Lists virtual services and their real servers.

use std::borrow::Borrow;
use std::io::Write;

use ipvs::error::{Operation, Subject};
use ipvs::model::{Info, ServiceKey};
use ipvs::netlink::Transport;
use ipvs::state::{Counted, Order, ServiceSnapshot, ServiceSummary, Summary, walk};
use ipvs::{Client, ErrorKind};
use ipvs_rules::{OutputFormat, ServiceColumns};
use rustix::io::Errno;

use super::{Error, Session};
use crate::output::{
    Buffered, JsonRows, MISSING_IN_FILE, PartialService, Rows, ServicesText, TableHead,
};
use crate::resolve::Labels;
use crate::schema::ONLY_SOME;

/// A listing of services.
#[derive(Clone, Copy)]
pub(super) struct ServicesListing {
    /// One service; all of them if `None`.
    pub(super) service: Option<ServiceKey>,
    pub(super) columns: ServiceColumns,
    pub(super) order: Order,
    pub(super) is_numeric: bool,
    pub(super) format: OutputFormat,
}

pub(super) fn list_services<T: Transport>(
    listing: &ServicesListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    match (listing.format, listing.service, listing.columns) {
        (OutputFormat::Json, ..) => list_json(listing, session, out),
        (OutputFormat::Text, None, ServiceColumns::Plain) => list_plain(listing, session, out),
        (OutputFormat::Text, None, _) => list_all(listing, session, out),
        (OutputFormat::Text, Some(key), ServiceColumns::Plain) => {
            list_plain_service(listing, key, session, out)
        }
        (OutputFormat::Text, Some(_), _) => list_walked(listing, None, session, out),
    }
}

/// Lists services as JSON, always in the order of their keys.
fn list_json<T: Transport>(
    listing: &ServicesListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let info = match session.client().and_then(Client::info) {
        Err(error) if lacks_rights(&error) => return list_partial_json(listing, session, out),
        info => info?,
    };
    let client = session.client()?;
    let partial = listing.service.map(|_| ONLY_SOME);
    let mut rows = JsonRows::new(TableHead::new(info, partial), "services");
    let listing = ServicesListing { order: Order::Sorted, ..*listing };
    stream(&listing, client, &mut rows, out)
}

/// Writes the listing of one service that is missing: the error as a line, or a document without services.
pub(super) fn write_missing_service<T: Transport>(
    error: &Error,
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if format == OutputFormat::Text {
        return writeln!(out, "{error}").map_err(Error::Output);
    }
    let head = match session.client().and_then(Client::info) {
        Err(error) if lacks_rights(&error) => {
            TableHead::new(session.namespace().services_file()?.info, Some(MISSING_IN_FILE))
        }
        info => TableHead::new(info?, Some(ONLY_SOME)),
    };
    let mut out = Buffered::new(out);
    let none: [ServiceSnapshot; 0] = [];
    print(none, &mut JsonRows::new(head, "services"), &mut out)?;
    out.finish().map_err(Error::Output)
}

/// Lists services as JSON without rights: from `/proc`, with the names of the members that it lacks.
fn list_partial_json<T: Transport>(
    listing: &ServicesListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let file = session.namespace().services_file()?;
    let mut rows = JsonRows::new(TableHead::new(file.info, Some(MISSING_IN_FILE)), "services");
    let mut summary = Summary::of_file(file);
    if let Some(key) = listing.service {
        select(&mut summary, &key)?;
    }
    summary.arrange(Order::Sorted);
    print::<PartialService<'_>>(summary.services().map(PartialService), &mut rows, out)
}

/// Keeps one service, or fails as the kernel does if the service does not exist.
fn select(summary: &mut Summary, key: &ServiceKey) -> Result<(), Error> {
    if summary.select(key) {
        return Ok(());
    }
    let errno = Errno::SRCH.raw_os_error();
    Err(ipvs::Error::refused(Operation::ListServices, Some(Subject::Service(*key)), errno).into())
}

/// Lists the whole table in the plain format: from `/proc`, completed by one dump.
fn list_plain<T: Transport>(
    listing: &ServicesListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    // If the file is missing or has an unknown form, netlink has the table.
    let Ok(file) = session.namespace().services_file() else {
        return list_all(listing, session, out);
    };
    let info = file.info;
    let mut summary = Summary::of_file(file);
    if !summary.is_empty() {
        match session.client().and_then(|client| summary.join(client)) {
            Err(error) if lacks_rights(&error) => {}
            result => result?,
        }
    }
    print_summary(listing, summary, Some(info), session, out)
}

/// Lists one service in the plain format. Without rights the service is read from `/proc`.
fn list_plain_service<T: Transport>(
    listing: &ServicesListing,
    key: ServiceKey,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    match list_walked(listing, None, session, out) {
        Err(Error::Library(error)) if lacks_rights(&error) => {
            let mut summary = Summary::of_file(session.namespace().services_file()?);
            select(&mut summary, &key)?;
            print_summary(listing, summary, None, session, out)
        }
        result => result,
    }
}

/// Lists the whole table by netlink.
pub(super) fn list_all<T: Transport>(
    listing: &ServicesListing,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let info = session.client()?.info()?;
    list_walked(listing, Some(info), session, out)
}

/// Lists services as the walk visits them. A listing with names needs all addresses before its first line, because they
/// are looked up together.
fn list_walked<T: Transport>(
    listing: &ServicesListing,
    info: Option<Info>,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let client = session.client()?;
    if listing.is_numeric {
        let labels = Labels::numeric();
        let mut text = ServicesText::new(listing.columns, &labels, info);
        return stream(listing, client, &mut text, out);
    }
    let mut all = Vec::new();
    walk(client, Counted, listing.service.into(), listing.order, |service, servers| {
        all.push(ServiceSnapshot { service, servers });
        Ok::<_, Error>(())
    })?;
    let labels = session.resolver.label(all.iter().flat_map(|snapshot| {
        let servers = snapshot.servers.iter().map(|state| state.server.key.address);
        snapshot.service.service.key.address().into_iter().chain(servers)
    }));
    print::<ServiceSnapshot>(&all, &mut ServicesText::new(listing.columns, labels, info), out)
}

/// Prints services while they are read.
fn stream<T: Transport>(
    listing: &ServicesListing,
    client: &mut Client<T>,
    rows: &mut impl Rows<ServiceSnapshot>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    out.add(|buffer| rows.begin(buffer)).map_err(Error::Output)?;
    walk(client, Counted, listing.service.into(), listing.order, |service, servers| {
        let snapshot = ServiceSnapshot { service, servers };
        out.add(|buffer| rows.row(buffer, &snapshot)).map_err(Error::Output)
    })?;
    out.add(|buffer| rows.end(buffer)).map_err(Error::Output)
}

/// Prints services that are in memory.
fn print<R>(
    services: impl IntoIterator<Item = impl Borrow<R>>,
    rows: &mut impl Rows<R>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    out.add(|buffer| rows.begin(buffer)).map_err(Error::Output)?;
    for service in services {
        out.add(|buffer| rows.row(buffer, service.borrow())).map_err(Error::Output)?;
    }
    out.add(|buffer| rows.end(buffer)).map_err(Error::Output)
}

fn print_summary<T: Transport>(
    listing: &ServicesListing,
    mut summary: Summary,
    info: Option<Info>,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    summary.arrange(listing.order);
    let numeric = Labels::numeric();
    let labels = if listing.is_numeric {
        &numeric
    } else {
        session.resolver.label(summary.services().flat_map(
            |ServiceSummary { service, servers }| {
                let servers = servers.iter().map(|server| server.key.address);
                service.key.address().into_iter().chain(servers)
            },
        ))
    };
    let mut text = ServicesText::new(ServiceColumns::Plain, labels, info);
    print::<ServiceSummary<'_>>(summary.services(), &mut text, out)
}

fn lacks_rights(error: &ipvs::Error) -> bool {
    error.kind() == ErrorKind::NotPermitted
}
