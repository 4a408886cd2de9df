//! A plan that is applied, and is undone unless somebody confirms it.

use ipvs::Ruleset;
use ipvs::plan::{Prepared, revert};

use super::{Error, Session};
use crate::output::plan_summary;
use crate::process::Answer;
use crate::rules_file::Origin;

/// A restore or a single change that is applied.
#[derive(Debug)]
pub struct AppliedPlan {
    /// The name of the file, or of the change, for messages.
    subject: String,
    applied: Prepared<Origin>,
}

impl AppliedPlan {
    pub(super) const fn new(subject: String, applied: Prepared<Origin>) -> Self {
        Self { subject, applied }
    }

    /// True if nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.applied.plan.is_empty()
    }

    /// The table before the plan.
    pub(super) const fn before(&self) -> &Ruleset<Origin> {
        &self.applied.current
    }

    /// The line that counts the changes.
    pub fn summary(&self) -> String {
        let Prepared { plan, current } = &self.applied;
        plan_summary(&plan.counts(current))
    }

    /// Undoes the plan unless it was confirmed.
    ///
    /// # Errors
    /// Always without a confirmation; the error has the outcome of the rollback.
    pub fn confirm(&self, answer: Answer, session: &mut Session) -> Result<(), Error> {
        if answer == Answer::Confirmed {
            return Ok(());
        }
        let Self { subject, applied: Prepared { plan, current } } = self;
        let failed = revert(plan, current, session.client()?);
        Err(Error::NotConfirmed { file: subject.clone(), answer, failed })
    }
}
