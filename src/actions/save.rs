//! `-S`: the table as rule lines.

use std::io::Write;

use super::Error;
use super::session::Session;
use crate::model::{Change, Forwarding, RealServerState, ServiceKey, ServiceState};
use crate::names::Labels;
use crate::rules::{Save, write_change};

/// Writes the rules of the whole table in the order of `-L`.
///
/// # Errors
/// When the kernel says no, when it has a rule that no line can say, or when the output cannot be written.
pub fn save(save: &Save, session: &mut Session, out: &mut dyn Write) -> Result<(), Error> {
    let mut table = Vec::new();
    let mut services = session.client()?.services()?;
    services.sort_unstable_by_key(|state| state.service.key);
    for state in services {
        let mut servers = session.client()?.real_servers(&state.service.key)?;
        servers.sort_unstable_by_key(|state| state.server.key);
        table.push(rules(state, servers)?);
    }
    let labels = if save.is_numeric {
        Labels::numeric()
    } else {
        let addresses = table.iter().flatten().filter_map(|change| match change {
            Change::AddServer(_, server) => Some(server.key.address),
            Change::AddService(service) => match service.key {
                ServiceKey::Address { address, .. } => Some(address),
                ServiceKey::Fwmark { .. } => None,
            },
            _ => None,
        });
        session.names.label_exactly(addresses)
    };
    let mut lines = Vec::new();
    for change in table.iter().flatten() {
        write_change(&mut lines, change, &labels).map_err(Error::Output)?;
        lines.push(b'\n');
    }
    out.write_all(&lines).map_err(Error::Output)
}

/// The changes that make a service and its real servers out of nothing.
fn rules(state: ServiceState, servers: Vec<RealServerState>) -> Result<Vec<Change>, Error> {
    let key = state.service.key;
    let unknown = servers.iter().flat_map(|server| &server.unknown_attributes);
    if let Some(&attribute) = state.unknown_attributes.iter().chain(unknown).next() {
        return Err(Error::UnknownAttribute { service: key, attribute });
    }
    let mut changes = Vec::with_capacity(1 + servers.len());
    changes.push(Change::AddService(state.service));
    for RealServerState { server, .. } in servers {
        if let forwarding @ Forwarding::Other(_) = server.forwarding {
            return Err(Error::UnknownForwarding { service: key, forwarding });
        }
        changes.push(Change::AddServer(key, server));
    }
    Ok(changes)
}
