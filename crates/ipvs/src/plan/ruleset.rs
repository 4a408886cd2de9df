//! A table of virtual services and real servers in memory, changed by the kernel's rules.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use thiserror::Error;

use crate::model::{Change, RealServer, RealServerKey, ServiceKey, VirtualService};
use crate::netlink::{self, Client, Transport};

/// A virtual service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service.
    pub service: VirtualService,
    /// The line of the file that it comes from; 0 for one that the kernel has.
    pub line: u64,
    /// Its real servers.
    pub servers: BTreeMap<RealServerKey, Server>,
}

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server.
    pub server: RealServer,
    /// The line of the file that it comes from; 0 for one that the kernel has.
    pub line: u64,
}

/// Virtual services and their real servers, in the order of listings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The services.
    pub services: BTreeMap<ServiceKey, Service>,
    /// What the kernel says of them besides: beside the table, since nearly always there is none.
    pub unknown_attributes: Vec<UnknownAttribute>,
}

/// An attribute of a newer kernel that this version does not know: an entry is made again without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// The virtual service.
    pub service: ServiceKey,
    /// Its real server, if it is about one.
    pub server: Option<RealServerKey>,
    /// The attribute's number in linux/ip_vs.h.
    pub number: u16,
}

/// A change that does not fit a table, in the words that the kernel's refusal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// `-A` of a service that is there with other options.
    #[error("Service already exists (line {0} has it with other options)")]
    ServiceExists(u64),
    /// `-E`, `-D` or `-Z` of one that is not there.
    #[error("No such service (no line before this one adds it)")]
    NoSuchService,
    /// A real server for a service that is not there.
    #[error("Service not defined (no line before this one adds it)")]
    ServiceNotDefined,
    /// `-a` of a real server that is there with other options.
    #[error("Destination already exists (line {0} has it with other options)")]
    ServerExists(u64),
    /// `-e` or `-d` of one that is not there.
    #[error("No such destination (no line before this one adds it)")]
    NoSuchServer,
}

impl Table {
    /// Reads the kernel's table.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn read<T: Transport>(client: &mut Client<T>) -> Result<Self, netlink::Error> {
        let mut table = Self::default();
        let unknown = &mut table.unknown_attributes;
        for state in client.services()? {
            let key = state.service.key;
            let mut note = |server, numbers: &[u16]| {
                let noted = numbers.iter();
                unknown.extend(noted.map(|&number| UnknownAttribute {
                    service: key,
                    server,
                    number,
                }));
            };
            note(None, &state.unknown_attributes);
            let servers = client.real_servers(&key)?.into_iter().map(|state| {
                let server = state.server;
                note(Some(server.key), &state.unknown_attributes);
                (server.key, Server { server, line: 0 })
            });
            let service = Service { service: state.service, line: 0, servers: servers.collect() };
            table.services.insert(key, service);
        }
        Ok(table)
    }

    /// How many real servers there are.
    pub fn server_count(&self) -> usize {
        self.services.values().map(|service| service.servers.len()).sum()
    }

    /// Makes a change as the kernel would. What the kernel had before the file (line 0) may be added by the file
    /// once more, with other options too; what a line has added only with the same.
    ///
    /// # Errors
    /// Why the kernel would refuse.
    pub fn change(&mut self, change: &Change, line: u64) -> Result<(), TableError> {
        match change {
            Change::AddService(service) => self.add_service(service, line),
            Change::EditService(service) => {
                let known = self.services.get_mut(&service.key).ok_or(TableError::NoSuchService)?;
                known.service = service.clone();
                known.line = line;
                Ok(())
            }
            Change::DeleteService(key) => {
                self.services.remove(key).map(drop).ok_or(TableError::NoSuchService)
            }
            Change::AddServer(key, _)
            | Change::EditServer(key, _)
            | Change::DeleteServer(key, _) => {
                let service = self.services.get_mut(key).ok_or(TableError::ServiceNotDefined)?;
                service.change_server(change, line)
            }
            Change::Flush => {
                self.services.clear();
                Ok(())
            }
            Change::Zero(Some(key)) if !self.services.contains_key(key) => {
                Err(TableError::NoSuchService)
            }
            Change::Zero(_)
            | Change::SetTimeouts(_)
            | Change::StartDaemon(_)
            | Change::StopDaemon(_) => Ok(()),
        }
    }

    fn add_service(&mut self, service: &VirtualService, line: u64) -> Result<(), TableError> {
        let service = service.clone();
        match self.services.entry(service.key) {
            Entry::Vacant(entry) => {
                entry.insert(Service { service, line, servers: BTreeMap::new() });
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if known.line != 0 && !known.service.serves_as(&service) {
                    return Err(TableError::ServiceExists(known.line));
                }
                known.service = service;
                known.line = line;
            }
        }
        Ok(())
    }
}

impl Service {
    /// Makes a change of a real server of this service; any other is none.
    ///
    /// # Errors
    /// Why the kernel would refuse.
    pub(super) fn change_server(&mut self, change: &Change, line: u64) -> Result<(), TableError> {
        match change {
            Change::AddServer(_, server) => self.add_server(Server { server: *server, line }),
            Change::EditServer(_, server) => {
                let known = self.servers.get_mut(&server.key).ok_or(TableError::NoSuchServer)?;
                *known = Server { server: *server, line };
                Ok(())
            }
            Change::DeleteServer(_, key) => {
                self.servers.remove(key).map(drop).ok_or(TableError::NoSuchServer)
            }
            _ => Ok(()),
        }
    }

    fn add_server(&mut self, added: Server) -> Result<(), TableError> {
        match self.servers.entry(added.server.key) {
            Entry::Vacant(entry) => {
                entry.insert(added);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get();
                if known.line != 0 && known.server != added.server {
                    return Err(TableError::ServerExists(known.line));
                }
                entry.insert(added);
            }
        }
        Ok(())
    }
}
