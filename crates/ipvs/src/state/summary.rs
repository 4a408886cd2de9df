//! The table without counters: `/proc/net/ip_vs` joined with one dump of the services.
//!
//! The real servers come from one file in place of one dump a service. A dump of the services supplies the fields that
//! the file lacks. The file lacks the family of firewall marks: the servers of a mark that both families have come from a
//! dump each. So do the servers of services that the file leaves out: where other network namespaces have services too,
//! the kernel skips entries at the end of each page (6.1: `ip_vs_info_seq_next` counts the services of all namespaces,
//! `ip_vs_info_array` those of one). A service that only the file has was deleted between the two readings.

use super::mark_places::MarkPlaces;
use super::walk::{Order, sort_servers};
use crate::error::Error;
use crate::model::{
    Configured, Info, RealServerState, RealServerSummary, ServiceKey, VirtualService,
};
use crate::netlink::{Client, Rules, Transport};
use crate::procfs::{ListedService, ServicesFile};

/// The table without counters.
#[derive(Clone, Debug)]
pub struct Summary {
    file: ServicesFile,
    /// The services of the dump, once the dump is joined.
    joined: Option<Vec<(VirtualService, Servers)>>,
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
    /// The servers of the service at this index of the file.
    InFile(usize),
    /// The servers of a service that the file lacks.
    Dumped(Vec<RealServerSummary>),
}

/// Finds services in the file. The dump lists them in the same order, so the next in the file is compared first.
struct FilePlaces<'a> {
    services: &'a [ListedService],
    next: usize,
    /// All keys with their indices, sorted: made when the two orders differ.
    sorted: Option<Vec<(ServiceKey, usize)>>,
}

impl<'a> FilePlaces<'a> {
    const fn new(services: &'a [ListedService]) -> Self {
        Self { services, next: 0, sorted: None }
    }

    /// The index of a service with an address in the file.
    fn index_of(&mut self, key: &ServiceKey) -> Option<usize> {
        if let ServiceKey::Fwmark { .. } = key {
            return None;
        }
        let is_next = |listed: &ListedService| listed.service.key == *key;
        let index = match self.services.get(self.next).is_some_and(is_next) {
            true => self.next,
            false => self.search(key)?,
        };
        self.next = index + 1;
        Some(index)
    }

    fn search(&mut self, key: &ServiceKey) -> Option<usize> {
        let sorted = self.sorted.get_or_insert_with(|| {
            let keys = self.services.iter().map(|listed| listed.service.key);
            let mut sorted: Vec<_> = keys.zip(0..).collect();
            sorted.sort_unstable();
            sorted
        });
        let place = sorted.binary_search_by_key(key, |&(key, _)| key).ok()?;
        sorted.get(place).map(|&(_, index)| index)
    }
}

impl Summary {
    /// The file alone.
    pub const fn of_file(file: ServicesFile) -> Self {
        Self { file, joined: None }
    }

    /// Adds the fields and the services that the file lacks, in the order of the dump. After an error the summary is
    /// that of the file.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn join<T: Transport>(&mut self, client: &mut Client<T>) -> Result<(), Error> {
        let mut places = FilePlaces::new(&self.file.services);
        let mut is_complete = true;
        let mut services = client.services_in::<Rules, _>(|Configured { entry, .. }| {
            let index = places.index_of(&entry.key);
            is_complete &= index.is_some();
            (entry, index.map_or(Servers::Dumped(Vec::new()), Servers::InFile))
        })?;
        if is_complete {
            self.joined = Some(services);
            return Ok(());
        }
        let marks = MarkPlaces::new(
            self.file.services.iter().map(|listed| &listed.service.key),
            services.iter().map(|(service, _)| &service.key),
        );
        for (service, servers) in &mut services {
            if let Some(place) = marks.of(&service.key) {
                *servers = Servers::InFile(place);
            }
            if let Servers::Dumped(servers) = servers {
                let states = client.real_servers(&service.key)?;
                servers.extend(states.iter().map(RealServerState::summary));
            }
        }
        self.joined = Some(services);
        Ok(())
    }

    /// Returns whether the file has no service.
    pub fn is_empty(&self) -> bool {
        self.file.services.is_empty()
    }

    /// The version of IPVS and the size of its connection table.
    pub fn info(&self) -> &Info {
        &self.file.info
    }

    /// Keeps one service, and returns whether it exists.
    pub fn select(&mut self, key: &ServiceKey) -> bool {
        match &mut self.joined {
            Some(services) => services.retain(|(service, _)| service.key == *key),
            None => self.file.services.retain(|listed| listed.service.key == *key),
        }
        self.services().next().is_some()
    }

    /// Sorts services and real servers. [`Order::Kernel`] leaves them in the kernel's order.
    pub fn arrange(&mut self, order: Order) {
        if order == Order::Kernel {
            return;
        }
        let Some(services) = &mut self.joined else {
            self.file.services.sort_unstable_by_key(|listed| listed.service.key);
            for index in 0..self.file.services.len() {
                sort_servers(self.file.servers_mut(index), |server| &server.key);
            }
            return;
        };
        services.sort_unstable_by_key(|(service, _)| service.key);
        for (_, servers) in services {
            let servers = match servers {
                Servers::InFile(index) => self.file.servers_mut(*index),
                Servers::Dumped(servers) => servers,
            };
            sort_servers(servers, |server| &server.key);
        }
    }

    /// The services with their real servers.
    pub fn services(&self) -> impl Iterator<Item = ServiceSummary<'_>> {
        let joined = self.joined.iter().flatten().map(|(service, servers)| ServiceSummary {
            service,
            servers: match servers {
                Servers::InFile(index) => self.file.servers(*index),
                Servers::Dumped(servers) => servers,
            },
        });
        let of_file = if self.joined.is_none() { self.file.services.as_slice() } else { &[] };
        let of_file = of_file.iter().enumerate().map(|(index, listed)| ServiceSummary {
            service: &listed.service,
            servers: self.file.servers(index),
        });
        joined.chain(of_file)
    }
}
