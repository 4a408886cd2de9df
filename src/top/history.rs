//! The rates of the last minute, for the graphs.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use ipvs::model::ServiceKey;

use super::sample::{PerSecond, Sample, as_float};

/// The time that a graph shows.
const SPAN: Duration = Duration::from_secs(60);

/// The fewest samples of a graph, where the interval is long.
const FEWEST: usize = 10;

/// A number that a graph shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Active connections.
    Active,
    /// Connections a second.
    Connections,
    /// Packets a second.
    Packets,
    /// Bytes a second.
    Bytes,
}

impl Measure {
    /// The name on the screen.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active connections",
            Self::Connections => "connections a second",
            Self::Packets => "packets a second",
            Self::Bytes => "bytes a second",
        }
    }
}

/// The numbers of one service at one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    active: f32,
    connections: f32,
    packets: f32,
    bytes: f32,
}

impl Point {
    fn new(active: u64, rates: Option<PerSecond>) -> Self {
        let rates = rates.unwrap_or_default();
        Self {
            active: narrowed(as_float(active)),
            connections: narrowed(rates.connections),
            packets: narrowed(rates.packets()),
            bytes: narrowed(rates.bytes()),
        }
    }

    const fn get(self, measure: Measure) -> f32 {
        match measure {
            Measure::Active => self.active,
            Measure::Connections => self.connections,
            Measure::Packets => self.packets,
            Measure::Bytes => self.bytes,
        }
    }
}

/// The numbers of one service, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Track(VecDeque<Point>);

impl Track {
    fn push(&mut self, point: Point, most: usize) {
        if self.0.len() == most {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    /// The numbers of a measure in a row of at most some cells, the newest in the last one. A cell shows the highest of
    /// its numbers if there are more numbers than cells. `None` for a time before the first sample.
    pub(super) fn cells(&self, measure: Measure, room: usize, most: usize) -> Vec<Option<f32>> {
        let of_each = most.div_ceil(room.max(1)).max(1);
        let cells = most.div_ceil(of_each).min(room);
        let numbers: Vec<f32> = self.0.iter().map(|point| point.get(measure)).collect();
        let mut row: Vec<Option<f32>> = numbers
            .rchunks(of_each)
            .map(|chunk| chunk.iter().copied().reduce(f32::max))
            .take(cells)
            .collect();
        row.resize(cells, None);
        row.reverse();
        row
    }

    /// The highest number.
    pub(super) fn highest(&self, measure: Measure) -> f32 {
        self.0.iter().map(|point| point.get(measure)).fold(0.0, f32::max)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a graph has eight heights")]
const fn narrowed(number: f64) -> f32 {
    number as f32
}

/// The tracks of all services and of the total.
#[derive(Clone, Debug)]
pub(super) struct History {
    most: usize,
    /// In the order of their keys.
    services: Vec<(ServiceKey, Track)>,
    /// The track of all services together.
    pub(super) total: Track,
}

impl History {
    /// An empty history of samples that are taken at an interval.
    pub(super) fn new(interval: Duration) -> Self {
        let samples = SPAN.as_secs() / interval.as_secs().max(1);
        let most = usize::try_from(samples).unwrap_or(FEWEST).max(FEWEST);
        Self { most, services: Vec::new(), total: Track::default() }
    }

    /// The number of samples that the history holds.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Adds a sample. Services that it lacks are forgotten.
    pub(super) fn add(&mut self, sample: &Sample) {
        let most = self.most;
        let active = sample.services.iter().map(|service| service.active).sum();
        self.total.push(Point::new(active, sample.totals()), most);
        let is_same = self.services.len() == sample.services.len()
            && self.services.iter().zip(&sample.services).all(|((key, _), now)| key == now.key());
        if !is_same {
            self.take_over_keys(sample);
        }
        for ((_, track), service) in self.services.iter_mut().zip(&sample.services) {
            track.push(Point::new(service.active, service.rates()), most);
        }
    }

    /// Gives every service of a sample a track.
    fn take_over_keys(&mut self, sample: &Sample) {
        let mut old = std::mem::take(&mut self.services).into_iter().peekable();
        self.services = sample
            .services
            .iter()
            .map(|service| {
                let key = *service.key();
                while old.next_if(|(earlier, _)| earlier.cmp(&key) == Ordering::Less).is_some() {}
                let track = old.next_if(|(earlier, _)| *earlier == key).map(|(_, track)| track);
                (key, track.unwrap_or_default())
            })
            .collect();
    }

    /// The track of a service.
    pub(super) fn track(&self, key: &ServiceKey) -> Option<&Track> {
        let place = self.services.binary_search_by_key(&key, |(key, _)| key).ok()?;
        self.services.get(place).map(|(_, track)| track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{reading, server, service};

    /// A history over samples whose one server has these active connections.
    fn history(interval: u64, active: &[(&str, u32)]) -> History {
        let mut history = History::new(Duration::from_secs(interval));
        for (time, (key, active)) in (0..).zip(active) {
            let mut server = server("10.1.0.1:80", 1);
            server.active_connections = *active;
            let reading = reading(time, vec![service(key, vec![server])]);
            history.add(&Sample::new(reading, None));
        }
        history
    }

    const KEY: &str = "tcp 10.0.0.1:80";

    fn cells(history: &History, key: &str, cells: usize) -> Vec<Option<f32>> {
        let track = history.track(&key.parse().unwrap()).unwrap();
        track.cells(Measure::Active, cells, history.most())
    }

    #[test]
    fn newest_number_is_in_the_last_cell() {
        let history = history(1, &[(KEY, 1), (KEY, 5), (KEY, 2)]);
        assert_eq!(cells(&history, KEY, 60)[56..], [None, Some(1.0), Some(5.0), Some(2.0)]);
        assert_eq!(cells(&history, KEY, 2), [None, Some(5.0)], "30 samples in each cell");
        assert_eq!(history.total.highest(Measure::Active), 5.0);
        assert_eq!(cells(&history, KEY, 0), []);
    }

    #[test]
    fn history_ends_after_a_minute_or_ten_samples() {
        for (interval, most) in [(1, 60), (5, 12), (10, 10), (3600, 10)] {
            let history = history(interval, &[(KEY, 1); 100]);
            let row = cells(&history, KEY, 100);
            assert_eq!(row.iter().flatten().count(), most, "every {interval} s");
        }
    }

    #[test]
    fn deleted_service_is_forgotten_and_a_new_one_starts_empty() {
        let other = "tcp 10.0.0.2:80";
        let history = history(1, &[(KEY, 1), (other, 2), (other, 3), (KEY, 4)]);
        assert!(history.track(&other.parse().unwrap()).is_none());
        assert_eq!(cells(&history, KEY, 60)[58..], [None, Some(4.0)]);
    }
}
