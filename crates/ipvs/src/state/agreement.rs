//! Reads the table while other programs change it: again, until two readings agree.

use std::collections::BTreeMap;

use super::walk::{Order, Selection, read_servers, read_services, walk};
use crate::error::{Error, ErrorKind, Operation};
use crate::model::{Configured, RealServer, ServiceKey, VirtualService};
use crate::netlink::{Client, Rules, Transport};

/// The number of readings that may disagree before the reading fails.
const READINGS: usize = 10;

/// The number of these that read all real servers. Later ones read only the services whose real servers changed, so that
/// a large table that never rests as a whole can be read.
const WHOLE_READINGS: usize = 5;

/// The rules of a virtual service as the kernel lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRules {
    /// The service.
    pub service: Configured<VirtualService>,
    /// Its real servers, in the order of their keys.
    pub servers: Vec<Configured<RealServer>>,
}

/// Reads rules once, in the order of their keys.
///
/// # Errors
/// The kernel's refusal, or a malformed answer.
pub fn read_rules<T: Transport>(
    client: &mut Client<T>,
    selection: Selection<'_>,
) -> Result<Vec<ListedRules>, Error> {
    let mut rules = Vec::new();
    walk(client, Rules, selection, Order::Sorted, |service, servers| {
        rules.push(ListedRules { service, servers });
        Ok::<_, Error>(())
    })?;
    Ok(rules)
}

/// Reads rules in the order of their keys until two readings in a row are the same. `same` compares the real servers of a
/// service in both readings; see [`same_entries`].
///
/// # Errors
/// [`ErrorKind::Interrupted`] when no two readings agree; the kernel's refusal; a malformed answer.
pub fn read_consistent<T: Transport>(
    client: &mut Client<T>,
    selection: Selection<'_>,
    same: impl Fn(&[Configured<RealServer>], &[Configured<RealServer>]) -> bool,
) -> Result<Vec<ListedRules>, Error> {
    let mut before: BTreeMap<ServiceKey, Reading> = BTreeMap::new();
    for count in 1..=READINGS {
        let mut now = BTreeMap::new();
        for service in read_services::<Rules, T>(client, selection, Order::Sorted)? {
            let key = service.entry.key;
            let reading = match before.remove(&key) {
                Some(earlier) if earlier.is_steady && count > WHOLE_READINGS => {
                    let servers = earlier.rules.servers;
                    Reading { rules: ListedRules { service, servers }, is_steady: true }
                }
                earlier => {
                    let servers = read_servers::<Rules, T>(client, &key, Order::Sorted)?;
                    let is_steady =
                        earlier.is_some_and(|earlier| same(&earlier.rules.servers, &servers));
                    Reading { rules: ListedRules { service, servers }, is_steady }
                }
            };
            now.insert(key, reading);
        }
        let is_none_gone = count > 1 && before.is_empty();
        if is_none_gone && now.values().all(|reading| reading.is_steady) {
            return Ok(now.into_values().map(|reading| reading.rules).collect());
        }
        before = now;
    }
    Err(Error::new(ErrorKind::Interrupted, Operation::ListServices)
        .with_detail(format!("no two of {READINGS} readings agree")))
}

/// True if two readings have the same real servers. Their weights may differ: each entry is read as a whole, so an edit
/// makes no reading inconsistent.
pub fn same_entries(one: &[Configured<RealServer>], other: &[Configured<RealServer>]) -> bool {
    let keys = |servers: &[Configured<RealServer>]| -> Vec<_> {
        servers.iter().map(|server| server.entry.key).collect()
    };
    keys(one) == keys(other)
}

/// A service in the last reading.
struct Reading {
    rules: ListedRules,
    /// Two readings in a row have the same real servers.
    is_steady: bool,
}
