//! `--doctor` with direct routing and tunnels, with real traffic: mistakes on the director and on its real servers, which
//! answer the client themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::doctor::{
    HURRY, answer, faults, faults_after, faults_of, findings, mend, mend_after, mend_by,
    mend_found, run, serve,
};
use crate::network::Host;
use crate::program::Program;
use crate::wait::{PATIENCE, wait_until};

const VIRTUAL: &str = "192.0.2.100:80";

/// A client, the director, a router and one real server are on 192.0.2.0/24. The router leads to another real server,
/// 10.1.0.12.
struct Network {
    client: Host,
    director: Host,
    router: Host,
    near: Host,
    far: Host,
    _switch: Host,
}

impl Network {
    fn new() -> Network {
        let network = Network {
            client: Host::new(),
            director: Host::new(),
            router: Host::new(),
            near: Host::new(),
            far: Host::new(),
            _switch: Host::new(),
        };
        network._switch.ip("link add bridge type bridge");
        network._switch.ip("link set bridge up");
        for (machine, address, port) in [
            (&network.client, "192.0.2.10/24", "port0"),
            (&network.director, "192.0.2.1/24", "port1"),
            (&network.router, "192.0.2.254/24", "port2"),
            (&network.near, "192.0.2.11/24", "port3"),
        ] {
            // An address of the port itself is of no use, but `join` gives one.
            network._switch.join(port, "169.254.0.1/32", machine, "eth0", address);
            network._switch.ip(&format!("link set {port} master bridge"));
        }
        network.router.join("eth1", "10.1.0.254/24", &network.far, "eth0", "10.1.0.12/24");
        network.router.sysctl("ipv4/ip_forward", "1");
        network.director.ip("route add 10.1.0.0/24 via 192.0.2.254");
        network.far.ip("route add default via 10.1.0.254");
        network.director.ip("address add 192.0.2.100/32 dev eth0");
        network.near.sysctl("ipv4/conf/all/arp_ignore", "1");
        network.near.sysctl("ipv4/conf/all/arp_announce", "2");
        network.near.ip("address add 192.0.2.100/32 dev lo");
        // A server that listens on the virtual address alone refuses probes, which is right.
        serve(&network.near, VIRTUAL, "near");
        serve(&network.far, "0.0.0.0:80", "far");
        network
    }

    fn rule(&self, line: &str) {
        self.director.within(|| Program::ours().line(line).succeeded().len());
    }

    /// The number of connections, of this many, that each server answers within a time.
    fn answers_within(&self, time: Duration, count: usize) -> BTreeMap<String, usize> {
        let all = || (0..count).filter_map(|_| answer(VIRTUAL, time)).collect::<Vec<_>>();
        let mut answers = BTreeMap::new();
        for word in self.client.within(all) {
            *answers.entry(word).or_default() += 1;
        }
        answers
    }

    /// The number of connections, of this many, that each server answers.
    fn answers(&self, count: usize) -> BTreeMap<String, usize> {
        self.answers_within(PATIENCE, count)
    }

    /// Both servers answer in turn.
    #[track_caller]
    fn is_balanced(&self) {
        assert_eq!(
            self.answers(4),
            BTreeMap::from([("near".to_owned(), 2), ("far".to_owned(), 2)])
        );
    }

    /// The far server answers nobody, and the near one answers its share. The time is enough for a packet that is sent again.
    #[track_caller]
    fn loses_the_far_server(&self) {
        let answers = self.answers_within(Duration::from_secs(2), 4);
        assert_eq!(answers, BTreeMap::from([("near".to_owned(), 2)]));
    }

    /// The machines of the network have no ARP cache, and the client takes the first or the last answer.
    fn forget_neighbours(&self, client_takes_the_last: bool) {
        let locktime = if client_takes_the_last { "0" } else { "1000" };
        self.client.sysctl("ipv4/neigh/eth0/locktime", locktime);
        for machine in [&self.client, &self.near] {
            machine.ip("neighbour flush dev eth0");
        }
    }
}

#[test]
fn doctor_mends_direct_routing_and_tunnels() {
    let network = Network::new();
    let Network { client, director, near, far, .. } = &network;
    network.rule("-A -t 192.0.2.100:80 -s rr");
    network.rule("-a -t 192.0.2.100:80 -r 192.0.2.11 -g");
    near.ip("address del 192.0.2.100/32 dev lo");
    let is_lost = || assert_eq!(network.answers_within(HURRY, 3).len(), 0);
    // With NAT these clients would be beside their server.
    faults_after(is_lost, director, &["LVS-DR-02 error"]);
    mend_after(is_lost, director, "LVS-DR-02", near);
    assert_eq!(network.answers(2).get("near"), Some(&2));
    for machine in [director, near] {
        assert_eq!(faults(machine), [""; 0], "a server with the virtual address");
    }
    let probed = findings(director, "--doctor --probe");
    assert!(probed.iter().any(|(title, _)| title == "LVS-SRV-03 note"), "{probed:?}");
    assert_eq!(faults_of(director, "--doctor --probe"), [""; 0]);

    // A server without the program refuses connections, and the client's answers do not pass the director.
    network.rule("-A -t 192.0.2.100:81 -s rr");
    network.rule("-a -t 192.0.2.100:81 -r 192.0.2.11 -g");
    let is_refused = || {
        for _ in 0..3 {
            assert_eq!(client.within(|| answer("192.0.2.100:81", HURRY)), None);
        }
    };
    faults_after(is_refused, director, &["LVS-DR-02 error"]);
    mend_found(director, "LVS-DR-02 error", near, || {
        is_refused();
        findings(director, "--doctor --probe")
    });
    assert_eq!(faults(director), ["LVS-SVC-02 error"]);
    network.rule("-D -t 192.0.2.100:81");

    network.rule("-a -t 192.0.2.100:80 -r 10.1.0.12 -g");
    network.loses_the_far_server();
    mend(director, "LVS-DR-01", far);
    network.is_balanced();
    for machine in [director, near, far] {
        assert_eq!(faults(machine), [""; 0], "a tunnel to a server behind a router");
    }

    far.sysctl("ipv4/conf/all/rp_filter", "1");
    far.sysctl("ipv4/conf/tunl0/rp_filter", "0");
    network.loses_the_far_server();
    mend(far, "LVS-RS-01", far);
    network.is_balanced();
    assert_eq!(faults(far), [""; 0], "a loose filter beside the tunnel");
    assert_eq!(faults(near), [""; 0], "an unused tunnel that is down");

    far.ip("link set tunl0 down");
    network.loses_the_far_server();
    mend(far, "LVS-RS-02", far);
    network.is_balanced();
    assert_eq!(faults(far), [""; 0]);

    // A neighbour that hears a request from the virtual address sends its packets there.
    near.sysctl("ipv4/conf/all/arp_announce", "0");
    wait_until("a client that takes the near server for the director", || {
        network.forget_neighbours(true);
        network.answers(2);
        !network.answers(4).contains_key("far")
    });
    mend(near, "LVS-ARP-02", near);
    network.forget_neighbours(true);
    network.is_balanced();
    assert_eq!(faults(near), [""; 0]);

    // The director sees the same mistake by its probe, and names the server.
    for (seen_by, line, code) in
        [(near, "--doctor", "LVS-ARP-01"), (director, "--doctor --probe", "LVS-ARP-04")]
    {
        near.sysctl("ipv4/conf/all/arp_ignore", "0");
        // Nobody knows which machine answers first.
        let mut client_takes_the_last = false;
        wait_until(&format!("a bypassed director, for {code}"), || {
            network.forget_neighbours(client_takes_the_last);
            client_takes_the_last = !client_takes_the_last;
            !network.answers(4).contains_key("far")
        });
        mend_by(seen_by, line, &format!("{code} error"), near);
        assert_eq!(faults_of(seen_by, line), [""; 0], "{code}");
        for client_takes_the_last in [false, true] {
            network.forget_neighbours(client_takes_the_last);
            network.is_balanced();
        }
    }

    network.rule("-D -t 192.0.2.100:80");
    network.rule("-A -t 192.0.2.100:80 -s rr");
    assert_eq!(network.answers_within(HURRY, 1).len(), 0);
    // The printed command has a word for the server to be named.
    let found = findings(director, "--doctor");
    let (title, commands) = found.first().unwrap();
    assert_eq!(title, "LVS-SVC-01 error");
    run(director, &commands[0].1.replace("REAL-SERVER", "192.0.2.11"));
    assert_eq!(network.answers(2).get("near"), Some(&2));
    for machine in [client, director, near, far] {
        assert_eq!(faults(machine), [""; 0]);
    }
}
