//! `-L`: lists one subject once, repeats the listing, or prints its changes.

use std::io::Write;

use ipvs::netlink::Transport;
use ipvs_rules::{List, ListSubject};

use super::list_once::list_once;
use super::monitor::monitor;
use super::watch::watch;
use super::{Error, Session};

/// Lists one subject: once, or again and again, or its changes.
///
/// # Errors
/// The kernel's refusal, or the output's; a signal other than SIGINT that ends repetitions.
pub fn list<T: Transport>(
    list: &List,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match (&list.subject, list.interval) {
        (ListSubject::Changes, interval) => {
            monitor(interval.unwrap_or_default(), list.format, session, out)
        }
        (_, Some(interval)) => watch(list, interval, session, out),
        (_, None) => list_once(list, session, out),
    }
}
