//! The pauses between readings of the connection table.

use std::time::Duration;

/// A pause is this many times as long as the reading before it, so that readings take at most 2 % of the time.
const FACTOR: u32 = 50;

/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(1);

/// The time of the next reading. All times count from the start of the drain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next: Duration,
}

impl Pace {
    /// Returns whether the pause after the last reading is over.
    pub(super) fn is_due(self, now: Duration) -> bool {
        now >= self.next
    }

    /// Records a reading.
    pub(super) fn record(&mut self, began: Duration, ended: Duration) {
        let pause = ended.saturating_sub(began).saturating_mul(FACTOR);
        self.next = ended.saturating_add(pause.max(SHORTEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn first_reading_is_due_at_once() {
        assert!(Pace::default().is_due(Duration::ZERO));
    }

    #[test]
    fn pause_is_50_times_as_long_as_the_reading_and_at_least_a_second() {
        for (took, pause) in [(0, 1_000), (1, 1_000), (20, 1_000), (21, 1_050), (1_000, 50_000)] {
            let mut pace = Pace::default();
            pace.record(ms(5_000), ms(5_000 + took));
            assert!(!pace.is_due(ms(5_000 + took + pause - 1)), "{took}");
            assert!(pace.is_due(ms(5_000 + took + pause)), "{took}");
        }
    }

    #[test]
    fn clock_that_goes_backwards_and_a_reading_without_end_are_no_fault() {
        let mut pace = Pace::default();
        pace.record(ms(2), ms(1));
        assert!(pace.is_due(ms(1_001)));
        pace.record(Duration::ZERO, Duration::MAX);
        assert!(!pace.is_due(ms(1_000_000)));
    }
}
