//! Performs a change on a table in memory, and refuses what the kernel would refuse as far as the table shows it.

use ipvs::Ruleset;
use ipvs::error::{Operation, Subject};
use ipvs::model::{Change, Request, RuleConflict, Scope, SyncRole};
use ipvs_rules::TableChange;
use rustix::io::Errno;

use super::Error;

/// Performs a change on a table.
///
/// # Errors
/// As for the change itself. The table is the same then.
pub(super) fn perform_on<O: Copy>(
    change: &TableChange,
    table: &mut Ruleset<O>,
) -> Result<(), Error> {
    match change {
        TableChange::Request(request) => {
            refuse_existing(request, table)?;
            refuse_crossed_thresholds(request, table)?;
            table.perform(request, None).map_err(|conflict| refusal(request, &conflict))
        }
        TableChange::ClearWithin(scopes) => {
            let inside = table.services().map(|rules| *rules.key());
            let inside: Vec<_> = inside.filter(|key| Scope::any_contains(scopes, key)).collect();
            for key in inside {
                // The key is the table's own.
                let _ = table.apply(&Change::DeleteService(key), None);
            }
            Ok(())
        }
    }
}

/// Refuses an addition of an entry that exists, the start of a daemon that runs, and the stop of one that does not. A
/// ruleset accepts them.
fn refuse_existing<O>(request: &Request, current: &Ruleset<O>) -> Result<(), Error> {
    let Request::Change(change) = request else { return Ok(()) };
    let daemon = |role| match role {
        SyncRole::Master => &current.settings.master,
        SyncRole::Backup => &current.settings.backup,
    };
    let runs = |role| matches!(daemon(role), Some((Some(_), _)));
    let has_server = |key, server| {
        let rules = current.service(key);
        rules.is_some_and(|rules| rules.servers().iter().any(|rule| rule.server.key == server))
    };
    let refusal = match change {
        Change::AddService(service) if current.service(&service.key).is_some() => {
            (Operation::AddService, Some(Subject::Service(service.key)), Errno::EXIST)
        }
        Change::AddServer(key, server) if has_server(key, server.key) => {
            (Operation::AddServer, Some(Subject::Server(*key, server.key)), Errno::EXIST)
        }
        Change::StartDaemon(daemon) if runs(daemon.role) => {
            (Operation::StartDaemon, Some(Subject::Daemon(daemon.role)), Errno::EXIST)
        }
        Change::StopDaemon(role) if !runs(*role) => {
            (Operation::StopDaemon, Some(Subject::Daemon(*role)), Errno::SRCH)
        }
        _ => return Ok(()),
    };
    let (operation, subject, errno) = refusal;
    Err(ipvs::Error::refused(operation, subject, errno.raw_os_error()).into())
}

/// Refuses an edit that leaves the lower threshold of a real server above the upper one. A ruleset accepts it.
fn refuse_crossed_thresholds<O>(request: &Request, current: &Ruleset<O>) -> Result<(), Error> {
    let Request::EditServer(service, key, edit) = plain(request) else { return Ok(()) };
    let rules = current.service(service);
    let mut servers = rules.into_iter().flat_map(|rules| rules.servers());
    let server = servers.find(|rule| rule.server.key == *key).map(|rule| &rule.server);
    let edited = server.and_then(|server| edit.applied_to(server).ok());
    match edited.filter(|server| server.lower_threshold > server.upper_threshold) {
        None => Ok(()),
        Some(server) => {
            let change = Change::EditServer(*service, server);
            Err(ipvs::Error::refused_change(&change, Errno::RANGE.raw_os_error()).into())
        }
    }
}

/// The request itself, without a condition.
pub(super) fn plain(request: &Request) -> &Request {
    match request {
        Request::IfExists(request) => request,
        request => request,
    }
}

/// The kernel's refusal of a request that does not fit the table.
fn refusal<O>(request: &Request, conflict: &RuleConflict<O>) -> Error {
    let (operation, errno) = match conflict {
        RuleConflict::Weight(error) => return Error::Weight(*error),
        RuleConflict::ServiceExists(_) => (Operation::AddService, Errno::EXIST),
        RuleConflict::ServerExists(_) => (Operation::AddServer, Errno::EXIST),
        RuleConflict::NoSuchService => (Operation::EditService, Errno::SRCH),
        RuleConflict::NoServiceForServer => (Operation::EditServer, Errno::SRCH),
        RuleConflict::NoSuchServer => (Operation::EditServer, Errno::NOENT),
    };
    let subject = match request {
        Request::EditService(key, _) => Some(Subject::Service(*key)),
        Request::EditServer(key, server, _) => Some(Subject::Server(*key, *server)),
        Request::Change(change) => Subject::of(change),
        _ => None,
    };
    ipvs::Error::refused(operation, subject, errno.raw_os_error()).into()
}
