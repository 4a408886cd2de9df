//! `-L --summary`: a line for each service, the totals with the share of each CPU, and the helpers of applications.

use ipvs::netlink::Transport;
use ipvs_rules::OutputFormat;

use super::current_table::{CurrentTable, read_table};
use super::{Error, Session};
use crate::output::{
    Buffered, DirectorSummary, GridStyle, MISSING_IN_SUMMARY, ServiceTally, write_document,
};
use crate::process::TerminalStyle;
use crate::resolve::Labels;

pub(super) fn list_summary<T: Transport>(
    has_header: bool,
    is_numeric: bool,
    format: OutputFormat,
    session: &mut Session<T>,
    out: &mut Buffered<'_>,
) -> Result<(), Error> {
    let (services, missing) = read_services(session)?;
    let namespace = session.namespace();
    // Kernels without some of these files exist; the rest is useful without them.
    let totals = namespace.totals().ok();
    let cpus = namespace.cpu_counters().unwrap_or_default();
    let applications = namespace.applications().unwrap_or_default();
    let numeric = Labels::numeric();
    let labels = match is_numeric || format == OutputFormat::Json {
        true => &numeric,
        false => session.resolver.label(services.iter().filter_map(|tally| tally.key.address())),
    };
    let style = GridStyle { terminal: TerminalStyle::of_standard_output(), has_header };
    let summary = DirectorSummary { services, missing, totals, cpus, applications, labels, style };
    out.add(|buffer| write_document(buffer, &summary, format)).map_err(Error::Output)
}

/// Reads the services, and the names of members that they lack: without rights they are those of `/proc`.
fn read_services<T: Transport>(
    session: &mut Session<T>,
) -> Result<(Vec<ServiceTally>, &'static [&'static str]), Error> {
    let CurrentTable { services, daemons, .. } = read_table(session)?;
    Ok(match daemons {
        Some(_) => (services.iter().map(ServiceTally::new).collect(), &[]),
        None => (services.iter().map(ServiceTally::of_file).collect(), MISSING_IN_SUMMARY),
    })
}
