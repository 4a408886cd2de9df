//! The connections of one service or real server: numbers by state and by client.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use ipvs::Error;
use ipvs::kernel::Namespace;
use ipvs::model::{Connection, ConnectionFilter, ConnectionState, RealServerKey, ServiceKey};
use ipvs::state::{Attribution, Owner};

use super::sample::Sample;

/// The connections of one service, or of one of its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionsOf {
    pub(super) service: ServiceKey,
    pub(super) server: Option<RealServerKey>,
    /// All of them.
    pub(super) count: u64,
    /// The persistence templates, which carry no packets.
    pub(super) templates: u64,
    /// By state, the largest number first.
    pub(super) states: Vec<(ConnectionState, u64)>,
    /// By client, the largest number first.
    pub(super) clients: Vec<(IpAddr, u64)>,
    /// The number of all clients.
    pub(super) client_count: usize,
}

/// The most clients that are shown.
const MOST_CLIENTS: usize = 100;

impl ConnectionsOf {
    /// Counts the connections in the kernel's table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(super) fn read(
        namespace: &Namespace,
        sample: &Sample,
        (service, server): (ServiceKey, Option<RealServerKey>),
    ) -> Result<Self, Error> {
        let mut filter = ConnectionFilter::default();
        if let Some(server) = server {
            filter = filter.server(server);
        }
        let connections = namespace.connections(filter)?;
        Self::count(connections, &attribution(sample), (service, server))
    }

    /// Counts those of these connections that belong to the service.
    fn count(
        connections: impl Iterator<Item = Result<Connection, Error>>,
        attribution: &Attribution,
        (service, server): (ServiceKey, Option<RealServerKey>),
    ) -> Result<Self, Error> {
        let (mut count, mut templates) = (0, 0);
        let mut states: HashMap<ConnectionState, u64> = HashMap::new();
        let mut clients: HashMap<IpAddr, u64> = HashMap::new();
        for connection in connections {
            let connection = connection?;
            if attribution.owner_of(&connection) != Owner::Service(service) {
                continue;
            }
            if connection.is_template() {
                templates += 1;
                continue;
            }
            count += 1;
            *clients.entry(connection.client.ip()).or_default() += 1;
            *states.entry(connection.state).or_default() += 1;
        }
        let client_count = clients.len();
        let (states, mut clients) = (largest_first(states), largest_first(clients));
        clients.truncate(MOST_CLIENTS);
        Ok(Self { service, server, count, templates, states, clients, client_count })
    }
}

fn largest_first<K: Ord>(counts: HashMap<K, u64>) -> Vec<(K, u64)> {
    let mut counts: Vec<(K, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|(one, ones), (other, others)| {
        (Reverse(ones), one).cmp(&(Reverse(others), other))
    });
    counts
}

/// The services that connections belong to.
fn attribution(sample: &Sample) -> Attribution {
    let mut attribution = Attribution::default();
    for service in &sample.services {
        let servers = service.servers.iter().map(|server| *server.key());
        attribution.insert(&service.state.service, servers);
    }
    attribution
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{reading, server, service};
    use ipvs::procfs::Connections;

    const ENTRIES: &str = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n\
        TCP C0000201 9C43 0A000001 0050 0A010001 1F90 ESTABLISHED 899\n\
        TCP C0000202 9C43 0A000001 0050 0A010001 1F90 FIN_WAIT    99\n\
        TCP C0000202 9C44 0A000001 0050 0A010001 1F90 ESTABLISHED 899\n\
        TCP C0000202 9C44 0A000001 0051 0A010001 1F90 ESTABLISHED 899\n\
        TCP C0000202 0000 0A000001 0050 0A010001 1F90 ASSURED     99\n";

    #[test]
    fn connections_of_the_service_are_counted_by_state_and_client() {
        let key: ServiceKey = "tcp 10.0.0.1:80".parse().unwrap();
        let services = vec![service("tcp 10.0.0.1:80", vec![server("10.1.0.1:8080", 1)])];
        let attribution = attribution(&Sample::new(reading(0, services), None));
        let entries = Connections::from_reader(ENTRIES.as_bytes());
        let found = ConnectionsOf::count(entries, &attribution, (key, None)).unwrap();
        let states = [(ConnectionState::Established, 2), (ConnectionState::FinWait, 1)];
        let clients = [("192.0.2.2".parse().unwrap(), 2), ("192.0.2.1".parse().unwrap(), 1)];
        assert_eq!((found.count, found.templates, found.client_count), (3, 1, 2));
        assert_eq!(found.states, states);
        assert_eq!(found.clients, clients);
    }
}
