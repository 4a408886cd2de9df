//! Attributes entries of the connection table to virtual services.
//!
//! The kernel's connection table names the virtual address and port of an entry, and not its service. The attribution
//! looks up the service as the kernel does for a new connection (6.1: `ip_vs_service_find`). The table lacks firewall
//! marks, so the entries of such a service are recognized by their real server.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use super::mark_places::MarkPlaces;
use crate::error::Error;
use crate::model::{
    Connection, ConnectionFilter, ConnectionTarget, Family, Protocol, RealServerKey, ServiceKey,
    VirtualService,
};
use crate::netlink::{Client, Rules, Transport};
use crate::procfs::ServicesFile;

/// The port of FTP's control connections.
const FTP: u16 = 21;
/// The server's port of active FTP data connections.
const FTP_DATA: u16 = 20;

/// Up to this number of firewall marks, their real servers are dumped: the file has those of all services.
const FEW_MARKS: usize = 8;

/// The services of a table, prepared for looking up the one that an entry of the connection table belongs to.
///
/// ```no_run
/// use ipvs::procfs::Connections;
/// use ipvs::state::Attribution;
/// use ipvs::Client;
///
/// let attribution = Attribution::read(&mut Client::connect()?)?;
/// for connection in Connections::open()? {
///     let connection = connection?;
///     if let Some(service) = attribution.service_of(&connection) {
///         println!("{} is a client of {service}", connection.client);
///     }
/// }
/// # Ok::<(), ipvs::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attribution {
    /// The ports of the services that have an address.
    ports: AddressMap<Ports>,
    /// The services of firewall marks, by the addresses of their real servers.
    marks: AddressMap<Vec<MarkedServer>>,
    /// The services of firewall marks.
    mark_keys: BTreeSet<ServiceKey>,
    /// The families of these services.
    mark_families: BTreeSet<Family>,
}

/// The ports of the services of an address.
type Ports = BTreeSet<(Protocol, u16)>;

/// Values of addresses, which are looked up for each entry of a table.
#[derive(Clone, Debug, Default)]
struct AddressMap<V> {
    ipv4: HashMap<u32, V, BuildHasherDefault<AddressHasher>>,
    ipv6: HashMap<u128, V, BuildHasherDefault<AddressHasher>>,
}

/// Hashes the number of an address without a key: the addresses are those of services and real servers, and clients choose
/// none of them.
#[derive(Clone, Copy, Debug, Default)]
struct AddressHasher(u64);

impl AddressHasher {
    /// An odd number whose bits are spread evenly: 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
}

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(Self::FACTOR);
    }

    fn write_u128(&mut self, number: u128) {
        for part in number.to_be_bytes().chunks_exact(4) {
            self.write_u32(part.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)));
        }
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, and the product has spread the number into the high ones.
        self.0.rotate_left(32)
    }
}

impl<V: Default> AddressMap<V> {
    fn get(&self, address: IpAddr) -> Option<&V> {
        match address {
            IpAddr::V4(address) => self.ipv4.get(&address.to_bits()),
            IpAddr::V6(address) => self.ipv6.get(&address.to_bits()),
        }
    }

    /// The value of an address, which is added if it is missing.
    fn get_or_default(&mut self, address: IpAddr) -> &mut V {
        match address {
            IpAddr::V4(address) => self.ipv4.entry(address.to_bits()).or_default(),
            IpAddr::V6(address) => self.ipv6.entry(address.to_bits()).or_default(),
        }
    }
}

/// The service that an entry of the connection table belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A service of the table.
    Service(ServiceKey),
    /// A service that was deleted: the entry names it, and the table lacks it.
    Deleted(ServiceKey),
    /// Unknown: several firewall marks have the entry's real server, or the kernel has invalidated the entry.
    Unknown,
}

/// A real server of a firewall mark service.
#[derive(Clone, Copy, Debug)]
struct MarkedServer {
    service: ServiceKey,
    /// The port of its connections; `None` if they keep the port that the client used.
    port: Option<u16>,
}

impl MarkedServer {
    /// Tests whether an entry with the address of this server may be of the server's service.
    fn has(&self, connection: &Connection) -> bool {
        self.port.is_none_or(|port| port == connection.server.port())
            && self.service.family() == Family::of(connection.client.ip())
    }
}

impl Attribution {
    /// Reads the services, and the real servers of firewall marks.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn read<T: Transport>(client: &mut Client<T>) -> Result<Self, Error> {
        Self::read_with_file(client, || None)
    }

    /// As [`Self::read`]. If most services are firewall marks, their real servers come from a file, such as
    /// [`ServicesFile::read`] has it: the kernel has to be asked for those of each mark otherwise.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn read_with_file<T: Transport>(
        client: &mut Client<T>,
        file: impl FnOnce() -> Option<ServicesFile>,
    ) -> Result<Self, Error> {
        let mut attribution = Self::default();
        let services = client.services_in::<Rules, _>(|service| service.entry)?;
        let is_mark = |service: &&VirtualService| service.key.address().is_none();
        let marks = services.iter().filter(is_mark).count();
        let file = if marks > FEW_MARKS && 2 * marks >= services.len() { file() } else { None };
        let listed = file.as_ref().map(|file| {
            let listed = file.services.iter().map(|listed| &listed.service.key);
            (file, MarkPlaces::new(listed, services.iter().map(|service| &service.key)))
        });
        for service in &services {
            let key = &service.key;
            let in_file =
                listed.as_ref().and_then(|(file, marks)| Some(file.servers(marks.of(key)?)));
            match (key, in_file) {
                (ServiceKey::Address { .. }, _) => attribution.insert(service, []),
                (ServiceKey::Fwmark { .. }, Some(servers)) => {
                    attribution.insert(service, servers.iter().map(|server| server.key));
                }
                (ServiceKey::Fwmark { .. }, None) => {
                    let servers = client.real_servers_in::<Rules>(key)?;
                    attribution.insert(service, servers.iter().map(|server| server.entry.key));
                }
            }
        }
        Ok(attribution)
    }

    /// Adds a service. The real servers matter for firewall marks only.
    pub fn insert(
        &mut self,
        service: &VirtualService,
        servers: impl IntoIterator<Item = RealServerKey>,
    ) {
        let key = service.key;
        match key {
            ServiceKey::Address { protocol, address, port } => {
                self.ports.get_or_default(address).insert((protocol, port));
            }
            ServiceKey::Fwmark { family, .. } => {
                self.mark_keys.insert(key);
                self.mark_families.insert(family);
                for server in servers {
                    // The connections of persistent clients keep their port (6.1: `ip_vs_sched_persist`).
                    let keeps_port = server.port == 0 || service.persistence.is_some();
                    let port = (!keeps_port).then_some(server.port);
                    let marked = MarkedServer { service: key, port };
                    self.marks.get_or_default(server.address).push(marked);
                }
            }
        }
    }

    /// The service that an entry belongs to:
    ///
    /// 1. the service of its virtual address and port,
    /// 2. the FTP service of its address, for the ports of data connections,
    /// 3. the service of all ports of its address,
    /// 4. a firewall mark's service, if exactly one has the entry's real server.
    ///
    /// A template has a mark in place of the address. The service is unknown (`None`) if it was deleted, if several marks
    /// have the real server, or if the kernel has invalidated the entry ([`Connection::is_dead_template`]).
    pub fn service_of(&self, connection: &Connection) -> Option<ServiceKey> {
        if connection.is_dead_template() {
            return None;
        }
        match connection.target {
            ConnectionTarget::Fwmark(mark) => {
                let family = Family::of(connection.client.ip());
                let key = ServiceKey::Fwmark { mark: mark.try_into().ok()?, family };
                self.mark_keys.get(&key).copied()
            }
            ConnectionTarget::Address(target) => connection
                .protocol
                .transport()
                .and_then(|protocol| self.service_at(protocol, target.ip(), target.port()))
                .or_else(|| self.only_mark_with(connection)),
        }
    }

    /// The service that an entry belongs to, or the service that it did belong to. An entry with an address that has no
    /// service may be of a firewall mark whose real server was deleted. Its service is unknown while the table has marks
    /// of its family.
    pub fn owner_of(&self, connection: &Connection) -> Owner {
        if let Some(service) = self.service_of(connection) {
            return Owner::Service(service);
        }
        if connection.is_dead_template() {
            return Owner::Unknown;
        }
        let family = Family::of(connection.client.ip());
        let deleted = match connection.target {
            ConnectionTarget::Fwmark(mark) => {
                mark.try_into().ok().map(|mark| ServiceKey::Fwmark { mark, family })
            }
            ConnectionTarget::Address(_) if self.mark_families.contains(&family) => None,
            ConnectionTarget::Address(target) => connection.protocol.transport().map(|protocol| {
                ServiceKey::Address { protocol, address: target.ip(), port: target.port() }
            }),
        };
        deleted.map_or(Owner::Unknown, Owner::Deleted)
    }

    /// Prepares for testing which entries are those of one service.
    pub fn entries_of(&self, service: ServiceKey) -> ServiceEntries<'_> {
        let ports = match service {
            ServiceKey::Address { address, .. } => self.ports.get(address),
            ServiceKey::Fwmark { .. } => None,
        };
        ServiceEntries { attribution: self, service, ports }
    }

    fn service_at(&self, protocol: Protocol, address: IpAddr, port: u16) -> Option<ServiceKey> {
        let ports = self.ports.get(address)?;
        let port = port_of_service(ports, protocol, port)?;
        Some(ServiceKey::Address { protocol, address, port })
    }

    fn only_mark_with(&self, connection: &Connection) -> Option<ServiceKey> {
        let servers = self.marks.get(connection.server.ip())?;
        let servers = servers.iter().filter(|server| server.has(connection));
        let mut services = servers.map(|server| &server.service);
        let first = services.next()?;
        services.all(|service| service == first).then_some(*first)
    }
}

/// The port of the service that gets the packets to a port of its address.
fn port_of_service(ports: &Ports, protocol: Protocol, port: u16) -> Option<u16> {
    let is_data_port = protocol == Protocol::Tcp && (port == FTP_DATA || port >= 1024);
    let candidates = [Some(port), is_data_port.then_some(FTP), Some(0)];
    candidates.into_iter().flatten().find(|&port| ports.contains(&(protocol, port)))
}

/// The entries of a service, which may be deleted.
#[derive(Clone, Copy, Debug)]
pub struct ServiceEntries<'a> {
    attribution: &'a Attribution,
    service: ServiceKey,
    /// The ports of the services at its address.
    ports: Option<&'a Ports>,
}

impl ServiceEntries<'_> {
    /// Returns true for an entry whose owner is the service. An entry of a deleted or unknown owner is one of the service
    /// if it has the service's address and port, or its address if the service has port 0.
    pub fn contains(&self, connection: &Connection) -> bool {
        let Self { attribution, service, ports } = self;
        if let Some(is_of_mark) = self.is_of_only_mark(connection) {
            return is_of_mark;
        }
        if let ServiceKey::Address { protocol, address, port } = *service {
            let ConnectionTarget::Address(target) = connection.target else { return false };
            if target.ip() != address || connection.protocol.transport() != Some(protocol) {
                return false;
            }
            // Most entries need no look-up among all services.
            let ports = ports.filter(|_| !connection.is_dead_template());
            let owner = ports.and_then(|ports| port_of_service(ports, protocol, target.port()));
            if let Some(owner) = owner {
                return owner == port;
            }
        }
        match attribution.service_of(connection) {
            Some(owner) => owner == *service,
            // The address is the one that was asked for, so the entry may be of this service. A deleted service of all
            // ports has left entries with the ports of its clients.
            None => ConnectionFilter::default().service(*service).matches(connection),
        }
    }

    /// Answers for most entries of a firewall mark: no service has the virtual address, and at most one mark has the
    /// address of the real server. `None` for all others.
    fn is_of_only_mark(&self, connection: &Connection) -> Option<bool> {
        let Self { attribution, service, .. } = self;
        let ServiceKey::Fwmark { .. } = service else { return None };
        let ConnectionTarget::Address(target) = connection.target else { return None };
        if attribution.ports.get(target.ip()).is_some() {
            return None;
        }
        match attribution.marks.get(connection.server.ip()).map(Vec::as_slice) {
            None => Some(false),
            Some([server]) => Some(
                server.service == *service
                    && server.has(connection)
                    && !connection.is_dead_template(),
            ),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Netmask, Persistence};
    use crate::procfs::Connections;

    const ONE_SERVER: &[&str] = &["10.1.0.1:0"];

    /// An attribution to these services. The ending ` -p` makes a service persistent.
    fn attribution(services: &[(&str, &[&str])]) -> Attribution {
        let mut attribution = Attribution::default();
        for &(text, servers) in services {
            let (key, is_persistent) = match text.strip_suffix(" -p") {
                Some(key) => (key, true),
                None => (text, false),
            };
            let mut service = VirtualService::new(key.parse().unwrap());
            if is_persistent {
                let netmask = Netmask::host(service.key.family());
                service.persistence = Some(Persistence::new(300, netmask).unwrap());
            }
            attribution.insert(&service, servers.iter().map(|server| server.parse().unwrap()));
        }
        attribution
    }

    /// A line of `/proc/net/ip_vs_conn`.
    fn connection(line: &str) -> Connection {
        let file = format!("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State\n{line}\n");
        Connections::from_reader(file.as_bytes()).next().unwrap().unwrap()
    }

    fn service_of(attribution: &Attribution, line: &str) -> Option<String> {
        attribution.service_of(&connection(line)).map(|key| key.to_string())
    }

    const TCP_80: &str = "TCP C0000201 9C43 0A000001 0050 0A010001 1F90 ESTABLISHED 899";
    const TCP_81: &str = "TCP C0000201 9C43 0A000001 0051 0A010001 0051 ESTABLISHED 899";
    const UDP_80: &str = "UDP C0000201 9C43 0A000001 0050 0A010001 1F90 UDP 299";

    #[test]
    fn exact_port_comes_before_the_service_of_all_ports() {
        let both = attribution(&[("tcp 10.0.0.1:80", &[]), ("tcp 10.0.0.1:0 -p", &[])]);
        assert_eq!(service_of(&both, TCP_80).as_deref(), Some("tcp 10.0.0.1:80"));
        assert_eq!(service_of(&both, TCP_81).as_deref(), Some("tcp 10.0.0.1:0"));
        assert_eq!(service_of(&both, UDP_80), None);
        assert_eq!(service_of(&Attribution::default(), TCP_80), None);
    }

    #[test]
    fn data_connections_of_ftp_belong_to_the_service_of_port_21() {
        let passive = "TCP C0000201 9C43 0A000001 9C40 0A010001 9C40 ESTABLISHED 899";
        let active = "TCP C0000201 9C43 0A000001 0014 0A010001 0014 ESTABLISHED 899";
        let ftp = attribution(&[("tcp 10.0.0.1:21", &[]), ("tcp 10.0.0.1:0 -p", &[])]);
        for data in [passive, active] {
            assert_eq!(service_of(&ftp, data).as_deref(), Some("tcp 10.0.0.1:21"));
        }
        assert_eq!(service_of(&ftp, TCP_80).as_deref(), Some("tcp 10.0.0.1:0"));
    }

    #[test]
    fn entry_without_an_address_service_belongs_to_the_only_mark_with_its_server() {
        let one = attribution(&[("fwmark 1", &["10.1.0.1:8080"]), ("fwmark 2", &["10.1.0.2:0"])]);
        assert_eq!(service_of(&one, TCP_80).as_deref(), Some("fwmark 1"));
        assert_eq!(service_of(&one, UDP_80).as_deref(), Some("fwmark 1"));
        assert_eq!(service_of(&one, TCP_81), None, "the server has another port");
        let several = attribution(&[("fwmark 1", ONE_SERVER), ("fwmark 2", ONE_SERVER)]);
        assert_eq!(service_of(&several, TCP_80), None);
        let with_address =
            attribution(&[("fwmark 1", ONE_SERVER), ("tcp 10.0.0.1:80", ONE_SERVER)]);
        assert_eq!(service_of(&with_address, TCP_80).as_deref(), Some("tcp 10.0.0.1:80"));
    }

    #[test]
    fn mark_of_the_other_family_and_a_second_port_of_one_server_cause_no_doubt() {
        let marks = attribution(&[
            ("fwmark 1 ipv6", ONE_SERVER),
            ("fwmark 2", &["10.1.0.1:0", "10.1.0.1:8080"]),
        ]);
        assert_eq!(service_of(&marks, TCP_80).as_deref(), Some("fwmark 2"));
    }

    #[test]
    fn connection_of_a_persistent_mark_keeps_its_port() {
        let mark = attribution(&[("fwmark 1 -p", &["10.1.0.1:8080"])]);
        assert_eq!(service_of(&mark, TCP_81).as_deref(), Some("fwmark 1"));
    }

    #[test]
    fn template_of_a_mark_names_the_mark() {
        let marks = attribution(&[("fwmark 7", ONE_SERVER), ("fwmark 8", ONE_SERVER)]);
        let template = "IP  C0000201 0000 00000007 0000 0A010001 0000 NONE 300";
        assert_eq!(service_of(&marks, template).as_deref(), Some("fwmark 7"));
        let unknown = "IP  C0000201 0000 00000009 0000 0A010001 0000 NONE 300";
        assert_eq!(service_of(&marks, unknown), None);
    }

    #[test]
    fn entry_of_a_deleted_service_is_told_from_one_of_an_unknown_mark() {
        let owner =
            |services: &[(&str, &[&str])], line| attribution(services).owner_of(&connection(line));
        let deleted = |text: &str| Owner::Deleted(text.parse().unwrap());
        assert_eq!(owner(&[], TCP_80), deleted("tcp 10.0.0.1:80"));
        assert_eq!(owner(&[("fwmark 1 ipv6", &[])], TCP_80), deleted("tcp 10.0.0.1:80"));
        assert_eq!(owner(&[("fwmark 1", &[])], TCP_80), Owner::Unknown);
        let template = "IP  C0000201 0000 00000009 0000 0A010001 0000 NONE 300";
        assert_eq!(owner(&[], template), deleted("fwmark 9"));
        let service = Owner::Service("tcp 10.0.0.1:80".parse().unwrap());
        assert_eq!(owner(&[("tcp 10.0.0.1:80", &[])], TCP_80), service);
    }

    #[test]
    fn entries_of_a_service_are_those_that_it_owns() {
        let lines = [
            TCP_80,
            TCP_81,
            UDP_80,
            "TCP C0000201 9C43 0A000001 9C40 0A010001 9C40 ESTABLISHED 899",
            "TCP C0000201 9C43 0A000001 0000 0A010001 0000 ESTABLISHED 899",
            "TCP C0000201 9C43 0A000002 0050 0A010001 1F90 ESTABLISHED 899",
            "TCP C0000201 0000 0A000001 0050 0A010001 FFFF NONE 300",
            "IP  C0000201 0000 00000001 0000 0A010001 0000 NONE 300",
            "IP  C0000201 0000 0A000001 0000 0A010001 0000 NONE 300",
            "ICMP C0000201 0000 0A000001 0050 0A010001 0000 NONE 300",
        ];
        let asked = [
            "tcp 10.0.0.1:80",
            "tcp 10.0.0.1:81",
            "tcp 10.0.0.1:0",
            "tcp 10.0.0.1:21",
            "tcp 10.0.0.2:80",
            "udp 10.0.0.1:80",
            "fwmark 1",
            "fwmark 1 ipv6",
        ];
        let services: Vec<(&str, &[&str])> = ["tcp 10.0.0.1:80", "tcp 10.0.0.1:0 -p"]
            .into_iter()
            .chain(["tcp 10.0.0.1:21", "udp 10.0.0.1:80", "fwmark 1", "fwmark 2"])
            .map(|text| (text, ONE_SERVER))
            .collect();
        for which in 0..1_u32 << services.len() {
            let present = services.iter().enumerate().filter(|(place, _)| which >> place & 1 == 1);
            let attribution =
                attribution(&present.map(|(_, &service)| service).collect::<Vec<_>>());
            for (line, key) in lines.iter().flat_map(|line| asked.map(|key| (line, key))) {
                let (entry, service) = (connection(line), key.parse().unwrap());
                let is_owned = match attribution.owner_of(&entry) {
                    Owner::Service(owner) => owner == service,
                    Owner::Deleted(_) | Owner::Unknown => {
                        ConnectionFilter::default().service(service).matches(&entry)
                    }
                };
                let contains = attribution.entries_of(service).contains(&entry);
                assert_eq!(contains, is_owned, "{key}: {line}: {which:b}");
            }
        }
    }

    #[test]
    fn deleted_service_of_all_ports_has_the_entries_that_no_other_service_owns() {
        let is_in = |services: &[(&str, &[&str])], line| {
            let (attribution, asked) = (attribution(services), "tcp 10.0.0.1:0".parse().unwrap());
            attribution.entries_of(asked).contains(&connection(line))
        };
        assert!(is_in(&[], TCP_80) && is_in(&[], TCP_81) && !is_in(&[], UDP_80));
        let other: (&str, &[&str]) = ("tcp 10.0.0.1:80", &[]);
        assert!(!is_in(&[other], TCP_80) && is_in(&[other], TCP_81));
    }

    #[test]
    fn template_that_the_kernel_has_invalidated_belongs_to_no_service() {
        let services = attribution(&[("tcp 10.0.0.1:0 -p", &[]), ("tcp 10.0.0.1:21", &[])]);
        let dead = "TCP C0000201 0000 0A000001 FFFF 0A010001 FFFF NONE 300";
        assert_eq!(service_of(&services, dead), None);
    }
}
