//! Counts entries of the connection table by group.
//!
//! Clients choose their addresses, so a hash table would have to compute a keyed hash for each entry. The counter sorts many
//! keys together instead, which takes fewer instructions. Memory grows with the number of groups, and not with the number
//! of entries.

use std::cmp::Reverse;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipvs::model::{Connection, ConnectionOrigin, ConnectionState, Network, Protocol, ServiceKey};
use ipvs::state::{Attribution, Owner};
use ipvs_rules::ConnectionGrouping;

use super::entry_count::{EntryCount, Group, GroupCount};

/// The number of entries that are sorted together, at least.
const SORTED_TOGETHER: usize = 16 * 1024;

/// The numbers of entries with each key.
#[derive(Clone, Debug)]
pub(super) struct Counts<K> {
    /// The entries that were added up: each key once.
    counts: Vec<(K, EntryCount)>,
    /// The keys of the other connections.
    connections: Vec<K>,
    /// The keys of the other templates.
    templates: Vec<K>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { counts: Vec::new(), connections: Vec::new(), templates: Vec::new() }
    }
}

impl<K: Clone + Ord> Counts<K> {
    fn add(&mut self, key: K, connection: &Connection) {
        let keys = match connection.is_template() {
            true => &mut self.templates,
            false => &mut self.connections,
        };
        keys.push(key);
        if keys.len() >= SORTED_TOGETHER.max(self.counts.len()) {
            self.add_up();
        }
    }

    /// Sorts the keys, counts those that are the same, and merges them into the counts in the order of the keys. The
    /// stable sort finds the parts that are sorted, and merges them.
    fn add_up(&mut self) {
        let connection = EntryCount::new(1, 0);
        let template = EntryCount::new(0, 1);
        for (keys, one) in [(&mut self.connections, connection), (&mut self.templates, template)] {
            keys.sort_unstable();
            let groups = keys.chunk_by(|key, next| key == next);
            self.counts.extend(groups.filter_map(|group| {
                let key = group.first()?.clone();
                Some((key, one.times(group.len())))
            }));
            keys.clear();
        }
        self.counts.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.counts.dedup_by(|(key, count), (kept, sum)| {
            let is_same = key == kept;
            if is_same {
                *sum += *count;
            }
            is_same
        });
    }

    /// Puts the largest first, and those of the same size in the order of their keys.
    fn arrange(&mut self) {
        self.add_up();
        self.counts.sort_by_key(|(_, count)| Reverse(*count));
    }

    fn groups<'a>(
        &'a self,
        group: impl Fn(K) -> Group + 'a,
    ) -> impl Iterator<Item = GroupCount> + 'a {
        let counts = self.counts.iter();
        counts.map(move |(key, count)| GroupCount { group: group(key.clone()), count: *count })
    }
}

/// The numbers of entries with keys of two types. Keys of IPv4 are small, so they are sorted apart.
#[derive(Clone, Debug)]
pub(super) struct ByFamily<K, L> {
    ipv4: Counts<K>,
    others: Counts<L>,
}

impl<K, L> Default for ByFamily<K, L> {
    fn default() -> Self {
        Self { ipv4: Counts::default(), others: Counts::default() }
    }
}

impl<K: Clone + Ord, L: Clone + Ord> ByFamily<K, L> {
    fn arrange(&mut self) {
        self.ipv4.arrange();
        self.others.arrange();
    }

    fn groups<'a>(
        &'a self,
        ipv4: impl Fn(K) -> Group + 'a,
        others: impl Fn(L) -> Group + 'a,
    ) -> Box<dyn Iterator<Item = GroupCount> + 'a> {
        let (ipv4, others) = (self.ipv4.groups(ipv4), self.others.groups(others));
        if self.others.counts.is_empty() {
            return Box::new(ipv4);
        }
        let (mut ipv4, mut others) = (ipv4.peekable(), others.peekable());
        Box::new(iter::from_fn(move || {
            let place = |counted: &GroupCount| (Reverse(counted.count), counted.group.clone());
            match (ipv4.peek(), others.peek()) {
                (Some(one), Some(other)) if place(other) < place(one) => others.next(),
                (Some(_), _) => ipv4.next(),
                (None, _) => others.next(),
            }
        }))
    }
}

/// The numbers of entries by the kind of their groups. A list of [`Group`] would take twice the memory.
#[derive(Clone, Debug)]
pub(super) enum Groups {
    /// Clients by the leading bits of their addresses.
    Clients(Clients),
    /// Services of IPv4 by [`number_of_service`], and other owners.
    Services(ByFamily<u64, Owner>),
    /// Real servers of IPv4 by [`number_of_end`], and those of IPv6.
    Servers(ByFamily<u64, SocketAddr>),
    States(Counts<ConnectionState>),
    Origins(Counts<Option<ConnectionOrigin>>),
}

impl Groups {
    /// The groups with their counts, in the order of the counts.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = GroupCount> + '_> {
        match self {
            Self::Clients(clients) => clients.groups(),
            Self::Services(services) => services.groups(service_of_ipv4, Group::Service),
            Self::Servers(servers) => servers.groups(server_of_ipv4, Group::Server),
            Self::States(states) => Box::new(states.groups(Group::State)),
            Self::Origins(origins) => Box::new(origins.groups(Group::Origin)),
        }
    }
}

/// An address and a port as a number, which is sorted in fewer instructions.
fn number_of_end(address: Ipv4Addr, port: u16) -> u64 {
    (u64::from(address.to_bits()) << 16) | u64::from(port)
}

/// A service as a number. TCP, UDP and SCTP have the same order as their numbers.
fn number_of_service(protocol: Protocol, address: Ipv4Addr, port: u16) -> u64 {
    (u64::from(protocol.number()) << 48) | number_of_end(address, port)
}

fn service_of_ipv4(number: u64) -> Group {
    let [high, low, ..] = number.to_be_bytes();
    let protocol = Protocol::from_number(u16::from_be_bytes([high, low]));
    let (address, port) = end_of(number);
    Group::Service(Owner::Service(ServiceKey::Address { protocol, address: address.into(), port }))
}

fn server_of_ipv4(number: u64) -> Group {
    let (address, port) = end_of(number);
    Group::Server(SocketAddr::new(address.into(), port))
}

/// The address and the port of a number.
fn end_of(number: u64) -> (Ipv4Addr, u16) {
    let [_, _, a, b, c, d, high, low] = number.to_be_bytes();
    ([a, b, c, d].into(), u16::from_be_bytes([high, low]))
}

#[derive(Clone, Debug)]
pub(super) struct Clients {
    ipv4_length: u8,
    ipv6_length: u8,
    ipv4_mask: u32,
    ipv6_mask: u128,
    counts: ByFamily<u32, u128>,
}

impl Clients {
    fn new(ipv4_length: u8, ipv6_length: u8) -> Self {
        let ipv4_bits = 32_u32.saturating_sub(ipv4_length.into());
        let ipv6_bits = 128_u32.saturating_sub(ipv6_length.into());
        Self {
            ipv4_length,
            ipv6_length,
            ipv4_mask: u32::MAX.checked_shl(ipv4_bits).unwrap_or(0),
            ipv6_mask: u128::MAX.checked_shl(ipv6_bits).unwrap_or(0),
            counts: ByFamily::default(),
        }
    }

    fn add(&mut self, connection: &Connection) {
        let ByFamily { ipv4, others: ipv6 } = &mut self.counts;
        match connection.client.ip() {
            IpAddr::V4(client) => ipv4.add(client.to_bits() & self.ipv4_mask, connection),
            IpAddr::V6(client) => ipv6.add(client.to_bits() & self.ipv6_mask, connection),
        }
    }

    fn groups(&self) -> Box<dyn Iterator<Item = GroupCount> + '_> {
        let network = |address: IpAddr, length| {
            Group::Client(Network::new(address, length).unwrap_or(Network::host(address)))
        };
        self.counts.groups(
            move |bits| network(Ipv4Addr::from_bits(bits).into(), self.ipv4_length),
            move |bits| network(Ipv6Addr::from_bits(bits).into(), self.ipv6_length),
        )
    }
}

/// The numbers of entries by group.
#[derive(Clone, Debug)]
pub struct GroupCounts {
    pub(super) grouping: ConnectionGrouping,
    groups: Groups,
    /// The number of groups that are shown.
    limit: usize,
}

impl GroupCounts {
    pub(super) fn iter(&self) -> impl Iterator<Item = GroupCount> {
        self.groups.iter().take(self.limit)
    }
}

/// Counts entries by group.
#[derive(Debug)]
pub struct GroupCounter<'a> {
    grouping: ConnectionGrouping,
    /// Finds the services.
    attribution: &'a Attribution,
    groups: Groups,
}

impl<'a> GroupCounter<'a> {
    /// Nothing counted yet.
    pub fn new(grouping: ConnectionGrouping, attribution: &'a Attribution) -> Self {
        let groups = match grouping {
            ConnectionGrouping::Client { ipv4, ipv6 } => Groups::Clients(Clients::new(ipv4, ipv6)),
            ConnectionGrouping::Service => Groups::Services(ByFamily::default()),
            ConnectionGrouping::Server => Groups::Servers(ByFamily::default()),
            ConnectionGrouping::State => Groups::States(Counts::default()),
            ConnectionGrouping::Origin => Groups::Origins(Counts::default()),
        };
        Self { grouping, attribution, groups }
    }

    /// Counts an entry.
    pub fn add(&mut self, connection: &Connection) {
        match &mut self.groups {
            Groups::Clients(clients) => clients.add(connection),
            Groups::Services(services) => match self.attribution.owner_of(connection) {
                Owner::Service(ServiceKey::Address {
                    protocol: protocol @ (Protocol::Tcp | Protocol::Udp | Protocol::Sctp),
                    address: IpAddr::V4(address),
                    port,
                }) => services.ipv4.add(number_of_service(protocol, address, port), connection),
                owner => services.others.add(owner, connection),
            },
            Groups::Servers(servers) => match connection.server {
                SocketAddr::V4(server) => {
                    servers.ipv4.add(number_of_end(*server.ip(), server.port()), connection);
                }
                server @ SocketAddr::V6(_) => servers.others.add(server, connection),
            },
            Groups::States(states) => states.add(connection.state.clone(), connection),
            Groups::Origins(origins) => origins.add(connection.origin, connection),
        }
    }

    /// The groups, the largest first, and those of the same size in the order of their keys.
    pub fn largest(self, limit: Option<usize>) -> GroupCounts {
        let mut groups = self.groups;
        match &mut groups {
            Groups::Clients(clients) => clients.counts.arrange(),
            Groups::Services(services) => services.arrange(),
            Groups::Servers(servers) => servers.arrange(),
            Groups::States(states) => states.arrange(),
            Groups::Origins(origins) => origins.arrange(),
        }
        GroupCounts { grouping: self.grouping, groups, limit: limit.unwrap_or(usize::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use ipvs::model::{ConnectionProtocol, ConnectionTarget, VirtualService};

    #[test]
    fn groups_are_whole_however_many_entries_are_counted() {
        let end = SocketAddr::from(([10, 0, 0, 1], 80));
        let (protocol, target) = (ConnectionProtocol::Tcp, ConnectionTarget::Address(end));
        let state = ConnectionState::Established;
        let mut connection = Connection::new(protocol, [end, end], target, state, 900);
        let attribution = Attribution::default();
        for clients in [3, 100_000] {
            let mut counter = GroupCounter::new("client".parse().unwrap(), &attribution);
            let mut expected: BTreeMap<IpAddr, EntryCount> = BTreeMap::new();
            let mut random = 1_u32;
            for _ in 0..10 * SORTED_TOGETHER {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let client = Ipv4Addr::from_bits((random >> 8) % clients).into();
                // Port 0 makes it a template.
                let port = u16::from(random >> 31 == 0);
                connection.client = SocketAddr::new(client, port);
                counter.add(&connection);
                expected.entry(client).or_default().add(&connection);
            }
            let mut expected: Vec<(IpAddr, EntryCount)> = expected.into_iter().collect();
            expected.sort_by_key(|&(_, count)| Reverse(count));
            let counts = counter.largest(None);
            assert_eq!(counts.iter().count(), expected.len());
            for (GroupCount { group, count }, (client, expected)) in counts.iter().zip(expected) {
                assert_eq!((group, count), (Group::Client(Network::host(client)), expected));
            }
        }
    }

    #[test]
    fn groups_of_both_families_and_of_services_that_are_gone_are_in_one_order() {
        let mut attribution = Attribution::default();
        for service in ["tcp 10.0.0.1:80", "tcp [2001:db8::1]:80", "udp 10.0.0.1:80"] {
            attribution.insert(&VirtualService::new(service.parse().unwrap()), []);
        }
        let ends = ["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80", "[2001:db8::2]:80"];
        let ends = ends.map(|end| end.parse::<SocketAddr>().unwrap());
        let mut services = GroupCounter::new(ConnectionGrouping::Service, &attribution);
        let mut servers = GroupCounter::new(ConnectionGrouping::Server, &attribution);
        let mut clients = GroupCounter::new("client".parse().unwrap(), &attribution);
        let mut expected: [BTreeMap<Group, EntryCount>; 3] = Default::default();
        let mut random = 1_u32;
        for _ in 0..60 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let end = ends[usize::try_from(random >> 8).unwrap() % ends.len()];
            let protocol = match random >> 31 {
                0 => ConnectionProtocol::Tcp,
                _ => ConnectionProtocol::Udp,
            };
            let (target, state) = (ConnectionTarget::Address(end), ConnectionState::Established);
            let entry = Connection::new(protocol, [end, end], target, state, 900);
            let owner = Group::Service(attribution.owner_of(&entry));
            let groups = [owner, Group::Server(end), Group::Client(Network::host(end.ip()))];
            for (counts, group) in expected.iter_mut().zip(groups) {
                counts.entry(group).or_default().add(&entry);
            }
            for counter in [&mut services, &mut servers, &mut clients] {
                counter.add(&entry);
            }
        }
        for (counter, expected) in [services, servers, clients].into_iter().zip(expected) {
            let mut expected: Vec<(Group, EntryCount)> = expected.into_iter().collect();
            expected.sort_by_key(|&(_, count)| Reverse(count));
            let counts = counter.largest(None);
            let found = counts.iter().map(|GroupCount { group, count }| (group, count));
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }
}
