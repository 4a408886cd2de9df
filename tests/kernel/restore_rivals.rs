//! Restores that fail late, and restores while another program changes the table. Deletions come last, the restore
//! plans at most five times, and its report is correct.

use std::cell::{Cell, RefCell};

use ipvs::model::{Change, ServiceKey, VirtualService};
use ipvs::netlink::Client;
use ipvs::plan::{Cause, Rollback};

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::restore_wire::{Fate, Outcome, client, restore, restore_repeatedly};
use crate::table::{Kernel, Service, TCP};

const OLD: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";

fn fill(rules: &str) -> Kernel {
    fresh_namespace();
    Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
    Kernel::open()
}

fn key(last: u8) -> ServiceKey {
    let address = [10, 0, 0, last].into();
    ServiceKey::Address { protocol: ipvs::model::Protocol::Tcp, address, port: 80 }
}

fn addition(last: u8) -> Change {
    let service = VirtualService::new(key(last)).scheduler("wrr".parse().unwrap());
    Change::AddService(service)
}

#[test]
fn an_invalid_setting_is_found_before_anything_is_deleted() {
    let kernel = fill(OLD);
    let before = kernel.rules();
    let new = "-A -t 10.0.0.2:80 -s rr\n--start-daemon master --mcast-interface nosuch\n";
    let (mut wire, changes) = client(|_| Fate::Arrives);
    let broken = restore(new, &mut wire).unwrap_err();
    assert_eq!(changes.get(), 3, "one addition, the daemon, and the addition undone");
    assert!(matches!(broken.rollback, Rollback::Complete), "{broken:?}");
    assert_eq!(broken.recreated, []);
    for wrong in ["--start-daemon master --mcast-interface nosuch", "--set 2147483647 0 0"] {
        let outcome = Program::restore().feed::<&str>([], format!("{wrong}\n{new}").as_bytes());
        assert!(!outcome.complaint().contains("counters"), "{}", outcome.complaint());
        assert_eq!(kernel.rules().to_string(), before.to_string());
    }
}

#[test]
fn counters_that_the_rollback_cannot_restore_are_reported() {
    let kernel = fill(OLD);
    let before = kernel.rules();
    let new = "-A -t 10.0.0.2:80 -s rr\n-Z\n-Z -t 10.0.0.2:80\n";
    // The changes are the addition, the deletion, and two that zero counters.
    let spoiled = |change| if change == 4 { Fate::IsSpoiled } else { Fate::Arrives };
    let (mut wire, _) = client(spoiled);
    let broken = restore(new, &mut wire).unwrap_err();
    assert_eq!(kernel.rules().to_string(), before.to_string());
    assert_eq!((broken.recreated, broken.has_zeroed), (vec![key(1)], true));
}

/// The kernel refuses to start a sync daemon while a service has a real server of another address family.
#[test]
fn a_daemon_starts_after_the_removal_of_a_server_of_another_family() {
    let mixed = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 2001:db8::1 -i\n";
    let kernel = fill(mixed);
    let before = kernel.rules();
    let start = "--start-daemon master --mcast-interface lo\n";
    let outcome = Program::restore().feed::<&str>([], format!("{mixed}{start}").as_bytes());
    assert!(outcome.refused(255).contains("Invalid operation"), "{}", outcome.complaint());
    assert_eq!(kernel.rules(), before);
    Program::restore().feed::<&str>([], format!("{OLD}{start}").as_bytes()).succeeded();
    assert_eq!(kernel.rules().daemons.len(), 1);
    assert_eq!(kernel.rules().services, [Service::new(TCP, "10.0.0.1", 80).with("10.1.0.1", 80)]);
}

/// Restores a file with two services. Before each change reaches the kernel, another program makes the change that
/// `rival` returns.
fn beside(rival: impl Fn(usize) -> Option<Change> + 'static) -> Outcome {
    let other = RefCell::new(Client::connect().unwrap());
    let (mut wire, _) = client(move |number| {
        if let Some(change) = rival(number) {
            other.borrow_mut().apply(&change).unwrap();
        }
        Fate::Arrives
    });
    restore_repeatedly("-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.2:80 -s rr\n", &mut wire)
}

/// Adds and deletes a service alternately, `times` times.
fn toggles(times: usize) -> impl Fn(usize) -> Option<Change> {
    let done = Cell::new(0);
    move |_| {
        let number = done.replace(done.get() + 1);
        (number < times).then(|| match number % 2 {
            0 => addition(2),
            _ => Change::DeleteService(key(2)),
        })
    }
}

#[test]
fn a_restore_plans_five_times_when_another_program_changes_the_table() {
    let rules = "-A -t 10.0.0.1:80 -s rr\n";
    for times in 0..=4 {
        let kernel = fill(rules);
        beside(toggles(times)).unwrap();
        let both = ["10.0.0.1", "10.0.0.2"].map(|address| Service::new(TCP, address, 80));
        assert_eq!(kernel.rules().services, both, "{times}");
    }
    let kernel = fill(rules);
    let broken = beside(toggles(5)).unwrap_err();
    assert!(broken.is_outdated(), "{broken:?}");
    assert_eq!(broken.attempts, 5);
    assert_eq!(broken.concurrent_changes, [addition(2)], "what the other program did last");
    assert_eq!(kernel.rules().services.len(), 2, "the table is as the other program left it");
}

/// The rollback then finds that the change to undo is already gone.
#[test]
fn a_plan_is_made_again_when_another_program_deletes_what_it_has_added() {
    let kernel = fill("-A -t 10.0.0.9:80 -s rr\n");
    let rival = |number| match number {
        // The restore adds both services, and the rollback then undoes the first addition.
        1 => Some(addition(2)),
        3 => Some(Change::DeleteService(key(1))),
        _ => None,
    };
    beside(rival).unwrap();
    let both = ["10.0.0.1", "10.0.0.2"].map(|address| Service::new(TCP, address, 80));
    assert_eq!(kernel.rules().services, both);
}

#[test]
fn other_failures_are_not_retried() {
    fill(OLD);
    let (mut wire, changes) = client(|_| Fate::Arrives);
    let broken = restore_repeatedly("-A -t 10.0.0.2:80 -s nosuch\n", &mut wire).unwrap_err();
    assert!(matches!(broken.cause, Cause::Refused { .. }), "{broken:?}");
    assert_eq!((broken.attempts, changes.get()), (1, 1));
}
