//! A plan to the kernel: all of it, or none.

use std::collections::HashSet;

use rustix::io::Errno;
use thiserror::Error;

use super::{Plan, Step, Table, UnknownAttribute};
use crate::model::{Change, RealServer, RealServerKey, ServiceKey};
use crate::netlink::{self, Client, Failure, Operation, Refused, Transport};

/// How many changes go out between two looks at the signals: a few milliseconds of work for the kernel.
const BATCH: usize = 64;

/// Why a plan was not carried out.
#[derive(Debug, Error)]
pub enum Cause {
    /// The kernel refused a change.
    #[error("{refused}")]
    Refused {
        /// Why.
        refused: Refused,
        /// The change.
        change: Box<Change>,
        /// The line that asks for it; 0 where none does.
        line: u64,
    },
    /// A signal came.
    #[error("stopped by signal {0}")]
    Stopped(i32),
    /// The way to the kernel broke down.
    #[error(transparent)]
    Netlink(netlink::Error),
}

/// What became of the changes that had been made.
#[derive(Debug)]
pub enum Undone {
    /// The table is what it was, except for changes that another program made meanwhile.
    Whole,
    /// Some could not be taken back.
    InPart {
        /// The first refusal.
        refused: Option<Refused>,
        /// What would still lead to the old table from what stands now.
        left: Vec<Change>,
    },
    /// What stands cannot be read.
    Unknown(netlink::Error),
}

/// A plan that was not carried out.
#[derive(Debug, Error)]
#[error("{cause}")]
pub struct Broken {
    /// Why.
    pub cause: Cause,
    /// What stands now.
    pub undone: Undone,
    /// What this version does not know of entries that were deleted or edited, and so could not bring back. To refuse
    /// such changes from the start would refuse every restore under a kernel that has a new attribute for all entries.
    pub not_brought_back: Vec<UnknownAttribute>,
    /// Services that were removed and added again: their counters begin at 0.
    pub recreated: Vec<ServiceKey>,
    /// Whether counters were zeroed.
    pub has_zeroed: bool,
    /// How many plans were made and not carried out, this one included.
    pub attempts: usize,
    /// The last changes that another program made while plans were carried out, as far as the table shows them.
    pub in_the_way: Vec<Change>,
}

impl Broken {
    /// The first attempt, with nothing lost.
    pub fn new(cause: Cause, undone: Undone) -> Self {
        Self {
            cause,
            undone,
            not_brought_back: Vec::new(),
            recreated: Vec::new(),
            has_zeroed: false,
            attempts: 1,
            in_the_way: Vec::new(),
        }
    }

    /// Whether a new plan would do: all is undone, and the plan was made for another table than the kernel has.
    pub fn is_outdated(&self) -> bool {
        let Cause::Refused { refused, .. } = &self.cause else { return false };
        let is_as_before = matches!(self.undone, Undone::Whole) && self.not_brought_back.is_empty();
        shows_another_table(refused) && is_as_before
    }
}

/// Whether the kernel refused a change because its table is not the expected one: an entry to add exists, or an entry to
/// change does not.
fn shows_another_table(refused: &Refused) -> bool {
    use Operation::*;

    match refused.operation {
        AddService | StartDaemon => refused.errno == Errno::EXIST,
        AddServer => matches!(refused.errno, Errno::EXIST | Errno::SRCH),
        EditService | DeleteService | Zero | StopDaemon => refused.errno == Errno::SRCH,
        EditServer | DeleteServer => matches!(refused.errno, Errno::NOENT | Errno::SRCH),
        _ => false,
    }
}

/// Watches a plan being carried out.
pub trait Progress {
    /// The signal to stop at, if one came.
    fn signal(&self) -> Option<i32>;

    /// So many of all steps are done.
    fn done(&mut self, steps: usize, of: usize);
}

/// Makes all changes of a plan, or none: when the kernel refuses one, or a signal comes, those that were made are
/// taken back in reverse. Nothing is removed before all that comes is there and the settings are set.
///
/// # Errors
/// Why it was not carried out, and what stands now.
pub fn carry_out<T: Transport>(
    plan: &Plan,
    current: &Table,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
) -> Result<(), Box<Broken>> {
    let total = plan.steps().count();
    let mut made: Vec<&Step> = Vec::with_capacity(total);
    for part in plan.parts() {
        for batch in part.chunks(BATCH) {
            let outcome = match progress.signal() {
                Some(signal) => Err(Cause::Stopped(signal)),
                None => make(batch, client, &mut made),
            };
            if let Err(cause) = outcome {
                // Without an answer, any of the batch may have been made.
                let doubtful = if matches!(cause, Cause::Netlink(_)) { batch } else { &[] };
                let (undone, recreated) = undo(&made, doubtful, current, client);
                let touched = made.iter().copied().chain(doubtful);
                let not_brought_back = unknown_of(touched.clone(), current);
                let has_zeroed = touched.clone().any(|step| matches!(step.change, Change::Zero(_)));
                return Err(Box::new(Broken {
                    not_brought_back,
                    recreated,
                    has_zeroed,
                    ..Broken::new(cause, undone)
                }));
            }
            progress.done(made.len(), total);
        }
    }
    Ok(())
}

/// Makes a batch of changes and notes those that the kernel has made.
fn make<'a, T: Transport>(
    batch: &'a [Step],
    client: &mut Client<T>,
    made: &mut Vec<&'a Step>,
) -> Result<(), Cause> {
    let changes: Vec<Change> = batch.iter().map(|step| step.change.clone()).collect();
    let outcome = client.apply_all(&changes).map_err(Cause::Netlink)?;
    let failures = outcome.failures();
    let mut failed = failures.iter().map(|failure| failure.index).peekable();
    for (index, step) in batch.iter().enumerate() {
        if failed.next_if_eq(&index).is_none() {
            made.push(step);
        }
    }
    match failures.first().and_then(|failure| Some((failure.refused, batch.get(failure.index)?))) {
        None => Ok(()),
        Some((refused, step)) => {
            Err(Cause::Refused { refused, change: Box::new(step.change.clone()), line: step.line })
        }
    }
}

/// Undoes steps in reverse, and returns the services that came back. Steps with unknown results come first; an error there
/// means that the step never happened.
fn undo<T: Transport>(
    made: &[&Step],
    doubtful: &[Step],
    old: &Table,
    client: &mut Client<T>,
) -> (Undone, Vec<ServiceKey>) {
    let steps = || doubtful.iter().rev().chain(made.iter().rev().copied());
    let changes: Vec<Change> = steps().flat_map(|step| step.undo.iter().cloned()).collect();
    let in_doubt: usize = doubtful.iter().map(|step| step.undo.len()).sum();
    let outcome = match client.apply_all(&changes) {
        Ok(outcome) => outcome,
        // Nobody knows which of them came back: all may have.
        Err(_) => return (what_is_left(None, old, client), recreated(&changes, &[])),
    };
    let failures = outcome.failures();
    let recreated = recreated(&changes, failures);
    let mut refusals = failures
        .iter()
        .filter(|failure| failure.index >= in_doubt)
        .map(|failure| failure.refused)
        .peekable();
    let first = refusals.peek().copied();
    if first.is_none() && doubtful.is_empty() {
        return (Undone::Whole, recreated);
    }
    // The table has no settings.
    let setting = refusals.find(|refused| is_setting(refused) && !shows_another_table(refused));
    let undone = match what_is_left(first, old, client) {
        Undone::InPart { left, .. } if setting.is_none() && !is_of(steps(), &left) => Undone::Whole,
        undone => undone,
    };
    (undone, recreated)
}

/// The services that undoing has added, and so all that were removed.
fn recreated(undoing: &[Change], failures: &[Failure]) -> Vec<ServiceKey> {
    let refused: HashSet<usize> = failures.iter().map(|failure| failure.index).collect();
    let made = undoing.iter().enumerate().filter(|(index, _)| !refused.contains(index));
    made.filter_map(|(_, change)| match change {
        Change::AddService(service) => Some(service.key),
        _ => None,
    })
    .collect()
}

fn is_setting(refused: &Refused) -> bool {
    use Operation::*;

    matches!(refused.operation, SetTimeouts | StartDaemon | StopDaemon)
}

/// Whether any of these changes is about a service or a real server that the steps have changed. Other programs have
/// changed the others.
fn is_of<'a>(steps: impl Iterator<Item = &'a Step>, changes: &[Change]) -> bool {
    let touched: HashSet<_> = steps
        .flat_map(|step| std::iter::once(&step.change).chain(&step.undo))
        .filter_map(subject)
        .collect();
    changes.iter().filter_map(subject).any(|subject| touched.contains(&subject))
}

/// The entry of the table that a change is about.
fn subject(change: &Change) -> Option<(ServiceKey, Option<RealServerKey>)> {
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

/// What the kernel has said of entries that steps delete or edit, and no change can say.
fn unknown_of<'a>(steps: impl Iterator<Item = &'a Step>, old: &Table) -> Vec<UnknownAttribute> {
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

/// Compares what stands now with what stood before.
fn what_is_left<T: Transport>(
    refused: Option<Refused>,
    old: &Table,
    client: &mut Client<T>,
) -> Undone {
    match Table::read(client) {
        Err(error) => Undone::Unknown(error),
        Ok(now) => {
            let way_back = Plan::between(&now, old);
            let left = way_back.steps().map(|step| step.change.clone()).collect();
            Undone::InPart { refused, left }
        }
    }
}
