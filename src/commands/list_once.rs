//! Selects the listing of a subject, and buffers its output.

use std::io::Write;

use ipvs::netlink::Transport;
use ipvs::state::Order;
use ipvs_rules::{List, ListSubject};

use super::list_connections::list_connections;
use super::list_daemons::list_daemons;
use super::list_metrics::list_metrics;
use super::list_services::{ServicesListing, list_services};
use super::list_summary::list_summary;
use super::list_timeouts::list_timeouts;
use super::sysctls::list_sysctls;
use super::{Error, Session};
use crate::output::Buffered;

/// Lists one subject once.
///
/// # Errors
/// The kernel's refusal, or the output's.
pub(super) fn list_once<T: Transport>(
    list: &List,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let List { ref subject, is_numeric, format, interval: _ } = *list;
    let mut out = Buffered::new(out);
    match *subject {
        ListSubject::Services { service, columns, is_sorted } => {
            let order = if is_sorted { Order::Sorted } else { Order::Kernel };
            let listing = ServicesListing { service, columns, order, is_numeric, format };
            list_services(&listing, session, &mut out)?;
        }
        ListSubject::Connections(ref query) => {
            list_connections(query, is_numeric, format, session, &mut out)?;
        }
        ListSubject::Timeouts => list_timeouts(format, session, &mut out)?,
        // They are of several readings.
        ListSubject::Changes => {}
        ListSubject::Daemons => list_daemons(format, session, &mut out)?,
        ListSubject::Metrics(ref query) => list_metrics(query, session, &mut out)?,
        ListSubject::Summary { has_header } => {
            list_summary(has_header, is_numeric, format, session, &mut out)?;
        }
        ListSubject::Sysctls { has_header } => {
            list_sysctls(has_header, format, session, &mut out)?;
        }
    }
    out.finish().map_err(Error::Output)
}
