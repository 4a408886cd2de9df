//! `-L`: the table, the connections, the timeouts, the daemons.

mod json;

use std::io::{self, Write};

use ipvs::state::Order;

use super::list_services::{self as table, Style};
use super::{Error, Session, list_connections as connections};
use crate::output::{write_daemon, write_timeouts};
use ipvs::procfs::{self, Connections};
use ipvs_rules::{List, ListFormat};

/// How much is written at once.
const OUTPUT: usize = 64 * 1024;

/// Carries out a `-L`.
///
/// # Errors
/// When the kernel says no, or the output cannot be written.
pub fn list(list: &List, session: &mut Session, out: &mut dyn Write) -> Result<(), Error> {
    let mut page = Page::new(out);
    match *list {
        List::Table { service, format, is_numeric, is_sorted } => {
            let order = if is_sorted { Order::Sorted } else { Order::Kernel };
            let style = Style { format, is_numeric, order };
            match service {
                Some(key) => table::list_service(style, key, session, &mut page)?,
                None if format == ListFormat::Plain => {
                    table::list_summaries(style, session, &mut page)?;
                }
                None => table::list_all(style, session, &mut page)?,
            }
        }
        List::Connections { is_numeric: true, columns } => {
            connections::list_numeric(columns, session, &mut page)?;
        }
        List::Connections { is_numeric: false, columns } => {
            connections::list_named(columns, session, &mut page)?;
        }
        List::Timeouts => {
            let timeouts = session.client()?.timeouts()?;
            page.try_add(|out| write_timeouts(out, &timeouts))?;
        }
        List::Daemons => {
            for daemon in session.client()?.daemons()? {
                page.try_add(|out| write_daemon(out, &daemon))?;
            }
        }
        List::Json(subject) => json::list(subject, session, &mut page)?,
    }
    page.write()
}

/// Gathers lines and writes them many at a time.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    pub(super) lines: Vec<u8>,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { out, lines: Vec::new() }
    }

    /// Adds a line that memory alone is needed for.
    pub(super) fn add(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.try_add(|lines| {
            append(lines);
            Ok(())
        })
    }

    /// Adds what is written as to a file.
    pub(super) fn try_add(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), Error> {
        write(&mut self.lines).map_err(Error::Output)?;
        if self.lines.len() >= OUTPUT { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.out.write_all(&self.lines).map_err(Error::Output)?;
        self.lines.clear();
        Ok(())
    }
}

/// Opens the connection table, which everybody may read. Where the file is missing, the kernel may have to load ip_vs.
pub(super) fn open_connections(session: &mut Session) -> Result<Connections, Error> {
    if !procfs::has_connections() {
        session.client()?;
    }
    Ok(Connections::open()?)
}
