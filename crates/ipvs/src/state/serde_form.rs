//! The serde form of a snapshot: `version`, `connection_table_size`, `services` with their `real_servers`, and `daemons`
//! if any run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{ServiceSnapshot, Snapshot};
use crate::model::{Info, RealServerState, ServiceState, SyncDaemon, serde_by_form};

serde_by_form!(Snapshot as SnapshotForm, ServiceSnapshot as ServiceSnapshotForm);

#[derive(Serialize, Deserialize)]
struct SnapshotForm<'a> {
    #[serde(flatten)]
    info: Info,
    services: Cow<'a, [ServiceSnapshot]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    daemons: Cow<'a, [SyncDaemon]>,
}

impl<'a> From<&'a Snapshot> for SnapshotForm<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            info: snapshot.info,
            services: Cow::Borrowed(&snapshot.services),
            daemons: Cow::Borrowed(&snapshot.daemons),
        }
    }
}

impl From<SnapshotForm<'_>> for Snapshot {
    fn from(form: SnapshotForm<'_>) -> Self {
        Self {
            info: form.info,
            services: form.services.into_owned(),
            daemons: form.daemons.into_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ServiceSnapshotForm<'a> {
    #[serde(flatten)]
    service: Cow<'a, ServiceState>,
    real_servers: Cow<'a, [RealServerState]>,
}

impl<'a> From<&'a ServiceSnapshot> for ServiceSnapshotForm<'a> {
    fn from(snapshot: &'a ServiceSnapshot) -> Self {
        Self {
            service: Cow::Borrowed(&snapshot.service),
            real_servers: Cow::Borrowed(&snapshot.servers),
        }
    }
}

impl From<ServiceSnapshotForm<'_>> for ServiceSnapshot {
    fn from(form: ServiceSnapshotForm<'_>) -> Self {
        Self { service: form.service.into_owned(), servers: form.real_servers.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, to_string};

    use super::*;
    use crate::model::serde_form::tests::{server_state, service_state};
    use crate::model::{RealServer, SyncRole, Version, VirtualService};

    #[test]
    fn service_with_a_server_is_one_flat_object() {
        let key = "tcp [2001:db8::1]:80".parse().unwrap();
        let server = RealServer::new("10.1.0.1:8080".parse().unwrap());
        let snapshot = ServiceSnapshot {
            service: service_state(VirtualService::new(key)),
            servers: vec![server_state(server)],
        };
        let counters = r#"{"connections":18446744073709551615,"incoming_packets":1,"outgoing_packets":0,"incoming_bytes":0,"outgoing_bytes":0}"#;
        let rates = r#"{"connections":0,"incoming_packets":0,"outgoing_packets":0,"incoming_bytes":0,"outgoing_bytes":5}"#;
        assert_eq!(
            to_string(&snapshot).unwrap(),
            [
                r#"{"protocol":"tcp","address":"2001:db8::1","port":80,"scheduler":"wlc","#,
                r#""scheduler_flags":[],"persistence":null,"persistence_engine":null,"#,
                r#""one_packet":false,"counters":"#,
                counters,
                r#","rates":"#,
                rates,
                r#","real_servers":[{"address":"10.1.0.1","port":8080,"forwarding":"direct_routing","#,
                r#""weight":1,"upper_threshold":0,"lower_threshold":0,"active_connections":1,"#,
                r#""inactive_connections":2,"persistent_connections":3,"counters":"#,
                counters,
                r#","rates":"#,
                rates,
                "}]}",
            ]
            .concat()
        );
    }

    #[test]
    fn snapshot_is_read_back() {
        let info = Info { version: Version { major: 1, minor: 2, patch: 1 }, table_size: 4096 };
        let key = "fwmark 7 ipv6".parse().unwrap();
        let service = ServiceSnapshot {
            service: service_state(VirtualService::new(key)),
            servers: Vec::new(),
        };
        let mut snapshot = Snapshot { info, services: vec![service], daemons: Vec::new() };
        let text = to_string(&snapshot).unwrap();
        assert!(text.starts_with(
            r#"{"version":"1.2.1","connection_table_size":4096,"services":[{"fwmark":7,"family":"ipv6","#
        ));
        assert_eq!(from_str::<Snapshot>(&text).unwrap(), snapshot);
        snapshot.daemons = vec![SyncDaemon::new(SyncRole::Master, "eth0".parse().unwrap())];
        let text = to_string(&snapshot).unwrap();
        assert_eq!(from_str::<Snapshot>(&text).unwrap(), snapshot);
    }
}
