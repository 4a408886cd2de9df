//! `--dry-run`: prints the entries that changes would affect, before and after, and changes nothing.

use std::io::Write;

use super::preview::perform_on;
use super::{Error, Session};
use ipvs::model::{
    Change, Entry, RealServerKey, Request, ServiceKey, ServiceRules, VirtualService,
};
use ipvs::netlink::Transport;
use ipvs::plan::{DrainTarget, Plan, Step};
use ipvs::state::{read_ruleset, read_settings};
use ipvs::{Client, Ruleset};
use ipvs_rules::{Command, Numeric, TableChange, write_change};

/// Prints what a change would do, as lines of a save: those of before with a minus sign, those of after with a plus
/// sign. The table is that of one reading, so another program may change it before the change is made.
///
/// # Errors
/// As for the change itself, as far as the table shows it.
pub fn dry_run<T: Transport>(
    change: &TableChange,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    DryRun::read(session.client()?)?.show(change, out)
}

/// A table that changes in memory alone.
#[derive(Debug)]
pub(super) struct DryRun {
    table: Ruleset,
}

impl DryRun {
    /// Begins with the kernel's table and settings.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub(super) fn read<T: Transport>(client: &mut Client<T>) -> Result<Self, Error> {
        let mut table: Ruleset = read_ruleset(client)?;
        table.settings = read_settings(client)?;
        Ok(Self { table })
    }

    /// Makes the change of a command, and prints its effect. A line of its own with `--dry-run` has no effect on the
    /// lines after it, and a drain counts as the edit or the deletion at its end.
    ///
    /// # Errors
    /// As for the change itself. [`Error::NotAChange`] for any other command.
    pub(super) fn run(&mut self, command: &Command, out: &mut dyn Write) -> Result<(), Error> {
        match command {
            Command::Request(request) => self.show(&TableChange::Request(request.clone()), out),
            Command::ClearWithin(scopes) => {
                self.show(&TableChange::ClearWithin(scopes.clone()), out)
            }
            Command::Drain(drain) => {
                let request = match drain.target {
                    DrainTarget::Service(service) => Change::DeleteService(service).into(),
                    DrainTarget::Server(service, server) if drain.deletes => {
                        Change::DeleteServer(service, server).into()
                    }
                    DrainTarget::Server(service, server) => Request::set_weight(service, server, 0),
                };
                self.show(&TableChange::Request(request), out)
            }
            Command::DryRun(change) => Self { table: self.table.clone() }.show(change, out),
            _ => Err(Error::NotAChange),
        }
    }

    /// Makes a change, and prints its effect.
    fn show(&mut self, change: &TableChange, out: &mut dyn Write) -> Result<(), Error> {
        let before = self.affected_by(change);
        perform_on(change, &mut self.table)?;
        let mut after = self.affected_by(change);
        after.settings.zeroed = std::mem::take(&mut self.table.settings.zeroed);
        let mut text = Vec::new();
        for step in Plan::between(&before, &after).steps() {
            write_step(&mut text, step).map_err(Error::Output)?;
        }
        out.write_all(&text).map_err(Error::Output)
    }

    /// The part of the table that a change may affect. A plan over all of it would take too long for each of many lines.
    fn affected_by(&self, change: &TableChange) -> Ruleset {
        let request = match change {
            TableChange::Request(request) => request,
            TableChange::ClearWithin(_) => return self.table.clone(),
        };
        let rules = match affected_entries(request) {
            Entries::All => return self.table.clone(),
            Entries::Settings => None,
            Entries::Service(key) => self.table.service(key).cloned(),
            Entries::Server(key, server) => self.table.service(key).map(|rules| {
                let servers = rules.servers();
                let place = servers.binary_search_by_key(&server, |rule| rule.server.key);
                let server = place.ok().and_then(|place| servers.get(place));
                ServiceRules::new(rules.service().clone(), server.map(|rule| rule.server))
            }),
        };
        let mut part: Ruleset = rules.into_iter().collect();
        part.settings = self.table.settings.clone();
        part
    }
}

/// The entries that a request may affect.
enum Entries<'a> {
    All,
    Settings,
    /// A service with its real servers.
    Service(&'a ServiceKey),
    Server(&'a ServiceKey, RealServerKey),
}

fn affected_entries(request: &Request) -> Entries<'_> {
    match request {
        Request::IfExists(request) => affected_entries(request),
        Request::EditService(key, _) => Entries::Service(key),
        Request::EditServer(key, server, _) => Entries::Server(key, *server),
        Request::AddIfMissing(entry) | Request::Replace(entry) => match entry {
            Entry::Service(service) => Entries::Service(&service.key),
            Entry::Server(key, server) => Entries::Server(key, server.key),
        },
        Request::Change(change) => match change {
            Change::AddService(VirtualService { key, .. })
            | Change::EditService(VirtualService { key, .. })
            | Change::DeleteService(key) => Entries::Service(key),
            Change::AddServer(key, server) | Change::EditServer(key, server) => {
                Entries::Server(key, server.key)
            }
            Change::DeleteServer(key, server) => Entries::Server(key, *server),
            Change::Flush => Entries::All,
            Change::Zero(_)
            | Change::SetTimeouts(_)
            | Change::StartDaemon(_)
            | Change::StopDaemon(_) => Entries::Settings,
        },
        _ => Entries::All,
    }
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
    use ipvs_rules::parse_numeric_line;
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
        let Some(Command::DryRun(change)) = parse_numeric_line(line.as_bytes()).unwrap() else {
            panic!("{line} is not a dry run");
        };
        let mut session = Session::with_client(client);
        let mut out = Vec::new();
        let result = dry_run(&change, &mut session, &mut out);
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
        assert_eq!(shown("-C --within fwmark:1-9").as_deref(), Ok("- -A -f 7 -s rr\n"));
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

    /// The output of a dry run of lines, in which each sees the effects of those before it.
    fn shown_lines(lines: &str) -> Vec<Result<String, String>> {
        let kernel = Kernel::new();
        let mut client = Client::new(kernel.socket()).unwrap();
        let mut dry_run = DryRun::read(&mut client).unwrap();
        lines
            .lines()
            .map(|line| {
                let command = parse_numeric_line(line.as_bytes()).unwrap().unwrap();
                let mut out = Vec::new();
                let result = dry_run.run(&command, &mut out);
                result.map_err(|error| error.to_string())?;
                Ok(String::from_utf8(out).unwrap())
            })
            .collect()
    }

    #[test]
    fn line_sees_the_effects_of_the_lines_before_it() {
        const SERVER: &str = "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w";
        let ok = |text: String| Ok(text);
        for (line, expected) in [
            ("-a -t 10.0.0.1:80 -r 10.1.0.1 -m", Err("Service not defined".to_owned())),
            ("-A -t 10.0.0.1:80 -s rr", ok("+ -A -t 10.0.0.1:80 -s rr\n".to_owned())),
            ("-A -t 10.0.0.1:80 -s rr", Err("Service already exists".to_owned())),
            ("-a -t 10.0.0.1:80 -r 10.1.0.1 -m -w 3", ok(format!("+ {SERVER} 3\n"))),
            (
                "-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w +2",
                ok(format!("- {SERVER} 3\n+ {SERVER} 5\n")),
            ),
            // This line is a dry run of its own.
            ("-d -t 10.0.0.1:80 -r 10.1.0.1 --dry-run", ok(format!("- {SERVER} 5\n"))),
            ("-e -t 10.0.0.1:80 -r 10.1.0.1 --drain", ok(format!("- {SERVER} 5\n+ {SERVER} 0\n"))),
            ("-d -t 10.0.0.1:80 -r 10.1.0.1 --drain=9", ok(format!("- {SERVER} 0\n"))),
            ("-Z", ok("+ -Z\n".to_owned())),
            ("--set 5 0 0", ok("- --set 900 120 300\n+ --set 5 120 300\n".to_owned())),
            ("--set 0 0 7", ok("- --set 5 120 300\n+ --set 5 120 7\n".to_owned())),
            ("-C --within 10.0.0.0/8", ok("- -A -t 10.0.0.1:80 -s rr\n".to_owned())),
            ("-C", ok(String::new())),
            ("-L -n", Err("cannot show this line: a dry run shows changes alone".to_owned())),
        ]
        .into_iter()
        .scan(String::new(), |lines, (line, expected)| {
            lines.push_str(&format!("{line}\n"));
            Some((lines.clone(), expected))
        }) {
            let last = shown_lines(&line).pop().unwrap();
            match (&last, &expected) {
                (Err(said), Err(start)) => assert!(said.starts_with(start), "{line}: {said}"),
                _ => assert_eq!(last, expected, "{line}"),
            }
        }
    }
}
