//! A virtual service with its real servers, in the order in which a document or a listing has them.

use super::{RealServer, ServiceRules, VirtualService};

/// A virtual service with its real servers, in any order.
///
/// With the feature `serde`, it reads only members that it knows. Counters, rates and numbers of connections, which the
/// form of a [`Snapshot`](crate::Snapshot) has in the same places, are skipped. Members that are omitted have the values of
/// [`VirtualService::new`] and [`RealServer::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceWithServers {
    /// The service.
    pub service: VirtualService,
    /// Its real servers.
    pub servers: Vec<RealServer>,
}

impl ServiceWithServers {
    /// A service with these real servers.
    pub const fn new(service: VirtualService, servers: Vec<RealServer>) -> Self {
        Self { service, servers }
    }
}

impl<O> From<ServiceWithServers> for ServiceRules<O> {
    fn from(listed: ServiceWithServers) -> Self {
        Self::new(listed.service, listed.servers)
    }
}

impl<O> From<&ServiceRules<O>> for ServiceWithServers {
    fn from(rules: &ServiceRules<O>) -> Self {
        let servers = rules.servers().iter().map(|rule| rule.server);
        Self { service: rules.service().clone(), servers: servers.collect() }
    }
}
