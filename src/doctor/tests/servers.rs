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
fn few_connections_of_each_server_are_enough_if_nobody_answers() {
    let mut facts = facts(NAT);
    for server in ["10.0.0.11:8080", "10.0.0.12:8080"] {
        connect(&mut facts, server, 2, 0);
    }
    let wait = |facts: &mut Facts, seconds| {
        for tally in facts.connections.values_mut() {
            let client = "198.51.100.7".parse().unwrap();
            tally.waiting = vec![Waiting { client, seconds }; 2];
        }
        diagnose(facts).len()
    };
    assert_eq!(wait(&mut facts, 1), 0);
    assert_eq!(wait(&mut facts, 2), 2);
    assert_eq!(codes(&facts), ["LVS-NAT-02"]);
    connect(&mut facts, "10.0.0.12:8080", 2, 1);
    assert_eq!(wait(&mut facts, 2), 0);
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
        kind: InterfaceKind::Tunnel,
        ..facts.host.interfaces[2].clone()
    };
    facts.host.interfaces.push(tunnel);
    own(&mut facts.host, 4, "203.0.113.1", 32);
    set(&mut facts.host, "net/ipv4/conf/tunl0/rp_filter", "0");
    // The tunnel may be there for its address alone.
    assert_eq!(codes(&facts), ["LVS-RS-02", "LVS-RS-01"]);
    facts.host.interfaces[3].received = 1;
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
        kind: InterfaceKind::Tunnel,
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
        kind: InterfaceKind::Dummy,
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

#[test]
fn interfaces_of_a_vpn_are_not_those_of_a_real_server() {
    let mut facts = facts("");
    disown(&mut facts.host);
    let vpn = Interface {
        index: 4,
        name: "wg0".to_owned(),
        has_neighbours: false,
        ..facts.host.interfaces[2].clone()
    };
    facts.host.interfaces.push(vpn);
    set(&mut facts.host, "net/ipv4/conf/wg0/rp_filter", "1");
    own(&mut facts.host, 4, "10.8.0.1", 24);
    assert_eq!(codes(&facts), [""; 0]);
    // A tunnel between two sites has a network or a peer.
    facts.host.interfaces[3].kind = InterfaceKind::Tunnel;
    assert_eq!(codes(&facts), [""; 0]);
    disown(&mut facts.host);
    own(&mut facts.host, 4, "203.0.113.1", 32);
    assert_eq!(codes(&facts), ["LVS-RS-01"]);
    let mut addresses: Vec<Address> = facts.host.addresses.iter().cloned().collect();
    addresses.last_mut().unwrap().has_peer = true;
    facts.host.addresses = addresses.into();
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn each_interface_of_a_network_may_answer_for_a_virtual_address() {
    let mut facts = facts("");
    disown(&mut facts.host);
    let second =
        Interface { index: 4, name: "eth2".to_owned(), ..facts.host.interfaces[2].clone() };
    facts.host.interfaces.push(second);
    own(&mut facts.host, 4, "10.0.0.2", 24);
    own(&mut facts.host, 1, "10.0.0.100", 32);
    for (name, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
        set(&mut facts.host, &format!("net/ipv4/conf/eth1/{name}"), value);
        set(&mut facts.host, &format!("net/ipv4/conf/eth2/{name}"), "0");
    }
    assert_eq!(codes(&facts), ["LVS-ARP-01", "LVS-ARP-02"]);
    // A director of a firewall mark may have the address.
    facts.services = self::facts("-A -f 1\n-a -f 1 -r 10.0.0.11").services;
    let severe = diagnose(&facts).into_iter().filter(|one| one.code.starts_with("LVS-ARP"));
    assert!(severe.into_iter().all(|one| one.severity == Severity::Note));
    facts.services.clear();
    set(&mut facts.host, "net/ipv4/conf/eth2/arp_ignore", "1");
    set(&mut facts.host, "net/ipv4/conf/eth2/arp_announce", "2");
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn real_servers_need_a_route() {
    let mut facts = facts(NAT);
    facts.host.interfaces[2].is_up = false;
    facts.host.interfaces[2].has_carrier = false;
    for server in ["10.0.0.11", "10.0.0.12"] {
        facts.host.routes.remove(&server.parse().unwrap());
    }
    assert_eq!(codes(&facts), ["LVS-SRV-06"]);
    assert_eq!(commands(&facts, "LVS-SRV-06"), ["ip link set eth1 up"]);
    // A router may lead to them too.
    for server in ["10.0.0.11", "10.0.0.12"] {
        route(&mut facts.host, server, RouteKind::Unicast, 2, Some("192.0.2.254"));
    }
    assert_eq!(diagnose(&facts)[0].severity, Severity::Warning);
    facts.host.interfaces[2].is_up = true;
    assert_eq!(codes(&facts), [""; 0]);
    facts.host.routes.remove(&"10.0.0.12".parse().unwrap());
    assert_eq!(commands(&facts, "LVS-SRV-06"), ["ip route replace 10.0.0.12 via ROUTER"]);
}

#[test]
fn router_that_is_silent_cuts_off_the_servers_behind_it() {
    let mut facts = facts(NAT);
    let router: IpAddr = "10.0.0.254".parse().unwrap();
    for server in ["10.0.0.11", "10.0.0.12"] {
        route(&mut facts.host, server, RouteKind::Unicast, 3, Some("10.0.0.254"));
    }
    let neighbour = Neighbour { interface: 3, address: router, hardware: None, is_silent: true };
    facts.host.neighbours.insert(router, neighbour);
    connect(&mut facts, "10.0.0.11:8080", 30, 0);
    let found = diagnose(&facts);
    assert_eq!(codes(&facts), ["LVS-SRV-01"]);
    assert!(found[0].seen.contains("10.0.0.254, the router to 10.0.0.11 of"), "{found:?}");
    assert!(found[0].seen.ends_with("and 1 more real server"), "{found:?}");
}

#[test]
fn services_by_mark_have_the_connections_of_no_other_service() {
    for (rules, code) in [
        ("-A -f 1 -s rr\n-a -f 1 -r 10.0.0.11:0 -m", "LVS-NAT-02"),
        ("-A -f 1 -s rr\n-a -f 1 -r 10.0.0.11:0 -g", "LVS-DR-02"),
    ] {
        let mut facts = facts(rules);
        set(&mut facts.host, "net/ipv4/vs/conntrack", "0");
        let clients = vec!["198.51.100.7".parse().unwrap()];
        let target = Some("192.0.2.100:80".parse().unwrap());
        let tally = Tally { entries: 3, opening: 3, clients, target, ..Tally::default() };
        facts.marked.insert("10.0.0.11:80".parse().unwrap(), tally);
        assert!(codes(&facts).contains(&code), "{:?}", codes(&facts));
        let lo = "ip address replace 192.0.2.100/32 dev lo".to_owned();
        assert_eq!(commands(&facts, code).contains(&lo), code == "LVS-DR-02");
        facts.marked.values_mut().for_each(|tally| tally.entries = 4);
        assert!(!codes(&facts).contains(&code), "{:?}", codes(&facts));
    }
}

#[test]
fn tunnels_have_their_own_modules_and_devices() {
    for (service, options, expected) in [
        ("192.0.2.100", "-r 10.0.0.11 -i", ["modprobe ipip; ip link set tunl0 up", "dev tunl0"]),
        ("[2001:db8::100]", "-r 10.0.0.11 -i", ["modprobe sit; ip link set sit0 up", "dev sit0"]),
        (
            "[2001:db8::100]",
            "-r [2001:db8::11] -i",
            ["ip -6 tunnel change ip6tnl0 mode any; ip link set ip6tnl0 up", "dev ip6tnl0"],
        ),
        (
            "192.0.2.100",
            "-r 10.0.0.11 -i --tun-type gre",
            ["modprobe ip_gre; ip link set gre0 up", "dev gre0"],
        ),
        (
            "192.0.2.100",
            "-r 10.0.0.11 -i --tun-type gue --tun-port 6080",
            ["modprobe fou; ip fou add port 6080 gue", "dev tunl0"],
        ),
    ] {
        let mut facts = facts(&format!("-A -t {service}:80\n-a -t {service}:80 {options}"));
        let server = facts.services[0].servers[0].server.key;
        route(&mut facts.host, &server.address.to_string(), RouteKind::Unicast, 3, None);
        let target = format!("{service}:80").parse().unwrap();
        let key = (Protocol::Tcp, target, SocketAddr::new(server.address, 80));
        facts.connections.insert(key, Tally { entries: 3, opening: 3, ..Tally::default() });
        let commands = commands(&facts, "LVS-DR-02");
        for text in expected {
            assert!(commands.iter().any(|command| command.contains(text)), "{commands:?}");
        }
    }
}

#[test]
fn connections_of_one_packet_in_each_direction_were_refused() {
    let mut facts = facts(NAT);
    let counters = &mut facts.services[0].servers[0].counters;
    (counters.connections, counters.incoming_packets, counters.outgoing_packets) = (4, 4, 4);
    assert_eq!(codes(&facts), ["LVS-SRV-03"]);
    connect(&mut facts, "10.0.0.11:8080", 1, 0);
    assert_eq!(codes(&facts), [""; 0]);
    connect(&mut facts, "10.0.0.11:8080", 0, 0);
    let later = facts.services.clone();
    facts.later = Some(later);
    assert_eq!(codes(&facts), [""; 0], "no packet between the looks");
    facts.later = None;
    facts.answers.insert((Protocol::Tcp, "10.0.0.11:8080".parse().unwrap()), Answer::Accepted);
    assert_eq!(codes(&facts), [""; 0], "a server that accepts now");
    facts.answers.clear();
    facts.services[0].servers[0].counters.incoming_packets = 5;
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn udp_servers_without_answers_are_a_fault_beside_others_with_answers() {
    let mut facts = facts(
        "-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m\n\
         -a -u 192.0.2.100:53 -r 10.0.0.12:53 -m",
    );
    facts.services[0].servers[0].counters.incoming_packets = 9;
    assert_eq!(codes(&facts), ["LVS-NAT-02"]);
    assert_eq!(diagnose(&facts)[0].severity, Severity::Note);
    facts.services[0].servers[1].counters.outgoing_packets = 1;
    assert_eq!(diagnose(&facts)[0].severity, Severity::Error);
    facts.services[0].service.service.one_packet = true;
    assert_eq!(codes(&facts), ["LVS-SVC-09"]);
}

#[test]
fn packets_of_a_tunnel_do_not_come_from_a_virtual_address() {
    let rules = "-A -t [2001:db8::100]:80\n-a -t [2001:db8::100]:80 -r [2001:db8::11] -i";
    let mut facts = facts(rules);
    own(&mut facts.host, 2, "2001:db8::100", 128);
    route(&mut facts.host, "2001:db8::11", RouteKind::Unicast, 2, None);
    let from = |facts: &mut Facts, server: &str, source: &str| {
        let route = facts.host.routes.get_mut(&server.parse().unwrap()).unwrap();
        route.source = Some(source.parse().unwrap());
        commands(facts, "LVS-TUN-02")
    };
    assert_eq!(from(&mut facts, "2001:db8::11", "2001:db8::1"), [""; 0]);
    assert_eq!(
        from(&mut facts, "2001:db8::11", "2001:db8::100"),
        [
            "ip address change 2001:db8::100/128 dev eth0 preferred_lft 0",
            "ipvsadm -e -t [2001:db8::100]:80 -r [2001:db8::11]:80 -i -w 1 --tun-type ipip"
        ]
    );
    let mut facts = self::facts(&ROUTED.replace("-g", "-i"));
    own(&mut facts.host, 3, "192.0.2.100", 32);
    assert_eq!(
        from(&mut facts, "10.0.0.11", "192.0.2.100"),
        ["ip route replace 10.0.0.11 dev eth1 src 10.0.0.1"]
    );
}
