//! The changes of a plan as rule lines.

use std::io;

use ipvs::plan::Plan;
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
