//! Warnings and notes of `--doctor`, by states of the kernel, and the commands of the warnings.
//!
//! A recorded state in `src/doctor/tests/` shows LVS-KERNEL-04, because no kernel of these tests is older than 5.9.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::doctor::{Lab, NAT, faults, findings, mend_by, run};
use crate::network::Host;

/// Sees a note.
#[track_caller]
fn notes(host: &Host, code: &str) {
    let found = findings(host, "--doctor");
    assert!(found.iter().any(|(title, _)| *title == format!("{code} note")), "{code}: {found:?}");
}

/// Sees a warning alone, runs its commands, and sees it gone.
#[track_caller]
fn warns(host: &Host, code: &str) {
    assert_eq!(faults(host), [format!("{code} warning")]);
    mend_by(host, "--doctor", &format!("{code} warning"), host);
    assert_eq!(faults(host), [""; 0], "{code}");
}

#[test]
fn doctor_notes_what_many_sites_mean() {
    let lab = Lab::new();
    let (director, server) = (&lab.director, &lab.servers[0]);
    for (code, rules) in [
        ("LVS-DR-04", "-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.1:80 -m"),
        ("LVS-TUN-01", "-C\n-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -i"),
        ("LVS-SVC-07", "-A -t 192.0.2.100:81\n-a -t 192.0.2.100:81 -r 10.0.0.11:80 -m --own-port"),
        (
            "LVS-SVC-10",
            "-C\n-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
             -A -t 192.0.2.100:0 -p\n-a -t 192.0.2.100:0 -r 10.0.0.12 -m",
        ),
    ] {
        lab.rules(rules);
        notes(director, code);
    }
    lab.rules("-C");
    lab.rules(NAT);
    server.ip("address add 10.0.0.12/24 dev eth1");
    lab.servers[1].ip("link set eth1 down");
    for address in ["10.0.0.11:7", "10.0.0.12:7"] {
        director.within(|| {
            TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_millis(500))
                .is_ok()
        });
    }
    notes(director, "LVS-SRV-02");
    run(director, "iptables-legacy -A INPUT -p tcp --dport 81 -j DROP");
    notes(director, "LVS-DIR-05");
    director.sysctl("ipv4/vs/run_estimation", "0");
    notes(director, "LVS-KERNEL-05");
}

#[test]
fn doctor_warns_of_traffic_that_will_be_lost() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules("-A -t 192.0.2.100:80 -s rr -p 60\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m -w 0\n-a -t 192.0.2.100:80 -r 10.0.0.12:80 -m");
    director.sysctl("ipv4/vs/expire_quiescent_template", "0");
    warns(director, "LVS-SVC-04");

    lab.rules("-C");
    lab.rules(NAT);
    // Nobody accepts the connections, which are established all the same.
    let listeners = lab
        .servers
        .each_ref()
        .map(|server| server.within(|| TcpListener::bind("0.0.0.0:80").unwrap()));
    let address: SocketAddr = crate::doctor::VIRTUAL.parse().unwrap();
    let connections = [(), ()].map(|()| lab.client.within(|| TcpStream::connect(address).unwrap()));
    director.sysctl("ipv4/vs/expire_nodest_conn", "0");
    lab.rules("-d -t 192.0.2.100:80 -r 10.0.0.12:80");
    warns(director, "LVS-SVC-05");
    drop((listeners, connections));

    lab.rules("-a -t 192.0.2.100:80 -r 10.0.0.12:80");
    warns(director, "LVS-SVC-06");

    lab.rules("--start-daemon master --mcast-interface eth1 --syncid 1");
    director.ip("link set eth1 multicast off");
    warns(director, "LVS-SYNC-01");
    lab.rules("--start-daemon backup --mcast-interface eth1 --syncid 1");
    notes(director, "LVS-SYNC-02");
    lab.rules("--stop-daemon backup\n--start-daemon backup --mcast-interface eth1 --syncid 2");
    assert_eq!(faults(director), [""; 0]);

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, NAT.replace("10.0.0.12", "10.0.0.13")).unwrap();
    let line = format!("--doctor --against {}", other.display());
    mend_by(director, &line, "LVS-SYNC-03 warning", director);
    let differs = |found: &(String, _)| found.0.starts_with("LVS-SYNC-03");
    assert!(!findings(director, &line).iter().any(differs));
}

/// Restores a setting of the kernel that all namespaces share.
struct Setting(&'static str, String);

impl Setting {
    fn new(path: &'static str, value: &str) -> Setting {
        let before = fs::read_to_string(path).unwrap();
        fs::write(path, value).unwrap();
        Setting(path, before)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        fs::write(self.0, &self.1).unwrap();
    }
}

#[test]
fn doctor_warns_of_full_tables() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules("-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m");
    let send = |ports: std::ops::Range<u16>| {
        lab.client.within(|| {
            for port in ports {
                let socket = UdpSocket::bind(("192.0.2.10", port)).unwrap();
                socket.send_to(b"question", "192.0.2.100:53").unwrap();
            }
        });
    };
    director.sysctl("ipv4/vs/conntrack", "1");
    // A namespace counts connections only while a rule asks for their state.
    run(director, "iptables-legacy -A FORWARD -m conntrack --ctstate INVALID -j DROP");
    send(10_000..10_020);
    // All namespaces share the limit, which is the machine's if the kernel is.
    if std::env::var("WITH_IPVS").as_deref() == Ok("uml") {
        let small = Setting::new("/proc/sys/net/netfilter/nf_conntrack_max", "20");
        let found = faults(director);
        drop(small);
        assert_eq!(found, ["LVS-KERNEL-03 warning"]);
    }
    assert_eq!(faults(director), [""; 0]);
    director.sysctl("ipv4/vs/conntrack", "0");
    send(20_000..28_400);
    let parameter = fs::read_to_string("/sys/module/ip_vs/parameters/conn_tab_bits").unwrap();
    if parameter.trim() == "12" {
        assert_eq!(faults(director), ["LVS-KERNEL-02 warning"]);
    } else {
        assert_eq!(faults(director), [""; 0]);
    }
}
