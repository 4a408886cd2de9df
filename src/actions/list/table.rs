//! The table of virtual services and real servers, for people.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Page;
use crate::actions::Error;
use crate::actions::session::{Session, lacks_rights};
use crate::model::{Counters, Rates, RealServerState, RealServerSummary, ServiceKey, ServiceState};
use crate::names::Labels;
use crate::procfs::{self, read_table};
use crate::rules::ListFormat;
use crate::view::{TableView, write_info};

/// How a table is listed.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) format: ListFormat,
    pub(super) is_numeric: bool,
    pub(super) is_sorted: bool,
}

/// One service.
pub(super) fn list_service(
    style: Style,
    key: ServiceKey,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let service = session.client()?.service(&key)?;
    list_by_netlink(style, vec![service], session, page)
}

/// The whole table in the plain format.
pub(super) fn list_summaries(
    style: Style,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    match read_table() {
        Ok(table) => list_by_procfs(style, table, session, page),
        // Where /proc does not have it, or has it in an unknown form, netlink does.
        Err(_) => list_all(style, session, page),
    }
}

/// The whole table by netlink.
pub(super) fn list_all(
    style: Style,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let info = session.client()?.info()?;
    let mut services = session.client()?.services()?;
    if style.is_sorted {
        services.sort_unstable_by_key(|state| state.service.key);
    }
    page.try_add(|out| write_info(out, &info))?;
    list_by_netlink(style, services, session, page)
}

/// Services whose real servers are asked for one by one: every format works.
fn list_by_netlink(
    style: Style,
    services: Vec<ServiceState>,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let servers_of = |key: &ServiceKey, session: &mut Session| {
        let mut servers = session.client()?.real_servers(key)?;
        if style.is_sorted {
            servers.sort_unstable_by_key(|state| state.server.key);
        }
        Ok::<_, Error>(servers)
    };
    if style.is_numeric {
        let view = TableView { format: style.format, labels: &Labels::numeric() };
        page.try_add(|out| view.write_heading(out))?;
        for state in &services {
            let servers = servers_of(&state.service.key, session)?;
            add_service(page, view, state, &servers)?;
        }
    } else {
        // All addresses have to be known before the first is printed: they are looked up together.
        let mut all = Vec::with_capacity(services.len());
        for state in services {
            let servers = servers_of(&state.service.key, session)?;
            all.push((state, servers));
        }
        let labels = session.names.label(all.iter().flat_map(|(state, servers)| {
            let servers = servers.iter().map(|state| state.server.key.address);
            address(&state.service.key).into_iter().chain(servers)
        }));
        let view = TableView { format: style.format, labels };
        page.try_add(|out| view.write_heading(out))?;
        for (state, servers) in &all {
            add_service(page, view, state, servers)?;
        }
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

/// The whole table in the plain format. The real servers come from one file instead of one dump a service, which
/// takes a tenth of the time for 10,000 services. What the file lacks comes from one dump of the services, and
/// the servers of firewall marks from a dump each. A service that is only in one of the readings has come or
/// gone between them and is left out.
fn list_by_procfs(
    style: Style,
    mut table: procfs::Table,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    let mut listed = join(&table, session)?;
    if style.is_sorted {
        listed.sort_unstable_by_key(|(state, _)| state.service.key);
        for (_, servers) in &mut listed {
            match servers {
                Servers::InTable(place) => {
                    table.servers_mut(*place).sort_unstable_by_key(|server| server.key);
                }
                Servers::Asked(servers) => servers.sort_unstable_by_key(|server| server.key),
            }
        }
    }
    let numeric = Labels::numeric();
    let labels = if style.is_numeric {
        &numeric
    } else {
        let addresses: BTreeSet<IpAddr> = listed
            .iter()
            .flat_map(|(state, servers)| {
                let servers = servers.in_table(&table).iter().map(|server| server.key.address);
                address(&state.service.key).into_iter().chain(servers)
            })
            .collect();
        session.names.label(addresses)
    };
    let view = TableView { format: ListFormat::Plain, labels };
    page.try_add(|out| write_info(out, &table.info))?;
    page.try_add(|out| view.write_heading(out))?;
    for (state, servers) in &listed {
        page.add(|out| view.service(out, state))?;
        for server in servers.in_table(&table) {
            page.add(|out| view.summary(out, &state.service.key, server))?;
        }
    }
    Ok(())
}

/// The real servers of a service in a joined listing.
enum Servers {
    /// Those of the service at this place of the file.
    InTable(usize),
    /// Asked for by netlink.
    Asked(Vec<RealServerSummary>),
}

impl Servers {
    fn in_table<'a>(&'a self, table: &'a procfs::Table) -> &'a [RealServerSummary] {
        match self {
            Self::InTable(place) => table.servers(*place),
            Self::Asked(servers) => servers,
        }
    }
}

/// Joins the file with a dump of the services, in the order of the dump. Without rights the file has to do.
fn join(
    table: &procfs::Table,
    session: &mut Session,
) -> Result<Vec<(ServiceState, Servers)>, Error> {
    if table.services.is_empty() {
        return Ok(Vec::new());
    }
    let services = match session.client()?.services() {
        Err(error) if lacks_rights(&error) => {
            return Ok(table
                .services
                .iter()
                .enumerate()
                .map(|(place, listed)| {
                    let state = ServiceState {
                        service: listed.service.clone(),
                        counters: Counters::default(),
                        rates: Rates::default(),
                        unknown_attributes: Vec::new(),
                    };
                    (state, Servers::InTable(place))
                })
                .collect());
        }
        services => services?,
    };
    let mut places: Vec<(ServiceKey, usize)> = table
        .services
        .iter()
        .enumerate()
        .map(|(place, listed)| (listed.service.key, place))
        .collect();
    places.sort_unstable();
    let mut joined = Vec::with_capacity(services.len());
    for state in services {
        let key = state.service.key;
        let servers = match key {
            ServiceKey::Fwmark { .. } => {
                let servers = session.client()?.real_servers(&key)?;
                Servers::Asked(servers.iter().map(RealServerState::summary).collect())
            }
            ServiceKey::Address { .. } => {
                let found = places.binary_search_by_key(&key, |&(key, _)| key);
                match found.ok().and_then(|index| places.get(index)) {
                    Some(&(_, place)) => Servers::InTable(place),
                    None => continue,
                }
            }
        };
        joined.push((state, servers));
    }
    Ok(joined)
}
