//! Warnings and notes of `--doctor`, by states of the kernel, and the commands of the warnings.
//!
//! A recorded state in `src/doctor/tests/` shows LVS-KERNEL-04, because no kernel of these tests is older than 5.9.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, sendto, socket};

use crate::doctor::{
    Lab, NAT, VIRTUAL, faults, faults_after, findings, findings_in, mend_by, run, serve,
};
use crate::network::Host;
use crate::program::Program;
use crate::rights;
use crate::wait::{wait_until, wait_until_seen};

/// Waits for a note.
#[track_caller]
fn notes(host: &Host, code: &str) {
    notes_after(|| (), host, code);
}

/// Waits for a note that depends on connections, which a function makes before each look.
#[track_caller]
fn notes_after(cause: impl Fn(), host: &Host, code: &str) {
    let look = || {
        cause();
        findings(host, "--doctor")
    };
    let title = format!("{code} note");
    wait_until_seen(look, |found| found.iter().any(|(seen, _)| *seen == title));
}

/// Sees a warning alone, runs its commands, and sees it gone.
#[track_caller]
fn warns(host: &Host, code: &str) {
    // A packet may be on its way.
    wait_until(code, || !faults(host).is_empty());
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
        (
            "LVS-DR-03",
            "-C\n-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:81 -g --own-port",
        ),
        (
            "LVS-NAT-03",
            "-C\n-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
             -A -t 192.0.2.100:81\n-a -t 192.0.2.100:81 -r 10.0.0.11:80 -m",
        ),
        ("LVS-SVC-11", "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m"),
        (
            "LVS-SYNC-05",
            "-C\n-A -t [2001:db8::100]:80\n-a -t [2001:db8::100]:80 -r 10.0.0.11:80 -i",
        ),
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
    server.ip("address add 203.0.113.1/32 dev lo");
    serve(server, "10.0.0.11:90", "hello");
    notes(server, "LVS-RS-03");
}

#[test]
fn doctor_says_what_it_could_not_see() {
    let lab = Lab::new();
    lab.rules(NAT);
    let nobody = rights::Copy::of(&Program::ours(), "ipvsadm-doctor");
    let seen = lab.director.within(|| nobody.run("--doctor"));
    assert_eq!(seen.status.code(), Some(0), "{seen:?}");
    let report = String::from_utf8(seen.stdout).unwrap();
    assert_eq!(findings_in(&report)[0].0, "LVS-KERNEL-08 note");
    assert!(report.contains("Not seen without CAP_NET_ADMIN: counters"), "{report}");
}

/// The findings of the director with other files in /etc.
fn boot_findings(lab: &Lab, is_enabled: bool, files: &[(&str, &str)]) -> Vec<String> {
    let mut script = "mount -t tmpfs etc /etc; mkdir /etc/sysconfig".to_owned();
    if is_enabled {
        script += "; d=/etc/systemd/system/multi-user.target.wants; mkdir -p $d; ln -s /nowhere $d/ipvsadm.service";
    }
    for (path, text) in files {
        script += &format!("; printf '%s\\n' '{text}' >{path}");
    }
    let ours = Program::ours();
    let script = format!("{script}; exec {} --doctor", ours.name());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", &script]);
    let output = lab.director.within(|| command.output().unwrap());
    let report = String::from_utf8(output.stdout).unwrap();
    findings_in(&report).into_iter().map(|(title, _)| title).collect()
}

#[test]
fn doctor_warns_of_rules_that_the_boot_cannot_load() {
    let lab = Lab::new();
    let warning = ["LVS-KERNEL-07 warning"];
    let rules = |scheduler| format!("-A -t 192.0.2.100:80 -s {scheduler}");
    let (known, unknown) = (rules("rr"), rules("nosuch"));
    for (place, settings) in [
        ("/etc/sysconfig/ipvsadm", None),
        ("/etc/ipvsadm.rules", None),
        // As on openSUSE.
        ("/etc/lvs.rules", Some("IPVSADM_CONFIG=/etc/lvs.rules")),
    ] {
        let files = |rules| {
            let settings = settings.map(|settings| ("/etc/sysconfig/ipvsadm", settings));
            settings.into_iter().chain([(place, rules)]).collect::<Vec<_>>()
        };
        assert_eq!(boot_findings(&lab, true, &files(&unknown)), warning, "{place}");
        assert_eq!(boot_findings(&lab, true, &files(&known)), [""; 0], "{place}");
        assert_eq!(boot_findings(&lab, false, &files(&unknown)), [""; 0], "{place}");
    }
}

/// Sends a datagram of a protocol that no kernel handles.
fn send_unknown_protocol(to: [u8; 4]) {
    let protocol = NonZeroU32::new(253).map(Protocol::from_raw);
    let socket = socket(AddressFamily::INET, SocketType::RAW, protocol).unwrap();
    sendto(&socket, b"packet", SendFlags::empty(), &SocketAddr::from((to, 0))).unwrap();
}

#[test]
fn doctor_warns_of_packets_that_the_kernel_drops() {
    let lab = Lab::new();
    let (director, server) = (&lab.director, &lab.servers[0]);
    lab.rules(NAT);
    lab.serve();
    // Later, the filter drops ARP requests too.
    assert_eq!(lab.answers(1), 1);
    director.ip("route add default via 10.0.0.11");
    lab.client.ip("address add 203.0.113.7/32 dev lo");
    director.sysctl("ipv4/conf/all/rp_filter", "0");
    director.sysctl("ipv4/conf/eth0/rp_filter", "1");
    assert_eq!(faults(director), [""; 0]);
    lab.client.within(|| {
        let socket = UdpSocket::bind("203.0.113.7:0").unwrap();
        socket.send_to(b"question", VIRTUAL).unwrap();
    });
    warns(director, "LVS-DIR-07");

    server.ip("address add 203.0.113.1/32 dev lo");
    assert_eq!(faults(server), [""; 0]);
    director.within(|| send_unknown_protocol([10, 0, 0, 11]));
    warns(server, "LVS-RS-04");
}

#[test]
fn doctor_warns_of_a_server_that_does_not_keep_up() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    assert_eq!(lab.answers(2), 2);
    let address: SocketAddr = VIRTUAL.parse().unwrap();
    let burst = || {
        run(&lab.servers[1], "iptables-legacy -A INPUT -p tcp --syn -j DROP");
        lab.client.within(|| {
            let clients = [(); 24].map(|()| {
                thread::spawn(move || {
                    TcpStream::connect_timeout(&address, Duration::from_secs(4)).is_ok()
                })
            });
            let answered = clients.map(|client| usize::from(client.join().unwrap()));
            assert_eq!(answered.iter().sum::<usize>(), 12);
        });
        run(&lab.servers[1], "iptables-legacy -F INPUT");
        assert_eq!(lab.answers(2), 2);
    };
    faults_after(burst, &lab.director, &["LVS-SRV-05 warning"]);
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
    let address: SocketAddr = VIRTUAL.parse().unwrap();
    let connections = [(), ()].map(|()| lab.client.within(|| TcpStream::connect(address).unwrap()));
    director.sysctl("ipv4/vs/conn_reuse_mode", "0");
    assert_eq!(faults(director), [""; 0]);
    lab.rules("-e -t 192.0.2.100:80 -r 10.0.0.12:80 -m -w 0");
    warns(director, "LVS-KERNEL-06");
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
    director.sysctl("ipv4/vs/sloppy_tcp", "0");
    notes(director, "LVS-SYNC-07");
    // Otherwise the kernel removes the connections with the service.
    director.sysctl("ipv4/vs/expire_nodest_conn", "0");
    let lose_service = || {
        // The servers lack the virtual address.
        lab.rules(&format!("-C\n{}", NAT.replace("-m", "-g")));
        assert!(lab.loses_some());
        lab.rules("-D -t 192.0.2.100:80");
    };
    notes_after(lose_service, director, "LVS-SYNC-04");
    lab.rules(NAT);
    lab.rules("--stop-daemon backup\n--start-daemon backup --mcast-interface eth1 --syncid 2");
    assert_eq!(faults(director), [""; 0]);

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, NAT.replace("10.0.0.12", "10.0.0.13")).unwrap();
    let line = format!("--doctor --against {}", other.display());
    mend_by(director, &line, "LVS-SYNC-03 warning", director);
    let differs = |found: &(String, _)| found.0.starts_with("LVS-SYNC-03");
    assert!(!findings(director, &line).iter().any(differs));
    // Another service matters only if nobody asks for one.
    let more = NAT.replace("10.0.0.12", "10.0.0.13") + "\n-A -t 192.0.2.100:81 -s rr\n";
    fs::write(&other, more).unwrap();
    let of_one = line.replace("--doctor", "--doctor -t 192.0.2.100:80");
    assert!(findings(director, &line).iter().any(differs));
    assert!(!findings(director, &of_one).iter().any(differs));
    // The output of a command that failed.
    fs::write(&other, "").unwrap();
    let found = findings(director, &line).into_iter().find(differs);
    assert_eq!(found, Some(("LVS-SYNC-03 warning".to_owned(), Vec::new())));
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
    let count = || {
        let path = "/proc/sys/net/netfilter/nf_conntrack_count";
        let text = director.within(|| fs::read_to_string(path).unwrap());
        text.trim().parse::<usize>().unwrap()
    };
    // The kernel forgets them after 30 seconds.
    let fill = || {
        wait_until("20 connections", || {
            send(10_000..10_020);
            count() >= 20
        });
    };
    fill();
    // All namespaces share the limit, which is the machine's if the kernel is.
    if std::env::var("WITH_IPVS").as_deref() == Ok("uml") {
        let look = || {
            fill();
            let _small = Setting::new("/proc/sys/net/netfilter/nf_conntrack_max", "20");
            faults(director)
        };
        wait_until_seen(look, |found| found == &["LVS-KERNEL-03 warning"]);
    }
    assert_eq!(faults(director), [""; 0]);
    director.sysctl("ipv4/vs/conntrack", "0");
    wait_until("as many connections in the table", || {
        send(20_000..28_400);
        let counted = director.within(|| Program::ours().line("-L -c --count --no-header"));
        counted.text().split_whitespace().next().unwrap().parse::<usize>().unwrap() >= 8_400
    });
    let parameter = fs::read_to_string("/sys/module/ip_vs/parameters/conn_tab_bits").unwrap();
    if parameter.trim() == "12" {
        assert_eq!(faults(director), ["LVS-KERNEL-02 warning"]);
    } else {
        assert_eq!(faults(director), [""; 0]);
    }
}
