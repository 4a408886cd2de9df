//! The facts that checks judge: the table, its connections, and this machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs::model::{Protocol, RealServer, Ruleset, ServiceKey, SyncDaemon, SyncRole};
use ipvs::state::ServiceSnapshot;

use super::addresses::Addresses;
use super::arp::Owners;
use crate::errors::KernelPart;
use crate::host::{Address, Interface, ModuleState, Neighbour, NfTables, Route, RouteKind};

/// The way to the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TableAccess {
    /// It was read by netlink.
    #[default]
    Complete,
    /// The caller lacks CAP_NET_ADMIN: the table is that of `/proc/net/ip_vs`. The reason why root lacks it.
    WithoutRights(Option<String>),
    /// The kernel has no IPVS. The reason, if it can be seen.
    NoIpvs(Option<String>),
}

/// The entries of the connection table that have the same service and real server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All entries.
    pub entries: u64,
    /// Entries in which the server has not answered a client, or its answer did not arrive.
    pub opening: u64,
    /// Established connections.
    pub established: u64,
    /// The first clients of the opening entries.
    pub clients: Vec<IpAddr>,
    /// The first opening entries.
    pub waiting: Vec<Waiting>,
    /// Seconds since a packet arrived for an entry that is not opening, at the most.
    pub last_answered: Option<u32>,
    /// The virtual address and port of an entry.
    pub target: Option<SocketAddr>,
    /// True if entries have several virtual addresses or ports.
    pub has_targets: bool,
}

impl Tally {
    /// Adds other entries.
    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.opening += other.opening;
        self.established += other.established;
        self.clients.extend(&other.clients);
        self.waiting.extend(&other.waiting);
        self.last_answered = match (self.last_answered, other.last_answered) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.has_targets |= other.has_targets
            || self.target.zip(other.target).is_some_and(|(one, other)| one != other);
        self.target = self.target.or(other.target);
    }
}

/// An entry in which the server has not answered a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The client.
    pub client: IpAddr,
    /// Seconds since its last packet, at the most.
    pub seconds: u32,
}

/// The answer of a real server to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server accepted the connection.
    Accepted,
    /// The server refused it.
    Refused,
    /// No answer came in time.
    Silent,
    /// No packet could be sent.
    Unreachable,
}

/// The packet filters of a network namespace. A filter that could not be seen has the value `None`.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// The tables and rules of nf_tables.
    pub nf_tables: Option<NfTables>,
    /// The tables of legacy iptables, and of ebtables.
    pub legacy: Option<Vec<String>>,
    /// True if an interface has classifiers of incoming packets.
    pub has_classifiers: Option<bool>,
}

/// A scheduler or an engine that a rules file wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPart {
    /// The kind of part.
    pub part: KernelPart,
    /// Its name.
    pub name: String,
    /// The first line that wants it.
    pub line: u64,
    /// The state of its module.
    pub state: Option<ModuleState>,
}

/// The rules file that is loaded at boot.
#[derive(Clone, Debug, Default)]
pub struct BootRules {
    /// Its path.
    pub path: String,
    /// The schedulers and engines that it wants, each once.
    pub wanted: Vec<WantedPart>,
    /// True if an administrator has banned the loading of modules.
    pub is_loading_banned: bool,
}

/// This machine, as the network namespace sees it.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its addresses.
    pub addresses: Addresses,
    /// Its neighbours.
    pub neighbours: BTreeMap<IpAddr, Neighbour>,
    /// The routes to virtual addresses and real servers of other machines.
    pub routes: BTreeMap<IpAddr, Route>,
    /// Sysctls by their paths below `/proc/sys`.
    pub sysctls: BTreeMap<String, String>,
    /// The interface of the default route of IPv4.
    pub default_interface: Option<u32>,
    /// The packet filters.
    pub filters: Filters,
    /// The packets that the reverse path filter has dropped.
    pub reverse_path_drops: Option<u64>,
    /// The packets of a protocol that the kernel does not handle.
    pub unknown_protocols: Option<u64>,
    /// The addresses on which programs accept TCP connections. `None` if they could not be seen.
    pub listeners: Option<Vec<SocketAddr>>,
    /// The addresses on which programs wait for UDP datagrams. `None` if they could not be seen.
    pub receivers: Option<Vec<SocketAddr>>,
    /// True if a program that moves virtual addresses between directors runs here.
    pub has_failover: bool,
    /// The release of the kernel.
    pub release: String,
}

/// All facts.
#[derive(Debug, Default)]
pub struct Facts {
    /// The way to the table.
    pub access: TableAccess,
    /// The services, in the order of their keys.
    pub services: Vec<ServiceSnapshot>,
    /// The keys of all services of the table, in their order, also of those that nobody asked for.
    pub keys: Vec<ServiceKey>,
    /// The sync daemons.
    pub daemons: Vec<SyncDaemon>,
    /// The buckets of the connection table.
    pub table_size: u32,
    /// The connections by protocol, virtual address and real server.
    pub connections: BTreeMap<(Protocol, SocketAddr, SocketAddr), Tally>,
    /// The TCP connections of no service by address, by their real servers: those of services by firewall mark.
    pub marked: BTreeMap<SocketAddr, Tally>,
    /// Clients with real servers that have answered them, and the seconds since a packet of theirs, at the most.
    pub answered: BTreeMap<(IpAddr, IpAddr), u32>,
    /// This machine.
    pub host: Host,
    /// The rules file that is loaded at boot, if there is one.
    pub boot_rules: Option<BootRules>,
    /// The services some seconds later, if that was asked for.
    pub later: Option<Vec<ServiceSnapshot>>,
    /// The answers to probes by the real server's port.
    pub answers: BTreeMap<(Protocol, SocketAddr), Answer>,
    /// The hardware addresses of other machines that answered ARP for virtual addresses.
    pub owners: Owners,
    /// The table of another director, if it was given.
    pub other: Option<Ruleset>,
}

impl Facts {
    /// All real servers with their services.
    pub fn servers(&self) -> impl Iterator<Item = (&ServiceKey, &RealServer)> {
        self.services.iter().flat_map(|entry| {
            entry.servers.iter().map(|state| (&entry.service.service.key, &state.server))
        })
    }

    /// The connections of a service with a real server, together. A connection by firewall mark does not name its
    /// service, so all services by mark share the TCP connections of a real server.
    pub fn tally(&self, service: &ServiceKey, server: &RealServer) -> Tally {
        let mut sum = Tally::default();
        let server = SocketAddr::new(server.key.address, server.key.port);
        let ServiceKey::Address { protocol, address, port } = *service else {
            let last = match server.port() {
                0 => SocketAddr::new(server.ip(), u16::MAX),
                _ => server,
            };
            self.marked.range(server..=last).for_each(|(_, tally)| sum.add(tally));
            return sum;
        };
        let first = (protocol, SocketAddr::new(address, port), server);
        let last =
            (protocol, SocketAddr::new(address, if port == 0 { u16::MAX } else { port }), server);
        for ((_, _, to), tally) in self.connections.range(first..=last) {
            if to.ip() == server.ip() && (server.port() == 0 || to.port() == server.port()) {
                sum.add(tally);
            }
        }
        sum
    }

    /// True if the table has the service of an address, or that of all its ports.
    pub fn has_service_of(&self, protocol: Protocol, target: SocketAddr) -> bool {
        let of_all = SocketAddr::new(target.ip(), 0);
        [target, of_all]
            .into_iter()
            .any(|end| self.keys.binary_search(&ServiceKey::new(protocol, end)).is_ok())
    }

    /// True if a real server has answered a client.
    pub fn is_answered(&self, client: IpAddr) -> bool {
        let mut servers = self.answered.range((client, IpAddr::V4(Ipv4Addr::UNSPECIFIED))..);
        servers.next().is_some_and(|((first, _), _)| *first == client)
    }

    /// True if another machine may have the virtual addresses now.
    pub fn may_stand_by(&self) -> bool {
        self.host.has_failover || self.daemons.iter().any(|daemon| daemon.role == SyncRole::Backup)
    }
}

impl Host {
    /// A sysctl as a number.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.sysctls.get(path)?.trim().parse().ok()
    }

    /// A setting of an interface for which the kernel takes the larger one of `all` and its own.
    pub fn largest(&self, interface: &str, name: &str) -> Option<i64> {
        let of = |interface: &str| self.number(&format!("net/ipv4/conf/{interface}/{name}"));
        of("all").max(of(interface))
    }

    /// The interface with a number.
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    /// The interfaces that carry the packets of an interface: its ports, or the one below it.
    pub fn below(&self, interface: &Interface) -> impl Iterator<Item = &Interface> {
        let (index, parent) = (interface.index, interface.parent);
        self.interfaces
            .iter()
            .filter(move |one| one.controller == Some(index) || Some(one.index) == parent)
    }

    /// The interface of a route.
    pub fn interface_to(&self, address: &IpAddr) -> Option<&Interface> {
        self.interface(self.routes.get(address)?.interface?)
    }

    /// True if an address is this machine's.
    pub fn is_local(&self, address: &IpAddr) -> bool {
        self.routes.get(address).is_some_and(|route| route.kind == RouteKind::Local)
            || self.addresses.of(address).next().is_some()
    }

    /// The interfaces that have an address.
    pub fn owners(&self, address: &IpAddr) -> impl Iterator<Item = &Interface> {
        self.addresses.of(address).filter_map(|own| self.interface(own.interface))
    }

    /// The address of this machine whose network includes another address, unless its interface is a loopback.
    pub fn beside(&self, address: &IpAddr) -> Option<&Address> {
        self.addresses.including(address).find(|own| {
            own.address != *address
                && self.interface(own.interface).is_some_and(|one| !one.is_loopback && one.is_up)
        })
    }

    /// The interface on whose network an address is found by ARP or neighbour discovery.
    pub fn segment(&self, address: &IpAddr) -> Option<&Interface> {
        let interface = self.interface(self.beside(address)?.interface);
        interface.filter(|interface| interface.has_neighbours)
    }

    /// All such interfaces. A machine may have several on one network.
    pub fn segments(&self, address: &IpAddr) -> impl Iterator<Item = &Interface> {
        self.networks(address).filter(|one| one.is_up && one.has_neighbours)
    }

    /// The interfaces on whose networks an address is, also those that are down.
    pub fn networks(&self, address: &IpAddr) -> impl Iterator<Item = &Interface> {
        let networks = self.addresses.including(address).filter(move |own| own.address != *address);
        let interfaces = networks.filter_map(|own| self.interface(own.interface));
        interfaces.filter(|one| !one.is_loopback)
    }

    /// The neighbour that gets the packets for an address: a router, or the machine itself.
    pub fn next_hop(&self, address: &IpAddr) -> Option<&Neighbour> {
        let gateway = self.routes.get(address).and_then(|route| route.gateway);
        self.neighbours.get(&gateway.unwrap_or(*address))
    }
}
