//! Selects entries of the connection table.

use super::{
    Connection, ConnectionOrigin, ConnectionState, ConnectionTarget, Network, RealServerKey,
    ServiceKey,
};

/// Conditions on an entry of the connection table. A filter matches the entries that meet all its conditions; the
/// default has none, and matches every entry.
///
/// ```
/// use ipvs::model::{ConnectionFilter, ConnectionState};
///
/// let filter = ConnectionFilter::default()
///     .client("10.0.0.0/8".parse().unwrap())
///     .state(ConnectionState::Established);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionFilter {
    /// The network that the client is in.
    pub client: Option<Network>,
    /// The virtual service. A service of port 0 matches all ports. The connections of a firewall mark service do not
    /// have its mark, so such a key matches only templates.
    pub service: Option<ServiceKey>,
    /// The real server. Port 0 matches all ports.
    pub server: Option<RealServerKey>,
    /// The states, one of which the entry is in; empty for any state.
    pub states: Vec<ConnectionState>,
    /// The director that made the entry.
    pub origin: Option<ConnectionOrigin>,
}

impl ConnectionFilter {
    /// Adds the condition that the client is in a network.
    #[must_use]
    pub fn client(self, network: Network) -> Self {
        Self { client: Some(network), ..self }
    }

    /// Adds the condition that the connection is one of a virtual service.
    #[must_use]
    pub fn service(self, service: ServiceKey) -> Self {
        Self { service: Some(service), ..self }
    }

    /// Adds the condition that the connection goes to a real server.
    #[must_use]
    pub fn server(self, server: RealServerKey) -> Self {
        Self { server: Some(server), ..self }
    }

    /// Adds a state. The connection is in one of the states that were added.
    #[must_use]
    pub fn state(mut self, state: ConnectionState) -> Self {
        self.states.push(state);
        self
    }

    /// Adds the condition that this director, or another one, made the entry.
    #[must_use]
    pub fn origin(self, origin: ConnectionOrigin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Returns true for an entry that meets all conditions.
    pub fn matches(&self, connection: &Connection) -> bool {
        let Self { client, service, server, states, origin } = self;
        client.is_none_or(|network| network.contains(connection.client.ip()))
            && service.is_none_or(|service| is_of_service(connection, &service))
            && server.is_none_or(|server| {
                let is_port = server.port == 0 || server.port == connection.server.port();
                server.address == connection.server.ip() && is_port
            })
            && (states.is_empty() || states.contains(&connection.state))
            && (origin.is_none() || connection.origin == *origin)
    }
}

fn is_of_service(connection: &Connection, service: &ServiceKey) -> bool {
    match (*service, connection.target) {
        (ServiceKey::Address { protocol, address, port }, ConnectionTarget::Address(target)) => {
            connection.protocol.transport() == Some(protocol)
                && target.ip() == address
                && (port == 0 || target.port() == port)
        }
        (ServiceKey::Fwmark { mark, family }, ConnectionTarget::Fwmark(target)) => {
            mark.get() == target && connection.client.is_ipv4() == (family == super::Family::Ipv4)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConnectionProtocol;

    fn connection() -> Connection {
        let ends = ["192.0.2.1:1024", "10.1.0.1:8080"].map(|end| end.parse().unwrap());
        let target = ConnectionTarget::Address("10.0.0.1:80".parse().unwrap());
        let (protocol, state) = (ConnectionProtocol::Tcp, ConnectionState::Established);
        let mut connection = Connection::new(protocol, ends, target, state, 900);
        connection.origin = Some(ConnectionOrigin::Synced);
        connection
    }

    #[test]
    fn filter_matches_an_entry_that_meets_all_conditions() {
        let all = ConnectionFilter::default()
            .client("192.0.2.0/24".parse().unwrap())
            .service("tcp 10.0.0.1:80".parse().unwrap())
            .server("10.1.0.1:8080".parse().unwrap())
            .state(ConnectionState::Established)
            .origin(ConnectionOrigin::Synced);
        assert!(all.matches(&connection()));
        assert!(ConnectionFilter::default().matches(&connection()));
        let closing = ConnectionFilter::default().state(ConnectionState::FinWait);
        assert!(closing.clone().state(ConnectionState::Established).matches(&connection()));
        assert!(!closing.matches(&connection()));
        for other in [
            all.clone().client("198.51.100.0/24".parse().unwrap()),
            all.clone().service("udp 10.0.0.1:80".parse().unwrap()),
            all.clone().service("tcp 10.0.0.1:81".parse().unwrap()),
            all.clone().service("fwmark 80".parse().unwrap()),
            all.clone().server("10.1.0.1:80".parse().unwrap()),
            all.origin(ConnectionOrigin::Local),
        ] {
            assert!(!other.matches(&connection()), "{other:?}");
        }
    }

    #[test]
    fn port_0_of_a_service_or_a_real_server_matches_all_ports() {
        for filter in [
            ConnectionFilter::default().service("tcp 10.0.0.1:0".parse().unwrap()),
            ConnectionFilter::default().server("10.1.0.1:0".parse().unwrap()),
        ] {
            assert!(filter.matches(&connection()));
        }
    }

    #[test]
    fn firewall_mark_matches_its_templates_of_the_same_family() {
        let mut template = connection();
        template.target = ConnectionTarget::Fwmark(7);
        let of_mark = |text: &str| ConnectionFilter::default().service(text.parse().unwrap());
        assert!(of_mark("fwmark 7").matches(&template));
        assert!(!of_mark("fwmark 8").matches(&template));
        assert!(!of_mark("fwmark 7 ipv6").matches(&template));
    }
}
