//! All or nothing: whichever request of a plan the kernel refuses, and whichever answer is lost, the table is as it was.

use std::io;

use ipvs::model::Change;
use ipvs::netlink::Client;
use ipvs::plan::{Broken, Cause, Plan, Progress, Table, Undone, carry_out};
use ipvs_test::kernel::{Kernel, Service, Socket};
use ipvs_test::values;
use proptest::prelude::*;
use rustix::io::Errno;

struct Unwatched;

impl Progress for Unwatched {
    fn signal(&self) -> Option<i32> {
        None
    }

    fn done(&mut self, _steps: usize, _of: usize) {}
}

/// Two tables that have something in common: of the second history, the changes come on top of the first.
fn tables() -> impl Strategy<Value = [Kernel; 2]> {
    let histories = (values::history(0..25), values::history(1..25));
    histories.prop_map(|(old, new)| {
        let new = [&old[..], &new].concat();
        [old, new].map(|changes| {
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
        })
    })
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

fn read(kernel: &Kernel) -> Table {
    Table::read(&mut Client::new(kernel.socket()).unwrap()).unwrap()
}

fn apply(plan: &Plan, current: &Table, socket: Socket) -> Result<(), Box<Broken>> {
    carry_out(plan, current, &mut Client::new(socket).unwrap(), &mut Unwatched)
}

proptest! {
    #![proptest_config(values::cases(64))]

    #[test]
    fn plan_leads_to_the_table_that_is_wanted([old, new] in tables()) {
        let (current, target) = (read(&old), read(&new));
        let plan = Plan::between(&current, &target);
        apply(&plan, &current, old.socket()).unwrap();
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
            let broken = apply(&plan, &current, socket).unwrap_err();
            prop_assert!(matches!(broken.undone, Undone::Whole), "step {}: {:?}", step, broken);
            let Cause::Refused { refused, change, .. } = &broken.cause else {
                panic!("step {step}: {broken:?}");
            };
            prop_assert_eq!(refused.errno, Errno::NOMEM);
            prop_assert_eq!(&**change, &plan.steps().nth(step - 1).unwrap().change);
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
            let left = match apply(&plan, &current, socket).unwrap_err().undone {
                Undone::Whole => Vec::new(),
                Undone::InPart { left, .. } => left,
                Undone::Unknown(error) => panic!("step {step}: {error}"),
            };
            let mut client = Client::new(kernel.socket()).unwrap();
            for change in &left {
                client.apply(change).unwrap();
            }
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
            match apply(&plan, &current, socket) {
                Ok(()) => {
                    prop_assert_eq!(sorted(&kernel), sorted(&new));
                    break;
                }
                Err(error) => {
                    prop_assert!(matches!(error.undone, Undone::Whole), "{}: {:?}", broken, error);
                    prop_assert_eq!(sorted(&kernel), sorted(&old), "receive {}", broken);
                }
            }
        }
    }
}
