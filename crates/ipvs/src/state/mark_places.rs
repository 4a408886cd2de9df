//! Finds the services of firewall marks in `/proc/net/ip_vs`, which lacks their family.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::model::ServiceKey;

/// The places of firewall marks in a list of services. A mark that two families have has no place.
#[derive(Clone, Debug, Default)]
pub(super) struct MarkPlaces(BTreeMap<NonZeroU32, Option<usize>>);

impl MarkPlaces {
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a ServiceKey>) -> Self {
        let mut places = BTreeMap::new();
        for (place, key) in keys.enumerate() {
            if let ServiceKey::Fwmark { mark, .. } = *key {
                places.entry(mark).and_modify(|place| *place = None).or_insert(Some(place));
            }
        }
        Self(places)
    }

    /// The place of the only service with the mark of a key.
    pub(super) fn only(&self, key: &ServiceKey) -> Option<usize> {
        match key {
            ServiceKey::Address { .. } => None,
            ServiceKey::Fwmark { mark, .. } => self.0.get(mark).copied().flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_both_families_has_no_place() {
        let keys = ["tcp 10.0.0.1:80", "fwmark 1", "fwmark 2", "fwmark 1 ipv6", "fwmark 3 ipv6"];
        let keys = keys.map(|key| key.parse::<ServiceKey>().unwrap());
        let places = MarkPlaces::new(keys.iter());
        let found = keys.map(|key| places.only(&key));
        assert_eq!(found, [None, None, Some(2), None, Some(4)]);
    }
}
