//! `--doctor` on less usual set-ups, with real traffic: it names the traffic that is lost, and is quiet if none is lost.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::doctor::{
    HURRY, Lab, NAT, VIRTUAL, answer, faults, faults_after, faults_of, findings, mend, mend_after,
    run, serve,
};
use crate::network::Host;
use crate::wait::{wait_until, wait_until_seen};

/// Answers UDP datagrams to an address of a machine, until the end of the tests.
fn serve_udp(machine: &Host, address: &str) {
    let socket = machine.within(|| UdpSocket::bind(address).unwrap());
    thread::spawn(move || {
        let mut question = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // A client that is gone refuses the answer.
            let _ = socket.send_to(&question[..length], from);
        }
    });
}

/// Waits until the client gets this many answers to this many datagrams. On a busy machine an answer may be late.
#[track_caller]
fn wait_for_udp_answers(lab: &Lab, answers: usize, count: usize) {
    wait_until_seen(|| udp_answers(lab, count), |seen| *seen == answers);
}

/// The datagrams of the client that get an answer in time, of this many.
fn udp_answers(lab: &Lab, count: usize) -> usize {
    let is_answered = |_: &usize| {
        let socket = UdpSocket::bind("192.0.2.10:0").unwrap();
        socket.connect("192.0.2.100:53").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket.send(b"question").unwrap();
        socket.recv(&mut [0; 100]).is_ok()
    };
    lab.client.within(|| (0..count).filter(is_answered).count())
}

fn has(found: &[String], title: &str) -> bool {
    found.iter().any(|one| one == title)
}

#[test]
fn doctor_judges_services_by_mark() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules("-A -f 1 -s rr\n-a -f 1 -r 10.0.0.11:0 -m\n-a -f 1 -r 10.0.0.12:0 -m");
    lab.serve();
    let mark = "iptables-legacy -t mangle -A PREROUTING -d 192.0.2.100 -p tcp --dport 80 -j MARK --set-mark 1";
    run(director, mark);
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(director), [""; 0]);
    lab.servers[0].ip("route del default");
    let is_lost = || assert!(lab.loses_some_of_all());
    mend_after(is_lost, director, "LVS-NAT-02", &lab.servers[0]);
    let all_answer = || assert_eq!(lab.answers(4), 4);
    faults_after(all_answer, director, &[]);
    // The addresses of a service by mark are unknown, so this one may be a real server's.
    director.ip("address del 192.0.2.100/32 dev eth0");
    director.ip("address add 192.0.2.100/32 dev lo");
    faults_after(all_answer, director, &[]);
}

#[test]
fn doctor_finds_refused_connections_and_unanswered_datagrams() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules(NAT);
    serve(&lab.servers[0], "0.0.0.0:80", "hello");
    assert_eq!(lab.answers(8), 4);
    // The kernel adds up its counters every two seconds.
    wait_until("counters", || has(&faults(director), "LVS-SRV-03 error"));
    mend(director, "LVS-SRV-03", director);
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(director), [""; 0]);

    lab.rules(
        "-C\n-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m\n\
         -a -u 192.0.2.100:53 -r 10.0.0.12:53 -m",
    );
    lab.servers.iter().for_each(|server| serve_udp(server, "0.0.0.0:53"));
    lab.servers[0].ip("route del default");
    wait_for_udp_answers(&lab, 4, 8);
    wait_until("counters", || has(&faults(director), "LVS-NAT-02 error"));
    mend(director, "LVS-NAT-02", &lab.servers[0]);
    wait_for_udp_answers(&lab, 4, 4);
    wait_until("counters", || faults(director).is_empty());
    lab.rules("-d -u 192.0.2.100:53 -r 10.0.0.12:53");
    lab.servers[0].ip("route del default");
    lab.rules("-Z");
    assert_eq!(udp_answers(&lab, 3), 0);
    // It may be a service that sends no answers.
    wait_until("counters", || {
        let found = findings(director, "--doctor");
        found.iter().any(|(title, _)| title == "LVS-NAT-02 note")
    });
    assert_eq!(faults(director), [""; 0]);
}

#[test]
fn doctor_finds_interfaces_that_carry_nothing() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules(NAT);
    lab.serve();
    lab.client.ip("link set eth0 down");
    assert_eq!(faults(director), ["LVS-DIR-03 error"]);
    lab.client.ip("link set eth0 up");
    wait_until("a carrier", || faults(director).is_empty());
    director.ip("address del 192.0.2.100/32 dev eth0");
    director.ip("address add 192.0.2.100/32 dev lo");
    director.ip("link set eth0 down");
    assert!(lab.loses_some());
    mend(director, "LVS-DIR-03", director);
    wait_until("answers", || lab.answers(4) == 4);
    assert_eq!(faults(director), [""; 0]);
    // One packet in vain makes the neighbour fail.
    director.ip("route replace 10.0.0.12 via 10.0.0.254");
    director.ip("neighbour flush dev eth1");
    assert!(lab.loses_some());
    wait_until("a silent router", || has(&faults(director), "LVS-SRV-01 error"));
    director.ip("route del 10.0.0.12");
    director.ip("route add blackhole 10.0.0.12");
    assert_eq!(faults(director), ["LVS-SRV-06 error"]);
    director.ip("route del blackhole 10.0.0.12");
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(director), [""; 0]);
}

#[test]
fn doctor_mends_addresses_of_ipv6() {
    let (client, director, server, switch) = (Host::new(), Host::new(), Host::new(), Host::new());
    switch.ip("link add bridge type bridge");
    switch.ip("link set bridge up");
    for (machine, address, port) in [
        (&client, "2001:db8::10/64", "port0"),
        (&director, "2001:db8::1/64", "port1"),
        (&server, "2001:db8::11/64", "port2"),
    ] {
        switch.join(port, "169.254.0.1/32", machine, "eth0", address);
        switch.ip(&format!("link set {port} master bridge"));
    }
    let service = "[2001:db8::100]:80";
    run(
        &director,
        &format!("ipvsadm -A -t {service}; ipvsadm -a -t {service} -r [2001:db8::11] -g"),
    );
    serve(&server, "[::]:80", "hello");
    let answers = || client.within(|| answer(service, HURRY).is_some());
    let add = || director.ip("address add 2001:db8::100/128 dev eth0");
    server.ip("address add 2001:db8::100/128 dev lo");
    add();
    wait_until("the virtual address", answers);
    assert_eq!(faults(&director), [""; 0], "the address on lo of its real server");

    director.ip("address del 2001:db8::100/128 dev eth0");
    server.ip("address del 2001:db8::100/128 dev lo");
    server.ip("address add 2001:db8::100/128 dev eth0 nodad");
    add();
    wait_until("a duplicate", || faults(&director) == ["LVS-DIR-09 error"]);
    server.ip("address del 2001:db8::100/128 dev eth0");
    server.ip("address add 2001:db8::100/128 dev lo");
    client.ip("neighbour flush dev eth0");
    assert!(!answers());
    mend(&director, "LVS-DIR-09", &director);
    wait_until("the virtual address", answers);
    assert_eq!(faults(&director), [""; 0]);

    // The address is the source of the packets, and the server refuses packets from its own addresses.
    run(&director, &format!("ipvsadm -e -t {service} -r [2001:db8::11] -i"));
    server.ip("address del 2001:db8::100/128 dev lo");
    let is_lost = || assert!((0..3).all(|_| !answers()));
    mend_after(is_lost, &director, "LVS-DR-02", &server);
    assert!(!answers());
    mend(&director, "LVS-TUN-02", &director);
    wait_until("an answer through the tunnel", answers);
    assert_eq!(faults(&director), [""; 0], "a tunnel from the director's own address");
}

#[test]
fn doctor_sees_the_sockets_of_this_machine() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.1:80 -g");
    let mapped = director.within(|| TcpListener::bind("[::ffff:192.0.2.100]:80").unwrap());
    let connects = || {
        let address: SocketAddr = VIRTUAL.parse().unwrap();
        lab.client
            .within(|| TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok())
    };
    assert!(connects());
    assert_eq!(faults(director), [""; 0], "an address of IPv4 on a socket of IPv6");
    drop(mapped);
    assert!(!connects());
    assert_eq!(faults(director), ["LVS-DR-05 error"]);

    lab.rules(
        "-C\n-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m\n\
         -a -u 192.0.2.100:53 -r 10.0.0.1:53 -g",
    );
    serve_udp(&lab.servers[0], "0.0.0.0:53");
    wait_for_udp_answers(&lab, 2, 4);
    mend(director, "LVS-DR-05", director);
    wait_for_udp_answers(&lab, 4, 4);
    assert_eq!(faults(director), [""; 0]);
}

#[test]
fn doctor_judges_real_servers_with_several_interfaces() {
    let lab = Lab::new();
    let [server, other] = &lab.servers;
    lab.switch.join("port3", "169.254.0.1/32", server, "eth2", "10.0.0.21/24");
    server.ip("address add 10.0.0.100/32 dev lo");
    for setting in ["eth1/arp_ignore", "eth2/arp_announce"] {
        let value = if setting.ends_with("ignore") { "1" } else { "2" };
        server.sysctl(&format!("ipv4/conf/{setting}"), value);
    }
    assert_eq!(faults(server), ["LVS-ARP-01 error", "LVS-ARP-02 error"]);
    mend(server, "LVS-ARP-01", server);
    assert_eq!(faults(server), [""; 0]);

    // The route of a dummy that comes first takes the packets to its network.
    server.ip("link del eth2");
    server.ip("address del 10.0.0.100/32 dev lo");
    server.ip("link add dummy0 type dummy");
    server.ip("link set dummy0 up");
    server.ip("address del 10.0.0.11/24 dev eth1");
    server.ip("address add 10.0.0.100/24 dev dummy0");
    server.ip("address add 10.0.0.11/24 dev eth1");
    serve(other, "0.0.0.0:90", "hello");
    let reaches = || server.within(|| answer("10.0.0.12:90", HURRY).is_some());
    assert!(!reaches());
    mend(server, "LVS-ARP-03", server);
    assert!(reaches());
    assert_eq!(faults(server), [""; 0]);

    // A tunnel between two machines is not for virtual addresses.
    server.ip("tunnel add vpn mode gre local 10.0.0.11 remote 10.0.0.12");
    server.ip("address add 10.8.0.1/30 dev vpn");
    server.sysctl("ipv4/conf/all/rp_filter", "1");
    assert_eq!(faults(server), [""; 0]);
}

#[test]
fn doctor_asks_who_is_in_this_namespace() {
    let lab = Lab::new();
    let director = &lab.director;
    lab.rules(NAT);
    lab.serve();
    director.ip("address del 192.0.2.100/32 dev eth0");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("keepalived");
    // Another process writes the copy: nobody can run a file that a child of another test has open for writing.
    let copied = Command::new("install").arg("/bin/sleep").arg(&program).status().unwrap();
    assert!(copied.success());
    for (machine, expected) in [(&lab.client, &["LVS-DIR-02 error"][..]), (director, &[])] {
        let mut keepalived = machine.within(|| Command::new(&program).arg("1000").spawn().unwrap());
        let found = faults(director);
        keepalived.kill().unwrap();
        keepalived.wait().unwrap();
        assert_eq!(found, expected);
    }
    director.ip("address add 192.0.2.100/32 dev eth0");
    director.ip("link add spare type veth peer name spare-peer");
    director.ip("link set spare up");
    lab.rules("--start-daemon master --mcast-interface spare --syncid 7");
    assert_eq!(faults(director), [""; 0]);
    director.ip("link del spare");
    assert_eq!(faults(director), ["LVS-SYNC-01 warning"]);
    let found = findings(director, "--doctor");
    for (_, command) in &found[0].1 {
        run(director, &command.replace("INTERFACE", "eth1"));
    }
    assert_eq!(faults(director), [""; 0]);
    assert_eq!(faults_of(director, "--doctor --probe"), [""; 0]);
}
