//! Changes the kernel's table as one request asks.

use std::time::Duration;

use super::{Error, Session, lock};
use ipvs::Request;
use ipvs::kernel::Lock;
use ipvs::netlink::Transport;
use ipvs::plan::perform;

/// The time that an edit waits for another one, or for a restore.
const PATIENCE: Duration = Duration::from_secs(5);

/// Performs a request.
///
/// An edit that keeps settings reads the entry first. It holds the lock of restores meanwhile, so that of two such edits
/// at once none is lost.
///
/// # Errors
/// The kernel's refusal. A restore that holds the lock for too long.
pub fn change<T: Transport>(request: &Request, session: &mut Session<T>) -> Result<(), Error> {
    let _lock = match keeps_settings(request) {
        true => lock_edits(session)?,
        false => None,
    };
    perform(request, session.client()?)?;
    Ok(())
}

/// Takes the lock of restores for an edit. If the lock's file cannot be opened, the edit goes on without a lock.
///
/// # Errors
/// When a restore holds the lock for too long.
pub fn lock_edits<T: Transport>(session: &Session<T>) -> Result<Option<Lock>, Error> {
    lock(session.namespace(), PATIENCE, |_| {})
}

fn keeps_settings(request: &Request) -> bool {
    match request {
        Request::EditService(..) | Request::EditServer(..) => true,
        Request::IfExists(request) => keeps_settings(request),
        _ => false,
    }
}
