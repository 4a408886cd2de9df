//! A plan to the kernel: all of it, or none.

use std::collections::HashSet;

use rustix::io::Errno;
use thiserror::Error;

use super::{Plan, Step, Table, UnknownAttribute};
use crate::model::{Change, RealServer};
use crate::netlink::{self, Client, Operation, Refused, Transport};

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
    /// The table is what it was.
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
}

impl Broken {
    /// Whether a plan made anew would do: all is taken back, and the kernel's table is another than the plan was made
    /// for. What was to be added is there, or what was to be changed is not.
    pub fn is_outdated(&self) -> bool {
        use Operation::*;

        let Cause::Refused { refused, .. } = &self.cause else { return false };
        let is_of_another_table = match refused.operation {
            AddService | StartDaemon => refused.errno == Errno::EXIST,
            AddServer => matches!(refused.errno, Errno::EXIST | Errno::SRCH),
            EditService | DeleteService | Zero | StopDaemon => refused.errno == Errno::SRCH,
            EditServer | DeleteServer => matches!(refused.errno, Errno::NOENT | Errno::SRCH),
            _ => false,
        };
        let is_as_before = matches!(self.undone, Undone::Whole) && self.not_brought_back.is_empty();
        is_of_another_table && is_as_before
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
/// taken back in reverse. Nothing is removed before all that comes is there.
///
/// # Errors
/// Why it was not carried out, and what stands now.
pub fn carry_out<T: Transport>(
    plan: &Plan,
    current: &Table,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
) -> Result<(), Broken> {
    let total = plan.steps().count();
    let mut made: Vec<&Step> = Vec::with_capacity(total);
    for part in [&plan.additions, &plan.removals, &plan.settings] {
        for batch in part.chunks(BATCH) {
            let outcome = match progress.signal() {
                Some(signal) => Err(Cause::Stopped(signal)),
                None => make(batch, client, &mut made),
            };
            if let Err(cause) = outcome {
                // Without an answer, any of the batch may have been made.
                let doubtful = if matches!(cause, Cause::Netlink(_)) { batch } else { &[] };
                let undone = undo(&made, doubtful, current, client);
                let touched = made.iter().copied().chain(doubtful);
                let not_brought_back = unknown_of(touched, current);
                return Err(Broken { cause, undone, not_brought_back });
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

/// Takes back what was made, and before it what may have been made: there, a refusal says that it was not.
fn undo<T: Transport>(
    made: &[&Step],
    doubtful: &[Step],
    old: &Table,
    client: &mut Client<T>,
) -> Undone {
    let mut changes: Vec<Change> =
        doubtful.iter().rev().flat_map(|step| step.undo.iter().cloned()).collect();
    let in_doubt = changes.len();
    changes.extend(made.iter().rev().flat_map(|step| step.undo.iter().cloned()));
    let refused = match client.apply_all(&changes) {
        Ok(outcome) => match outcome.failures().iter().find(|failure| failure.index >= in_doubt) {
            None if doubtful.is_empty() => return Undone::Whole,
            failure => failure.map(|failure| failure.refused),
        },
        Err(_) => return what_is_left(None, old, client),
    };
    match what_is_left(refused, old, client) {
        Undone::InPart { refused: None, left } if left.is_empty() => Undone::Whole,
        undone => undone,
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
