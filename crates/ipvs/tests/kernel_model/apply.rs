//! All or nothing: whichever request of a plan the kernel refuses, and whichever answer is lost, the table is as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use ipvs::model::{Change, RealServerKey, Ruleset, Scope, ServiceKey, VirtualService};
use ipvs::netlink::Client;
use ipvs::plan::{ApplyError, Cause, Plan, PlanOptions, Rollback, apply};
use ipvs::state::{read_ruleset, read_settings};
use ipvs_test::kernel::{Kernel, Service, Socket};
use ipvs_test::values;
use proptest::prelude::*;
use rustix::io::Errno;

/// Two tables that have something in common: of the second history, the changes come on top of the first.
fn tables() -> impl Strategy<Value = [Kernel; 2]> {
    let histories = (values::history(0..25), values::history(1..25));
    histories.prop_map(|(old, new)| {
        let new = [&old[..], &new].concat();
        [old, new].map(table)
    })
}

/// Three tables of the same few services and real servers.
fn three_tables() -> impl Strategy<Value = [Kernel; 3]> {
    values::history(3..60).prop_map(|changes| {
        let third = changes.len() / 3;
        let (first, rest) = changes.split_at(third);
        let (second, last) = rest.split_at(third);
        [[first, second], [first, last], [second, last]].map(|parts| table(parts.concat()))
    })
}

/// The table that changes lead to.
fn table(changes: Vec<Change>) -> Kernel {
    let kernel = Kernel::new();
    let mut client = Client::new(kernel.socket()).unwrap();
    // Plans between tables leave timeouts and daemons alone.
    let is_setting = |change: &&Change| {
        let daemon = matches!(change, Change::StartDaemon(_) | Change::StopDaemon(_));
        daemon || matches!(change, Change::SetTimeouts(_))
    };
    for change in changes.iter().filter(|change| !is_setting(change)) {
        let _ = client.apply(change);
    }
    kernel
}

type EntryKey = (ServiceKey, Option<RealServerKey>);

/// The services and the real servers of a table, each as the change that adds it.
fn entries(rules: &Ruleset) -> BTreeMap<EntryKey, Change> {
    let mut entries = BTreeMap::new();
    for rules in rules.services() {
        let key = *rules.key();
        entries.insert((key, None), Change::AddService(rules.service().clone()));
        for rule in rules.servers() {
            entries.insert((key, Some(rule.server.key)), Change::AddServer(key, rule.server));
        }
    }
    entries
}

/// Returns true if each entry of a table, or its absence, is that of one of two other tables.
fn is_mixed(now: &Ruleset, others: [&Ruleset; 2]) -> bool {
    let now = entries(now);
    let [one, other] = others.map(entries);
    let keys: BTreeSet<&EntryKey> = now.keys().chain(one.keys()).chain(other.keys()).collect();
    keys.into_iter().all(|key| now.get(key) == one.get(key) || now.get(key) == other.get(key))
}

/// A namespace of its own with the same table.
fn copy(kernel: &Kernel) -> Kernel {
    let copy = Kernel::new();
    copy.state().clone_from(&kernel.state());
    copy
}

/// The services in an order that does not depend on which is newest.
fn sorted(kernel: &Kernel) -> Vec<Service> {
    let mut services = kernel.state().services.clone();
    services.sort_by_key(|service| service.key);
    for service in &mut services {
        service.servers.sort_by_key(|server| (server.family, server.address, server.port));
    }
    services
}

/// A service outside of all scopes, which no history has.
fn outside() -> VirtualService {
    VirtualService::new(ServiceKey::tcp(([192, 0, 2, 77], 7777).into()))
}

fn read(kernel: &Kernel) -> Ruleset {
    read_ruleset(&mut Client::new(kernel.socket()).unwrap()).unwrap()
}

fn apply_over(plan: &Plan, current: &Ruleset, socket: Socket) -> Result<(), Box<ApplyError>> {
    apply(plan, current, &mut Client::new(socket).unwrap(), &mut ())
}

/// The changes that lead back to the old table after the failure of a step.
fn left_by(rollback: Rollback, step: usize) -> Vec<Change> {
    match rollback {
        Rollback::Complete => Vec::new(),
        Rollback::Partial { left, .. } => left,
        Rollback::Unknown(error) => panic!("step {step}: {error}"),
    }
}

proptest! {
    #![proptest_config(values::cases(64))]

    #[test]
    fn plan_leads_to_the_table_that_is_wanted([old, new] in tables()) {
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::between(&current, &target);
        plan.apply(&mut Client::new(old.socket()).unwrap()).unwrap();
        prop_assert_eq!(sorted(&old), sorted(&new));
        prop_assert_eq!(Plan::between(&read(&old), &target).steps().count(), 0);
    }

    #[test]
    fn refusal_of_any_step_leaves_the_old_table([old, new] in tables()) {
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::between(&current, &target);
        for step in 1..=plan.steps().count() {
            let kernel = copy(&old);
            let socket = kernel.socket().before_request(move |request| match request.change {
                Some(change) if change == step => Err(Errno::NOMEM),
                _ => Ok(()),
            });
            let broken = apply_over(&plan, &current, socket).unwrap_err();
            prop_assert!(matches!(broken.rollback, Rollback::Complete), "step {}: {:?}", step, broken);
            let Cause::Refused { error, step: refused } = &broken.cause else {
                panic!("step {step}: {broken:?}");
            };
            prop_assert_eq!(error.errno(), Some(Errno::NOMEM.raw_os_error()));
            prop_assert_eq!(&refused.change, &plan.steps().nth(step - 1).unwrap().change);
            prop_assert_eq!(sorted(&kernel), sorted(&old), "step {}", step);
        }
    }

    #[test]
    fn refusal_of_every_step_from_one_on_is_reported_with_a_way_back([old, new] in tables()) {
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::between(&current, &target);
        for step in 1..=plan.steps().count() {
            let kernel = copy(&old);
            let socket = kernel.socket().before_request(move |request| match request.change {
                Some(change) if change >= step => Err(Errno::NOMEM),
                _ => Ok(()),
            });
            let left = left_by(apply_over(&plan, &current, socket).unwrap_err().rollback, step);
            let mut client = Client::new(kernel.socket()).unwrap();
            for change in &left {
                client.apply(change).unwrap();
            }
            prop_assert_eq!(sorted(&kernel), sorted(&old), "step {}", step);
        }
    }

    #[test]
    fn failed_rollback_of_a_plan_with_scopes_has_a_way_back_inside_them([old, new] in tables()) {
        let scopes: [Scope; 2] = ["10.0.0.0/8", "fwmark:1-7"].map(|scope| scope.parse().unwrap());
        let mut options = PlanOptions::default();
        options.scopes = scopes.to_vec();
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::with_options(&current, &target, &options);
        for step in 1..=plan.len() {
            let kernel = copy(&old);
            let mut rival = Client::new(kernel.socket()).unwrap();
            let socket = kernel.socket().before_request(move |request| match request.change {
                Some(change) if change == step => {
                    // Another program changes the rest of the table.
                    let _ = rival.add_service(&outside());
                    Err(Errno::NOMEM)
                }
                Some(change) if change > step => Err(Errno::NOMEM),
                _ => Ok(()),
            });
            let left = left_by(apply_over(&plan, &current, socket).unwrap_err().rollback, step);
            let mut client = Client::new(kernel.socket()).unwrap();
            for change in &left {
                let key = change.service().unwrap();
                prop_assert!(Scope::any_contains(&scopes, key), "step {}: {:?}", step, change);
                client.apply(change).unwrap();
            }
            client.delete_service(&outside().key).unwrap();
            prop_assert_eq!(sorted(&kernel), sorted(&old), "step {}", step);
        }
    }

    #[test]
    fn receive_that_fails_leaves_the_old_table_or_the_new_one([old, new] in tables()) {
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::between(&current, &target);
        // The first receive is that of the family.
        for broken in 2.. {
            let kernel = copy(&old);
            let socket = kernel.socket().before_receive(move |number| match number {
                number if number == broken => Err(io::ErrorKind::TimedOut.into()),
                _ => Ok(()),
            });
            match apply_over(&plan, &current, socket) {
                Ok(()) => {
                    prop_assert_eq!(sorted(&kernel), sorted(&new));
                    break;
                }
                Err(error) => {
                    prop_assert!(matches!(error.rollback, Rollback::Complete), "{}: {:?}", broken, error);
                    prop_assert_eq!(sorted(&kernel), sorted(&old), "receive {}", broken);
                }
            }
        }
    }

    #[test]
    fn plan_on_another_table_than_its_own_leads_there_or_reports_truly(
        [old, new, other] in three_tables(),
    ) {
        let (current, target, before) = (read(&old), read(&new), read(&other));
        let plan = Plan::between(&current, &target);
        match apply_over(&plan, &current, other.socket()) {
            Ok(()) => prop_assert!(is_mixed(&read(&other), [&target, &before])),
            Err(error) => match error.rollback {
                Rollback::Complete => {
                    prop_assert!(is_mixed(&read(&other), [&current, &before]));
                }
                Rollback::Partial { left, .. } => {
                    let mut client = Client::new(other.socket()).unwrap();
                    for change in &left {
                        client.apply(change).unwrap();
                    }
                    prop_assert_eq!(entries(&read(&other)), entries(&current));
                }
                Rollback::Unknown(error) => panic!("{error}"),
            },
        }
    }

    #[test]
    fn plan_made_again_from_applied_values_is_empty(
        changes in proptest::collection::vec(values::reported_change(), 1..20),
    ) {
        let kernel = Kernel::new();
        let mut client = Client::new(kernel.socket()).unwrap();
        let mut wanted = Ruleset::<()>::default();
        for change in changes.iter().filter(|change| change.check().is_ok()) {
            let service = change.service_of_server().map(|key| VirtualService::new(*key));
            let service = service.map(Change::AddService);
            for change in service.iter().chain([change]) {
                if client.apply(change).is_ok() {
                    wanted.apply(change, None).unwrap();
                }
            }
        }
        // The counters are zeroed again by each plan.
        wanted.settings.zeroed.clear();
        let mut current = read_ruleset::<(), _>(&mut client).unwrap();
        current.settings = read_settings(&mut client).unwrap();
        let plan = Plan::between(&current, &wanted);
        prop_assert!(plan.is_empty(), "{:?}", plan);
    }
}
