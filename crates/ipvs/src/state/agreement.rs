//! Reads the table while other programs change it: again, until two readings agree.

use std::collections::BTreeMap;

use super::snapshot::ServiceSnapshot;
use super::walk::{Order, Selection, read_servers, read_services};
use crate::error::{Error, ErrorKind, Operation};
use crate::model::{RealServerState, ServiceKey, ServiceState};
use crate::netlink::{Client, Transport};

/// The number of readings that may disagree before the reading fails.
const READINGS: usize = 10;

/// The number of these that read all real servers. Later ones read only the services whose real servers changed, so that
/// a large table that never rests as a whole can be read.
const WHOLE_READINGS: usize = 5;

/// Reads services in the order of their keys until two readings in a row are the same. `same` compares the real servers
/// of a service in both readings; see [`same_entries`].
///
/// # Errors
/// [`ErrorKind::Interrupted`] when no two readings agree; the kernel's refusal; a malformed answer.
pub fn read_consistent<T: Transport>(
    client: &mut Client<T>,
    selection: Selection,
    same: impl Fn(&[RealServerState], &[RealServerState]) -> bool,
) -> Result<Vec<ServiceSnapshot>, Error> {
    let mut before: BTreeMap<ServiceKey, Reading> = BTreeMap::new();
    for count in 1..=READINGS {
        let mut now = BTreeMap::new();
        for state in read_services(client, selection, Order::Sorted)? {
            let key = state.service.key;
            let reading = match before.remove(&key) {
                Some(reading) if reading.is_steady && count > WHOLE_READINGS => {
                    Reading { state, ..reading }
                }
                earlier => {
                    let servers = read_servers(client, &key, Order::Sorted)?;
                    let is_steady = earlier.is_some_and(|earlier| same(&earlier.servers, &servers));
                    Reading { state, servers, is_steady }
                }
            };
            now.insert(key, reading);
        }
        let is_none_gone = count > 1 && before.is_empty();
        if is_none_gone && now.values().all(|reading| reading.is_steady) {
            let services = now.into_values();
            return Ok(services
                .map(|Reading { state, servers, .. }| ServiceSnapshot { service: state, servers })
                .collect());
        }
        before = now;
    }
    Err(Error::new(ErrorKind::Interrupted, Operation::ListServices)
        .with_detail(format!("no two of {READINGS} readings agree")))
}

/// Whether two readings have the same real servers. Their weights and counters may differ: each entry is read as a whole,
/// so an edit makes no reading inconsistent.
pub fn same_entries(one: &[RealServerState], other: &[RealServerState]) -> bool {
    let keys = |servers: &[RealServerState]| -> Vec<_> {
        servers.iter().map(|state| state.server.key).collect()
    };
    keys(one) == keys(other)
}

/// A service in the last reading.
struct Reading {
    state: ServiceState,
    servers: Vec<RealServerState>,
    /// Two readings in a row have the same real servers.
    is_steady: bool,
}
