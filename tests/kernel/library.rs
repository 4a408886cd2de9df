//! The library as other programs use it: its examples, namespaces from one thread, time-outs, and the checks of values
//! against the kernel's answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ipvs::model::{
    Change, ConnectionFilter, Family, Forwarding, Netmask, Persistence, SyncDaemon, SyncRole,
};
use ipvs::{Client, ErrorKind, Namespace, RealServer, ServiceKey, VirtualService};

use crate::network::{Host, fresh_namespace};

/// The program of an example, beside the directory of this test's program.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf =
        test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(path.exists(), "{path:?} is missing: cargo build -p ipvs-client --examples");
    Command::new(path)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn service(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

#[test]
fn examples_of_the_library_work() {
    fresh_namespace();
    let reconcile = ["10.0.0.1:80", "127.0.0.1:80", "127.0.0.2:80"];
    assert!(output(example("reconcile").args(reconcile)).ends_with("3 changes\n"));
    assert!(output(example("reconcile").args(reconcile)).ends_with("0 changes\n"));
    let list = output(&mut example("list"));
    assert!(list.contains("tcp 10.0.0.1:80 wlc\n  127.0.0.1:80 weight 1, 0 active\n"), "{list}");
    output(example("drain").args(["10.0.0.1:80", "127.0.0.1:80"]));
    let list = output(&mut example("list"));
    assert!(!list.contains("127.0.0.1:80") && list.contains("127.0.0.2:80"), "{list}");
    assert_eq!(output(example("conntop").arg("192.0.2.0/24")), "");

    let mut exporter =
        example("exporter").args(["127.0.0.1:0", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(exporter.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let metric = "ipvs_active_connections{service=\"tcp 10.0.0.1:80\",server=\"127.0.0.2:80\"} 0\n";
    assert!(answer.contains(metric), "{answer}");
    assert!(exporter.wait().unwrap().success());
}

#[test]
fn one_thread_serves_many_namespaces() {
    fresh_namespace();
    let here = Namespace::current();
    let hosts = [Host::new(), Host::new()];
    let namespaces = hosts
        .each_ref()
        .map(|host| host.within(|| Namespace::from_path("/proc/thread-self/ns/net").unwrap()));
    let keys = [service("tcp 10.0.0.1:80"), service("tcp 10.0.0.2:80")];
    let mut clients = namespaces.each_ref().map(|namespace| namespace.connect().unwrap());
    for (client, key) in clients.iter_mut().zip(keys) {
        client.add_service(&VirtualService::new(key)).unwrap();
    }
    for (namespace, key) in namespaces.iter().zip(keys) {
        let listed = namespace.services_file().unwrap().services;
        assert_eq!(listed.iter().map(|listed| listed.service.key).collect::<Vec<_>>(), [key]);
        assert_eq!(namespace.connections(ConnectionFilter::default()).unwrap().count(), 0);
    }
    assert_eq!(here.connect().unwrap().services().unwrap().len(), 0);
    assert!(here.services_file().unwrap().services.is_empty());
}

#[test]
fn lock_is_that_of_the_namespace() {
    fresh_namespace();
    let locks = std::path::Path::new("/run/ipvsadm");
    let other = Host::new().within(|| Namespace::from_path("/proc/thread-self/ns/net").unwrap());
    let held = other.lock(locks, Duration::ZERO).unwrap();
    let error = other.lock(locks, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    let here = Namespace::current().lock(locks, Duration::ZERO).unwrap();
    drop((held, here));
    other.lock(locks, Duration::ZERO).unwrap();
}

#[test]
fn namespace_that_does_not_exist_is_not_found() {
    fresh_namespace();
    let error = Namespace::from_name("no-such-namespace").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = Namespace::from_path("/proc/self/status").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[test]
fn client_with_a_time_limit_reads_and_changes() {
    fresh_namespace();
    let mut client = Client::connect().unwrap();
    client.set_timeout(Some(Duration::from_secs(60))).unwrap();
    client.add_service(&VirtualService::new(service("tcp 10.0.0.1:80"))).unwrap();
    assert_eq!(client.services().unwrap().len(), 1);
    assert!(client.set_timeout(Some(Duration::ZERO)).is_err());
}

/// Returns true if the kernel refuses a change, or reports other values than those that were sent.
fn is_refused_or_misread(client: &mut Client, change: &Change) -> bool {
    client.flush().unwrap();
    if let Some(key) = change.service_of_server() {
        client.add_service(&VirtualService::new(*key)).unwrap();
    }
    if client.apply(change).is_err() {
        return true;
    }
    match change {
        Change::AddService(wanted) => {
            !client.service(&wanted.key).unwrap().service.serves_as(wanted)
        }
        Change::StartDaemon(wanted) => {
            let running = client.daemons().unwrap();
            client.stop_daemon(wanted.role).unwrap();
            !running.iter().any(|daemon| daemon.serves_as(wanted))
        }
        _ => false,
    }
}

#[test]
fn kernel_refuses_or_misreads_the_values_that_a_check_finds() {
    fresh_namespace();
    let mut client = Client::connect().unwrap();
    let key = service("tcp 10.0.0.1:80");
    let persistent =
        |mask| VirtualService::new(key).persistence(Some(Persistence::new(60, mask).unwrap()));
    let server = |text: &str| RealServer::new(text.parse().unwrap());
    let daemon = SyncDaemon::new(SyncRole::Master, "lo".parse().unwrap());
    for change in [
        Change::AddService(persistent(Netmask::Ipv6(24))),
        Change::AddServer(key, server("127.0.0.1:80").weight(1 << 31)),
        Change::AddServer(key, server("127.0.0.1:80").lower_threshold(1)),
        Change::AddServer(key, server("[::1]:80")),
        Change::AddServer(key, server("224.0.0.1:80")),
        Change::AddServer(key, server("0.0.0.0:80")),
        Change::StartDaemon(daemon.clone().port(Some(0))),
        Change::StartDaemon(daemon.clone().ttl(Some(0))),
        Change::StartDaemon(daemon.clone().max_length(Some(0))),
    ] {
        assert!(change.check().is_err(), "{change:?}");
        assert!(is_refused_or_misread(&mut client, &change), "{change:?}");
    }
    let masquerading = server("127.0.0.1:8080").forwarding(Forwarding::Masquerading);
    for change in [
        Change::AddService(persistent(Netmask::host(Family::Ipv4))),
        Change::AddServer(key, masquerading),
        Change::AddServer(key, server("127.0.0.1:80").upper_threshold(2).lower_threshold(2)),
        Change::StartDaemon(daemon),
    ] {
        assert_eq!(change.check(), Ok(()), "{change:?}");
        assert!(!is_refused_or_misread(&mut client, &change), "{change:?}");
    }
}

/// The resident memory of the process in pages, without that of files such as the program, and the number of its open files.
fn resources() -> (usize, usize) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let mut fields = statm.split(' ').map(|field| field.parse::<usize>().unwrap_or_default());
    let (resident, shared) = (fields.nth(1).unwrap(), fields.next().unwrap());
    let pages = resident - shared;
    (pages, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Runs in a process of its own, since other tests of the binary use memory too.
#[test]
fn a_million_changes_and_ten_thousand_listings_leave_memory_and_descriptors_constant() {
    if std::env::var_os("ENDURANCE").is_none() {
        let name = "library::a_million_changes_and_ten_thousand_listings_leave_memory_and_descriptors_constant";
        let mut child = Command::new(std::env::current_exe().unwrap());
        assert!(child.args(["--exact", name]).env("ENDURANCE", "1").status().unwrap().success());
        return;
    }
    fresh_namespace();
    let mut client = Client::connect().unwrap();
    let service = service("tcp 10.0.0.1:80");
    client.add_service(&VirtualService::new(service)).unwrap();
    let servers: Vec<RealServer> = (1..=64_u16)
        .map(|port| {
            RealServer::new(std::net::SocketAddr::from(([10, 1, 0, 1], port)).into())
                .forwarding(Forwarding::Masquerading)
        })
        .collect();
    for server in &servers {
        client.add_server(&service, server).unwrap();
    }
    let edits: Vec<Change> =
        servers.iter().map(|server| Change::EditServer(service, *server)).collect();
    let mut first = None;
    for round in 0..10 {
        for _ in 0..100_000 / edits.len() + 1 {
            client.apply_all(&edits).unwrap().complete().unwrap();
        }
        for _ in 0..1_000 {
            assert_eq!(client.services().unwrap().len(), 1);
        }
        let (pages, files) = resources();
        let (pages_at_first, files_at_first) = *first.get_or_insert((pages, files));
        assert!(
            pages <= pages_at_first + 64,
            "round {round}: {pages} pages, {pages_at_first} at first"
        );
        assert_eq!(files, files_at_first);
    }
}
