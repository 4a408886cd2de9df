//! What a rules file leads to: a table, and what takes effect after it.

use super::{Table, TableError};
use crate::model::{Change, SyncDaemon, SyncRole, Timeouts};

/// A change that a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number of the line, from 1.
    pub line: u64,
    /// The change.
    pub change: Change,
}

/// What becomes of what the kernel has and the file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It goes.
    Replaced,
    /// It stays.
    Kept,
}

/// What a rules file leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The virtual services and real servers.
    pub table: Table,
    /// What `--set` lines ask for, with the line of the last.
    pub timeouts: Option<(Timeouts, u64)>,
    /// What the last line about the master daemon asks for: one that runs, or none.
    pub master: Option<(Option<SyncDaemon>, u64)>,
    /// The same of the backup daemon.
    pub backup: Option<(Option<SyncDaemon>, u64)>,
    /// `-Z` lines: counters are zeroed at last.
    pub zeroed: Vec<(Change, u64)>,
}

impl Target {
    /// Follows the rules of a file from a table on, as the kernel would line by line. The lines that do not fit the
    /// ones before are given back with what is wrong.
    pub fn of(rules: &[Rule], start: Table) -> (Self, Vec<(u64, TableError)>) {
        let mut target = Self { table: start, ..Self::default() };
        let mut errors = Vec::new();
        // The real servers of a service mostly stand together: the service is looked up once for all of them.
        for run in rules.chunk_by(|one, next| is_of_same_service(&one.change, &next.change)) {
            let mut note = |rule: &Rule, outcome: Result<(), TableError>| {
                errors.extend(outcome.err().map(|error| (rule.line, error)));
            };
            match run.first().and_then(|rule| rule.change.service_of_server()) {
                Some(key) => {
                    let mut service = target.table.services.get_mut(key);
                    for rule in run {
                        let service = service.as_mut().ok_or(TableError::ServiceNotDefined);
                        note(
                            rule,
                            service.and_then(|known| known.change_server(&rule.change, rule.line)),
                        );
                    }
                }
                None => {
                    for rule in run {
                        note(rule, target.follow(&rule.change, rule.line));
                    }
                }
            }
        }
        let Self { table, zeroed, .. } = &mut target;
        // One that a later line deletes has no counters left to zero.
        zeroed.retain(|(change, _)| match change {
            Change::Zero(Some(key)) => table.services.contains_key(key),
            _ => true,
        });
        (target, errors)
    }

    /// Whether anything is to take effect after the table.
    pub fn has_settings(&self) -> bool {
        let Self { table: _, timeouts, master, backup, zeroed } = self;
        timeouts.is_some() || master.is_some() || backup.is_some() || !zeroed.is_empty()
    }

    fn follow(&mut self, change: &Change, line: u64) -> Result<(), TableError> {
        self.table.change(change, line)?;
        match change {
            Change::SetTimeouts(timeouts) => {
                let before = self.timeouts.map(|(timeouts, _)| timeouts);
                let timeouts = match before {
                    Some(before) => timeouts.over(&before),
                    None => *timeouts,
                };
                self.timeouts = Some((timeouts, line));
            }
            Change::StartDaemon(daemon) => {
                *self.daemon(daemon.role) = Some((Some(daemon.clone()), line));
            }
            Change::StopDaemon(role) => *self.daemon(*role) = Some((None, line)),
            Change::Zero(_) => self.zeroed.push((change.clone(), line)),
            _ => {}
        }
        Ok(())
    }

    fn daemon(&mut self, role: SyncRole) -> &mut Option<(Option<SyncDaemon>, u64)> {
        match role {
            SyncRole::Master => &mut self.master,
            SyncRole::Backup => &mut self.backup,
        }
    }
}

/// Whether two changes are of real servers of the same service.
fn is_of_same_service(one: &Change, next: &Change) -> bool {
    one.service_of_server().is_some() && one.service_of_server() == next.service_of_server()
}
