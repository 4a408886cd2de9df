//! Applies plans while other programs change the rules: an outdated plan is made again.

use super::{ApplyError, Plan, PlanOptions, Progress, apply};
use crate::model::{Change, Ruleset};
use crate::netlink::{Client, Transport};
use crate::state::{Selection, read_selected};

/// The number of plans that are tried. Other programs take no lock, so one may change the rules between any reading and
/// the changes that follow.
const ATTEMPTS: usize = 5;

/// A plan and the rules that it starts from.
#[derive(Debug)]
pub struct Prepared<O = ()> {
    /// The plan.
    pub plan: Plan<O>,
    /// The kernel's rules when the plan was made.
    pub current: Ruleset<O>,
}

/// The outcome of [`apply_with_retries`]: the plan that was applied. The outer error is that of the function that plans
/// again.
pub type Applied<O, E> = Result<Result<Prepared<O>, Box<ApplyError<O>>>, E>;

/// Applies a plan as [`apply`] does. If another program has changed the rules since they were read, `plan_again` makes
/// a new plan, up to five in all.
///
/// # Errors
/// The outer error is that of `plan_again`: the rollback was complete then. The inner error tells why the last plan was
/// not applied, and which changes of another program it met.
pub fn apply_with_retries<T: Transport, O: Copy, E>(
    first: Prepared<O>,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
    mut plan_again: impl FnMut(&mut Client<T>) -> Result<Prepared<O>, E>,
) -> Applied<O, E> {
    let mut prepared = first;
    let (mut recreated, mut has_zeroed, mut concurrent_changes) = (Vec::new(), false, Vec::new());
    let mut attempts = 1;
    loop {
        let Prepared { plan, current } = &prepared;
        let Err(mut failed) = apply(plan, current, client, progress) else {
            return Ok(Ok(prepared));
        };
        recreated.append(&mut failed.recreated);
        has_zeroed |= failed.has_zeroed;
        if failed.is_outdated() {
            if attempts < ATTEMPTS {
                let next = plan_again(client)?;
                record_changes(&mut concurrent_changes, &prepared, &next.current);
                prepared = next;
                attempts += 1;
                continue;
            }
            // The error is complete without these changes, so a failed reading is ignored.
            if let Ok(now) = read_selected(client, Selection::Within(&plan.scopes)) {
                record_changes(&mut concurrent_changes, &prepared, &now);
            }
            failed.concurrent_changes = concurrent_changes;
        }
        recreated.sort_unstable();
        recreated.dedup();
        return Ok(Err(Box::new(ApplyError { recreated, has_zeroed, attempts, ..*failed })));
    }
}

/// Records the changes between two readings. When there are none, because the other program has undone its own, the
/// changes recorded before stay.
fn record_changes<O: Copy>(recorded: &mut Vec<Change>, before: &Prepared<O>, now: &Ruleset<O>) {
    let options = PlanOptions { scopes: before.plan.scopes.clone(), ..PlanOptions::default() };
    let changes = Plan::with_options(&before.current, &now.without_settings(), &options);
    if !changes.is_empty() {
        *recorded = changes.steps().map(|step| step.change.clone()).collect();
    }
}
