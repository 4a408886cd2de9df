//! The changes between two snapshots, as events.

use std::collections::{BTreeMap, BTreeSet};

use super::{ServiceSnapshot, Snapshot};
use crate::model::{RealServer, RealServerKey, ServiceKey, SyncDaemon, SyncRole, VirtualService};

/// A change of the rules between two snapshots. Counters and numbers of connections are not part of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A virtual service was added.
    ServiceAdded(VirtualService),
    /// Settings of a virtual service were edited.
    ServiceEdited {
        /// The service in the earlier snapshot.
        before: VirtualService,
        /// The service in the later snapshot.
        after: VirtualService,
    },
    /// A virtual service was deleted.
    ServiceDeleted(VirtualService),
    /// A real server was added.
    ServerAdded(ServiceKey, RealServer),
    /// Settings of a real server were edited.
    ServerEdited {
        /// The virtual service.
        service: ServiceKey,
        /// The real server in the earlier snapshot.
        before: RealServer,
        /// The real server in the later snapshot.
        after: RealServer,
    },
    /// A real server was deleted.
    ServerDeleted(ServiceKey, RealServer),
    /// A sync daemon was started.
    DaemonStarted(SyncDaemon),
    /// A sync daemon was stopped.
    DaemonStopped(SyncDaemon),
}

/// The changes that lead from one snapshot to a later one: services in the order of their keys, each before its real
/// servers, then sync daemons. The real servers of a service that was added or deleted have events of their own.
///
/// Changes that were undone between the two snapshots leave no event.
pub fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Event> {
    let (before_services, after_services) = (services(before), services(after));
    let keys: BTreeSet<&ServiceKey> = before_services.keys().chain(after_services.keys()).collect();
    let mut events = Vec::new();
    for key in keys {
        let (before, after) = (before_services.get(key), after_services.get(key));
        differ_service(before.copied(), after.copied(), &mut events);
    }
    for role in [SyncRole::Master, SyncRole::Backup] {
        let running = |snapshot: &Snapshot| {
            snapshot.daemons.iter().find(|daemon| daemon.role == role).cloned()
        };
        let (before, after) = (running(before), running(after));
        if before != after {
            events.extend(before.map(Event::DaemonStopped));
            events.extend(after.map(Event::DaemonStarted));
        }
    }
    events
}

fn services(snapshot: &Snapshot) -> BTreeMap<ServiceKey, &ServiceSnapshot> {
    snapshot.services.iter().map(|entry| (entry.service.service.key, entry)).collect()
}

fn differ_service(
    before: Option<&ServiceSnapshot>,
    after: Option<&ServiceSnapshot>,
    events: &mut Vec<Event>,
) {
    let service = |entry: &ServiceSnapshot| entry.service.service.clone();
    let key = match (before, after) {
        (Some(entry), _) | (None, Some(entry)) => entry.service.service.key,
        (None, None) => return,
    };
    match (before.map(service), after.map(service)) {
        (None, Some(added)) => events.push(Event::ServiceAdded(added)),
        (Some(before), Some(after)) if before != after => {
            events.push(Event::ServiceEdited { before, after });
        }
        _ => {}
    }
    let (before_servers, after_servers) = (servers(before), servers(after));
    let keys: BTreeSet<&RealServerKey> =
        before_servers.keys().chain(after_servers.keys()).collect();
    for server in keys {
        match (before_servers.get(server), after_servers.get(server)) {
            (None, Some(&added)) => events.push(Event::ServerAdded(key, added)),
            (Some(&deleted), None) => events.push(Event::ServerDeleted(key, deleted)),
            (Some(&before), Some(&after)) if before != after => {
                events.push(Event::ServerEdited { service: key, before, after });
            }
            _ => {}
        }
    }
    if let (Some(deleted), None) = (before, after) {
        events.push(Event::ServiceDeleted(service(deleted)));
    }
}

fn servers(service: Option<&ServiceSnapshot>) -> BTreeMap<RealServerKey, RealServer> {
    let servers = service.map(|entry| entry.servers.as_slice()).unwrap_or_default();
    servers.iter().map(|state| (state.server.key, state.server)).collect()
}
