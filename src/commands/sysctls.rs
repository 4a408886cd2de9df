//! `--settings`: lists the kernel's settings of IPVS with the load of the connection table, or saves those that differ from
//! the defaults. Everybody may read them.

use std::io::Write;
use std::path::Path;

use ipvs::model::ConnectionFilter;
use ipvs::netlink::Transport;
use ipvs_rules::OutputFormat;

use super::list_metrics::replace;
use super::{Error, Session};
use crate::host::module_parameter;
use crate::output::{Buffered, GridStyle, Sysctls, TableLoad, sysctl_lines, write_document};
use crate::process::TerminalStyle;

/// Lists all settings that the kernel has.
pub(super) fn list_sysctls<T: Transport>(
    has_header: bool,
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    load_if_missing(session)?;
    let namespace = session.namespace();
    let mut entries = 0;
    for connection in namespace.connections(ConnectionFilter::default())? {
        connection?;
        entries += 1;
    }
    let conn_tab_bits = module_parameter("ip_vs", "conn_tab_bits");
    let sysctls = Sysctls {
        sysctls: namespace.sysctls()?,
        table: TableLoad {
            conn_tab_bits: conn_tab_bits.and_then(|bits| bits.parse().ok()),
            buckets: namespace.services_file()?.info.table_size,
            entries,
        },
        status: namespace.status()?,
        style: GridStyle { terminal: TerminalStyle::of_standard_output(), has_header },
    };
    out.add(|buffer| write_document(buffer, &sysctls, format)).map_err(Error::Output)
}

/// Prints the settings that differ from the defaults, or replaces a file with them.
///
/// # Errors
/// When the namespace has no settings, or the text cannot be written.
pub(super) fn save_sysctls<T: Transport>(
    file: Option<&Path>,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    load_if_missing(session)?;
    let sysctls = session.namespace().sysctls()?;
    if sysctls.is_empty() {
        return Err(Error::NoSysctls);
    }
    let text = sysctl_lines(&sysctls);
    match file {
        Some(path) => replace(path, &text),
        None => out.write_all(text.as_bytes()).map_err(Error::Output),
    }
}

/// The settings come with ip_vs, so the kernel may have to load it.
fn load_if_missing<T: Transport>(session: &mut Session<T>) -> Result<(), Error> {
    if !session.namespace().has_connections()? {
        session.client()?;
    }
    Ok(())
}
