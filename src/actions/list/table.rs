//! The table of virtual services and real servers, for people.

use std::net::IpAddr;

use rustix::io::Errno;

use super::Page;
use crate::actions::Error;
use crate::actions::session::{Session, lacks_rights};
use crate::model::{RealServerState, RealServerSummary, ServiceKey, ServiceState, VirtualService};
use crate::netlink::{self, Operation, Refused};
use crate::procfs::ServicesFile;
use crate::resolve::Labels;
use crate::view::{TableView, write_info};
use ipvs_rules::ListFormat;

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
    match session.client()?.service(&key) {
        Err(error) if lacks_rights(&error) && style.format == ListFormat::Plain => {
            let mut joined = Joined::without_rights(ServicesFile::read()?);
            joined.services.retain(|(service, _)| service.key == key);
            if joined.services.is_empty() {
                let (operation, errno) = (Operation::ListServices, Errno::SRCH);
                return Err(netlink::Error::from(Refused { operation, errno }).into());
            }
            list_joined(style, joined, session, page)
        }
        service => list_by_netlink(style, vec![service?], session, page),
    }
}

/// The whole table in the plain format.
pub(super) fn list_summaries(
    style: Style,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    match ServicesFile::read() {
        Ok(table) => {
            page.try_add(|out| write_info(out, &table.info))?;
            list_joined(style, Joined::read(table, session)?, session, page)
        }
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
        let labels = session.resolver.label(all.iter().flat_map(|(state, servers)| {
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

/// Services whose real servers are mostly in the file of /proc.
fn list_joined(
    style: Style,
    mut joined: Joined,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    if style.is_sorted {
        joined.sort();
    }
    let numeric = Labels::numeric();
    let labels = if style.is_numeric {
        &numeric
    } else {
        session.resolver.label(joined.services.iter().flat_map(|(service, servers)| {
            let servers = joined.servers(servers).iter().map(|server| server.key.address);
            address(&service.key).into_iter().chain(servers)
        }))
    };
    let view = TableView { format: ListFormat::Plain, labels };
    page.try_add(|out| view.write_heading(out))?;
    for (service, servers) in &joined.services {
        page.add(|out| view.service_summary(out, service))?;
        for server in joined.servers(servers) {
            page.add(|out| view.server_summary(out, &service.key, server))?;
        }
    }
    Ok(())
}

/// The file of /proc joined with a dump of the services, in the order of the dump.
///
/// The real servers come from one file instead of one dump a service, which takes a tenth of the time for 10,000
/// services. What the file lacks comes from one dump of the services, and the servers of firewall marks from a
/// dump each. So do those of services that the file leaves out: where other network namespaces have services too, it
/// does so at the end of every page (6.1: `ip_vs_info_seq_next` counts the services of all namespaces,
/// `ip_vs_info_array` those of one). A service that is in the file alone has gone since.
struct Joined {
    table: ServicesFile,
    services: Vec<(VirtualService, Servers)>,
}

/// The real servers of a service.
enum Servers {
    /// Those of the service at this place of the file.
    InTable(usize),
    /// Those of a service that the file does not have: to be asked for by netlink, or asked for.
    Asked(Vec<RealServerSummary>),
}

impl Joined {
    fn read(table: ServicesFile, session: &mut Session) -> Result<Self, Error> {
        if table.services.is_empty() {
            return Ok(Self { table, services: Vec::new() });
        }
        let mut places: Vec<(ServiceKey, usize)> =
            table.services.iter().map(|listed| listed.service.key).zip(0..).collect();
        places.sort_unstable();
        let place_of = |key: &ServiceKey| match key {
            ServiceKey::Fwmark { .. } => None,
            ServiceKey::Address { .. } => {
                let found = places.binary_search_by_key(key, |&(key, _)| key);
                found.ok().and_then(|index| places.get(index)).map(|&(_, place)| place)
            }
        };
        let client = session.client()?;
        let services = client.services_with(|ServiceState { service, .. }| {
            let place = place_of(&service.key);
            (service, place.map_or(Servers::Asked(Vec::new()), Servers::InTable))
        });
        let mut services = match services {
            Err(error) if lacks_rights(&error) => return Ok(Self::without_rights(table)),
            services => services?,
        };
        for (service, servers) in &mut services {
            if let Servers::Asked(servers) = servers {
                let states = client.real_servers(&service.key)?;
                servers.extend(states.iter().map(RealServerState::summary));
            }
        }
        Ok(Self { table, services })
    }

    /// The file alone, for those whom netlink tells nothing.
    fn without_rights(table: ServicesFile) -> Self {
        let services = table.services.iter().enumerate();
        let services =
            services.map(|(place, listed)| (listed.service.clone(), Servers::InTable(place)));
        Self { services: services.collect(), table }
    }

    fn servers<'a>(&'a self, servers: &'a Servers) -> &'a [RealServerSummary] {
        match servers {
            Servers::InTable(place) => self.table.servers(*place),
            Servers::Asked(servers) => servers,
        }
    }

    fn sort(&mut self) {
        self.services.sort_unstable_by_key(|(service, _)| service.key);
        for (_, servers) in &mut self.services {
            let servers = match servers {
                Servers::InTable(place) => self.table.servers_mut(*place),
                Servers::Asked(servers) => servers,
            };
            servers.sort_unstable_by_key(|server| server.key);
        }
    }
}
