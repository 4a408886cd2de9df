//! `--dry-run`: prints the entries that a request would change, before and after, and changes nothing.

use std::io::Write;

use super::{Error, Session};
use ipvs::Ruleset;
use ipvs::error::{Operation, Subject};
use ipvs::model::{Change, Request, RuleConflict, SyncRole};
use ipvs::netlink::Transport;
use ipvs::plan::{Plan, Step};
use ipvs::state::{read_ruleset, read_settings};
use ipvs_rules::{Numeric, write_change};
use rustix::io::Errno;

/// Prints what a request would change, as lines of a save: those of before with a minus sign, those of after with a plus
/// sign. The table is that of one reading, so another program may change it before the request is made.
///
/// # Errors
/// As for the request itself, as far as the table shows it.
pub fn dry_run<T: Transport>(
    request: &Request,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let client = session.client()?;
    let mut current: Ruleset = read_ruleset(client)?;
    if is_setting(request) {
        current.settings = read_settings(client)?;
    }
    let mut wanted = current.clone();
    refuse_existing(request, &current)?;
    wanted.perform(request, None).map_err(|conflict| refusal(request, &conflict))?;
    let mut text = Vec::new();
    let plan = Plan::between(&current, &wanted);
    for step in plan.steps() {
        write_step(&mut text, step).map_err(Error::Output)?;
    }
    out.write_all(&text).map_err(Error::Output)
}

fn is_setting(request: &Request) -> bool {
    matches!(
        request,
        Request::Change(Change::SetTimeouts(_) | Change::StartDaemon(_) | Change::StopDaemon(_))
    )
}

/// Refuses an addition of an entry that exists, and the stop of a daemon that does not run. A ruleset accepts both.
fn refuse_existing(request: &Request, current: &Ruleset) -> Result<(), Error> {
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

/// The kernel's refusal of a request that does not fit the table.
fn refusal(request: &Request, conflict: &RuleConflict<()>) -> Error {
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

fn write_step(text: &mut Vec<u8>, step: &Step) -> std::io::Result<()> {
    let before = step.undo.iter().filter_map(as_entry).map(|entry| (b"- ", entry));
    for (sign, entry) in before.chain(as_entry(&step.change).map(|entry| (b"+ ", entry))) {
        text.extend_from_slice(sign);
        write_change(text, &entry, &Numeric)?;
        text.push(b'\n');
    }
    Ok(())
}

/// The line that a save has for the entry of a change. `None` for a deletion.
fn as_entry(change: &Change) -> Option<Change> {
    match change {
        Change::EditService(service) => Some(Change::AddService(service.clone())),
        Change::EditServer(key, server) => Some(Change::AddServer(*key, *server)),
        Change::DeleteService(_) | Change::DeleteServer(..) | Change::StopDaemon(_) => None,
        change => Some(change.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::Client;
    use ipvs_rules::{Command, parse_numeric_line};
    use ipvs_test::kernel::Kernel;

    const TABLE: &str = "\
        -A -t 10.0.0.1:80 -s wrr -p 300\n\
        -a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 5 -x 9\n\
        -A -f 7 -s rr\n\
        --set 900 120 300\n\
        --start-daemon master --mcast-interface lo";

    /// The output of a dry run over the table, or its message. The table stays the same.
    fn shown(line: &str) -> Result<String, String> {
        let kernel = Kernel::new();
        let mut client = Client::new(kernel.socket()).unwrap();
        for line in TABLE.lines() {
            let Some(Command::Request(request)) = parse_numeric_line(line.as_bytes()).unwrap()
            else {
                panic!("{line} is not a request");
            };
            ipvs::plan::perform(&request, &mut client).unwrap();
        }
        let before: Ruleset = read_ruleset(&mut client).unwrap();
        let line = format!("{line} --dry-run");
        let Some(Command::DryRun(request)) = parse_numeric_line(line.as_bytes()).unwrap() else {
            panic!("{line} is not a dry run");
        };
        let mut session = Session::with_client(client);
        let mut out = Vec::new();
        let result = dry_run(&request, &mut session, &mut out);
        let after: Ruleset = read_ruleset(session.client().unwrap()).unwrap();
        assert_eq!(after, before, "{line}");
        result.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn entries_are_shown_before_and_after() {
        const SERVER: &str = "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m";
        let edit = "-e -t 10.0.0.1:80 -r 10.1.0.1:8080";
        for (line, expected) in [
            (format!("{edit} -m -w 0"), format!("- {SERVER} -w 5 -x 9\n+ {SERVER} -w 0\n")),
            (
                format!("{edit} --keep -w +1"),
                format!("- {SERVER} -w 5 -x 9\n+ {SERVER} -w 6 -x 9\n"),
            ),
            (format!("{edit} --keep -w 5"), String::new()),
            ("-d -t 10.0.0.1:80 -r 10.1.0.9 --if-exists".to_owned(), String::new()),
            (
                "-D -t 10.0.0.1:80".to_owned(),
                format!("- -A -t 10.0.0.1:80 -s wrr -p 300\n- {SERVER} -w 5 -x 9\n"),
            ),
            ("-A -f 7 -s lc --replace".to_owned(), "- -A -f 7 -s rr\n+ -A -f 7 -s lc\n".to_owned()),
            ("-A -f 8 -s lc".to_owned(), "+ -A -f 8 -s lc\n".to_owned()),
            ("-Z -f 7".to_owned(), "+ -Z -f 7\n".to_owned()),
            ("--set 1 0 0".to_owned(), "- --set 900 120 300\n+ --set 1 120 300\n".to_owned()),
        ] {
            assert_eq!(shown(&line).as_deref(), Ok(expected.as_str()), "{line}");
        }
        let cleared = shown("-C").unwrap();
        assert_eq!(cleared.lines().count(), 3, "{cleared}");
        let stopped = shown("--stop-daemon master").unwrap();
        assert!(stopped.starts_with("- --start-daemon master"), "{stopped}");
    }

    #[test]
    fn request_that_the_kernel_would_refuse_is_refused() {
        for (line, message) in [
            ("-A -f 7 -s rr", "Service already exists"),
            ("-A -f 7 -s lc --if-not-exists", "Service already exists"),
            ("-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m", "Destination already exists"),
            ("-e -t 10.0.0.1:80 -r 10.1.0.9", "No such destination"),
            ("-e -t 10.0.0.9:80 -r 10.1.0.9 --keep", "Service not defined"),
            ("-E -f 9", "No such service"),
            ("--stop-daemon backup", "No daemon is running"),
            ("--start-daemon master", "Daemon has already run"),
            (
                "-e -t 10.0.0.1:80 -r 10.1.0.1:8080 --keep -w +2147483647",
                "Numerical result out of range (the weight would be 2147483652",
            ),
        ] {
            let error = shown(line).unwrap_err();
            assert!(error.starts_with(message), "{line}: {error}");
        }
    }
}
