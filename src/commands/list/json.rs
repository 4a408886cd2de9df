//! What there is to list, as JSON.

use ipvs::state::{Counted, Order, walk};

use super::{Page, open_connections};
use crate::commands::{Error, Session};
use crate::output::{JsonList, write_json_daemons, write_json_timeouts};
use ipvs_rules::JsonSubject;

/// Writes one document.
pub(super) fn list(
    subject: JsonSubject,
    session: &mut Session,
    page: &mut Page<'_>,
) -> Result<(), Error> {
    match subject {
        JsonSubject::Table(selection) => {
            let info = session.client()?.info()?;
            let mut list = JsonList::of_services(&mut page.lines, &info).map_err(Error::Output)?;
            walk(session.client()?, Counted, selection.into(), Order::Sorted, |state, servers| {
                page.try_add(|out| list.service(out, &state, &servers))
            })?;
            page.try_add(|out| list.end(out))?;
        }
        JsonSubject::Connections => {
            let connections = open_connections(session)?;
            let mut list = JsonList::of_connections(&mut page.lines).map_err(Error::Output)?;
            for connection in connections {
                let connection = connection?;
                page.try_add(|out| list.connection(out, &connection))?;
            }
            page.try_add(|out| list.end(out))?;
        }
        JsonSubject::Timeouts => {
            let timeouts = session.client()?.timeouts()?;
            page.try_add(|out| write_json_timeouts(out, &timeouts))?;
        }
        JsonSubject::Daemons => {
            let daemons = session.client()?.daemons()?;
            page.try_add(|out| write_json_daemons(out, &daemons))?;
        }
    }
    Ok(())
}
