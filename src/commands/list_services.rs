//! The table of virtual services and real servers, for people.

use std::net::IpAddr;

use ipvs::ErrorKind;
use ipvs::error::{Operation, Subject};
use ipvs::model::{RealServerState, ServiceKey, ServiceState};
use ipvs::procfs::ServicesFile;
use ipvs::state::{Counted, Order, Selection, ServiceSummary, Summary, walk};
use rustix::io::Errno;

use super::list::Page;
use super::{Error, Session};
use crate::output::{TableView, write_info};
use crate::resolve::Labels;
use ipvs_rules::ListFormat;

/// How a table is listed.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) format: ListFormat,
    pub(super) is_numeric: bool,
    pub(super) order: Order,
}

/// Lists one service.
pub(in crate::commands) fn list_service(
    style: Style,
    key: ServiceKey,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    match list_walked(style, Selection::One(key), session, page) {
        Err(Error::Library(error)) if style.format == ListFormat::Plain && lacks_rights(&error) => {
            let mut summary = Summary::of_file(ServicesFile::read()?);
            if !summary.select(&key) {
                let subject = Some(Subject::Service(key));
                let errno = Errno::SRCH.raw_os_error();
                return Err(ipvs::Error::refused(Operation::ListServices, subject, errno).into());
            }
            list_summary(style, summary, session, page)
        }
        result => result,
    }
}

/// Lists the whole table in the plain format.
pub(in crate::commands) fn list_summaries(
    style: Style,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    // Without the file, or with one in an unknown form, netlink has the table.
    let Ok(file) = ServicesFile::read() else { return list_all(style, session, page) };
    page.try_add(|out| write_info(out, &file.info))?;
    let copy = file.clone();
    let summary = match Summary::join(file, || session.client().map_err(Error::from)) {
        Err(Error::Library(error)) if lacks_rights(&error) => Summary::of_file(copy),
        summary => summary?,
    };
    list_summary(style, summary, session, page)
}

/// Lists the whole table by netlink.
pub(in crate::commands) fn list_all(
    style: Style,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let info = session.client()?.info()?;
    page.try_add(|out| write_info(out, &info))?;
    list_walked(style, Selection::All, session, page)
}

/// Lists services as the walk visits them. With names, all addresses have to be known before the first line is printed:
/// they are looked up together.
fn list_walked(
    style: Style,
    selection: Selection,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    if style.is_numeric {
        let view = TableView { format: style.format, labels: &Labels::numeric() };
        let mut is_first = true;
        let client = session.client()?;
        walk(client, Counted, selection, style.order, |state, servers| {
            if std::mem::take(&mut is_first) {
                page.try_add(|out| view.write_heading(out))?;
            }
            add_service(page, view, &state, &servers)
        })?;
        return if is_first { page.try_add(|out| view.write_heading(out)) } else { Ok(()) };
    }
    let mut all = Vec::new();
    walk(session.client()?, Counted, selection, style.order, |state, servers| {
        all.push((state, servers));
        Ok::<_, Error>(())
    })?;
    let labels = session.resolver.label(all.iter().flat_map(|(state, servers)| {
        let servers = servers.iter().map(|state| state.server.key.address);
        address(&state.service.key).into_iter().chain(servers)
    }));
    let view = TableView { format: style.format, labels };
    page.try_add(|out| view.write_heading(out))?;
    for (state, servers) in &all {
        add_service(page, view, state, servers)?;
    }
    Ok(())
}

fn add_service(
    page: &mut Page<'_>,
    view: TableView<'_>,
    state: &ServiceState,
    servers: &[RealServerState],
) -> Result<(), Error> {
    page.add(|out| view.service(out, state))?;
    for server in servers {
        page.add(|out| view.server(out, &state.service.key, server))?;
    }
    Ok(())
}

fn address(key: &ServiceKey) -> Option<IpAddr> {
    match *key {
        ServiceKey::Address { address, .. } => Some(address),
        ServiceKey::Fwmark { .. } => None,
    }
}

/// Lists services whose real servers are mostly in the file of /proc.
fn list_summary(
    style: Style,
    mut summary: Summary,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    summary.arrange(style.order);
    let numeric = Labels::numeric();
    let labels = if style.is_numeric {
        &numeric
    } else {
        session.resolver.label(summary.services().flat_map(
            |ServiceSummary { service, servers }| {
                let servers = servers.iter().map(|server| server.key.address);
                address(&service.key).into_iter().chain(servers)
            },
        ))
    };
    let view = TableView { format: ListFormat::Plain, labels };
    page.try_add(|out| view.write_heading(out))?;
    for ServiceSummary { service, servers } in summary.services() {
        page.add(|out| view.service_summary(out, service))?;
        for server in servers {
            page.add(|out| view.server_summary(out, &service.key, server))?;
        }
    }
    Ok(())
}

fn lacks_rights(error: &ipvs::Error) -> bool {
    error.kind() == ErrorKind::NotPermitted
}
