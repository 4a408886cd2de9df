//! A reading of the whole table: with counters as a snapshot, without them as a ruleset.

use super::walk::{Order, Selection, walk};
use crate::error::Error;
use crate::model::{
    Info, RealServerState, Ruleset, ServiceRules, ServiceState, Settings, SyncDaemon, SyncRole,
    UnknownAttribute,
};
use crate::netlink::{Client, Counted, Rules, Transport};

/// The kernel's table with its counters and numbers of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The version of IPVS and the size of its connection table.
    pub info: Info,
    /// The services, in the order of their keys.
    pub services: Vec<ServiceSnapshot>,
    /// The sync daemons that run.
    pub daemons: Vec<SyncDaemon>,
}

/// A virtual service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSnapshot {
    /// The service.
    pub service: ServiceState,
    /// Its real servers, in the order of their keys.
    pub servers: Vec<RealServerState>,
}

impl Snapshot {
    /// Reads the table once.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn read<T: Transport>(client: &mut Client<T>) -> Result<Self, Error> {
        let info = client.info()?;
        let mut services = Vec::new();
        walk(client, Counted, Selection::All, Order::Sorted, |service, servers| {
            services.push(ServiceSnapshot { service, servers });
            Ok::<_, Error>(())
        })?;
        let daemons = client.daemons()?;
        Ok(Self { info, services, daemons })
    }
}

/// Reads the kernel's rules, without settings. No entry has an origin.
///
/// # Errors
/// The kernel's refusal, or a malformed answer.
pub fn read_ruleset<O, T: Transport>(client: &mut Client<T>) -> Result<Ruleset<O>, Error> {
    read_selected(client, Selection::All)
}

/// Reads the kernel's rules of some services, without settings. No entry has an origin.
///
/// # Errors
/// The kernel's refusal, or a malformed answer.
pub fn read_selected<O, T: Transport>(
    client: &mut Client<T>,
    selection: Selection<'_>,
) -> Result<Ruleset<O>, Error> {
    let mut ruleset = Ruleset::default();
    walk(client, Rules, selection, Order::Kernel, |service, servers| {
        let unknown = &mut ruleset.unknown_attributes;
        let key = service.entry.key;
        let mut record = |server, numbers: &[u16]| {
            let attribute = |&number| UnknownAttribute { service: key, server, number };
            unknown.extend(numbers.iter().map(attribute));
        };
        record(None, &service.unknown_attributes);
        for server in &servers {
            record(Some(server.entry.key), &server.unknown_attributes);
        }
        let servers = servers.into_iter().map(|server| server.entry);
        ruleset.insert(ServiceRules::new(service.entry, servers));
        Ok::<_, Error>(())
    })?;
    Ok(ruleset)
}

/// Reads the timeouts and the sync daemons that run.
///
/// # Errors
/// The kernel's refusal, or a malformed answer.
pub fn read_settings<O: Copy, T: Transport>(client: &mut Client<T>) -> Result<Settings<O>, Error> {
    let timeouts = client.timeouts()?;
    let daemons = client.daemons()?;
    let running = |role| daemons.iter().find(|daemon| daemon.role == role).cloned();
    Ok(Settings {
        timeouts: Some((timeouts, None)),
        master: Some((running(SyncRole::Master), None)),
        backup: Some((running(SyncRole::Backup), None)),
        zeroed: Vec::new(),
    })
}
