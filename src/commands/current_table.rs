//! Reads the whole table: by netlink, or without rights as much as `/proc` shows.

use std::collections::BTreeMap;

use ipvs::ErrorKind;
use ipvs::model::{Info, RealServerState, ServiceKey, ServiceState, SyncDaemon};
use ipvs::netlink::Transport;
use ipvs::procfs::ServicesFile;
use ipvs::state::{ServiceSnapshot, Snapshot};

use super::{Error, Session};

/// The table with its counters.
#[derive(Clone, Debug)]
pub struct CurrentTable {
    /// The version of IPVS and the size of its connection table.
    pub info: Info,
    /// Each service once, in the order of the keys.
    pub services: Vec<ServiceSnapshot>,
    /// The sync daemons that run. `None` without rights: then counters, thresholds and rates are missing too, and are 0
    /// in `services`.
    pub daemons: Option<Vec<SyncDaemon>>,
}

/// Reads the table.
///
/// # Errors
/// The kernel's refusal for any other reason than missing rights; an unreadable `/proc`.
pub fn read_table<T: Transport>(session: &mut Session<T>) -> Result<CurrentTable, Error> {
    let (info, mut services, daemons) = match session.client().and_then(Snapshot::read) {
        Ok(Snapshot { info, services, daemons, .. }) => (info, services, Some(daemons)),
        Err(error) if error.kind() == ErrorKind::NotPermitted => {
            let file = session.namespace().services_file()?;
            (file.info, services_of_file(&file), None)
        }
        Err(error) => return Err(error.into()),
    };
    // The kernel may list an entry twice if others change the table meanwhile.
    services.dedup_by_key(|snapshot| snapshot.service.service.key);
    for snapshot in &mut services {
        snapshot.servers.dedup_by_key(|state| state.server.key);
    }
    Ok(CurrentTable { info, services, daemons })
}

/// The services of the file, each key once and in order. The file lacks the family of a mark, so two marks that cannot be
/// told apart are one service.
fn services_of_file(file: &ServicesFile) -> Vec<ServiceSnapshot> {
    let mut services: BTreeMap<ServiceKey, ServiceSnapshot> = BTreeMap::new();
    for (place, listed) in file.services.iter().enumerate() {
        let servers = file.servers(place);
        let service = &listed.service;
        let snapshot = services.entry(service.key).or_insert_with(|| ServiceSnapshot {
            service: ServiceState::new(service.clone()),
            servers: Vec::new(),
        });
        snapshot.servers.extend(servers.iter().map(|summary| {
            let mut server = ipvs::model::RealServer::new(summary.key);
            (server.weight, server.forwarding) = (summary.weight, summary.forwarding);
            let mut state = RealServerState::new(server);
            state.active_connections = summary.active_connections;
            state.inactive_connections = summary.inactive_connections;
            state
        }));
        snapshot.servers.sort_unstable_by_key(|state| state.server.key);
    }
    services.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn mark_of_both_families_in_the_file_has_series_for_each() {
        let file = "IP Virtual Server version 1.2.1 (size=4096)\n\
                    Prot LocalAddress:Port Scheduler Flags\n\
                    \u{20} -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
                    FWM  00000007 wlc  \n\
                    \u{20} -> [2001:0db8:0000:0000:0000:0000:0000:0002]:0000      Route   1      2          0         \n\
                    FWM  00000007 wlc  \n\
                    \u{20} -> 0A000003:0000      Route   1      1          0         \n\
                    FWM  00000008 wlc  \n\
                    FWM  00000008 wlc  \n";
        let services = services_of_file(&ServicesFile::from_reader(file.as_bytes()).unwrap());
        let keys: BTreeSet<_> =
            services.iter().map(|snapshot| snapshot.service.service.key.to_string()).collect();
        assert_eq!(services.len(), keys.len());
        assert_eq!(keys.len(), 3, "{keys:?}");
    }
}
