//! Reads the numbers of a sample: the table, the totals and the load of connection tracking.

use std::time::Instant;

use ipvs::kernel::Namespace;
use ipvs::netlink::Transport;

use super::sample::{Conntrack, Reading};
use crate::commands::{CurrentTable, Error, Session, read_table};
use crate::host::sysctl;

/// Reads once. Without rights, services and servers lack their counters.
///
/// # Errors
/// When the table cannot be read. Totals and limits are left out if they cannot be read.
pub(super) fn read<T: Transport>(
    session: &mut Session<T>,
    start: Instant,
) -> Result<Reading, Error> {
    let CurrentTable { info, services, daemons } = read_table(session)?;
    let namespace = session.namespace();
    Ok(Reading {
        time: start.elapsed(),
        info,
        services,
        has_counters: daemons.is_some(),
        totals: namespace.totals().ok().map(|totals| totals.counters),
        conntrack: conntrack(namespace),
    })
}

/// The load of connection tracking. `None` where IPVS does not use it.
fn conntrack(namespace: &Namespace) -> Option<Conntrack> {
    let number = |path: &str| sysctl(path)?.parse::<u64>().ok();
    let read = || {
        if number("net/ipv4/vs/conntrack")? == 0 {
            return None;
        }
        let entries = number("net/netfilter/nf_conntrack_count")?;
        let limit = number("net/netfilter/nf_conntrack_max")?;
        Some(Conntrack { entries, limit })
    };
    namespace.enter(read).ok().flatten()
}
