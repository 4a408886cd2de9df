//! The table without counters: `/proc/net/ip_vs` joined with one dump of the services.
//!
//! The real servers come from one file in place of one dump a service. A dump of the services supplies the fields that
//! the file lacks. The servers of firewall marks, whose family the file lacks, come from a dump each. So do the servers
//! of services that the file leaves out: where other network namespaces have services too, the kernel skips entries at
//! the end of each page (6.1: `ip_vs_info_seq_next` counts the services of all namespaces, `ip_vs_info_array` those of
//! one). A service that only the file has was deleted between the two readings.

use super::walk::Order;
use crate::error::Error;
use crate::model::{
    Configured, Info, RealServerState, RealServerSummary, ServiceKey, VirtualService,
};
use crate::netlink::{Client, Rules, Transport};
use crate::procfs::ServicesFile;

/// The table without counters.
#[derive(Clone, Debug)]
pub struct Summary {
    file: ServicesFile,
    services: Vec<(VirtualService, Servers)>,
}

/// A virtual service in a [`Summary`], with its real servers.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSummary<'a> {
    /// The service.
    pub service: &'a VirtualService,
    /// Its real servers.
    pub servers: &'a [RealServerSummary],
}

/// The real servers of a service.
#[derive(Clone, Debug)]
enum Servers {
    /// Those of the service at this index of the file.
    InFile(usize),
    /// Those of a service that the file lacks.
    Dumped(Vec<RealServerSummary>),
}

impl Summary {
    /// Joins the file with a dump, in the order of the dump. `connect` is called only if the file has a service.
    ///
    /// # Errors
    /// The kernel's refusal, a malformed answer, or the error of `connect`.
    pub fn join<'c, T: Transport + 'c, E: From<Error>>(
        file: ServicesFile,
        connect: impl FnOnce() -> Result<&'c mut Client<T>, E>,
    ) -> Result<Self, E> {
        if file.services.is_empty() {
            return Ok(Self { file, services: Vec::new() });
        }
        let client = connect()?;
        let mut indices: Vec<(ServiceKey, usize)> =
            file.services.iter().map(|listed| listed.service.key).zip(0..).collect();
        indices.sort_unstable();
        let index_of = |key: &ServiceKey| match key {
            ServiceKey::Fwmark { .. } => None,
            ServiceKey::Address { .. } => {
                let found = indices.binary_search_by_key(key, |&(key, _)| key);
                found.ok().and_then(|place| indices.get(place)).map(|&(_, index)| index)
            }
        };
        let mut services = client.services_in::<Rules, _>(|Configured { entry, .. }| {
            let index = index_of(&entry.key);
            (entry, index.map_or(Servers::Dumped(Vec::new()), Servers::InFile))
        })?;
        for (service, servers) in &mut services {
            if let Servers::Dumped(servers) = servers {
                let states = client.real_servers(&service.key)?;
                servers.extend(states.iter().map(RealServerState::summary));
            }
        }
        Ok(Self { file, services })
    }

    /// The file alone, for callers who may not use netlink.
    pub fn of_file(file: ServicesFile) -> Self {
        let services = file.services.iter().enumerate();
        let services =
            services.map(|(index, listed)| (listed.service.clone(), Servers::InFile(index)));
        Self { services: services.collect(), file }
    }

    /// The version of IPVS and the size of its connection table.
    pub fn info(&self) -> &Info {
        &self.file.info
    }

    /// Keeps one service, and returns whether it exists.
    pub fn select(&mut self, key: &ServiceKey) -> bool {
        self.services.retain(|(service, _)| service.key == *key);
        !self.services.is_empty()
    }

    /// Sorts services and real servers. [`Order::Kernel`] leaves them in the kernel's order.
    pub fn arrange(&mut self, order: Order) {
        if order == Order::Kernel {
            return;
        }
        self.services.sort_unstable_by_key(|(service, _)| service.key);
        for (_, servers) in &mut self.services {
            let servers = match servers {
                Servers::InFile(index) => self.file.servers_mut(*index),
                Servers::Dumped(servers) => servers,
            };
            servers.sort_unstable_by_key(|server| server.key);
        }
    }

    /// The services with their real servers.
    pub fn services(&self) -> impl Iterator<Item = ServiceSummary<'_>> {
        self.services.iter().map(|(service, servers)| ServiceSummary {
            service,
            servers: match servers {
                Servers::InFile(index) => self.file.servers(*index),
                Servers::Dumped(servers) => servers,
            },
        })
    }
}
