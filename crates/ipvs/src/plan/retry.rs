//! Carries out plans while other programs change the table: a plan that the table has overtaken is made again.

use super::{Broken, Plan, Progress, Table, carry_out};
use crate::netlink::{Client, Transport};

/// How many plans are tried. Commands of other programs take no lock, so one may always come between reading and
/// changing.
const ATTEMPTS: usize = 5;

/// A plan and the table that it was made for.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The kernel's table.
    pub current: Table,
}

/// Carries out a plan as [`carry_out`] does. Where another program has changed the table since it was read, `again` makes
/// a new plan, up to five in all.
///
/// # Errors
/// The outer error is that of `again`: everything is undone then. The inner one tells why the last plan was not carried
/// out, and which changes of another program came in its way.
pub fn carry_out_repeatedly<T: Transport, E>(
    first: Prepared,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
    mut again: impl FnMut(&mut Client<T>) -> Result<Prepared, E>,
) -> Result<Result<(), Box<Broken>>, E> {
    let mut prepared = first;
    let (mut recreated, mut has_zeroed, mut in_the_way) = (Vec::new(), false, Vec::new());
    let mut attempts = 1;
    loop {
        let Prepared { plan, current } = &prepared;
        let Err(mut broken) = carry_out(plan, current, client, progress) else { return Ok(Ok(())) };
        recreated.append(&mut broken.recreated);
        has_zeroed |= broken.has_zeroed;
        if broken.is_outdated() {
            if attempts < ATTEMPTS {
                let next = again(client)?;
                note_changes(&mut in_the_way, current, &next.current);
                prepared = next;
                attempts += 1;
                continue;
            }
            // The message is complete without this.
            if let Ok(now) = Table::read(client) {
                note_changes(&mut in_the_way, current, &now);
            }
            broken.in_the_way = in_the_way;
        }
        recreated.sort_unstable();
        recreated.dedup();
        return Ok(Err(Box::new(Broken { recreated, has_zeroed, attempts, ..*broken })));
    }
}

/// Notes the changes between two readings. Another program may have undone its own: the ones noted before stay then.
fn note_changes(noted: &mut Vec<crate::model::Change>, before: &Table, now: &Table) {
    let changes = Plan::between(before, now);
    let mut changes = changes.steps().map(|step| step.change.clone()).peekable();
    if changes.peek().is_some() {
        *noted = changes.collect();
    }
}
