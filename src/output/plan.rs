//! The changes of a plan as rule lines, and their numbers as one line.

use std::io;

use ipvs::plan::{Plan, PlanCounts};
use ipvs_rules::{Numeric, write_change};

/// Writes the changes in the order in which they would be made. A plan that only zeroes counters has no lines, because
/// the two tables have no other difference.
///
/// # Errors
/// When they cannot be written.
pub fn write_plan<O>(out: &mut Vec<u8>, plan: &Plan<O>) -> io::Result<()> {
    if plan.zeroes_only() {
        return Ok(());
    }
    for step in plan.steps() {
        write_change(out, &step.change, &Numeric)?;
        out.push(b'\n');
    }
    Ok(())
}

/// The line that tells what a plan has done: `2 added, 1 edited, 3 deleted, 40 unchanged`.
pub fn plan_summary(counts: &PlanCounts) -> String {
    let PlanCounts { added, edited, deleted, unchanged, settings, zeroed, .. } = counts;
    let mut line =
        format!("{added} added, {edited} edited, {deleted} deleted, {unchanged} unchanged");
    match settings {
        0 => {}
        1 => line.push_str(", 1 setting changed"),
        _ => line.push_str(&format!(", {settings} settings changed")),
    }
    if *zeroed > 0 {
        line.push_str(", counters zeroed");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_settings_and_counters_only_if_they_change() {
        let mut counts = PlanCounts::default();
        (counts.added, counts.edited, counts.deleted, counts.unchanged) = (2, 1, 3, 40);
        assert_eq!(plan_summary(&counts), "2 added, 1 edited, 3 deleted, 40 unchanged");
        (counts.settings, counts.zeroed) = (1, 2);
        let line = "2 added, 1 edited, 3 deleted, 40 unchanged, 1 setting changed, counters zeroed";
        assert_eq!(plan_summary(&counts), line);
    }
}
