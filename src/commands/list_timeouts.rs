//! Lists the connection timeouts.

use ipvs::netlink::Transport;
use ipvs_rules::OutputFormat;

use super::{Error, Session};
use crate::output::{Buffered, write_document};

pub(super) fn list_timeouts<T: Transport>(
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let timeouts = session.client()?.timeouts()?;
    out.add(|buffer| write_document(buffer, &timeouts, format)).map_err(Error::Output)
}
