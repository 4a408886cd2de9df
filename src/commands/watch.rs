//! `-L --watch`: repeats a listing until a signal ends it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ipvs::ErrorKind;
use ipvs::error::Operation;
use ipvs::netlink::Transport;
use ipvs_rules::{List, ListSubject, OutputFormat};

use super::list_once::list_once;
use super::list_services::write_missing_service;
use super::{Error, Session};
use crate::process::{INTERRUPT, Screen, Watch};

/// Repeats a listing. On a terminal each listing takes the place of the one before; elsewhere they follow each other, JSON
/// with one document in each line.
///
/// # Errors
/// The kernel's refusal, or the output's; [`Error::Stopped`] for every signal but SIGINT, which is the usual end.
pub(super) fn watch<T: Transport>(
    list: &List,
    interval: Duration,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut screen = match list.format {
        OutputFormat::Text => Screen::of_standard_output(),
        OutputFormat::Json => None,
    };
    let signals = caught_signals()?;
    if screen.is_some() {
        signals.wake_at_resizes().map_err(Error::Signals)?;
    }
    let mut is_first = true;
    repeat(&signals, interval, || {
        let is_first = std::mem::replace(&mut is_first, false);
        let mut list_again = |out: &mut dyn Write| match list_once(list, session, out) {
            Err(error) if !is_first && is_missing_service(list, &error) => {
                write_missing_service(&error, list.format, session, out)
            }
            result => result,
        };
        match (&mut screen, list.format) {
            (Some(screen), _) => {
                let mut picture = screen.picture();
                list_again(&mut picture)?;
                screen.show(&picture).map_err(Error::Output)?;
            }
            (None, OutputFormat::Json) => {
                list_again(&mut OneLine(out))?;
                out.write_all(b"\n").map_err(Error::Output)?;
            }
            (None, OutputFormat::Text) => {
                if !is_first {
                    out.write_all(b"\n").map_err(Error::Output)?;
                }
                list_again(out)?;
            }
        }
        out.flush().map_err(Error::Output)
    })
}

/// Tests whether the one service of a listing is missing. It may come back, for example in a restore that clears the table.
fn is_missing_service(list: &List, error: &Error) -> bool {
    let is_of_one = matches!(list.subject, ListSubject::Services { service: Some(_), .. });
    let Error::Library(error) = error else { return false };
    is_of_one && error.operation() == Operation::ListServices && error.kind() == ErrorKind::NotFound
}

/// From now on signals end a repetition between two readings, or soon if a reading does not end.
pub(super) fn caught_signals() -> Result<Watch, Error> {
    let signals = Watch::begun().map_err(Error::Signals)?;
    signals.end_late(PATIENCE).map_err(Error::Signals)?;
    Ok(signals)
}

/// Calls a function at regular times until a signal arrives. A call that takes longer than the interval is followed by the
/// next at once.
pub(super) fn repeat(
    signals: &Watch,
    interval: Duration,
    mut work: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let start = Instant::now();
        work()?;
        signals.wait(interval.saturating_sub(start.elapsed())).map_err(Error::Signals)?;
        match signals.signal() {
            None => {}
            Some(signal) if signal == INTERRUPT => return Ok(()),
            Some(signal) => return Err(Error::Stopped { signal }),
        }
    }
}

/// The time that a reading has to end after a signal. A reader that takes no more output would delay it for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// A stream that gets a JSON document without its line ends, which are between values only.
struct OneLine<'a>(&'a mut dyn Write);

impl Write for OneLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split(|&byte| byte == b'\n') {
            self.0.write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
