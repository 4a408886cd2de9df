//! Changes by the client are read back by the client; a dump that is abandoned; a namespace without ip_vs.

use std::io;

use ipvs::model::{Change, Info, ServiceKey, SyncDaemon, Timeouts, VirtualService};
use ipvs::{Client, ErrorKind};
use ipvs_test::kernel::{Kernel, Socket};
use ipvs_test::values;
use proptest::prelude::*;

fn client(kernel: &Kernel) -> Client<Socket> {
    Client::new(kernel.socket()).unwrap()
}

/// A service as the kernel reports it: a mask without persistence is not part of the report.
fn as_reported(service: &VirtualService) -> VirtualService {
    service.clone().unused_netmask(None)
}

fn listed_services(client: &mut Client<Socket>) -> Vec<VirtualService> {
    client.services().unwrap().into_iter().map(|state| state.service).collect()
}

fn daemon(client: &mut Client<Socket>, like: &SyncDaemon) -> Option<SyncDaemon> {
    client.daemons().unwrap().into_iter().find(|daemon| daemon.role == like.role)
}

/// Demands that the listings show a change that succeeded.
fn shows(client: &mut Client<Socket>, change: &Change, before: &Timeouts) {
    match change {
        Change::AddService(service) | Change::EditService(service) => {
            let service = as_reported(service);
            assert_eq!(client.service(&service.key).unwrap().service, service);
            assert!(listed_services(client).contains(&service));
        }
        Change::DeleteService(key) => {
            assert!(client.service(key).is_err());
            assert!(listed_services(client).iter().all(|service| service.key != *key));
            assert_eq!(client.real_servers(key).unwrap(), []);
        }
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            let servers = client.real_servers(key).unwrap();
            assert!(servers.iter().any(|state| state.server == *server), "{servers:?}");
        }
        Change::DeleteServer(key, server) => {
            let servers = client.real_servers(key).unwrap();
            assert!(servers.iter().all(|state| state.server.key != *server));
        }
        Change::SetTimeouts(timeouts) => {
            assert_eq!(client.timeouts().unwrap(), timeouts.over(before));
        }
        Change::StartDaemon(wanted) => {
            let running = daemon(client, wanted).unwrap();
            assert_eq!((&running.interface, running.sync_id), (&wanted.interface, wanted.sync_id));
        }
        Change::StopDaemon(role) => {
            assert!(client.daemons().unwrap().iter().all(|daemon| daemon.role != *role));
        }
        Change::Flush => assert_eq!(listed_services(client), []),
        Change::Zero(key) => {
            let services = client.services().unwrap();
            let mut zeroed =
                services.iter().filter(|state| key.is_none_or(|k| k == state.service.key));
            assert!(zeroed.all(|state| state.counters.connections == 0));
        }
    }
}

proptest! {
    #![proptest_config(values::cases(200))]

    #[test]
    fn change_that_succeeds_is_listed_and_one_that_is_refused_changes_nothing(
        changes in values::history(1..30),
    ) {
        let kernel = Kernel::new();
        let mut client = client(&kernel);
        for change in &changes {
            for service in &mut kernel.state().services {
                service.counters.0[0] = 9;
            }
            let before = kernel.state().clone();
            let timeouts = client.timeouts().unwrap();
            match client.apply(change) {
                Ok(()) => shows(&mut client, change, &timeouts),
                Err(_) => prop_assert_eq!(&*kernel.state(), &before),
            }
        }
    }
}

fn add_services(client: &mut Client<Socket>, count: u8) -> Vec<ServiceKey> {
    let added = (1..=count).map(|host| {
        let address = [10, 0, 0, host].into();
        let key = ServiceKey::Address { protocol: ipvs::model::Protocol::Tcp, address, port: 80 };
        client.apply(&Change::AddService(VirtualService::new(key))).unwrap();
        key
    });
    added.collect()
}

#[test]
fn counters_and_connections_are_listed() {
    let kernel = Kernel::new();
    let mut client = client(&kernel);
    let key = add_services(&mut client, 1)[0];
    kernel.state().services[0].counters.0 = [1, 2, 3, 4, 5, 6, 7, 8, 9, u64::MAX];
    let state = client.service(&key).unwrap();
    assert_eq!((state.counters.connections, state.counters.outgoing_bytes), (1, 5));
    assert_eq!((state.rates.connections, state.rates.outgoing_bytes), (6, u64::MAX));
}

#[test]
fn listing_spans_many_datagrams_with_the_newest_service_first() {
    let kernel = Kernel::new();
    let mut client = client(&kernel);
    let mut added = add_services(&mut client, 20);
    added.reverse();
    let listed: Vec<ServiceKey> =
        listed_services(&mut client).iter().map(|service| service.key).collect();
    assert_eq!(listed, added);
}

#[test]
fn listing_shows_a_service_twice_when_another_program_adds_one_meanwhile() {
    let kernel = Kernel::new();
    add_services(&mut client(&kernel), 9);
    let other = kernel.clone();
    let socket = kernel.socket().before_receive(move |number| {
        // The first receive is that of the family, the second and the third are of the listing.
        if number == 3 {
            let mut state = other.state();
            let mut service = state.services[0].clone();
            service.key.port = 8080;
            state.services.insert(0, service);
        }
        Ok(())
    });
    let listed = listed_services(&mut Client::new(socket).unwrap());
    assert_eq!(listed.len(), 10);
    assert!(listed.iter().enumerate().any(|(place, one)| listed[..place].contains(one)));
}

#[test]
fn receive_that_fails_is_an_error_of_the_socket() {
    let kernel = Kernel::new();
    add_services(&mut client(&kernel), 9);
    for broken in 2..=5 {
        let socket = kernel.socket().before_receive(move |number| match number {
            number if number == broken => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        });
        let mut client = Client::new(socket).unwrap();
        let error = client.services().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
}

#[test]
fn namespace_without_ip_vs_has_no_family() {
    let kernel = Kernel::new();
    kernel.state().family = None;
    let error = Client::new(kernel.socket()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoFamily, "{error}");
    kernel.state().family = Some(0x20);
    let Info { version, .. } = client(&kernel).info().unwrap();
    assert_eq!(version.to_string(), "1.2.1");
}
