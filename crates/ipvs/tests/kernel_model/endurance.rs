//! A client that lives long: memory and file descriptors stay constant.

use std::fs;
use std::net::SocketAddr;

use ipvs::model::Change;
use ipvs::{Client, RealServer, ServiceKey, VirtualService};
use ipvs_test::kernel::Kernel;

const CHANGES: usize = 1_000_000;
const LISTINGS: usize = 10_000;
const SERVERS: u16 = 16;

/// The resident memory of the process in pages.
fn resident_pages() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The child process runs this test alone, since other tests of the binary use memory too.
#[test]
fn a_million_changes_and_ten_thousand_listings_leave_memory_and_descriptors_constant() {
    if std::env::var_os("ENDURANCE").is_none() {
        let name = "endurance::a_million_changes_and_ten_thousand_listings_leave_memory_and_descriptors_constant";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let status = child.args(["--exact", name]).env("ENDURANCE", "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let mut client = Client::new(Kernel::new().socket()).unwrap();
    let service = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
    client.add_service(&VirtualService::new(service)).unwrap();
    let addresses = (1..=SERVERS).map(|port| SocketAddr::from(([10, 1, 0, 1], port)));
    let servers: Vec<RealServer> =
        addresses.map(|address| RealServer::new(address.into())).collect();
    for server in &servers {
        client.add_server(&service, server).unwrap();
    }
    let edits: Vec<Change> =
        servers.iter().map(|server| Change::EditServer(service, *server)).collect();
    let rounds = LISTINGS / 10;
    let mut before = None;
    for round in 0..10 {
        for _ in 0..CHANGES / 10 / edits.len() {
            client.apply_all(&edits).unwrap().complete().unwrap();
        }
        for _ in 0..rounds {
            assert_eq!(client.real_servers(&service).unwrap().len(), servers.len());
        }
        let now = (resident_pages(), descriptors());
        let (pages, open) = *before.get_or_insert(now);
        assert!(now.0 <= pages + 64, "round {round}: {} pages, {pages} at first", now.0);
        assert_eq!(now.1, open);
    }
}
