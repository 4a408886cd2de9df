//! A service as JSON with the members that `/proc/net/ip_vs` has.

use std::num::NonZeroU32;

use ipvs::model::{Forwarding, Persistence, RealServerSummary, SchedulerName, ServiceKey};
use ipvs::state::ServiceSummary;
use serde::{Serialize, Serializer};

/// The members of services and real servers that the file lacks. The family is that of firewall marks. The file shows
/// one-packet scheduling of IPv4 alone (6.1: `ip_vs_info_seq_show`).
pub const MISSING_IN_FILE: &[&str] = &[
    "family",
    "scheduler_flags",
    "persistence_engine",
    "one_packet",
    "tunnel",
    "upper_threshold",
    "lower_threshold",
    "persistent_connections",
    "counters",
    "rates",
];

/// A service of the file as JSON.
#[derive(Clone, Copy, Debug)]
pub struct PartialService<'a>(pub ServiceSummary<'a>);

/// The key of a service. In the file, a firewall mark lacks its family.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PartialKey {
    Whole(ServiceKey),
    Fwmark { fwmark: NonZeroU32 },
}

impl From<ServiceKey> for PartialKey {
    fn from(key: ServiceKey) -> Self {
        match key {
            ServiceKey::Fwmark { mark, .. } => Self::Fwmark { fwmark: mark },
            ServiceKey::Address { .. } => Self::Whole(key),
        }
    }
}

#[derive(Serialize)]
struct ServiceForm<'a> {
    #[serde(flatten)]
    key: PartialKey,
    scheduler: &'a SchedulerName,
    persistence: Option<&'a Persistence>,
    real_servers: Vec<ServerForm>,
}

#[derive(Serialize)]
struct ServerForm {
    address: std::net::IpAddr,
    port: u16,
    forwarding: &'static str,
    weight: u32,
    active_connections: u32,
    inactive_connections: u32,
}

impl From<&RealServerSummary> for ServerForm {
    fn from(server: &RealServerSummary) -> Self {
        Self {
            address: server.key.address,
            port: server.key.port,
            forwarding: match server.forwarding {
                Forwarding::Masquerading => "masquerading",
                Forwarding::DirectRouting => "direct_routing",
                Forwarding::Tunneling(_) => "tunneling",
                Forwarding::LocalNode => "local",
                Forwarding::Bypass => "bypass",
                _ => "unknown",
            },
            weight: server.weight,
            active_connections: server.active_connections,
            inactive_connections: server.inactive_connections,
        }
    }
}

impl Serialize for PartialService<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ServiceSummary { service, servers } = self.0;
        ServiceForm {
            key: service.key.into(),
            scheduler: &service.scheduler,
            persistence: service.persistence.as_ref(),
            real_servers: servers.iter().map(ServerForm::from).collect(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TableHead;
    use ipvs::procfs::ServicesFile;
    use ipvs::state::{ServiceSnapshot, Summary};
    use serde_json::Value;

    const FILE: &str = "IP Virtual Server version 1.2.1 (size=0)\n\
        Prot LocalAddress:Port Scheduler Flags\n\
        \u{20} -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
        UDP  0A000001:0035 rr ops \n\
        \u{20} -> 0A000002:0035      Tunnel  3      1          2         \n\
        FWM  00000007 wlc \n";

    #[test]
    fn document_has_all_members_but_those_that_it_names() {
        let file = ServicesFile::from_reader(FILE.as_bytes()).unwrap();
        let (head, summary) =
            (TableHead::new(file.info, Some(MISSING_IN_FILE)), Summary::of_file(file));
        let services: Vec<Value> = summary
            .services()
            .map(|service| serde_json::to_value(PartialService(service)).unwrap())
            .collect();
        assert_eq!(services[0]["real_servers"][0]["forwarding"], "tunneling");
        assert_eq!(services[1]["fwmark"], 7);
        // The members of a whole document are either here or named.
        let whole = ServiceSnapshot {
            service: ipvs::model::ServiceState::new(
                summary.services().next().unwrap().service.clone(),
            ),
            servers: vec![ipvs::model::RealServerState::new(ipvs::model::RealServer::new(
                "10.0.0.2:53".parse().unwrap(),
            ))],
        };
        let whole = serde_json::to_value(&whole).unwrap();
        let head = serde_json::to_value(head).unwrap();
        let missing: Vec<&str> =
            head["partial"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let here = |value: &Value, part: &Value| {
            for name in value.as_object().unwrap().keys() {
                let is_here = part.get(name).is_some();
                assert_ne!(is_here, missing.contains(&name.as_str()), "{name}");
            }
        };
        here(&whole, &services[0]);
        here(&whole["real_servers"][0], &services[0]["real_servers"][0]);
        assert_eq!(head["connection_table_size"], 0);
    }
}
