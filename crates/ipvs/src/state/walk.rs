//! The one reader of the kernel's table.

use crate::error::Error;
use crate::model::{RealServerKey, Scope, ServiceKey};
use crate::netlink::{Client, Detail, Transport};

/// The services to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All of them.
    #[default]
    All,
    /// One. It is an error if it does not exist.
    One(ServiceKey),
    /// Services inside any of these scopes; all of them if there is no scope. The kernel lists the services outside as well,
    /// but their real servers are not read.
    Within(&'a [Scope]),
}

impl From<Option<ServiceKey>> for Selection<'_> {
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

/// Reads services in a detail, and visits each with its real servers as soon as these are read. Memory holds all
/// services, but the real servers of one service at a time.
///
/// # Errors
/// The kernel's refusal, a malformed answer, or the error of `visit`, which ends the walk.
pub fn walk<D: Detail, T: Transport, E: From<Error>>(
    client: &mut Client<T>,
    _detail: D,
    selection: Selection<'_>,
    order: Order,
    mut visit: impl FnMut(D::Service, Vec<D::Server>) -> Result<(), E>,
) -> Result<(), E> {
    for service in read_services::<D, T>(client, selection, order)? {
        let servers = read_servers::<D, T>(client, D::service_key(&service), order)?;
        visit(service, servers)?;
    }
    Ok(())
}

pub(super) fn read_services<D: Detail, T: Transport>(
    client: &mut Client<T>,
    selection: Selection<'_>,
    order: Order,
) -> Result<Vec<D::Service>, Error> {
    let mut services = match selection {
        Selection::All => client.services_in::<D, _>(|service| service)?,
        Selection::Within(scopes) => {
            let mut services = client.services_in::<D, _>(|service| service)?;
            services.retain(|service| Scope::any_contains(scopes, D::service_key(service)));
            services
        }
        Selection::One(key) => vec![client.service_in::<D>(&key)?],
    };
    if order == Order::Sorted {
        services.sort_unstable_by(|one, other| D::service_key(one).cmp(D::service_key(other)));
    }
    Ok(services)
}

pub(super) fn read_servers<D: Detail, T: Transport>(
    client: &mut Client<T>,
    service: &ServiceKey,
    order: Order,
) -> Result<Vec<D::Server>, Error> {
    let mut servers = client.real_servers_in::<D>(service)?;
    if order == Order::Sorted {
        sort_servers(&mut servers, D::server_key);
    }
    Ok(servers)
}

/// Sorts real servers as the kernel lists them. The kernel lists the newest first, and most tables are filled in the
/// order of addresses. Reversed, such a list is sorted, which takes the least comparisons.
pub(super) fn sort_servers<S>(servers: &mut [S], key: impl Fn(&S) -> &RealServerKey) {
    servers.reverse();
    servers.sort_unstable_by(|one, other| key(one).cmp(key(other)));
}
