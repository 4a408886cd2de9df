//! The one reader of the kernel's table.

use crate::error::Error;
use crate::model::{RealServerState, ServiceKey, ServiceState};
use crate::netlink::{Client, Transport};

/// The services to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// One. It is an error if it does not exist.
    One(ServiceKey),
}

impl From<Option<ServiceKey>> for Selection {
    fn from(key: Option<ServiceKey>) -> Self {
        key.map_or(Self::All, Self::One)
    }
}

/// The order of services, and of the real servers of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The order of their keys.
    #[default]
    Sorted,
    /// The order in which the kernel lists them.
    Kernel,
}

/// Reads services, and visits each with its real servers as soon as these are read. Memory holds all services, but the
/// real servers of one service at a time.
///
/// # Errors
/// The kernel's refusal, a malformed answer, or the error of `visit`, which ends the walk.
pub fn walk<T: Transport, E: From<Error>>(
    client: &mut Client<T>,
    selection: Selection,
    order: Order,
    mut visit: impl FnMut(ServiceState, Vec<RealServerState>) -> Result<(), E>,
) -> Result<(), E> {
    for service in read_services(client, selection, order)? {
        let servers = read_servers(client, &service.service.key, order)?;
        visit(service, servers)?;
    }
    Ok(())
}

pub(super) fn read_services<T: Transport>(
    client: &mut Client<T>,
    selection: Selection,
    order: Order,
) -> Result<Vec<ServiceState>, Error> {
    let mut services = match selection {
        Selection::All => client.services()?,
        Selection::One(key) => vec![client.service(&key)?],
    };
    if order == Order::Sorted {
        services.sort_unstable_by_key(|state| state.service.key);
    }
    Ok(services)
}

pub(super) fn read_servers<T: Transport>(
    client: &mut Client<T>,
    service: &ServiceKey,
    order: Order,
) -> Result<Vec<RealServerState>, Error> {
    let mut servers = client.real_servers(service)?;
    if order == Order::Sorted {
        servers.sort_unstable_by_key(|state| state.server.key);
    }
    Ok(servers)
}
