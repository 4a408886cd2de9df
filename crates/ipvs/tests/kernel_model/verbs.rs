//! The named methods of the client, requests, options of plans and differences of snapshots.

use ipvs::error::Subject;
use ipvs::model::{
    Change, Request, Ruleset, ServerEdit, ServiceEdit, ServiceRules, SyncDaemon, SyncRole, Timeouts,
};
use ipvs::plan::{Plan, PlanOptions, apply, perform};
use ipvs::state::{Event, differences, read_ruleset};
use ipvs::{Client, ErrorKind, RealServer, RealServerKey, ServiceKey, Snapshot, VirtualService};
use ipvs_test::kernel::{Kernel, Socket};

fn client() -> Client<Socket> {
    Client::new(Kernel::new().socket()).unwrap()
}

fn service(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn server(text: &str) -> RealServer {
    RealServer::new(text.parse().unwrap())
}

#[test]
fn every_method_makes_its_change() {
    let mut client = client();
    let key = service("tcp 10.0.0.1:80");
    client.add_service(&VirtualService::new(key)).unwrap();
    let scheduler = "sed".parse().unwrap();
    client.edit_service(&VirtualService::new(key).scheduler(scheduler)).unwrap();
    assert_eq!(client.service(&key).unwrap().service.scheduler, scheduler);

    let added = server("10.1.0.1:80");
    client.add_server(&key, &added).unwrap();
    client.edit_server(&key, &added.upper_threshold(9)).unwrap();
    client.set_weight(&key, &added.key, 0).unwrap();
    let expected = added.weight(0).upper_threshold(9);
    assert_eq!(client.server(&key, &added.key).unwrap().server, expected);
    client.zero(Some(&key)).unwrap();
    client.zero(None).unwrap();
    client.delete_server(&key, &added.key).unwrap();
    assert_eq!(client.real_servers(&key).unwrap(), []);

    client.set_timeouts(&Timeouts::new(7, 8, 9)).unwrap();
    assert_eq!(client.timeouts().unwrap().udp, 9);
    client.start_daemon(&SyncDaemon::new(SyncRole::Backup, "lo".parse().unwrap())).unwrap();
    assert_eq!(client.daemons().unwrap().len(), 1);
    client.stop_daemon(SyncRole::Backup).unwrap();
    assert_eq!(client.daemons().unwrap(), []);

    client.delete_service(&key).unwrap();
    client.add_service(&VirtualService::new(key)).unwrap();
    client.flush().unwrap();
    assert_eq!(client.services().unwrap(), []);
}

#[test]
fn server_that_does_not_exist_is_named_in_the_error() {
    let mut client = client();
    let (key, server) = (service("tcp 10.0.0.1:80"), "10.1.0.1:80".parse().unwrap());
    for _ in 0..2 {
        let error = client.set_weight(&key, &server, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.subject(), Some(&Subject::Server(key, server)));
        assert_eq!(
            error.to_string(),
            "cannot read real server 10.1.0.1:80 of tcp 10.0.0.1:80: no such real server"
        );
        let _ = client.add_service(&VirtualService::new(key));
    }
}

#[test]
fn request_edits_the_named_settings_and_keeps_the_others() {
    let mut client = client();
    let key = service("udp 10.0.0.1:53");
    let before = VirtualService::new(key).one_packet(true);
    client.add_service(&before).unwrap();
    let added = server("10.1.0.1:53").upper_threshold(5).weight(3);
    client.add_server(&key, &added).unwrap();

    let scheduler = "rr".parse().unwrap();
    let edit = ServiceEdit { scheduler: Some(scheduler), ..ServiceEdit::default() };
    let request = Request::EditService(key, edit);
    let edited = before.scheduler(scheduler);
    let change = Change::EditService(edited.clone());
    assert_eq!(perform(&request, &mut client).unwrap(), Some(change));
    assert_eq!(client.service(&key).unwrap().service, edited);
    assert_eq!(perform(&request, &mut client).unwrap(), None);

    perform(&Request::set_weight(key, added.key, 0), &mut client).unwrap();
    let expected = added.weight(0);
    assert_eq!(client.server(&key, &added.key).unwrap().server, expected);
    let edit = ServerEdit { lower_threshold: Some(6), ..ServerEdit::default() };
    let error = perform(&Request::EditServer(key, added.key, edit), &mut client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    perform(&Request::from(Change::Flush), &mut client).unwrap();
    assert_eq!(client.services().unwrap(), []);
}

fn ruleset(services: &[(&str, &[(&str, u32)])]) -> Ruleset {
    let rules = services.iter().map(|&(key, servers)| {
        let servers = servers.iter().map(|&(key, weight)| server(key).weight(weight));
        ServiceRules::new(VirtualService::new(service(key)), servers)
    });
    rules.collect()
}

fn filled(rules: &Ruleset) -> Client<Socket> {
    let mut client = client();
    let plan = Plan::between(&Ruleset::<()>::default(), rules);
    apply(&plan, &Ruleset::<()>::default(), &mut client, &mut ()).unwrap();
    client
}

#[test]
fn plan_with_a_scope_changes_nothing_outside() {
    let mut current = ruleset(&[
        ("tcp 10.0.0.1:80", &[("10.1.0.1:80", 1)]),
        ("tcp 192.0.2.1:80", &[("10.1.0.2:80", 1)]),
        ("fwmark 7", &[]),
    ]);
    let mut wanted = ruleset(&[("tcp 192.0.2.1:443", &[]), ("tcp 10.0.0.9:80", &[])]);
    wanted.settings.timeouts = Some((Timeouts::new(9, 9, 9), None));
    let network = PlanOptions::default().scope("192.0.2.0/24".parse().unwrap());
    let mut client = filled(&current);
    let timeouts = client.timeouts().unwrap();
    let plan = Plan::with_options(&current, &wanted, &network);
    apply(&plan, &current, &mut client, &mut ()).unwrap();
    assert_eq!(client.timeouts().unwrap(), timeouts);
    let expected = [
        ("tcp 10.0.0.1:80", [("10.1.0.1:80", 1)].as_slice()),
        ("tcp 192.0.2.1:443", &[]),
        ("fwmark 7", &[]),
    ];
    current = read_ruleset(&mut client).unwrap();
    assert_eq!(current, ruleset(&expected));

    let marks = PlanOptions::default().scope("fwmark:1-9".parse().unwrap());
    let plan = Plan::with_options(&current, &wanted, &marks);
    let changes: Vec<&Change> = plan.steps().map(|step| &step.change).collect();
    assert_eq!(changes, [&Change::DeleteService(service("fwmark 7"))]);
}

#[test]
fn plan_that_keeps_weights_edits_everything_else() {
    let current = ruleset(&[("tcp 10.0.0.1:80", &[("10.1.0.1:80", 7), ("10.1.0.2:80", 0)])]);
    let all = [("10.1.0.1:80", 1), ("10.1.0.2:80", 1), ("10.1.0.3:80", 1)];
    let wanted = ruleset(&[("tcp 10.0.0.1:80", &all)]);
    let options = PlanOptions::default().keep_weights(true);
    let mut client = filled(&current);
    let plan = Plan::with_options(&current, &wanted, &options);
    apply(&plan, &current, &mut client, &mut ()).unwrap();
    let kept = [("10.1.0.1:80", 7), ("10.1.0.2:80", 0), ("10.1.0.3:80", 1)];
    let now: Ruleset = read_ruleset(&mut client).unwrap();
    assert_eq!(now, ruleset(&[("tcp 10.0.0.1:80", &kept)]));
    assert!(Plan::with_options(&now, &wanted, &options).is_empty());
}

#[test]
fn differences_of_two_snapshots_are_events() {
    let mut client = filled(&ruleset(&[
        ("tcp 10.0.0.1:80", &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)]),
        ("tcp 10.0.0.2:80", &[("10.1.0.1:80", 1)]),
    ]));
    let before = Snapshot::read(&mut client).unwrap();
    assert_eq!(differences(&before, &before), []);
    let (first, second) = (service("tcp 10.0.0.1:80"), service("tcp 10.0.0.2:80"));
    let third = VirtualService::new(service("tcp 10.0.0.3:80"));
    let key: RealServerKey = "10.1.0.1:80".parse().unwrap();
    client.set_weight(&first, &key, 5).unwrap();
    client.delete_server(&first, &"10.1.0.2:80".parse().unwrap()).unwrap();
    client.delete_service(&second).unwrap();
    client.add_service(&third).unwrap();
    client.start_daemon(&SyncDaemon::new(SyncRole::Master, "lo".parse().unwrap())).unwrap();
    let after = Snapshot::read(&mut client).unwrap();
    let daemon = after.daemons[0].clone();
    let (one, other) = (server("10.1.0.1:80"), server("10.1.0.2:80"));
    let edited = one.weight(5);
    let deleted = VirtualService::new(second);
    assert_eq!(
        differences(&before, &after),
        [
            Event::ServerEdited { service: first, before: one, after: edited },
            Event::ServerDeleted(first, other),
            Event::ServerDeleted(second, one),
            Event::ServiceDeleted(deleted.clone()),
            Event::ServiceAdded(third.clone()),
            Event::DaemonStarted(daemon.clone()),
        ]
    );
    assert_eq!(
        differences(&after, &before),
        [
            Event::ServerEdited { service: first, before: edited, after: one },
            Event::ServerAdded(first, other),
            Event::ServiceAdded(deleted),
            Event::ServerAdded(second, one),
            Event::ServiceDeleted(third),
            Event::DaemonStopped(daemon),
        ]
    );
}
