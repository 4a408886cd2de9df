//! Counts entries of the connection table by group.
//!
//! Clients choose their addresses, so a hash table would have to compute a keyed hash for each entry. The counter sorts many
//! keys together instead, which takes fewer instructions. Memory grows with the number of groups, and not with the number
//! of entries.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipvs::model::{Connection, ConnectionOrigin, ConnectionState, Network};
use ipvs::state::{Attribution, Owner};
use ipvs_rules::ConnectionGrouping;

use super::connection_counts::{EntryCount, Group, GroupCount, GroupCounts};

/// The number of entries that are sorted together, at least.
const SORTED_TOGETHER: usize = 16 * 1024;

/// The numbers of entries with each key.
#[derive(Debug)]
struct Counts<K> {
    /// A key occurs once up to the place where the counts were added up last, and any number of times behind it.
    counts: Vec<(K, EntryCount)>,
    /// The length at which they are added up again.
    limit: usize,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { counts: Vec::new(), limit: SORTED_TOGETHER }
    }
}

impl<K: Ord> Counts<K> {
    fn add(&mut self, key: K, connection: &Connection) {
        if self.counts.len() == self.limit {
            self.add_up();
            self.limit = SORTED_TOGETHER.max(2 * self.counts.len());
        }
        let mut count = EntryCount::default();
        count.add(connection);
        self.counts.push((key, count));
    }

    /// Sorts the counts by key, and adds up those of the same key. The stable sort finds the keys that were sorted
    /// before, and merges the others into them.
    fn add_up(&mut self) {
        self.counts.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.counts.dedup_by(|(key, count), (kept, sum)| {
            let is_same = key == kept;
            if is_same {
                *sum += *count;
            }
            is_same
        });
    }

    /// The groups in the order of their keys.
    fn into_groups(mut self, group: impl Fn(K) -> Group) -> impl Iterator<Item = GroupCount> {
        self.add_up();
        self.counts.into_iter().map(move |(key, count)| GroupCount { group: group(key), count })
    }
}

/// The numbers of entries by the kind of their groups.
#[derive(Debug)]
enum Groups {
    /// Clients by the leading bits of their addresses.
    Clients(Clients),
    Services(Counts<Owner>),
    Servers(Counts<SocketAddr>),
    States(Counts<ConnectionState>),
    Origins(Counts<Option<ConnectionOrigin>>),
}

#[derive(Debug)]
struct Clients {
    ipv4_length: u8,
    ipv6_length: u8,
    ipv4_mask: u32,
    ipv6_mask: u128,
    ipv4: Counts<u32>,
    ipv6: Counts<u128>,
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
            ipv4: Counts::default(),
            ipv6: Counts::default(),
        }
    }

    fn add(&mut self, connection: &Connection) {
        match connection.client.ip() {
            IpAddr::V4(client) => self.ipv4.add(client.to_bits() & self.ipv4_mask, connection),
            IpAddr::V6(client) => self.ipv6.add(client.to_bits() & self.ipv6_mask, connection),
        }
    }

    fn into_groups(self) -> impl Iterator<Item = GroupCount> {
        let network = |address: IpAddr, length| {
            Group::Client(Network::new(address, length).unwrap_or(Network::host(address)))
        };
        let ipv4 = self
            .ipv4
            .into_groups(move |bits| network(Ipv4Addr::from_bits(bits).into(), self.ipv4_length));
        let ipv6 = self
            .ipv6
            .into_groups(move |bits| network(Ipv6Addr::from_bits(bits).into(), self.ipv6_length));
        ipv4.chain(ipv6)
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
            ConnectionGrouping::Service => Groups::Services(Counts::default()),
            ConnectionGrouping::Server => Groups::Servers(Counts::default()),
            ConnectionGrouping::State => Groups::States(Counts::default()),
            ConnectionGrouping::Origin => Groups::Origins(Counts::default()),
        };
        Self { grouping, attribution, groups }
    }

    /// Counts an entry.
    pub fn add(&mut self, connection: &Connection) {
        match &mut self.groups {
            Groups::Clients(clients) => clients.add(connection),
            Groups::Services(services) => {
                services.add(self.attribution.owner_of(connection), connection);
            }
            Groups::Servers(servers) => servers.add(connection.server, connection),
            Groups::States(states) => states.add(connection.state.clone(), connection),
            Groups::Origins(origins) => origins.add(connection.origin, connection),
        }
    }

    /// The groups, the largest first, and those of the same size in the order of their keys.
    pub fn largest(self, limit: Option<usize>) -> GroupCounts {
        let mut counts: Vec<GroupCount> = match self.groups {
            Groups::Clients(clients) => clients.into_groups().collect(),
            Groups::Services(services) => services.into_groups(Group::Service).collect(),
            Groups::Servers(servers) => servers.into_groups(Group::Server).collect(),
            Groups::States(states) => states.into_groups(Group::State).collect(),
            Groups::Origins(origins) => origins.into_groups(Group::Origin).collect(),
        };
        counts.sort_by_key(|group| Reverse(group.count));
        counts.truncate(limit.unwrap_or(usize::MAX));
        GroupCounts { grouping: self.grouping, counts }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use ipvs::model::{ConnectionProtocol, ConnectionTarget};

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
            let groups = counter.largest(None).counts;
            assert_eq!(groups.len(), expected.len());
            for (GroupCount { group, count }, (client, expected)) in groups.iter().zip(&expected) {
                assert_eq!((group, count), (&Group::Client(Network::host(*client)), expected));
            }
        }
    }
}
