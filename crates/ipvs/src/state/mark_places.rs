//! Finds the services of firewall marks in `/proc/net/ip_vs`, which lacks their family.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::model::ServiceKey;

/// The places in the file of the firewall marks that one family has, in the file and in a dump.
#[derive(Clone, Debug)]
pub(super) struct MarkPlaces(BTreeMap<NonZeroU32, usize>);

impl MarkPlaces {
    /// Compares the services of the file with those of a dump.
    pub(super) fn new<'a>(
        listed: impl Iterator<Item = &'a ServiceKey>,
        dumped: impl Iterator<Item = &'a ServiceKey>,
    ) -> Self {
        let mut places = of_one_family(listed);
        let dumped = of_one_family(dumped);
        places.retain(|mark, _| dumped.contains_key(mark));
        Self(places)
    }

    /// The place of the only service with the mark of a key.
    pub(super) fn of(&self, key: &ServiceKey) -> Option<usize> {
        match key {
            ServiceKey::Address { .. } => None,
            ServiceKey::Fwmark { mark, .. } => self.0.get(mark).copied(),
        }
    }
}

/// The places of the marks that appear once in a list of services.
fn of_one_family<'a>(keys: impl Iterator<Item = &'a ServiceKey>) -> BTreeMap<NonZeroU32, usize> {
    let mut places = BTreeMap::new();
    for (place, key) in keys.enumerate() {
        if let ServiceKey::Fwmark { mark, .. } = *key {
            places.entry(mark).and_modify(|place| *place = None).or_insert(Some(place));
        }
    }
    places.into_iter().filter_map(|(mark, place)| Some((mark, place?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_both_families_has_no_place() {
        let keys = ["tcp 10.0.0.1:80", "fwmark 1", "fwmark 2", "fwmark 1 ipv6", "fwmark 3 ipv6"];
        let keys = keys.map(|key| key.parse::<ServiceKey>().unwrap());
        let places = MarkPlaces::new(keys.iter(), keys.iter());
        let found = keys.map(|key| places.of(&key));
        assert_eq!(found, [None, None, Some(2), None, Some(4)]);
        // The kernel may leave one of them out of the file.
        let [_, _, second, ..] = keys;
        let places = MarkPlaces::new([second].iter(), keys.iter());
        assert_eq!(keys.map(|key| places.of(&key)), [None, None, Some(0), None, None]);
        let places = MarkPlaces::new(keys[..2].iter(), keys.iter());
        assert_eq!(keys.map(|key| places.of(&key)), [None; 5]);
    }
}
