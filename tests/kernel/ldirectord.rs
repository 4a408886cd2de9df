//! Debian's ldirectord runs with our ipvsadm from start to stop while real servers fail and recover. After each step,
//! the kernel's table is the same as with 1.31.

use std::fs;
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::one_machine::machine;
use crate::program::{Program, kill_server};
use crate::table::{Kernel, Service, Table};
use crate::wait::PATIENCE;

/// The folder in which tests/provide unpacks Debian's package.
const DEBIAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/debian/root");
const CONFIG: &str = "/run/web.cf";

/// The configuration on the page, with a log file that tests can read. One service deletes a failed server and has a
/// fallback server; the other sets a failed server's weight to 0.
fn settings() -> String {
    let page = include_str!("../../docs/keepalived.md");
    let (_, rest) = page.split_once("```ldirectord\n").unwrap();
    let (settings, _) = rest.split_once("```").unwrap();
    format!("logfile=\"/run/ldirectord.log\"\n{settings}")
}

/// A web server for ldirectord's health checks, which stops when this value is dropped.
struct WebServer(Child);

impl WebServer {
    fn start(address: &str) -> WebServer {
        fs::create_dir_all("/run/pages").unwrap();
        fs::write("/run/pages/index.html", "alive\n").unwrap();
        let child = Command::new("busybox")
            .args(["httpd", "-f", "-h", "/run/pages", "-p", address])
            .stdin(Stdio::null())
            .spawn()
            .expect("busybox is missing: run `make test`, which installs it");
        wait("a web server", || TcpStream::connect(address).is_ok());
        WebServer(child)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        kill_server(&mut self.0);
    }
}

/// Waits with twice the usual patience: the start of ldirectord alone takes seconds.
#[track_caller]
fn wait(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        let log = fs::read_to_string("/run/ldirectord.log").unwrap_or_default();
        assert!(start.elapsed() < PATIENCE * 2, "waited in vain for {what}\n{log}");
        sleep(Duration::from_millis(200));
    }
}

/// Gives the calling thread a file tree whose /sbin contains only `ipvsadm`, and whose /run is empty.
fn own_file_tree(ipvsadm: &Path, libraries: &str) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let nothing: Option<&str> = None;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    // The program may have two names.
    let sbin = fs::canonicalize("/sbin").unwrap();
    for place in [sbin.as_path(), Path::new("/run")] {
        mount(Some("memory"), place, Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
    }
    let program = sbin.join("ipvsadm");
    let ipvsadm = ipvsadm.display();
    let script = format!("#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{ipvsadm}' \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn ldirectord(command: &str) {
    let modules: Vec<String> = ["share/perl5", "share/perl/*", "lib/*/perl5/*", "lib/*/perl/*"]
        .iter()
        .flat_map(|pattern| glob(&Path::new(DEBIAN).join("usr"), pattern))
        .collect();
    let output = Command::new("perl")
        .args([&format!("{DEBIAN}/usr/sbin/ldirectord"), CONFIG, command])
        .env("PERL5LIB", modules.join(":"))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .expect("perl is missing: run `make test`");
    assert!(
        output.status.success(),
        "ldirectord {command}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The directories that match a pattern, in which a star matches any single name.
fn glob(from: &Path, pattern: &str) -> Vec<String> {
    let mut found = vec![from.to_owned()];
    for name in pattern.split('/') {
        found = found
            .iter()
            .flat_map(|directory| match name {
                "*" => fs::read_dir(directory)
                    .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
                    .unwrap_or_default(),
                name => vec![directory.join(name)],
            })
            .collect();
    }
    found.iter().map(|path| path.display().to_string()).collect()
}

/// Real servers of a service, with their weights.
fn servers(service: &Service) -> Vec<(IpAddr, u32)> {
    service.destinations.iter().map(|server| (server.address, server.weight)).collect()
}

/// The table after each step.
fn steps(ipvsadm: &Path, libraries: &str) -> Vec<Table> {
    machine("");
    own_file_tree(ipvsadm, libraries);
    fs::write(CONFIG, settings()).unwrap();
    let kernel = Kernel::open();
    let mut tables = Vec::new();
    let mut step = |name: &str, four: &[(&str, u32)], six: &[(&str, u32)]| {
        let wanted: [Vec<(IpAddr, u32)>; 2] = [four, six].map(|servers| {
            servers.iter().map(|(address, weight)| (address.parse().unwrap(), *weight)).collect()
        });
        wait(name, || {
            let table = kernel.rules();
            table.services.iter().map(servers).collect::<Vec<Vec<(IpAddr, u32)>>>() == wanted
        });
        tables.push(kernel.rules());
    };

    let first = WebServer::start("10.2.0.1:8000");
    let second = WebServer::start("10.2.0.2:8000");
    let third = WebServer::start("[2001:db8:2::1]:8000");
    ldirectord("start");
    step("the start", &[("10.2.0.1", 1), ("10.2.0.2", 3)], &[("2001:db8:2::1", 1)]);
    drop(second);
    step("a death", &[("10.2.0.1", 1)], &[("2001:db8:2::1", 1)]);
    drop((first, third));
    step("the death of all", &[("127.0.0.1", 1)], &[("2001:db8:2::1", 0)]);
    let _back = ["10.2.0.2:8000", "[2001:db8:2::1]:8000"].map(WebServer::start);
    step("a return", &[("10.2.0.2", 3)], &[("2001:db8:2::1", 1)]);
    ldirectord("stop");
    wait("the stop", || kernel.rules().services.is_empty());
    tables
}

#[test]
fn ldirectord_makes_the_same_tables_with_ours_as_with_1_31() {
    let libraries = format!("{DEBIAN}/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let theirs = steps(Path::new(Program::reference().name()), &libraries);
    let ours = steps(Path::new(Program::ours().name()), "");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.to_string(), theirs.to_string());
    }
}
