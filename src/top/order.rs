//! The orders in which the rows of the table can be sorted.

use std::cmp::Reverse;

use super::history::Measure;
use super::sample::{PerSecond, as_float};

/// The order of services, and of the real servers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By address or mark, as listings have them.
    Key,
    Active,
    Inactive,
    Connections,
    Packets,
    Bytes,
}

impl Order {
    const ALL: [Self; 6] =
        [Self::Key, Self::Active, Self::Inactive, Self::Connections, Self::Packets, Self::Bytes];

    /// The name on the screen.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Key => "address",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Connections => "conn/s",
            Self::Packets => "pkt/s",
            Self::Bytes => "byte/s",
        }
    }

    /// The number that graphs show in this order.
    pub(super) const fn measure(self, has_counters: bool) -> Measure {
        match self {
            Self::Active | Self::Inactive => Measure::Active,
            Self::Packets => Measure::Packets,
            Self::Bytes => Measure::Bytes,
            Self::Key | Self::Connections if has_counters => Measure::Connections,
            Self::Key | Self::Connections => Measure::Active,
        }
    }

    /// The order that follows, after the last one the first.
    pub(super) fn next(self) -> Self {
        self.moved(1)
    }

    /// The order before, before the first one the last.
    pub(super) fn previous(self) -> Self {
        self.moved(Self::ALL.len() - 1)
    }

    fn moved(self, by: usize) -> Self {
        let place = Self::ALL.iter().position(|order| *order == self).unwrap_or_default();
        Self::ALL.get((place + by) % Self::ALL.len()).copied().unwrap_or(self)
    }

    /// The number to sort by, the largest first.
    pub(super) fn number(self, active: u64, inactive: u64, rates: Option<PerSecond>) -> f64 {
        let rates = rates.unwrap_or_default();
        match self {
            Self::Key => 0.0,
            Self::Active => as_float(active),
            Self::Inactive => as_float(inactive),
            Self::Connections => rates.connections,
            Self::Packets => rates.packets(),
            Self::Bytes => rates.bytes(),
        }
    }

    /// The places of these numbers, the largest number first. Equal numbers keep their order.
    pub(super) fn sorted(self, numbers: impl Iterator<Item = f64>) -> Vec<usize> {
        if self == Self::Key {
            return (0..numbers.count()).collect();
        }
        let mut places: Vec<(Reverse<u64>, usize)> =
            // The bits of floats that are not negative have the order of the numbers.
            numbers.enumerate().map(|(place, number)| (Reverse(number.to_bits()), place)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, place)| place).collect()
    }
}
