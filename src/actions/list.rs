//! `-L`: the table, the connections, the timeouts, the daemons.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;

use super::Error;
use super::session::{Session, lacks_rights};
use crate::model::{Counters, Rates, RealServerState, RealServerSummary, ServiceKey, ServiceState};
use crate::names::Labels;
use crate::procfs::{self, Connection, for_each_connection_line, read_table};
use crate::rules::{JsonSubject, List, ListFormat};
use crate::view::{
    JsonList, TableView, write_connection, write_connections_heading, write_daemon, write_info,
    write_json_daemons, write_json_timeouts, write_timeouts,
};

/// How much is written at once.
const OUTPUT: usize = 64 * 1024;

/// How many bytes of connections are named at once.
const NAMED: usize = 1024 * 1024;

/// Carries out a `-L`.
///
/// # Errors
/// When the kernel says no, or the output cannot be written.
pub fn list(list: &List, session: &mut Session, out: &mut dyn Write) -> Result<(), Error> {
    match *list {
        List::Table { service: Some(key), format, is_numeric, is_sorted } => {
            let style = Style { format, is_numeric, is_sorted };
            let service = session.client()?.service(&key)?;
            list_by_netlink(style, vec![service], session, out)
        }
        List::Table { service: None, format: ListFormat::Plain, is_numeric, is_sorted } => {
            let style = Style { format: ListFormat::Plain, is_numeric, is_sorted };
            match read_table() {
                Ok(table) => list_by_procfs(style, table, session, out),
                Err(_) => list_all(style, session, out),
            }
        }
        List::Table { service: None, format, is_numeric, is_sorted } => {
            list_all(Style { format, is_numeric, is_sorted }, session, out)
        }
        List::Connections { is_numeric, with_engine_data } => {
            list_connections(is_numeric, with_engine_data, session, out)
        }
        List::Timeouts => {
            let timeouts = session.client()?.timeouts()?;
            write_timeouts(out, &timeouts).map_err(Error::Output)
        }
        List::Daemons => {
            for daemon in session.client()?.daemons()? {
                write_daemon(out, &daemon).map_err(Error::Output)?;
            }
            Ok(())
        }
        List::Json(subject) => list_json(subject, session, out),
    }
}

/// How a table is listed.
#[derive(Clone, Copy)]
struct Style {
    format: ListFormat,
    is_numeric: bool,
    is_sorted: bool,
}

/// Gathers lines and writes them many at a time.
struct Page<'a> {
    out: &'a mut dyn Write,
    lines: Vec<u8>,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { out, lines: Vec::new() }
    }

    fn add(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.try_add(|lines| {
            append(lines);
            Ok(())
        })
    }

    fn try_add(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), Error> {
        append(&mut self.lines).map_err(Error::Output)?;
        if self.lines.len() >= OUTPUT { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.out.write_all(&self.lines).map_err(Error::Output)?;
        self.lines.clear();
        Ok(())
    }
}

/// The whole table by netlink.
fn list_all(style: Style, session: &mut Session, out: &mut dyn Write) -> Result<(), Error> {
    let info = session.client()?.info()?;
    let mut services = session.client()?.services()?;
    if style.is_sorted {
        services.sort_unstable_by_key(|state| state.service.key);
    }
    write_info(out, &info).map_err(Error::Output)?;
    list_by_netlink(style, services, session, out)
}

/// Services whose real servers are asked for one by one: every format works.
fn list_by_netlink(
    style: Style,
    services: Vec<ServiceState>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let servers_of = |key: &ServiceKey, session: &mut Session| {
        let mut servers = session.client()?.real_servers(key)?;
        if style.is_sorted {
            servers.sort_unstable_by_key(|state| state.server.key);
        }
        Ok::<_, Error>(servers)
    };
    let mut page = Page::new(out);
    if style.is_numeric {
        let view = TableView { format: style.format, labels: &Labels::numeric() };
        view.write_heading(&mut page.lines).map_err(Error::Output)?;
        for state in &services {
            let servers = servers_of(&state.service.key, session)?;
            add_service(&mut page, view, state, &servers)?;
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
        view.write_heading(&mut page.lines).map_err(Error::Output)?;
        for (state, servers) in &all {
            add_service(&mut page, view, state, servers)?;
        }
    }
    page.write()
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
    out: &mut dyn Write,
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
    let mut page = Page::new(out);
    write_info(&mut page.lines, &table.info).map_err(Error::Output)?;
    view.write_heading(&mut page.lines).map_err(Error::Output)?;
    for (state, servers) in &listed {
        page.add(|out| view.service(out, state))?;
        for server in servers.in_table(&table) {
            page.add(|out| view.summary(out, &state.service.key, server))?;
        }
    }
    page.write()
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

fn list_connections(
    is_numeric: bool,
    with_engine_data: bool,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // Anybody may read the file; only where it is not there the kernel may have to load its module.
    if !procfs::has_connections() {
        session.client()?;
    }
    let mut page = Page::new(out);
    write_connections_heading(&mut page.lines, with_engine_data).map_err(Error::Output)?;
    if is_numeric {
        let labels = Labels::numeric();
        for_each_connection_line(|line| {
            let connection = Connection::read(line)?;
            page.add(|out| write_connection(out, &connection, &labels, with_engine_data))
        })?;
    } else {
        // Named in portions: the addresses of one are looked up together, and memory stays bounded.
        let mut portion = Vec::new();
        for_each_connection_line(|line| {
            portion.extend_from_slice(line);
            portion.push(b'\n');
            if portion.len() >= NAMED {
                add_named(&mut page, &portion, session, with_engine_data)?;
                portion.clear();
            }
            Ok::<_, Error>(())
        })?;
        add_named(&mut page, &portion, session, with_engine_data)?;
    }
    page.write()
}

fn list_json(
    subject: JsonSubject,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut page = Page::new(out);
    match subject {
        JsonSubject::Table(selection) => {
            let info = session.client()?.info()?;
            let services = match selection {
                Some(key) => vec![session.client()?.service(&key)?],
                None => {
                    let mut services = session.client()?.services()?;
                    services.sort_unstable_by_key(|state| state.service.key);
                    services
                }
            };
            let mut list = JsonList::of_services(&mut page.lines, &info).map_err(Error::Output)?;
            for state in &services {
                let mut servers = session.client()?.real_servers(&state.service.key)?;
                servers.sort_unstable_by_key(|state| state.server.key);
                page.try_add(|out| list.service(out, state, &servers))?;
            }
            page.try_add(|out| list.end(out))?;
        }
        JsonSubject::Connections => {
            if !procfs::has_connections() {
                session.client()?;
            }
            let mut list = JsonList::of_connections(&mut page.lines).map_err(Error::Output)?;
            for_each_connection_line(|line| {
                let connection = Connection::read(line)?;
                page.try_add(|out| list.connection(out, &connection))
            })?;
            page.try_add(|out| list.end(out))?;
        }
        JsonSubject::Timeouts => {
            let timeouts = session.client()?.timeouts()?;
            page.try_add(|out| write_json_timeouts(out, &timeouts))?;
        }
        JsonSubject::Daemons => {
            let daemons = session.client()?.daemons()?;
            page.try_add(|out| write_json_daemons(out, &daemons))?;
        }
    }
    page.write()
}

fn add_named(
    page: &mut Page<'_>,
    lines: &[u8],
    session: &mut Session,
    with_engine_data: bool,
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
        page.add(|out| write_connection(out, &connection, labels, with_engine_data))?;
    }
    Ok(())
}
