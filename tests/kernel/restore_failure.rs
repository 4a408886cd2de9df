//! A restore is atomic: whichever change the kernel refuses, the table is unchanged afterwards, and the message names
//! the line of the change. If the rollback itself fails, the message lists commands that restore the old table.

use ipvs::model::UnknownAttribute;
use ipvs::model::{Change, RealServerKey, Request, ServiceKey, SyncRole};
use ipvs::plan::{Cause, Progress, Rollback};
use ipvs_rules::{Command, parse_numeric_line};
use ipvsadm::rules_file::Origin;

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::restore_wire::{Fate, NewerKernel, client, restore, restore_watched};
use crate::table::{Kernel, Table};

const OLD: &str = "\
    --set 900 120 300\n\
    --start-daemon backup --mcast-interface lo --syncid 3\n\
    -A -t 10.0.0.1:80 -s rr\n\
    -a -t 10.0.0.1:80 -r 10.1.0.1 -m\n\
    -a -t 10.0.0.1:80 -r 10.1.0.2 -m -w 2\n\
    -A -t 10.0.0.2:80 -s rr -p 60\n\
    -a -t 10.0.0.2:80 -r 10.1.0.1 -g\n\
    -A -f 7 -s wlc\n\
    -a -f 7 -r 10.1.0.1 -m\n\
    -A -f 7 -6 -s wlc\n\
    -a -f 7 -6 -r 2001:db8::1 -m\n";

/// A file whose restore over OLD needs changes of every kind: services and real servers are added, deleted and edited,
/// timeouts change, one daemon stops and another one starts.
fn new_rules() -> String {
    let mut text = "\
        --set 5 0 0\n\
        --start-daemon backup --mcast-interface lo --syncid 4\n\
        -A -t 10.0.0.1:80 -s wrr\n\
        -a -t 10.0.0.1:80 -r 10.1.0.2 -m -w 5\n\
        -A -f 7 -s sh -b sh-port\n"
        .to_owned();
    for port in 1..=8 {
        text.push_str(&format!("-A -u [2001:db8::9]:{port} -s sed\n"));
        for host in 1..=4 {
            text.push_str(&format!("-a -u [2001:db8::9]:{port} -r 2001:db8:1::{host} -m\n"));
        }
    }
    text
}

const CHANGES: usize = 50;

/// A namespace whose table is OLD.
fn old_table() -> (Kernel, Table) {
    fresh_namespace();
    let kernel = Kernel::open();
    Program::ours().feed(["-R"], OLD.as_bytes()).succeeded();
    let table = kernel.rules();
    assert_eq!((table.services.len(), table.daemons.len()), (4, 1));
    (kernel, table)
}

fn spoiled_if(condition: bool) -> Fate {
    if condition { Fate::IsSpoiled } else { Fate::Arrives }
}

/// The object of a change: a service, a real server, a daemon or the timeouts.
#[derive(Debug, PartialEq)]
enum Subject {
    Service(ServiceKey),
    Server(ServiceKey, RealServerKey),
    Timeouts,
    Daemon(SyncRole),
}

fn subject(change: &Change) -> Subject {
    match change {
        Change::AddService(service) | Change::EditService(service) => Subject::Service(service.key),
        Change::DeleteService(key) => Subject::Service(*key),
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            Subject::Server(*key, server.key)
        }
        Change::DeleteServer(key, server) => Subject::Server(*key, *server),
        Change::SetTimeouts(_) => Subject::Timeouts,
        Change::StartDaemon(daemon) => Subject::Daemon(daemon.role),
        Change::StopDaemon(role) => Subject::Daemon(*role),
        Change::Zero(_) | Change::Flush => panic!("no change of these files: {change:?}"),
    }
}

/// The change that each line of a file requests.
fn asked_by(text: &str) -> Vec<Change> {
    let read = text.lines().map(|line| match parse_numeric_line(line.as_bytes()) {
        Ok(Some(Command::Request(Request::Change(change)))) => change,
        other => panic!("{line}: {other:?}"),
    });
    read.collect()
}

/// Asserts the number of the line that requests a change, counted from 1. The number is 0 for a deletion, which no line
/// requests.
fn is_line_of(line: u64, change: &Change, asked: &[Change]) {
    let about_it = asked.iter().position(|asked| subject(asked) == subject(change));
    assert_eq!(line, about_it.map_or(0, |place| place as u64 + 1), "{change:?}");
    let asked = about_it.map(|place| &asked[place]);
    let is_meant = match (change, asked) {
        // An existing entry is edited as its line requests.
        (Change::EditService(new), Some(Change::AddService(asked))) => new == asked,
        (Change::EditServer(_, new), Some(Change::AddServer(_, asked))) => new == asked,
        // A daemon is stopped because its line starts it again.
        (Change::StopDaemon(_), Some(Change::StartDaemon(_))) => true,
        (Change::DeleteService(_) | Change::DeleteServer(..), None) => true,
        (change, asked) => asked == Some(change),
    };
    assert!(is_meant, "line {line} asks for {asked:?}, not for {change:?}");
}

#[test]
fn a_failure_at_any_step_leaves_the_old_table() {
    let (kernel, before) = old_table();
    let new = new_rules();
    let asked = asked_by(&new);
    for step in 1..=CHANGES {
        let (mut client, _) = client(move |change| spoiled_if(change == step));
        let broken = restore(&new, &mut client).unwrap_err();
        assert_eq!(
            kernel.rules().to_string(),
            before.to_string(),
            "after a failure at step {step}"
        );
        assert!(matches!(broken.rollback, Rollback::Complete), "{step}: {broken:?}");
        let Cause::Refused { step: refused, .. } = broken.cause else {
            panic!("{step}: {broken:?}")
        };
        let line = match refused.origin {
            Some(Origin::Line(line)) => line.get().into(),
            _ => 0,
        };
        is_line_of(line, &refused.change, &asked);
    }
    let (mut client, changes) = client(|_| Fate::Arrives);
    restore(&new, &mut client).unwrap();
    assert_eq!(changes.get(), CHANGES);
    assert_ne!(kernel.rules(), before);
}

#[test]
fn failures_of_the_rollback_leave_the_entries_that_the_message_lists() {
    let new = new_rules();
    for step in [2, 12, 30, CHANGES - 1] {
        let (kernel, before) = old_table();
        let (mut spoiled, _) = client(move |change| spoiled_if(change >= step));
        let broken = restore(&new, &mut spoiled).unwrap_err();
        let Rollback::Partial { left, refused } = broken.rollback else { panic!("{broken:?}") };
        assert!(refused.is_some());
        assert_ne!(kernel.rules().services, before.services);
        let (mut client, _) = client(|_| Fate::Arrives);
        assert!(client.apply_all(&left).unwrap().is_complete());
        assert_eq!(kernel.rules().services, before.services, "step {step}");
    }
}

#[test]
fn a_lost_answer_leaves_the_old_table() {
    let (kernel, before) = old_table();
    for step in [1, 20, CHANGES - 4, CHANGES] {
        let lost = move |change| if change == step { Fate::LosesItsAnswer } else { Fate::Arrives };
        let (mut client, _) = client(lost);
        let broken = restore(&new_rules(), &mut client).unwrap_err();
        assert!(matches!(broken.cause, Cause::Connection(_)), "{broken:?}");
        assert_eq!(
            kernel.rules().to_string(),
            before.to_string(),
            "answer to {step} lost: {broken:?}"
        );
        assert!(matches!(broken.rollback, Rollback::Complete), "{broken:?}");
    }
}

/// A signal that arrives before the nth batch.
struct Signal {
    batches: usize,
}

impl Progress for Signal {
    fn should_stop(&self) -> bool {
        self.batches == 0
    }

    fn done(&mut self, _steps: usize, _of: usize) {
        self.batches -= 1;
    }
}

#[test]
fn a_signal_between_any_two_batches_leaves_the_old_table() {
    let (kernel, before) = old_table();
    for batches in 0..3 {
        let (mut client, _) = client(|_| Fate::Arrives);
        let broken =
            restore_watched(&new_rules(), &mut client, &mut Signal { batches }).unwrap_err();
        assert!(matches!(broken.cause, Cause::Stopped), "{broken:?}");
        assert!(matches!(broken.rollback, Rollback::Complete), "{broken:?}");
        assert_eq!(kernel.rules().to_string(), before.to_string(), "after {batches} batches");
    }
}

#[test]
fn the_line_that_the_kernel_refuses_is_named_with_its_file() {
    let (kernel, before) = old_table();
    let good = new_rules();
    for place in [0, 9, good.lines().count()] {
        let mut lines: Vec<&str> = good.lines().collect();
        lines.insert(place, "-A -t 10.9.0.1:80 -s nosuch");
        let outcome = Program::restore().feed::<&str>([], lines.join("\n").as_bytes());
        let sentence = outcome.refused(255);
        assert!(sentence.starts_with("Scheduler or persistence engine not found"), "{sentence}");
        let named = format!("standard input:{}: -A -t 10.9.0.1:80 -s nosuch", place + 1);
        assert!(sentence.contains(&named), "{sentence:?} does not name {named}");
        assert!(sentence.contains("the table is what it was"), "{sentence}");
        assert_eq!(kernel.rules().to_string(), before.to_string());
    }
}

#[test]
fn unknown_settings_of_a_newer_kernel_are_reported_as_lost() {
    let (kernel, before) = old_table();
    // One real server is deleted, one is edited, one is deleted with its service; those of the two marks are unchanged.
    let stopped = "\
        -A -t 10.0.0.1:80 -s rr\n\
        -a -t 10.0.0.1:80 -r 10.1.0.2 -m -w 5\n\
        -A -f 7 -s wlc\n\
        -a -f 7 -r 10.1.0.1 -m\n\
        -A -f 7 -6 -s wlc\n\
        -a -f 7 -6 -r 2001:db8::1 -m\n\
        -Z\n";
    // The signal arrives before the counters are zeroed.
    let signal = &mut Signal { batches: 2 };
    let broken = restore_watched(stopped, &mut NewerKernel::client(), signal).unwrap_err();
    assert!(matches!(broken.rollback, Rollback::Complete), "{broken:?}");
    assert_eq!(kernel.rules().to_string(), before.to_string());
    let mut lost: Vec<String> = broken
        .lost_attributes
        .iter()
        .map(|&UnknownAttribute { service, server, number }| {
            assert_eq!(number, NewerKernel::ATTRIBUTE);
            let ServiceKey::Address { address, .. } = service else { panic!("{service:?}") };
            format!("{address} {}", server.unwrap().address)
        })
        .collect();
    lost.sort();
    assert_eq!(lost, ["10.0.0.1 10.1.0.1", "10.0.0.1 10.1.0.2", "10.0.0.2 10.1.0.1"]);

    // Deleting a new entry loses no old settings.
    let added = format!("{OLD}-A -t 10.0.0.3:80 -s nosuch\n");
    let broken = restore(&added, &mut NewerKernel::client()).unwrap_err();
    assert_eq!(broken.lost_attributes, []);
}
