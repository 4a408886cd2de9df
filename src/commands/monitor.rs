//! `-L --monitor`: prints the changes of the table until a signal ends it.
//!
//! The kernel has no notifications, so the table is read at regular times. Changes that are undone between two readings
//! leave no trace.

use std::io::Write;
use std::time::Duration;

use ipvs::Client;
use ipvs::netlink::Transport;
use ipvs::state::{Snapshot, differences};
use ipvs_rules::OutputFormat;

use super::watch::{caught_signals, repeat};
use super::{Error, Session};
use crate::output::{TableChange, write_document};
use crate::process::utc_now;

/// The most readings until two in a row agree. The kernel marks no reading as interrupted, so one that is made during a
/// change may lack a service.
const READINGS: usize = 10;

/// Prints each change as a line, in text or JSON.
///
/// # Errors
/// The kernel's refusal, or the output's; a signal other than SIGINT, which is the usual end.
pub(super) fn monitor<T: Transport>(
    interval: Duration,
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let client = session.client()?;
    let mut known = None;
    repeat(&caught_signals()?, interval, || {
        let now = read_settled(client, known.as_ref())?;
        let events = known.as_ref().map(|known| differences(known, &now)).unwrap_or_default();
        let mut lines = Vec::new();
        for event in &events {
            let change = TableChange { time: utc_now(), event };
            write_document(&mut lines, &change, format).map_err(Error::Output)?;
        }
        known = Some(now);
        out.write_all(&lines).and_then(|()| out.flush()).map_err(Error::Output)
    })
}

/// Reads the table. A reading that differs from the known table is repeated until two in a row agree.
fn read_settled<T: Transport>(
    client: &mut Client<T>,
    known: Option<&Snapshot>,
) -> Result<Snapshot, Error> {
    let mut last = Snapshot::read(client)?;
    if known.is_some_and(|known| differences(known, &last).is_empty()) {
        return Ok(last);
    }
    for _ in 1..READINGS {
        let next = Snapshot::read(client)?;
        let is_settled = differences(&last, &next).is_empty();
        last = next;
        if is_settled {
            break;
        }
    }
    Ok(last)
}
