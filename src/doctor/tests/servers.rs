//! Real servers: the ways to them, their answers, and this machine as one of them.

use super::*;

#[test]
fn server_whose_connections_all_wait_has_an_error_of_its_method() {
    for (rules, server, code) in
        [(NAT, "10.0.0.11:8080", "LVS-NAT-02"), (ROUTED, "10.0.0.11:80", "LVS-DR-02")]
    {
        let mut facts = facts(rules);
        connect(&mut facts, server, 3, 0);
        assert_eq!(codes(&facts), [code]);
        connect(&mut facts, server, 2, 0);
        assert_eq!(codes(&facts), [""; 0]);
        connect(&mut facts, server, 30, 1);
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn server_that_stopped_answering_is_found_beside_its_answered_connections() {
    for (rules, server, code) in
        [(NAT, "10.0.0.11:8080", "LVS-NAT-02"), (ROUTED, "10.0.0.11:80", "LVS-DR-02")]
    {
        let mut facts = facts(rules);
        connect(&mut facts, server, 3, 20);
        let client: IpAddr = "198.51.100.7".parse().unwrap();
        facts.answered.insert((client, "10.0.0.12".parse().unwrap()), 30);
        let wait = |facts: &mut Facts, seconds, last| {
            let tally = facts.connections.values_mut().next().unwrap();
            tally.waiting = vec![Waiting { client, seconds }; 3];
            tally.last_answered = Some(last);
            codes(facts)
        };
        assert_eq!(wait(&mut facts, 9, 10), [code]);
        let seen = &diagnose(&facts)[0].seen;
        assert!(
            seen.starts_with("3 of 23 connections of -t 192.0.2.100:80 to 10.0.0.11"),
            "{seen}"
        );
        // Handshakes after a quiet time.
        assert_eq!(wait(&mut facts, 1, 10), [""; 0]);
        // A connection was answered after these began to wait, or may have been.
        assert_eq!(wait(&mut facts, 10, 10), [""; 0]);
        assert_eq!(wait(&mut facts, 9, 0), [""; 0]);
        // Forged clients have no answers.
        facts.answered.clear();
        assert_eq!(wait(&mut facts, 9, 10), [""; 0]);
        facts.answered.insert((client, "10.0.0.12".parse().unwrap()), 30);
        set(&mut facts.host, "net/ipv4/vs/secure_tcp", "1");
        assert_eq!(wait(&mut facts, 9, 10), [""; 0]);
        set(&mut facts.host, "net/ipv4/vs/secure_tcp", "0");
        for tally in facts.connections.values_mut() {
            tally.waiting.pop();
        }
        assert_eq!(codes(&facts), [""; 0]);
        // A service of all ports.
        assert_eq!(wait(&mut facts, 9, 10), [code]);
        let service = &mut facts.services[0].service.service.key;
        *service = ServiceKey::new(Protocol::Tcp, "192.0.2.100:0".parse().unwrap());
        assert!(!codes(&facts).contains(&code));
    }
}

#[test]
fn client_beside_its_server_waits_only_with_nat() {
    for (rules, server, expected) in
        [(NAT, "10.0.0.11:8080", &["LVS-NAT-01"][..]), (ROUTED, "10.0.0.11:80", &[])]
    {
        let mut facts = facts(rules);
        connect(&mut facts, server, 2, 0);
        facts.connections.values_mut().for_each(|tally| {
            tally.clients = vec!["10.0.0.200".parse().unwrap()];
        });
        assert_eq!(codes(&facts), expected);
        // A later connection was answered.
        let ends = ["10.0.0.200", "10.0.0.11"].map(|address| address.parse::<IpAddr>().unwrap());
        let tally = facts.connections.values_mut().next().unwrap();
        tally.waiting = vec![Waiting { client: ends[0], seconds: 9 }];
        facts.answered.insert(ends.into(), 10);
        assert_eq!(codes(&facts), expected);
        facts.answered.insert(ends.into(), 9);
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn router_in_between_matters_for_direct_routing_alone() {
    for (rules, expected) in [(ROUTED, &["LVS-DR-01"][..]), (NAT, &[])] {
        let mut facts = facts(rules);
        route(&mut facts.host, "10.0.0.11", RouteKind::Unicast, 3, Some("10.0.0.254"));
        assert_eq!(codes(&facts), expected);
    }
    let mut facts = facts(ROUTED);
    route(&mut facts.host, "10.0.0.11", RouteKind::Unicast, 3, Some("10.0.0.254"));
    let mend = "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.11:80 -i -w 1 --tun-type ipip";
    assert_eq!(commands(&facts, "LVS-DR-01")[0], mend);
}

#[test]
fn neighbours_tell_silent_and_doubled_servers() {
    let mut facts = facts(NAT);
    let mut neighbour = |address: &str, hardware: Option<Vec<u8>>, is_silent| {
        let address: IpAddr = address.parse().unwrap();
        let neighbour = Neighbour { interface: 3, address, hardware, is_silent };
        facts.host.neighbours.insert(address, neighbour);
    };
    neighbour("10.0.0.11", Some(vec![2, 0, 0, 0, 0, 1]), false);
    neighbour("10.0.0.12", Some(vec![2, 0, 0, 0, 0, 1]), false);
    assert_eq!(codes(&facts), ["LVS-SRV-02"]);
    let mut facts = self::facts(NAT);
    let address: IpAddr = "10.0.0.12".parse().unwrap();
    let silent = Neighbour { interface: 3, address, hardware: None, is_silent: true };
    facts.host.neighbours.insert(address, silent);
    assert_eq!(codes(&facts), ["LVS-SRV-01"]);
    let mend = "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.12:8080 -m -w 0";
    assert_eq!(commands(&facts, "LVS-SRV-01"), [mend]);
    facts.services[0].servers[1].server.weight = 0;
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn refusals_of_probes_are_notes_unless_the_port_is_mapped() {
    for (rules, port, expected) in [(NAT, 8080, Severity::Error), (ROUTED, 80, Severity::Note)] {
        for (answer, code) in [
            (Answer::Refused, "LVS-SRV-03"),
            (Answer::Silent, "LVS-SRV-04"),
            (Answer::Unreachable, "LVS-SRV-04"),
        ] {
            let mut facts = facts(rules);
            let server: IpAddr = "10.0.0.11".parse().unwrap();
            facts.answers.insert((Protocol::Tcp, (server, port).into()), answer);
            let findings = diagnose(&facts);
            assert_eq!(findings.len(), 1);
            assert_eq!((findings[0].code, findings[0].severity), (code, expected));
        }
        let mut facts = facts(rules);
        let server: IpAddr = "10.0.0.11".parse().unwrap();
        facts.answers.insert((Protocol::Tcp, (server, port).into()), Answer::Accepted);
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn addresses_on_lo_beside_a_network_are_those_of_a_real_server() {
    let mut facts = facts("");
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 32);
    assert_eq!(codes(&facts), ["LVS-ARP-01", "LVS-ARP-02"]);
    set(&mut facts.host, "net/ipv4/conf/all/arp_ignore", "1");
    assert_eq!(codes(&facts), ["LVS-ARP-02"]);
    set(&mut facts.host, "net/ipv4/conf/eth0/arp_announce", "2");
    assert_eq!(codes(&facts), [""; 0]);
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 24);
    assert_eq!(codes(&facts), ["LVS-ARP-03"]);
    // A router's address, which is on no network of this machine.
    let mut facts = self::facts("");
    own(&mut facts.host, 1, "203.0.113.1", 32);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn tunnel_with_a_virtual_address_has_to_be_up_and_unfiltered() {
    let mut facts = facts("");
    disown(&mut facts.host);
    let tunnel = Interface {
        index: 4,
        name: "tunl0".to_owned(),
        is_up: false,
        has_neighbours: false,
        ..facts.host.interfaces[2].clone()
    };
    facts.host.interfaces.push(tunnel);
    own(&mut facts.host, 4, "203.0.113.1", 32);
    set(&mut facts.host, "net/ipv4/conf/tunl0/rp_filter", "0");
    assert_eq!(codes(&facts), ["LVS-RS-01", "LVS-RS-02"]);
    assert_eq!(commands(&facts, "LVS-RS-01"), ["sysctl -w net.ipv4.conf.tunl0.rp_filter=2"]);
    set(&mut facts.host, "net/ipv4/conf/tunl0/rp_filter", "2");
    facts.host.interfaces[3].is_up = true;
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn counters_that_grow_one_way_are_a_fault_of_nat() {
    let mut facts = facts(NAT);
    let mut later = facts.services.clone();
    later[0].servers[0].counters.incoming_packets = 5;
    facts.later = Some(later);
    assert_eq!(codes(&facts), ["LVS-NAT-02"]);
    let later = facts.later.as_mut().unwrap();
    later[0].servers[0].counters.outgoing_packets = 1;
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn listeners_of_a_real_server_have_to_take_the_virtual_address() {
    let mut facts = facts("");
    disown(&mut facts.host);
    own(&mut facts.host, 1, "203.0.113.1", 32);
    let mut listen = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        facts.host.listeners = Some(addresses.collect());
        codes(&facts)
    };
    assert_eq!(listen(&["10.0.0.1:80", "127.0.0.1:25", "0.0.0.0:22"]), ["LVS-RS-03"]);
    assert_eq!(listen(&["10.0.0.1:80", "203.0.113.1:80"]), [""; 0]);
    assert_eq!(listen(&["10.0.0.1:80", "[::]:80"]), [""; 0]);
}

#[test]
fn packets_of_unknown_protocols_want_a_tunnel() {
    let mut facts = facts("");
    disown(&mut facts.host);
    facts.host.unknown_protocols = Some(4);
    assert_eq!(codes(&facts), [""; 0]);
    own(&mut facts.host, 1, "203.0.113.1", 32);
    assert_eq!(codes(&facts), ["LVS-RS-04"]);
    facts.host.interfaces.push(Interface {
        index: 4,
        name: "tunl0".to_owned(),
        has_neighbours: false,
        ..facts.host.interfaces[2].clone()
    });
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn dummy_is_not_a_tunnel() {
    let mut facts = facts("");
    disown(&mut facts.host);
    facts.host.interfaces.push(Interface {
        index: 4,
        name: "dummy0".to_owned(),
        has_neighbours: false,
        is_dummy: true,
        is_up: false,
        ..facts.host.interfaces[2].clone()
    });
    own(&mut facts.host, 4, "203.0.113.1", 32);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn connections_pile_up_at_one_server_if_the_others_answer() {
    let mut facts = facts(NAT);
    connect(&mut facts, "10.0.0.11:8080", 30, 10);
    assert_eq!(codes(&facts), [""; 0]);
    connect(&mut facts, "10.0.0.12:8080", 1, 10);
    assert_eq!(codes(&facts), ["LVS-SRV-05"]);
    connect(&mut facts, "10.0.0.12:8080", 20, 10);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn counters_show_servers_that_never_answered() {
    let mut facts = facts(NAT);
    let counters = &mut facts.services[0].servers[0].counters;
    counters.incoming_packets = 9;
    assert_eq!(codes(&facts), ["LVS-NAT-02"]);
    facts.services[0].servers[0].counters.outgoing_packets = 1;
    assert_eq!(codes(&facts), [""; 0]);
    let mut facts = self::facts(ROUTED);
    facts.services[0].servers[0].counters.incoming_packets = 9;
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn icmp_error_is_an_answer_of_udp() {
    let mut facts = facts("-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m");
    assert_eq!(codes(&facts), [""; 0]);
    let port = "10.0.0.11:53".parse().unwrap();
    facts.answers.insert((Protocol::Tcp, port), Answer::Refused);
    assert_eq!(codes(&facts), [""; 0]);
    facts.answers.insert((Protocol::Udp, port), Answer::Refused);
    assert_eq!(codes(&facts), ["LVS-SRV-03"]);
}
