//! Reads the table while other programs change it.
//!
//! The kernel lists services and the real servers of each by separate dumps and marks none of them as interrupted. Only
//! reading again shows that services or real servers came or went meanwhile. Edits, of weights for instance, make no
//! reading inconsistent: each entry is read as a whole.

use std::collections::BTreeMap;

use super::Error;
use crate::model::{RealServerState, ServiceKey, ServiceState};
use crate::netlink::Client;

/// How many readings must not agree before the table counts as too restless to be saved.
const READINGS: usize = 10;

/// How many of these read all real servers. The others read only the services whose real servers came or went, so that a
/// large table that never rests as a whole can be saved.
const WHOLE_READINGS: usize = 5;

/// A service and its real servers, in the order of listings.
pub(super) type ServiceReading = (ServiceState, Vec<RealServerState>);

/// Reads one service, or all, once.
pub(super) fn read_once(
    service: Option<&ServiceKey>,
    client: &mut Client,
) -> Result<Vec<ServiceReading>, Error> {
    let mut services = read_services(service, client)?;
    services.sort_unstable_by_key(|state| state.service.key);
    let mut readings = Vec::with_capacity(services.len());
    for state in services {
        let servers = read_servers(&state.service.key, client)?;
        readings.push((state, servers));
    }
    Ok(readings)
}

/// Reads one service, or all, until two readings in a row have the same services and real servers.
pub(super) fn read_consistently(
    service: Option<&ServiceKey>,
    client: &mut Client,
) -> Result<Vec<ServiceReading>, Error> {
    let mut before: BTreeMap<ServiceKey, Known> = BTreeMap::new();
    for reading in 1..=READINGS {
        let mut now = BTreeMap::new();
        for state in read_services(service, client)? {
            let key = state.service.key;
            let known = match before.remove(&key) {
                Some(known) if known.is_steady && reading > WHOLE_READINGS => {
                    Known { state, ..known }
                }
                known => {
                    let servers = read_servers(&key, client)?;
                    let is_steady = known.is_some_and(|known| known.has_the_same(&servers));
                    Known { state, servers, is_steady }
                }
            };
            now.insert(key, known);
        }
        let none_is_gone = reading > 1 && before.is_empty();
        if none_is_gone && now.values().all(|known| known.is_steady) {
            return Ok(now.into_values().map(|known| (known.state, known.servers)).collect());
        }
        before = now;
    }
    Err(Error::Restless { readings: READINGS })
}

/// A service as the last reading had it.
struct Known {
    state: ServiceState,
    servers: Vec<RealServerState>,
    /// Two readings in a row have the same real servers.
    is_steady: bool,
}

impl Known {
    fn has_the_same(&self, servers: &[RealServerState]) -> bool {
        let keys = |servers: &[RealServerState]| -> Vec<_> {
            servers.iter().map(|state| state.server.key).collect()
        };
        keys(&self.servers) == keys(servers)
    }
}

fn read_services(
    service: Option<&ServiceKey>,
    client: &mut Client,
) -> Result<Vec<ServiceState>, Error> {
    Ok(match service {
        Some(key) => vec![client.service(key)?],
        None => client.services()?,
    })
}

fn read_servers(key: &ServiceKey, client: &mut Client) -> Result<Vec<RealServerState>, Error> {
    let mut servers = client.real_servers(key)?;
    servers.sort_unstable_by_key(|state| state.server.key);
    Ok(servers)
}
