//! Applies a plan: all of its steps, or none.

use std::collections::HashSet;
use std::fmt;

use crate::error::{Error, ErrorKind, Operation};
use crate::model::{
    Change, RealServer, RealServerKey, Ruleset, Scope, ServiceKey, UnknownAttribute,
};
use crate::netlink::{Client, Failure, Transport};
use crate::plan::{Plan, PlanOptions, Step};
use crate::state::{Selection, read_selected};

/// The number of changes between two calls of [`Progress::should_stop`].
const STEPS_BETWEEN_STOPS: usize = 64;

/// Observes a plan while it is applied.
pub trait Progress {
    /// True if to stop now and roll back.
    fn should_stop(&self) -> bool;

    /// Called after each batch with the number of steps done and the number of all steps.
    fn done(&mut self, steps: usize, of: usize);
}

/// Observes nothing and never stops.
impl Progress for () {
    fn should_stop(&self) -> bool {
        false
    }

    fn done(&mut self, _: usize, _: usize) {}
}

/// The reason why a plan was not applied.
#[derive(Debug)]
pub enum Cause<O = ()> {
    /// The kernel refused a step.
    Refused {
        /// The refusal.
        error: Error,
        /// The step.
        step: Box<Step<O>>,
    },
    /// [`Progress::should_stop`] returned true.
    Stopped,
    /// The netlink socket failed, and the outcome of the last batch is unknown. Or the rules could not be read before
    /// the first step.
    Connection(Error),
}

/// The outcome of a rollback.
#[derive(Debug)]
pub enum Rollback {
    /// The rules are as before, except for changes that another program made meanwhile.
    Complete,
    /// Some steps could not be undone.
    Partial {
        /// The first refusal.
        refused: Option<Error>,
        /// The changes that would still lead back to the rules as they were before.
        left: Vec<Change>,
    },
    /// The kernel's rules cannot be read.
    Unknown(Error),
}

/// A plan that was not applied, and the outcome of its rollback.
#[derive(Debug)]
pub struct ApplyError<O = ()> {
    /// The reason.
    pub cause: Cause<O>,
    /// The outcome of the rollback.
    pub rollback: Rollback,
    /// Attributes that this version does not know, of entries that the plan deleted or edited: the rollback could not
    /// restore them. A plan that touches such entries is applied all the same, since a newer kernel may send a new
    /// attribute with every entry.
    pub lost_attributes: Vec<UnknownAttribute>,
    /// Services that were deleted and added again: their counters begin at 0.
    pub recreated: Vec<ServiceKey>,
    /// True if counters were zeroed.
    pub has_zeroed: bool,
    /// The number of plans that were tried, this one included.
    pub attempts: usize,
    /// The last changes that another program made while plans were tried, as far as the rules show them.
    pub concurrent_changes: Vec<Change>,
}

impl<O> ApplyError<O> {
    /// The first attempt, with nothing lost.
    pub const fn new(cause: Cause<O>, rollback: Rollback) -> Self {
        Self {
            cause,
            rollback,
            lost_attributes: Vec::new(),
            recreated: Vec::new(),
            has_zeroed: false,
            attempts: 1,
            concurrent_changes: Vec::new(),
        }
    }

    /// True if a new plan may succeed: the rollback was complete, and another program had changed the rules since they
    /// were read.
    pub fn is_outdated(&self) -> bool {
        let Cause::Refused { error, .. } = &self.cause else { return false };
        let is_as_before =
            matches!(self.rollback, Rollback::Complete) && self.lost_attributes.is_empty();
        shows_other_rules(error) && is_as_before
    }
}

impl<O> fmt::Display for ApplyError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Refused { error, .. } | Cause::Connection(error) => write!(f, "{error}")?,
            Cause::Stopped => write!(f, "stopped")?,
        }
        match &self.rollback {
            Rollback::Complete => write!(f, "; all steps were rolled back"),
            Rollback::Partial { left, .. } => {
                write!(f, "; the rollback failed: {} changes are left", left.len())
            }
            Rollback::Unknown(error) => write!(f, "; the rules cannot be read: {error}"),
        }
    }
}

impl<O: fmt::Debug> std::error::Error for ApplyError<O> {}

/// True if the kernel refused a change because its rules are not the expected ones: an entry to add exists, or an entry
/// to change does not.
fn shows_other_rules(error: &Error) -> bool {
    use Operation::*;

    let is_other = match error.operation() {
        AddService | StartDaemon => [ErrorKind::Exists].as_slice(),
        AddServer => &[ErrorKind::Exists, ErrorKind::NoService],
        EditService | DeleteService | Zero | StopDaemon => &[ErrorKind::NotFound],
        EditServer | DeleteServer => &[ErrorKind::NotFound, ErrorKind::NoService],
        _ => &[],
    };
    is_other.contains(&error.kind())
}

/// Applies all steps of a plan, or none: when the kernel refuses one, or `progress` stops, the steps that were made are
/// undone in reverse. Nothing is deleted before all additions and settings are made.
///
/// # Errors
/// The reason, and the outcome of the rollback.
pub fn apply<T: Transport, C: Copy, O: Copy>(
    plan: &Plan<O>,
    current: &Ruleset<C>,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
) -> Result<(), Box<ApplyError<O>>> {
    let total = plan.len();
    let mut made: Vec<&Step<O>> = Vec::with_capacity(total);
    for part in plan.parts() {
        for batch in part.chunks(STEPS_BETWEEN_STOPS) {
            let outcome = match progress.should_stop() {
                true => Err(Cause::Stopped),
                false => make(batch, client, &mut made),
            };
            if let Err(cause) = outcome {
                // Without an answer, any step of the batch may have been made.
                let doubtful = if matches!(cause, Cause::Connection(_)) { batch } else { &[] };
                let before = Before { rules: current, scopes: &plan.scopes };
                return Err(Box::new(roll_back(cause, &made, doubtful, &before, client)));
            }
            progress.done(made.len(), total);
        }
    }
    Ok(())
}

impl<O: Copy> Plan<O> {
    /// Applies all steps or none, as [`apply`] does, without reporting progress. Reads the kernel's rules first, so that
    /// the error can report what a failed rollback leaves.
    ///
    /// # Errors
    /// The reason, and the outcome of the rollback. If the rules cannot be read, no step is made.
    pub fn apply<T: Transport>(&self, client: &mut Client<T>) -> Result<(), Box<ApplyError<O>>> {
        let current: Ruleset = read_selected(client, Selection::Within(&self.scopes))
            .map_err(|error| ApplyError::new(Cause::Connection(error), Rollback::Complete))?;
        apply(self, &current, client, &mut ())
    }
}

/// The rules before a plan, and the part of the table that the plan is about.
struct Before<'a, C> {
    rules: &'a Ruleset<C>,
    scopes: &'a [Scope],
}

/// Makes a batch of steps and records those that the kernel has made.
fn make<'a, T: Transport, O: Copy>(
    batch: &'a [Step<O>],
    client: &mut Client<T>,
    made: &mut Vec<&'a Step<O>>,
) -> Result<(), Cause<O>> {
    let outcome = client.apply_all(batch.iter().map(|step| &step.change));
    let failures = outcome.map_err(Cause::Connection)?.into_failures();
    let mut failed = failures.iter().map(|failure| failure.index).peekable();
    for (index, step) in batch.iter().enumerate() {
        if failed.next_if_eq(&index).is_none() {
            made.push(step);
        }
    }
    let first = failures.into_iter().next();
    match first.and_then(|failure| Some((failure.error, batch.get(failure.index)?))) {
        None => Ok(()),
        Some((error, step)) => Err(Cause::Refused { error, step: Box::new(step.clone()) }),
    }
}

/// Undoes a plan that was applied, as [`apply`] does when it is stopped after the last step. Deleted services come back
/// with counters at 0. `current` has the rules before the plan.
///
/// The result is never a success: the plan counts as stopped, and the error has the outcome of the rollback.
pub fn revert<T: Transport, C: Copy, O: Copy>(
    plan: &Plan<O>,
    current: &Ruleset<C>,
    client: &mut Client<T>,
) -> Box<ApplyError<O>> {
    let made: Vec<&Step<O>> = plan.steps().collect();
    let before = Before { rules: current, scopes: &plan.scopes };
    Box::new(roll_back(Cause::Stopped, &made, &[], &before, client))
}

fn roll_back<T: Transport, C: Copy, O: Copy>(
    cause: Cause<O>,
    made: &[&Step<O>],
    doubtful: &[Step<O>],
    before: &Before<'_, C>,
    client: &mut Client<T>,
) -> ApplyError<O> {
    let (rollback, recreated) = undo(made, doubtful, before, client);
    let touched = || made.iter().copied().chain(doubtful);
    ApplyError {
        lost_attributes: lost_attributes(touched(), before.rules),
        recreated,
        has_zeroed: touched().any(|step| matches!(step.change, Change::Zero(_))),
        ..ApplyError::new(cause, rollback)
    }
}

/// Undoes steps in reverse, and returns the services that were added again. Steps with unknown results come first; an
/// error there means that the step never happened.
fn undo<T: Transport, C: Copy, O: Copy>(
    made: &[&Step<O>],
    doubtful: &[Step<O>],
    before: &Before<'_, C>,
    client: &mut Client<T>,
) -> (Rollback, Vec<ServiceKey>) {
    let steps = || doubtful.iter().rev().chain(made.iter().rev().copied());
    let changes: Vec<&Change> = steps().flat_map(|step| &step.undo).collect();
    let in_doubt: usize = doubtful.iter().map(|step| step.undo.len()).sum();
    let failures = match client.apply_all(changes.iter().copied()) {
        Ok(outcome) => outcome.into_failures(),
        // The socket failed: any of the services may have been added again.
        Err(_) => return (compare(None, before, client), recreated(&changes, &[])),
    };
    let recreated = recreated(&changes, &failures);
    let mut refusals = failures.into_iter().filter(|failure| failure.index >= in_doubt).peekable();
    if refusals.peek().is_none() && doubtful.is_empty() {
        return (Rollback::Complete, recreated);
    }
    let refusals: Vec<Error> = refusals.map(|failure| failure.error).collect();
    // The comparison of rules does not show settings.
    let is_setting_lost =
        refusals.iter().any(|error| is_setting(error) && !shows_other_rules(error));
    let rollback = match compare(refusals.into_iter().next(), before, client) {
        Rollback::Partial { left, .. } if !is_setting_lost && !is_about(steps(), &left) => {
            Rollback::Complete
        }
        rollback => rollback,
    };
    (rollback, recreated)
}

/// The services that undoing has added. The plan had deleted them.
fn recreated(undoing: &[&Change], failures: &[Failure]) -> Vec<ServiceKey> {
    let refused: HashSet<usize> = failures.iter().map(|failure| failure.index).collect();
    let made = undoing.iter().enumerate().filter(|(index, _)| !refused.contains(index));
    made.filter_map(|(_, change)| match change {
        Change::AddService(service) => Some(service.key),
        _ => None,
    })
    .collect()
}

fn is_setting(error: &Error) -> bool {
    use Operation::*;

    matches!(error.operation(), SetTimeouts | StartDaemon | StopDaemon)
}

/// True if any of these changes is about a service or a real server that the steps have changed. Other programs have
/// changed the others.
fn is_about<'a, O: 'a>(steps: impl Iterator<Item = &'a Step<O>>, changes: &[Change]) -> bool {
    let touched: HashSet<_> = steps
        .flat_map(|step| std::iter::once(&step.change).chain(&step.undo))
        .filter_map(entry)
        .collect();
    changes.iter().filter_map(entry).any(|entry| touched.contains(&entry))
}

/// The entry of the rules that a change is about.
fn entry(change: &Change) -> Option<(ServiceKey, Option<RealServerKey>)> {
    match change {
        Change::AddService(service) | Change::EditService(service) => Some((service.key, None)),
        Change::DeleteService(key) => Some((*key, None)),
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            Some((*key, Some(server.key)))
        }
        Change::DeleteServer(key, server) => Some((*key, Some(*server))),
        _ => None,
    }
}

/// The unknown attributes of entries that steps delete or edit.
fn lost_attributes<'a, C, O: 'a>(
    steps: impl Iterator<Item = &'a Step<O>>,
    old: &Ruleset<C>,
) -> Vec<UnknownAttribute> {
    if old.unknown_attributes.is_empty() {
        return Vec::new();
    }
    let mut deleted = HashSet::new();
    let mut touched = HashSet::new();
    for step in steps {
        match &step.change {
            // Its real servers go with it.
            Change::DeleteService(key) => {
                deleted.insert(*key);
            }
            Change::EditService(service) => {
                touched.insert((service.key, None));
            }
            Change::EditServer(key, RealServer { key: server, .. })
            | Change::DeleteServer(key, server) => {
                touched.insert((*key, Some(*server)));
            }
            _ => {}
        }
    }
    let is_lost = |unknown: &&UnknownAttribute| {
        deleted.contains(&unknown.service) || touched.contains(&(unknown.service, unknown.server))
    };
    old.unknown_attributes.iter().filter(is_lost).copied().collect()
}

/// Compares the kernel's rules with the rules before the plan.
fn compare<T: Transport, C: Copy>(
    refused: Option<Error>,
    before: &Before<'_, C>,
    client: &mut Client<T>,
) -> Rollback {
    match read_selected::<(), T>(client, Selection::Within(before.scopes)) {
        Err(error) => Rollback::Unknown(error),
        Ok(now) => {
            let old = before.rules.without_settings();
            let options = PlanOptions { scopes: before.scopes.to_vec(), ..PlanOptions::default() };
            let way_back = Plan::with_options(&now, &old, &options);
            let left = way_back.steps().map(|step| step.change.clone()).collect();
            Rollback::Partial { refused, left }
        }
    }
}
