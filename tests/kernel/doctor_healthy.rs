//! `--doctor` stays quiet on set-ups that differ from a mistake in one thing, and on which traffic flows.

use std::fs;

use crate::doctor::{Lab, NAT, faults, run};

/// Both servers answer, and the doctor has no finding above a note.
#[track_caller]
fn is_healthy(lab: &Lab, name: &str) {
    assert_eq!(lab.answers(4), 4, "{name}");
    assert_eq!(faults(&lab.director), [""; 0], "{name}");
}

#[test]
fn doctor_is_quiet_about_unusual_directors() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    let director = &lab.director;
    is_healthy(&lab, "as it is");
    // Answers arrive by eth1 alone.
    director.sysctl("ipv4/ip_forward", "0");
    director.sysctl("ipv4/conf/eth1/forwarding", "1");
    is_healthy(&lab, "forwarding on one interface");
    director.ip("address del 192.0.2.100/32 dev eth0");
    director.ip("route add local 192.0.2.100/32 dev lo");
    is_healthy(&lab, "a local route instead of an address");
    director.ip("route del local 192.0.2.100/32 dev lo");
    director.ip("address add 192.0.2.100/32 dev lo");
    is_healthy(&lab, "the virtual address on lo");
    director.ip("link add unused type dummy");
    director.ip("address add 192.0.2.100/32 dev unused");
    director.ip("address del 192.0.2.100/32 dev lo");
    is_healthy(&lab, "the virtual address on a dummy that is down");
    director.ip("link add spare type veth peer name spare-peer");
    director.ip("address add 10.0.0.2/24 dev spare");
    is_healthy(&lab, "an unused interface of the servers' network");
    for (name, lines) in [
        ("a drained server", "-e -t 192.0.2.100:80 -r 10.0.0.11:80 -m -w 0"),
        ("a hash with its fallback", "-E -t 192.0.2.100:80 -s sh -b sh-fallback"),
        (
            "a server below its threshold",
            "-E -t 192.0.2.100:80 -s rr\n-e -t 192.0.2.100:80 -r 10.0.0.11:80 -m -x 1\n-e -t 192.0.2.100:80 -r 10.0.0.12:80 -m -x 500",
        ),
        ("a service of all ports", "-A -t 192.0.2.100:0 -p\n-a -t 192.0.2.100:0 -r 10.0.0.11 -m"),
        (
            "an unused service with one packet each",
            "-A -u 192.0.2.100:53 -o\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -g",
        ),
    ] {
        lab.rules(lines);
        is_healthy(&lab, name);
    }
    lab.rules("--start-daemon backup --mcast-interface eth1 --syncid 1");
    is_healthy(&lab, "a backup daemon on the active director");
    let server = &lab.servers[0];
    server.ip("route del default");
    server.ip("route add 192.0.2.0/24 via 10.0.0.1");
    is_healthy(&lab, "a route to the clients instead of a default route");
}

/// The scripts of docs/persistent, as their units call them, and the files for sysctl.d.
#[test]
fn doctor_is_quiet_about_the_scripts_of_the_documentation() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/persistent");
    let lab = Lab::new();
    lab.serve();
    let (director, server) = (&lab.director, &lab.servers[0]);
    for verb in ["start", "status"] {
        run(server, &format!("{place}/lvs-real-server {verb} 10.0.0.100 10.0.0.101 2001:db8::80"));
    }
    assert_eq!(faults(server), [""; 0]);
    let silent = || {
        let path = "/proc/sys/net/ipv4/conf/all/arp_ignore";
        server.within(|| fs::read_to_string(path).unwrap())
    };
    let stops = [("10.0.0.100", "1\n"), ("10.0.0.101", "0\n"), ("2001:db8::80", "0\n")];
    for (address, is_silent) in stops {
        run(server, &format!("{place}/lvs-real-server stop {address}"));
        run(server, &format!("! {place}/lvs-real-server status {address}"));
        assert_eq!(silent(), is_silent);
    }
    run(server, &format!("sysctl -q -p {place}/90-lvs-real-server.conf"));
    assert_eq!(silent(), "1\n");

    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, format!("{NAT}\n")).unwrap();
    director.ip("address del 192.0.2.100/32 dev eth0");
    director.sysctl("ipv4/ip_forward", "0");
    let rules = rules.display();
    let command =
        |verb: &str| format!("{place}/lvs-director {verb} eth0 {rules} 192.0.2.100 2001:db8::80");
    run(director, &command("start"));
    run(director, &command("status"));
    is_healthy(&lab, "lvs-director");
    run(director, &command("stop"));
    run(director, &format!("! {}", command("status")));
    assert!(lab.loses_some());
    director.sysctl("ipv4/ip_forward", "0");
    run(director, &format!("sysctl -q -p {place}/90-lvs-director.conf"));
    director.ip("address add 192.0.2.100/32 dev eth0");
    lab.rules(NAT);
    is_healthy(&lab, "90-lvs-director.conf");
}
