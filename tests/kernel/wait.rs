//! Waits for conditions. A machine may be slow or fast, and may run other programs at the same time, so a test waits for the
//! condition itself and never for a time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// A condition that does not hold by then, and a program that has not ended by then, fail the test. A busy machine takes
/// seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Repeats an attempt until it succeeds.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Repeats a reading until it is as wanted, and returns it. The message of a failure shows the last reading.
#[track_caller]
pub(crate) fn wait_until_seen<T: std::fmt::Debug>(
    mut read: impl FnMut() -> T,
    is_wanted: impl Fn(&T) -> bool,
) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let seen = read();
        if is_wanted(&seen) {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "stayed {seen:#?}");
        sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
}
