//! Finds the faults of a director, of its network and of this machine as a real server.
//!
//! A check is a row of [`CHECKS`]: code, severity, reason, and a pure function of the [`Facts`]. Recorded facts and those of
//! the running kernel take the same way. A check that cannot be sure lowers its finding to a note. Changes nothing, and
//! prints nothing: [`Report`] is a document.

mod addresses;
mod arp;
mod boot_rules;
mod checks;
mod facts;
mod finding;
mod look;
mod probe;
mod report;
#[cfg(test)]
mod tests;

use ipvs::model::ServiceKey;

pub use arp::{Owners, who_has};
pub use boot_rules::look_at_boot_rules;
pub use checks::CHECKS;
pub use facts::{Answer, BootRules, Facts, Filters, Host, TableAccess, Tally, Waiting, WantedPart};
pub use finding::{Check, Finding, Found, Mend, Severity};
pub use look::{look_at_addresses, look_at_host, tally};
pub use probe::{ProbedPort, probe};
pub use report::Report;

/// Runs all checks. The most severe findings come first, in the order of the table.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in CHECKS {
        let found = (check.find)(facts);
        findings.extend(found.into_iter().map(|found| Finding::new(check, found)));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// The descriptions of all codes.
const PAGE: &str = include_str!("../../docs/doctor.md");

/// The paragraph of a code in `docs/doctor.md`. Upper and lower case are the same.
pub fn explanation(code: &str) -> Option<&'static str> {
    let check = CHECKS.iter().find(|check| check.code.eq_ignore_ascii_case(code))?;
    let (_, rest) = PAGE.split_once(&format!("\n### {}", check.code))?;
    let end = rest.find("\n##").unwrap_or(rest.len());
    let (title, text) = rest.get(..end)?.split_once('\n')?;
    debug_assert!(title.starts_with(':'), "{title}");
    Some(text.trim())
}

/// The name of a service in findings, which is also how a command line names it.
fn options_of(key: &ServiceKey) -> String {
    let change = ipvs::model::Change::DeleteService(*key);
    let line = command(&change);
    line.trim_start_matches("ipvsadm -D ").to_owned()
}

/// A change as a command line.
fn command(change: &ipvs::model::Change) -> String {
    let mut line = b"ipvsadm ".to_vec();
    // A vector takes any text.
    let _ = ipvs_rules::write_change(&mut line, change, &ipvs_rules::Numeric);
    String::from_utf8_lossy(&line).into_owned()
}
