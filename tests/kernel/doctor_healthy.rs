//! `--doctor` stays quiet on set-ups that differ from a mistake in one thing, and on which traffic flows.

use crate::doctor::{Lab, NAT, faults};

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
}
