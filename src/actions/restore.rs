//! ipvsadm-restore: a rules file to the kernel, all of it or nothing.

use std::io::Write;
use std::time::Duration;

use super::Error;
use super::session::Session;
use crate::kernel::{Lock, LockError};
use crate::names::Labels;
use crate::plan::{Existing, Plan, Progress, Table, Target, carry_out};
use crate::restore::RuleFile;
use crate::rules::write_change;

/// Whether a restore may leave the kernel without a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyTable {
    /// Where the input describes that table, or the kernel has no services to lose. An input without a rule most likely
    /// comes from a command that failed.
    IfDescribed,
    /// Always.
    Allowed,
    /// Never.
    Refused,
}

/// What to restore, and how.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its content.
    pub text: &'a [u8],
    /// What becomes of what the file does not name.
    pub existing: Existing,
    /// Whether it may lead to an empty table.
    pub empty_table: EmptyTable,
}

/// `--check`: reads the file and nothing else.
///
/// # Errors
/// Every bad line.
pub fn check(
    restore: &Restore<'_>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut file = RuleFile::read(restore.text, &mut session.names);
    // Whether an edit or a deletion fits what is there, and what that leads to, depends on what the kernel has.
    let table = match restore.existing {
        Existing::Replaced => Some(follow(&mut file, Table::default()).table),
        Existing::Kept => None,
    };
    restore.judge(&mut file, table.as_ref())?;
    let condition = if restore.may_clear(&file) {
        ""
    } else {
        "; restored only while the kernel has no services, or with --allow-empty"
    };
    let count = match table {
        Some(table) => {
            let services = counted(table.services.len(), "service");
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

/// The table that a file leads to from another; lines that do not fit the ones before become bad lines of the file.
fn follow(file: &mut RuleFile<'_>, start: Table) -> Target {
    let (target, errors) = Target::of(&file.rules, start);
    file.reject(errors);
    target
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `--diff`: writes the changes that a restore would make, as lines, and says whether there are any.
///
/// # Errors
/// Every bad line; what the kernel says.
pub fn diff(
    restore: &Restore<'_>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let Prepared { plan, .. } = prepare(restore, session)?;
    let mut lines = Vec::new();
    for step in plan.steps() {
        write_change(&mut lines, &step.change, &Labels::numeric()).map_err(Error::Output)?;
        lines.push(b'\n');
    }
    out.write_all(&lines).map_err(Error::Output)?;
    Ok(!lines.is_empty())
}

/// Takes the lock of the network namespace. Where it cannot be had at all, the restore goes on without.
///
/// # Errors
/// When another restore has it for all the time.
pub fn lock(patience: Duration, warn: impl FnOnce(&LockError)) -> Result<Option<Lock>, Error> {
    match Lock::wait(patience) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ LockError::Busy { .. }) => Err(Error::Lock(error)),
        Err(error @ LockError::Unavailable { .. }) => {
            warn(&error);
            Ok(None)
        }
    }
}

/// A restore that is worked out, and nothing done yet.
#[derive(Debug)]
pub struct Prepared<'a> {
    restore: Restore<'a>,
    plan: Plan,
    /// What the kernel has.
    current: Table,
}

/// Works out what has to change for the kernel's table to be what the file says. This may wait for name servers.
///
/// # Errors
/// Every bad line; what the kernel says.
pub fn prepare<'a>(restore: &Restore<'a>, session: &mut Session) -> Result<Prepared<'a>, Error> {
    restore.prepare(&mut RuleFile::read(restore.text, &mut session.names), session)
}

impl Prepared<'_> {
    /// Makes the kernel's table what the file says.
    ///
    /// # Errors
    /// What the kernel says. The table is what it was then, unless the error says otherwise. Where another program has
    /// changed the table meanwhile, also lines that do not fit it any more.
    pub fn carry_out(
        &self,
        session: &mut Session,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        match self.try_once(session, progress) {
            // Commands of other programs wait for no restore: one of them came between reading and changing.
            Err(Error::Broken { broken, .. }) if broken.is_outdated() => {
                prepare(&self.restore, session)?.try_once(session, progress)
            }
            result => result,
        }
    }

    fn try_once(&self, session: &mut Session, progress: &mut dyn Progress) -> Result<(), Error> {
        carry_out(&self.plan, &self.current, session.client()?, progress)
            .map_err(|broken| Error::Broken { file: self.restore.name.to_owned(), broken })
    }
}

impl<'a> Restore<'a> {
    fn prepare(
        &self,
        file: &mut RuleFile<'_>,
        session: &mut Session,
    ) -> Result<Prepared<'a>, Error> {
        // Before the kernel is asked for anything, the file has to be good.
        let (target, current) = match self.existing {
            Existing::Replaced => {
                let target = follow(file, Table::default());
                self.judge(file, Some(&target.table))?;
                let current = Table::read(session.client()?)?;
                if !current.services.is_empty() && !self.may_clear(file) {
                    return Err(Error::UnmeantClearing {
                        file: self.name.to_owned(),
                        services: current.services.len(),
                        has_other_lines: !file.rules.is_empty(),
                    });
                }
                (target, current)
            }
            Existing::Kept => {
                self.judge(file, None)?;
                let current = Table::read(session.client()?)?;
                let target = follow(file, current.clone());
                self.judge(file, Some(&target.table))?;
                (target, current)
            }
        };
        let mut plan = Plan::between(&current, &target.table);
        if target.has_settings() {
            let client = session.client()?;
            plan.add_settings(&target, &client.timeouts()?, &client.daemons()?);
        }
        Ok(Prepared { restore: *self, plan, current })
    }

    /// Whether the kernel's services may go even if the file names none.
    fn may_clear(&self, file: &RuleFile<'_>) -> bool {
        self.existing == Existing::Kept
            || self.empty_table == EmptyTable::Allowed
            || file.describes_a_table()
    }

    /// Refuses a file with bad lines, and one that leads to an empty table or, as long as that is not known, has no
    /// rules.
    fn judge(&self, file: &mut RuleFile<'_>, table: Option<&Table>) -> Result<(), Error> {
        if !file.bad_lines.is_empty() {
            let lines = std::mem::take(&mut file.bad_lines);
            return Err(Error::BadLines { file: self.name.to_owned(), lines });
        }
        let is_empty = table.map_or(file.rules.is_empty(), |table| table.services.is_empty());
        if self.empty_table == EmptyTable::Refused && is_empty {
            return Err(Error::NoRules { file: self.name.to_owned() });
        }
        Ok(())
    }
}
