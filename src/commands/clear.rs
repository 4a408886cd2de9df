//! `-C --within`: deletes the services inside scopes.

use ipvs::ErrorKind;
use ipvs::model::{Change, Scope};
use ipvs::netlink::Transport;

use super::{Error, Session};

/// Deletes the services inside scopes. A service that another program deletes meanwhile is deleted, too.
///
/// # Errors
/// The kernel's first refusal. It does not stop the other deletions.
pub fn clear_within<T: Transport>(scopes: &[Scope], session: &mut Session<T>) -> Result<(), Error> {
    let client = session.client()?;
    let mut services = client.services()?;
    services.retain(|state| Scope::any_contains(scopes, &state.service.key));
    let deletions = services.iter().map(|state| Change::DeleteService(state.service.key));
    let deletions: Vec<Change> = deletions.collect();
    let failures = client.apply_all(&deletions)?.into_failures().into_iter();
    let mut refusals = failures.filter(|failure| failure.error.kind() != ErrorKind::NotFound);
    refusals.next().map_or(Ok(()), |failure| Err(failure.error.into()))
}
