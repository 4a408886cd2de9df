//! Names of hosts and ports, with a hosts file and a name server of the test. The files are bind-mounted over the
//! machine's in a mount namespace of the test's thread and its children.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Kernel, Service, TCP};

/// Files that replace the machine's own.
pub(crate) struct Names(PathBuf);

impl Names {
    /// Gives the calling thread these lines as /etc/hosts, and 127.0.0.1 as its only name server. The resolver waits for an
    /// answer as long as usual: twice for five seconds.
    pub(crate) fn with_hosts(test: &str, hosts: &str) -> Names {
        fresh_namespace();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        let directory = std::env::temp_dir().join(format!("names-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in [
            ("hosts", hosts),
            ("resolv.conf", "nameserver 127.0.0.1\n"),
            ("nsswitch.conf", "hosts: files dns\n"),
        ] {
            let file = directory.join(name);
            fs::write(&file, text).unwrap();
            let target = Path::new("/etc").join(name);
            if !target.exists() {
                fs::write(&target, "").unwrap();
            }
            mount(Some(&file), &target, nothing, MsFlags::MS_BIND, nothing).unwrap();
        }
        Names(directory)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn ours(line: &str) -> String {
    Program::ours().line(line).succeeded().to_owned()
}

#[test]
fn host_names_resolve_to_both_families_ipv4_first() {
    let _names = Names::with_hosts("both", "2001:db8::4 both\n10.0.0.4 both\n2001:db8::6 six\n");
    let kernel = Kernel::open();
    ours("-A -t both:80 -s rr");
    ours("-A -t six:80 -s rr");
    let expected = [Service::new(TCP, "10.0.0.4", 80), Service::new(TCP, "2001:db8::6", 80)];
    assert_eq!(kernel.rules().services, expected);
}

#[test]
fn a_save_uses_a_name_only_if_it_resolves_to_the_address() {
    let hosts = "10.0.0.1 one\n10.0.0.2 twins\n10.0.0.3 twins\n2001:db8::6 six\n10.0.0.7 seven\n2001:db8::7 seven\n";
    let _names = Names::with_hosts("save", hosts);
    let kernel = Kernel::open();
    for host in ["10.0.0.1", "10.0.0.2", "[2001:db8::6]", "10.0.0.7", "10.0.0.8"] {
        ours(&format!("-A -t {host}:80 -s rr"));
    }
    let saved = ours("-S");
    let services: Vec<&str> = saved.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(
        services,
        ["one:http", "10.0.0.2:http", "10.0.0.7:http", "10.0.0.8:http", "[six]:http"]
    );
    let before = kernel.rules();
    ours("-C");
    Program::ours().feed(["-R"], saved.as_bytes()).succeeded();
    assert_eq!(kernel.rules(), before, "{saved}");
}

#[test]
fn long_names_are_not_truncated() {
    let long = "a-host-name-that-is-longer-than-every-column-of-the-listing.example";
    let _names = Names::with_hosts("long", &format!("10.0.0.1 {long}\n"));
    ours("-A -t 10.0.0.1:8080 -s rr");
    ours("-a -t 10.0.0.1:8080 -r 10.0.0.1:443 -m");
    let listing = ours("-L");
    assert!(listing.contains(&format!("TCP  {long}:http-alt rr\n")), "{listing}");
    let columns: Vec<&str> = listing.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["->", &format!("{long}:https"), "Masq", "1", "0", "0"]);
}

#[test]
fn names_in_a_listing_are_those_of_1_31() {
    let _names =
        Names::with_hosts("listing", "10.0.0.1 web\n10.0.0.2 a.example b\n2001:db8::1 web6\n");
    for line in [
        "-A -t 10.0.0.1:80 -s rr",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m",
        "-a -t 10.0.0.1:80 -r 10.0.0.3:12345 -m",
        "-A -u [2001:db8::1]:53 -s rr",
        "-A -f 9 -s rr",
        "-a -f 9 -r 10.0.0.2 -g",
    ] {
        ours(line);
    }
    for line in ["-L", "-L --stats", "-L --rate", "-L --thresholds", "-L -t web:http"] {
        assert_eq!(ours(line), Program::reference().line(line).succeeded(), "{line}");
    }
}

/// The owner of an address chooses the name that a reverse lookup returns.
#[test]
fn a_name_that_reads_as_an_address_or_a_port_stays_a_number() {
    let hosts = "10.0.0.2 10.9.9.9\n10.0.0.3 443\n10.0.0.4 web:443\n10.0.0.5 0x0a090909\n10.0.0.6 web\n10.0.0.7 \u{1b}[2J\n";
    let _names = Names::with_hosts("misleading", hosts);
    ours("-A -t 10.0.0.1:8080 -s rr");
    for last in 2..=7 {
        ours(&format!("-a -t 10.0.0.1:8080 -r 10.0.0.{last}:9999 -m"));
    }
    let listing = ours("-L");
    let servers = listing.lines().skip(4).map(|line| line.split_whitespace().nth(1).unwrap());
    let mut servers: Vec<&str> = servers.collect();
    servers.sort_unstable();
    let expected = [
        "10.0.0.2:9999",
        "10.0.0.3:9999",
        "10.0.0.4:9999",
        "10.0.0.5:9999",
        "10.0.0.7:9999",
        "web:9999",
    ];
    assert_eq!(servers, expected, "{listing}");
}

/// A thousand real servers behind a name server that never answers.
#[test]
fn a_dead_name_server_delays_a_listing_by_seconds_only() {
    let _names = Names::with_hosts("dead", "127.0.0.1 localhost\n");
    let kernel = Kernel::open();
    let deaf = UdpSocket::bind("127.0.0.1:53").unwrap();
    let servers = (0..1000).map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1));
    kernel.add(
        &servers
            .fold(Service::new(TCP, "10.0.0.1", 80), |service, server| service.with(&server, 80)),
    );
    deaf.set_nonblocking(true).unwrap();

    let numeric = ours("-L -n");
    assert!(deaf.recv(&mut [0; 512]).is_err(), "-n asked the name server");

    // One name after the other would take hours, and a run has a minute.
    let named = ours("-L");
    assert!(deaf.recv(&mut [0; 512]).is_ok(), "nobody asked the name server");
    let addresses = |listing: &str| -> Vec<String> {
        let servers = listing.lines().skip(4).map(|line| line.split_whitespace().nth(1).unwrap());
        servers.map(|server| server.split_once(':').unwrap().0.to_owned()).collect()
    };
    assert_eq!(addresses(&named), addresses(&numeric));
    assert_eq!(addresses(&named).len(), 1000);
}

#[test]
fn lines_take_effect_while_a_later_line_waits_for_a_name_server() {
    let _names = Names::with_hosts("waiting", "127.0.0.1 localhost\n");
    let kernel = Kernel::open();
    let _deaf = UdpSocket::bind("127.0.0.1:53").unwrap();
    let mut restore = Program::ours().command(["-R"]).stdin(Stdio::piped()).spawn().unwrap();
    let lines =
        b"-A -t 10.0.0.1:80 -s rr\n-A -t nowhere.example:80 -s rr\n-A -t 10.0.0.2:80 -s rr\n";
    restore.stdin.take().unwrap().write_all(lines).unwrap();
    while kernel.rules().services.is_empty() {
        assert_eq!(restore.try_wait().unwrap(), None, "the first line had no effect of its own");
        sleep(Duration::from_millis(10));
    }
    let outcome = restore.wait_with_output().unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(said.contains("nowhere.example") && said.ends_with("(line 2)\n"), "{said}");
    assert_eq!(kernel.rules().services.len(), 2);
}
