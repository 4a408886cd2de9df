//! ipvsadm-restore: applies a rules file atomically, as a plan with rollback.

mod failure;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ipvs::error::Subject;
use ipvs::kernel::{Lock, Namespace};
use ipvs::model::{Change, Family, RealServerKey, Request, Scope, SyncRole};
use ipvs::plan::{Applied, Plan, PlanOptions, Prepared, Progress, apply_with_retries};
use ipvs::state::{Selection, read_selected, read_settings};
use ipvs::{Client, ErrorKind, Ruleset};
use ipvs_rules::{OutputFormat, other_interpreter};

pub(super) use failure::{failed_restore, unconfirmed_restore};

use super::list_metrics::replace;
use super::session::Session;
use super::{AppliedPlan, Error};
use crate::args::{EmptyTable, Existing, Weights};
use crate::output::{PlanDocument, counted, plan_metrics, write_document};
use crate::resolve::Resolver;
use crate::rules_file::{Origin, Rule, RuleFile};

/// Observes a restore or a change, and knows the signal that stops it.
pub trait Watcher: Progress {
    /// The signal that arrived, if one did.
    fn signal(&self) -> Option<i32>;
}

/// The table that a file makes.
type Wanted = Ruleset<Origin>;

/// The table that a file makes out of an empty one, and the facts about the file that a plan needs. The file's rules are
/// no longer in memory.
struct Target {
    wanted: Wanted,
    /// The restore may delete all services of the kernel.
    may_clear: bool,
    has_rules: bool,
}

/// The most bad lines that a restore lists. A file of something else may have millions.
const MOST_BAD_LINES: usize = 50;

/// The input and the options of a restore.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its content.
    pub text: &'a [u8],
    /// The kernel's entries that the file does not name.
    pub existing: Existing,
    /// Permission to leave an empty table.
    pub empty_table: EmptyTable,
    /// The weights of servers that exist.
    pub weights: Weights,
    /// The part of the table that the file describes; all of it if there is none.
    pub scopes: &'a [Scope],
}

/// `--check`: reads the file alone.
///
/// # Errors
/// All bad lines.
pub fn check(
    restore: &Restore<'_>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut file = restore.read(&mut session.resolver)?;
    // If the kernel's entries stay, only the kernel's table shows whether an edit or a deletion fits.
    let table = match restore.existing {
        Existing::Replaced => Some(follow(&mut file, Wanted::default(), Existing::Replaced)),
        Existing::Kept => None,
    };
    restore.judge(&mut file, table.as_ref(), usize::MAX)?;
    let condition = if restore.may_clear(&file) {
        ""
    } else {
        "; restored only while the kernel has no services, or with --allow-empty"
    };
    let count = match table {
        Some(table) => {
            let services = counted(table.services().len(), "service");
            format!("{services}, {}", counted(table.server_count(), "real server"))
        }
        None => counted(file.rules.len(), "rule"),
    };
    writeln!(
        out,
        "{}: {count}{condition}; whether their schedulers and engines load, only the kernel knows",
        restore.name
    )
    .map_err(Error::Output)
}

/// Applies the rules of a file to a table. Lines that do not fit the lines before them become bad lines of the file.
fn follow(file: &mut RuleFile<'_>, start: Wanted, existing: Existing) -> Wanted {
    let mut wanted = start;
    let mut conflicts = wanted.apply_all(&file.rules);
    if existing == Existing::Kept {
        // A deletion asks that the entry be gone.
        let deleted = |line: &Origin| {
            let rules = file.rules.binary_search_by_key(line, |rule| rule.origin);
            rules.ok().and_then(|place| file.rules.get(place)).is_some_and(is_deletion)
        };
        conflicts.retain(|(line, conflict)| !(conflict.is_missing() && deleted(line)));
    }
    file.reject(conflicts);
    wanted
}

fn is_deletion(rule: &Rule) -> bool {
    let Request::Change(change) = &rule.request else { return false };
    matches!(change, Change::DeleteService(_) | Change::DeleteServer(..))
}

/// `--diff`: a dry run. Writes the changes as lines or as JSON, and returns whether there are any.
///
/// # Errors
/// All bad lines; the kernel's refusal.
pub fn diff(
    restore: &Restore<'_>,
    format: OutputFormat,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let PreparedRestore { prepared: Prepared { plan, .. }, .. } = prepare(restore, session)?;
    let mut text = Vec::new();
    write_document(&mut text, &PlanDocument(&plan), format).map_err(Error::Output)?;
    out.write_all(&text).map_err(Error::Output)?;
    Ok(!plan.zeroes_only())
}

/// The directory of the lock files.
const LOCKS: &str = "/run/ipvsadm";

/// `--diff --metrics`: a dry run that counts the changes by their kinds, and returns whether there are any.
///
/// # Errors
/// As [`diff`]; when the file of the metrics cannot be replaced.
pub fn diff_metrics(
    restore: &Restore<'_>,
    file: Option<&Path>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let PreparedRestore { prepared: Prepared { plan, .. }, .. } = prepare(restore, session)?;
    let (text, has_changes) = plan_metrics(&plan);
    match file {
        Some(path) => replace(path, &text)?,
        None => out.write_all(text.as_bytes()).map_err(Error::Output)?,
    }
    Ok(has_changes)
}

/// Takes the lock of the network namespace. If the lock's file cannot be opened, the restore goes on without a lock.
///
/// # Errors
/// When another restore holds the lock for the whole time.
pub fn lock(
    namespace: &Namespace,
    patience: Duration,
    warn: impl FnOnce(&ipvs::Error),
) -> Result<Option<Lock>, Error> {
    match namespace.lock(Path::new(LOCKS), patience) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => match error.subject() {
            Some(Subject::File(path)) if error.kind() == ErrorKind::Locked => {
                Err(Error::Locked { path: path.clone() })
            }
            _ => {
                warn(&error);
                Ok(None)
            }
        },
    }
}

/// A restore that is planned and not applied.
#[derive(Debug)]
pub struct PreparedRestore<'a> {
    restore: Restore<'a>,
    prepared: Prepared<Origin>,
}

/// Plans the changes from the kernel's table to the file's. This may wait for name servers.
///
/// # Errors
/// All bad lines; the kernel's refusal.
pub fn prepare<'a>(
    restore: &Restore<'a>,
    session: &mut Session,
) -> Result<PreparedRestore<'a>, Error> {
    let mut file = restore.read(&mut session.resolver)?;
    // The file is checked before the first request to the kernel.
    let target = restore.target(&mut file)?;
    let prepared = restore.plan(&mut file, target, session.client()?)?;
    Ok(PreparedRestore { restore: *restore, prepared })
}

impl PreparedRestore<'_> {
    /// Applies the plan. If another program changes the table meanwhile, plans again.
    ///
    /// # Errors
    /// The kernel's refusal, after a rollback; the error has the result of the rollback. Lines that no longer fit the
    /// table that another program has changed.
    pub fn carry_out(
        self,
        session: &mut Session,
        watcher: &mut impl Watcher,
    ) -> Result<AppliedPlan, Error> {
        let Self { restore, prepared } = self;
        let conflict = conflict(&prepared.plan);
        let mut resolver = std::mem::take(&mut session.resolver);
        let result: Applied<Origin, Error> =
            session.client().map_err(Error::from).and_then(|client| {
                apply_with_retries(prepared, client, watcher, |client| {
                    let mut file = restore.read(&mut resolver)?;
                    let target = restore.target(&mut file)?;
                    restore.plan(&mut file, target, client)
                })
            });
        session.resolver = resolver;
        let (file, signal) = (restore.name.to_owned(), watcher.signal());
        match result? {
            Ok(applied) => Ok(AppliedPlan::new(file, applied)),
            Err(failed) => Err(Error::NotApplied { file, signal, failed, conflict }),
        }
    }
}

/// A sync daemon that a plan starts, and a real server with another IP version than its service that it adds. The kernel
/// refuses the second of them.
fn conflict(plan: &Plan<Origin>) -> Option<(SyncRole, RealServerKey)> {
    let role = plan.steps().find_map(|step| match &step.change {
        Change::StartDaemon(daemon) => Some(daemon.role),
        _ => None,
    })?;
    let server = plan.steps().find_map(|step| match &step.change {
        Change::AddServer(service, server)
            if Family::of(server.key.address) != service.family() =>
        {
            Some(server.key)
        }
        _ => None,
    })?;
    Some((role, server))
}

impl<'a> Restore<'a> {
    /// Parses the rules, unless they are a script for another program, or too few to replace the whole table.
    fn read(&self, resolver: &mut Resolver) -> Result<RuleFile<'a>, Error> {
        match other_interpreter(self.text) {
            Some(program) => Err(Error::Script { program }),
            None => {
                let mut file = RuleFile::read(self.text, resolver);
                file.reject_outside(self.scopes);
                let is_whole = self.scopes.is_empty() && self.existing == Existing::Replaced;
                match std::mem::take(&mut file.partial) {
                    members if is_whole && !members.is_empty() => {
                        Err(Error::Partial { file: self.name.to_owned(), members })
                    }
                    _ => Ok(file),
                }
            }
        }
    }

    /// The table that the file makes out of an empty one, if the restore replaces the kernel's table. The rules of the file
    /// are then removed from memory, since a plan takes as much again.
    fn target(&self, file: &mut RuleFile<'_>) -> Result<Option<Target>, Error> {
        let wanted = match self.existing {
            Existing::Replaced => Some(follow(file, Wanted::default(), Existing::Replaced)),
            Existing::Kept => None,
        };
        self.judge(file, wanted.as_ref(), MOST_BAD_LINES)?;
        Ok(wanted.map(|wanted| {
            let (may_clear, has_rules) = (self.may_clear(file), !file.rules.is_empty());
            file.rules = Vec::new();
            Target { wanted, may_clear, has_rules }
        }))
    }

    /// Reads the kernel's table and plans the changes.
    fn plan(
        &self,
        file: &mut RuleFile<'_>,
        target: Option<Target>,
        client: &mut Client,
    ) -> Result<Prepared<Origin>, Error> {
        let mut current: Wanted = read_selected(client, Selection::Within(self.scopes))?;
        let wanted = match target {
            Some(Target { wanted, may_clear, has_rules }) => {
                if !current.is_empty() && !may_clear {
                    return Err(Error::UnmeantClearing {
                        file: self.name.to_owned(),
                        services: current.services().len(),
                        is_scoped: !self.scopes.is_empty(),
                        has_other_lines: has_rules,
                    });
                }
                wanted
            }
            None => {
                let wanted = follow(file, current.clone(), Existing::Kept);
                self.judge(file, Some(&wanted), MOST_BAD_LINES)?;
                wanted
            }
        };
        if !wanted.settings.is_empty() {
            current.settings = read_settings(client)?;
        }
        let mut options = PlanOptions::default().keep_weights(self.weights == Weights::Kept);
        options.scopes = self.scopes.to_vec();
        let plan = Plan::with_options(&current, &wanted, &options);
        Ok(Prepared { plan, current })
    }

    /// Returns whether the restore may delete all services of the kernel.
    fn may_clear(&self, file: &RuleFile<'_>) -> bool {
        self.existing == Existing::Kept
            || self.empty_table == EmptyTable::Allowed
            || file.describes_a_table()
    }

    /// Refuses a file with bad lines. If an empty table is refused, refuses a file that makes one, or a file without
    /// rules while the table is unknown. The error lists `most` bad lines.
    fn judge(
        &self,
        file: &mut RuleFile<'_>,
        table: Option<&Wanted>,
        most: usize,
    ) -> Result<(), Error> {
        if !file.bad_rules.is_empty() {
            let mut lines = std::mem::take(&mut file.bad_rules);
            let more = lines.len().saturating_sub(most);
            lines.truncate(most);
            return Err(Error::BadRules { file: self.name.to_owned(), lines, more });
        }
        let is_empty = table.map_or(file.rules.is_empty(), |table| table.is_empty());
        if self.empty_table == EmptyTable::Refused && is_empty {
            return Err(Error::NoRules { file: self.name.to_owned() });
        }
        Ok(())
    }
}
