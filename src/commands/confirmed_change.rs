//! `--confirm`: makes a single change in a way that can be undone.

use ipvs::netlink::Transport;
use ipvs::plan::{Applied, Cause, Plan, PlanOptions, Prepared, Rollback, apply_with_retries};
use ipvs::state::{Selection, read_selected, read_settings};
use ipvs::{Client, Ruleset};
use ipvs_rules::TableChange;

use super::preview::perform_on;
use super::{AppliedPlan, Error, Session, Watcher};
use crate::rules_file::Origin;

/// The name of the change in messages.
const SUBJECT: &str = "the change";

/// A change that is planned and not made.
#[derive(Debug)]
pub struct PlannedChange<'a> {
    change: &'a TableChange,
    prepared: Prepared<Origin>,
}

/// Plans a change. The plan knows the way back.
///
/// # Errors
/// As for the change itself, as far as the table shows it.
pub fn plan_change<'a>(
    change: &'a TableChange,
    session: &mut Session,
) -> Result<PlannedChange<'a>, Error> {
    let prepared = plan(change, session.client()?)?;
    Ok(PlannedChange { change, prepared })
}

fn plan<T: Transport>(
    change: &TableChange,
    client: &mut Client<T>,
) -> Result<Prepared<Origin>, Error> {
    let mut options = PlanOptions::default();
    if let TableChange::ClearWithin(scopes) = change {
        options.scopes = scopes.clone();
    }
    let mut current: Ruleset<Origin> = read_selected(client, Selection::Within(&options.scopes))?;
    current.settings = read_settings(client)?;
    let mut wanted = current.clone();
    perform_on(change, &mut wanted)?;
    Ok(Prepared { plan: Plan::with_options(&current, &wanted, &options), current })
}

impl PlannedChange<'_> {
    /// Makes the change. If another program changes the table meanwhile, plans again.
    ///
    /// # Errors
    /// The kernel's refusal, after a rollback. A signal that stops the change.
    pub fn carry_out(
        self,
        session: &mut Session,
        watcher: &mut impl Watcher,
    ) -> Result<AppliedPlan, Error> {
        let Self { change, prepared } = self;
        let client = session.client()?;
        let result: Applied<Origin, Error> =
            apply_with_retries(prepared, client, watcher, |client| plan(change, client));
        let failed = match result? {
            Ok(applied) => return Ok(AppliedPlan::new(SUBJECT.to_owned(), applied)),
            Err(failed) => failed,
        };
        let is_as_before = matches!(failed.rollback, Rollback::Complete)
            && failed.lost_attributes.is_empty()
            && failed.recreated.is_empty();
        match failed.cause {
            // The message of the same change without a confirmation.
            Cause::Refused { error, .. } if is_as_before => Err(error.into()),
            _ => {
                let (file, signal) = (SUBJECT.to_owned(), watcher.signal());
                Err(Error::NotApplied { file, signal, failed, conflict: None })
            }
        }
    }
}
