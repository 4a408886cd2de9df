//! Changes the kernel's table as one request asks.

use super::{Error, Session};
use ipvs::Request;
use ipvs::netlink::Transport;
use ipvs::plan::perform;

/// Performs a request.
///
/// # Errors
/// The kernel's refusal.
pub fn change<T: Transport>(request: &Request, session: &mut Session<T>) -> Result<(), Error> {
    perform(request, session.client()?)?;
    Ok(())
}
