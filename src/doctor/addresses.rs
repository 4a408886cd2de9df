//! The addresses of this machine, found by value or by network. A director may have thousands of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::host::Address;

/// Addresses of interfaces.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    all: Vec<Address>,
    places: BTreeMap<IpAddr, Vec<usize>>,
    /// The places of addresses whose networks have other addresses: one for each network of an interface.
    networks: Vec<usize>,
}

impl Addresses {
    /// All addresses, in the order of the kernel.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.all.iter()
    }

    /// The entries of an address: one for each interface that has it.
    pub fn of(&self, address: &IpAddr) -> impl Iterator<Item = &Address> {
        self.places.get(address).into_iter().flatten().filter_map(|&place| self.all.get(place))
    }

    /// The entries whose networks include an address, one for each network of an interface.
    pub fn including(&self, address: &IpAddr) -> impl Iterator<Item = &Address> {
        let networks = self.networks.iter().filter_map(|&place| self.all.get(place));
        networks.filter(move |own| is_in_network(address, own))
    }
}

impl From<Vec<Address>> for Addresses {
    fn from(all: Vec<Address>) -> Self {
        let mut places: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
        let (mut networks, mut seen) = (Vec::new(), BTreeSet::new());
        for (place, own) in all.iter().enumerate() {
            places.entry(own.address).or_default().push(place);
            let has_others = own.prefix_length < full_length(&own.address);
            if has_others && seen.insert((own.interface, network(own), own.prefix_length)) {
                networks.push(place);
            }
        }
        Self { all, places, networks }
    }
}

/// The length of a prefix that has one address.
pub fn full_length(address: &IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// The first address of a network.
fn network(own: &Address) -> IpAddr {
    let rest = u32::from(full_length(&own.address).saturating_sub(own.prefix_length));
    match own.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(rest).unwrap_or_default();
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(rest).unwrap_or_default();
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Another address of an interface's network, if it has one.
pub fn beside(own: &Address) -> Option<IpAddr> {
    if own.prefix_length >= full_length(&own.address) {
        return None;
    }
    Some(match own.address {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) ^ 1).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) ^ 1).into()),
    })
}

/// True if an address belongs to the network of an interface's address.
pub fn is_in_network(address: &IpAddr, own: &Address) -> bool {
    let of_address = Address { address: *address, ..own.clone() };
    address.is_ipv6() == own.address.is_ipv6() && network(&of_address) == network(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_kept_once_and_single_addresses_have_none() {
        let address = |text: &str, prefix_length| Address {
            interface: 2,
            address: text.parse().unwrap(),
            prefix_length,
            broadcast: None,
            has_peer: false,
            is_duplicate: false,
        };
        let addresses = Addresses::from(vec![
            address("10.0.0.1", 24),
            address("10.0.0.2", 24),
            address("10.0.0.3", 32),
            address("2001:db8::1", 64),
        ]);
        let including = |text: &str| addresses.including(&text.parse().unwrap()).count();
        assert_eq!(including("10.0.0.3"), 1);
        assert_eq!(including("10.0.1.3"), 0);
        assert_eq!(including("2001:db8::ffff"), 1);
        assert_eq!(including("2001:db8:0:1::"), 0);
        assert_eq!(addresses.of(&"10.0.0.3".parse().unwrap()).count(), 1);
        assert!(is_in_network(&"192.0.2.1".parse().unwrap(), &address("10.0.0.1", 0)));
    }
}
