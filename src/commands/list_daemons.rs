//! Lists the sync daemons.

use ipvs::netlink::Transport;
use ipvs_rules::OutputFormat;

use super::{Error, Session};
use crate::output::{Buffered, Daemons, write_document};

pub(super) fn list_daemons<T: Transport>(
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let daemons = Daemons { daemons: session.client()?.daemons()? };
    out.add(|buffer| write_document(buffer, &daemons, format)).map_err(Error::Output)
}
