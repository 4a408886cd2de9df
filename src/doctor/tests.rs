//! Recorded facts, and the page of the codes.

use std::net::IpAddr;

use ipvs::Ruleset;
use ipvs::model::{Protocol, RealServerState, ServiceState};
use ipvs::state::ServiceSnapshot;
use ipvs_rules::{Command, parse_numeric_line};

use super::*;
use crate::host::{Address, Interface, ModuleState, Neighbour, NfTables, Route, RouteKind};

/// A director with two networks: clients 192.0.2.0/24 on `eth0`, servers 10.0.0.0/24 on `eth1`.
fn facts(rules: &str) -> Facts {
    let mut ruleset: Ruleset = Ruleset::default();
    for line in rules.lines() {
        let Ok(Some(Command::Request(request))) = parse_numeric_line(line.as_bytes()) else {
            panic!("{line}");
        };
        ruleset.perform(&request, None).unwrap();
    }
    let mut facts = Facts { table_size: 4096, ..Facts::default() };
    facts.services = ruleset
        .services()
        .map(|rules| ServiceSnapshot {
            service: ServiceState::new(rules.service().clone()),
            servers: rules.servers().iter().map(|rule| RealServerState::new(rule.server)).collect(),
        })
        .collect();
    let host = &mut facts.host;
    for (index, name, address, length) in
        [(1, "lo", "127.0.0.1", 8), (2, "eth0", "192.0.2.1", 24), (3, "eth1", "10.0.0.1", 24)]
    {
        host.interfaces.push(Interface {
            index,
            name: name.to_owned(),
            is_up: true,
            is_loopback: index == 1,
            is_multicast: true,
            has_neighbours: true,
            is_dummy: false,
            mtu: 1500,
        });
        own(host, index, address, length);
    }
    own(host, 2, "192.0.2.100", 32);
    for server in ["10.0.0.11", "10.0.0.12"] {
        route(host, server, RouteKind::Unicast, 3, None);
    }
    for name in ["all", "lo", "eth0", "eth1"] {
        for (setting, value) in [
            ("forwarding", "1"),
            ("arp_ignore", "0"),
            ("arp_announce", "0"),
            ("rp_filter", "1"),
            ("send_redirects", "1"),
        ] {
            set(host, &format!("net/ipv4/conf/{name}/{setting}"), value);
        }
    }
    host.release = "6.12.1".to_owned();
    host.default_interface = Some(2);
    host.filters = Filters {
        nf_tables: Some(NfTables::default()),
        legacy: Some(Vec::new()),
        has_classifiers: Some(false),
    };
    host.reverse_path_drops = Some(0);
    host.unknown_protocols = Some(0);
    host.listeners = Some(vec!["0.0.0.0:22".parse().unwrap()]);
    facts
}

fn own(host: &mut Host, interface: u32, address: &str, prefix_length: u8) {
    let address: IpAddr = address.parse().unwrap();
    let mut addresses: Vec<Address> = host.addresses.iter().cloned().collect();
    addresses.push(Address { interface, address, prefix_length, broadcast: None });
    host.addresses = addresses.into();
    route(host, &address.to_string(), RouteKind::Local, 1, None);
}

/// Takes the last address away.
fn disown(host: &mut Host) {
    let mut addresses: Vec<Address> = host.addresses.iter().cloned().collect();
    addresses.pop();
    host.addresses = addresses.into();
}

fn route(host: &mut Host, to: &str, kind: RouteKind, interface: u32, gateway: Option<&str>) {
    let to: IpAddr = to.parse().unwrap();
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    let (destination, interface) = (Some(to), Some(interface));
    let route = Route { kind, destination, prefix_length: 32, interface, gateway, table: 254 };
    host.routes.insert(to, route);
}

fn set(host: &mut Host, path: &str, value: &str) {
    host.sysctls.insert(path.to_owned(), value.to_owned());
}

fn codes(facts: &Facts) -> Vec<&'static str> {
    let mut codes: Vec<_> = diagnose(facts).iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// The commands of the findings with a code.
fn commands(facts: &Facts, code: &str) -> Vec<String> {
    let findings = diagnose(facts).into_iter().filter(|finding| finding.code == code);
    findings.flat_map(|finding| finding.commands).map(|mend| mend.command).collect()
}

fn connect(facts: &mut Facts, server: &str, opening: u64, established: u64) {
    let key = (Protocol::Tcp, "192.0.2.100:80".parse().unwrap(), server.parse().unwrap());
    let clients = vec!["198.51.100.7".parse().unwrap()];
    let tally = Tally { entries: opening + established, opening, established, clients };
    facts.connections.insert(key, tally);
}

const NAT: &str = "-A -t 192.0.2.100:80 -s rr\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.12:8080 -m\n";
const ROUTED: &str = "-A -t 192.0.2.100:80 -s rr\n\
                      -a -t 192.0.2.100:80 -r 10.0.0.11 -g\n\
                      -a -t 192.0.2.100:80 -r 10.0.0.12 -g\n";

#[test]
fn every_code_has_its_row_and_its_paragraph() {
    let mut codes: Vec<&str> = CHECKS.iter().map(|check| check.code).collect();
    let sections = PAGE.lines().filter_map(|line| line.strip_prefix("### "));
    let described: Vec<&str> =
        sections.map(|line| line.split_once(':').expect("a title").0).collect();
    assert_eq!(codes, described);
    for code in &codes {
        assert!(explanation(code).is_some_and(|text| text.len() > 40), "{code}");
    }
    assert_eq!(explanation("lvs-arp-01"), explanation("LVS-ARP-01"));
    assert_eq!(explanation("LVS-ARP"), None);
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), CHECKS.len());
}

#[test]
fn healthy_directors_have_no_findings() {
    for rules in [NAT, ROUTED, ""] {
        let mut facts = facts(rules);
        assert_eq!(codes(&facts), [""; 0], "{rules}");
        for server in ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.11:80", "10.0.0.12:80"] {
            connect(&mut facts, server, 2, 20);
        }
        assert_eq!(codes(&facts), [""; 0], "{rules}");
    }
}

#[test]
fn forwarding_matters_for_nat_alone() {
    for (rules, expected) in [(NAT, &["LVS-DIR-01"][..]), (ROUTED, &[])] {
        let mut facts = facts(rules);
        set(&mut facts.host, "net/ipv4/conf/eth1/forwarding", "0");
        assert_eq!(codes(&facts), expected);
        // Answers do not arrive by this one.
        set(&mut facts.host, "net/ipv4/conf/eth1/forwarding", "1");
        set(&mut facts.host, "net/ipv4/conf/eth0/forwarding", "0");
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn virtual_address_has_to_be_on_an_interface_that_is_up() {
    let mut facts = facts(NAT);
    facts.host.interfaces[1].is_up = false;
    route(&mut facts.host, "192.0.2.100", RouteKind::Unicast, 3, None);
    assert_eq!(codes(&facts), ["LVS-DIR-03"]);
    assert_eq!(commands(&facts, "LVS-DIR-03"), ["ip link set eth0 up"]);
    facts.host.interfaces[1].is_up = true;
    disown(&mut facts.host);
    assert_eq!(commands(&facts, "LVS-DIR-02"), ["ip address add 192.0.2.100/32 dev eth0"]);
    facts.host.has_failover = true;
    assert!(diagnose(&facts).iter().all(|finding| finding.severity == Severity::Note));
    // A local route, such as `ip route add local 192.0.2.0/24 dev lo`.
    route(&mut facts.host, "192.0.2.100", RouteKind::Local, 1, None);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn one_armed_nat_needs_no_redirects() {
    let mut facts = facts("-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 192.0.2.11:80 -m");
    route(&mut facts.host, "192.0.2.11", RouteKind::Unicast, 2, None);
    assert_eq!(codes(&facts), ["LVS-DIR-04"]);
    set(&mut facts.host, "net/ipv4/conf/eth0/send_redirects", "0");
    set(&mut facts.host, "net/ipv4/conf/all/send_redirects", "0");
    assert_eq!(codes(&facts), [""; 0]);
}

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

/// Faults of the rules alone, each with the code and its first command.
#[test]
fn faults_of_services_are_found_in_the_table() {
    for (rules, code, command) in [
        ("-A -t 192.0.2.100:80", "LVS-SVC-01", "ipvsadm -a -t 192.0.2.100:80 -r REAL-SERVER"),
        (
            "-A -t 192.0.2.100:80\n-A -t 192.0.2.100:443\n-a -t 192.0.2.100:443 -r 10.0.0.11:8443 -m",
            "LVS-SVC-01",
            "ipvsadm -a -t 192.0.2.100:80 -r 10.0.0.11:80 -m -w 1",
        ),
        (
            "-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 0",
            "LVS-SVC-02",
            "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 1",
        ),
        (
            "-A -t 192.0.2.100:80 -s sh\n-a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 0\n\
             -a -t 192.0.2.100:80 -r 10.0.0.12:8080 -m",
            "LVS-SVC-03",
            "ipvsadm -E -t 192.0.2.100:80 -s sh -b sh-fallback",
        ),
        (
            "-A -t 192.0.2.100:80 -s dh\n-a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 0\n\
             -a -t 192.0.2.100:80 -r 10.0.0.12:8080 -m",
            "LVS-SVC-03",
            "ipvsadm -d -t 192.0.2.100:80 -r 10.0.0.11:8080",
        ),
        (
            "-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
             -a -t 192.0.2.100:80 -r 10.0.0.12:80 -g",
            "LVS-SVC-06",
            "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.11:80 -g -w 1",
        ),
        (
            "-A -u 192.0.2.100:53 -s rr -o\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m",
            "LVS-SVC-09",
            "ipvsadm -E -u 192.0.2.100:53 -s rr",
        ),
    ] {
        let facts = facts(rules);
        assert_eq!(codes(&facts), [code], "{rules}");
        assert_eq!(commands(&facts, code).first().map(String::as_str), Some(command));
    }
    for healthy in [
        "-A -t 192.0.2.100:80 -s sh -b sh-fallback\n-a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 0\n\
         -a -t 192.0.2.100:80 -r 10.0.0.12:8080 -m",
        "-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 0\n\
         -a -t 192.0.2.100:80 -r 10.0.0.12:8080 -m",
        "-A -u 192.0.2.100:53 -s rr -o\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -g",
        "-A -u 192.0.2.100:5060 -s rr -p 60 --pe sip -o\n-a -u 192.0.2.100:5060 -r 10.0.0.11:5060 -m",
    ] {
        assert_eq!(codes(&facts(healthy)), [""; 0], "{healthy}");
    }
}

#[test]
fn notes_of_services_stay_notes() {
    for (rules, code) in [
        ("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:81 -g --own-port", "LVS-DR-03"),
        ("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.1:22 -m", "LVS-DR-04"),
        (
            "-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
             -A -t 192.0.2.100:0 -p\n-a -t 192.0.2.100:0 -r 10.0.0.12:0 -m",
            "LVS-SVC-10",
        ),
        ("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11 -i", "LVS-TUN-01"),
    ] {
        let facts = facts(rules);
        let findings = diagnose(&facts);
        let report = Report { findings, unseen: Vec::new(), width: 80, has_colours: false };
        assert_eq!(codes(&facts), [code], "{rules}");
        assert!(!report.has_faults(), "{rules}");
    }
    let mut facts = facts(NAT);
    facts.host.filters.legacy = Some(vec!["iptables filter".to_owned()]);
    assert_eq!(codes(&facts), ["LVS-DIR-05"]);
}

#[test]
fn drained_and_deleted_servers_need_settings_of_the_kernel() {
    let mut facts = facts(&NAT.replace("-s rr", "-s rr -p 60"));
    set(&mut facts.host, "net/ipv4/vs/expire_quiescent_template", "0");
    set(&mut facts.host, "net/ipv4/vs/expire_nodest_conn", "0");
    assert_eq!(codes(&facts), [""; 0]);
    facts.services[0].servers[0].server.weight = 0;
    assert_eq!(codes(&facts), ["LVS-SVC-04"]);
    set(&mut facts.host, "net/ipv4/vs/expire_quiescent_template", "1");
    connect(&mut facts, "10.0.0.11:8080", 0, 1);
    assert_eq!(codes(&facts), [""; 0]);
    connect(&mut facts, "10.0.0.13:8080", 0, 1);
    assert_eq!(codes(&facts), ["LVS-SVC-05"]);
    set(&mut facts.host, "net/ipv4/vs/expire_nodest_conn", "1");
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn thresholds_are_a_fault_when_no_server_is_below_its_own() {
    let mut facts = facts(&NAT.replace("-m", "-m -x 2"));
    facts.services[0].servers[0].active_connections = 2;
    assert_eq!(codes(&facts), [""; 0]);
    facts.services[0].servers[1].inactive_connections = 2;
    assert_eq!(codes(&facts), ["LVS-SVC-08"]);
    let mend = "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 1 -x 4";
    assert_eq!(commands(&facts, "LVS-SVC-08"), [mend]);
}

#[test]
fn kernel_is_judged_by_its_version_and_sizes() {
    let mut facts = facts(NAT);
    connect(&mut facts, "10.0.0.11:8080", 0, 3 * 4096);
    assert_eq!(codes(&facts), ["LVS-KERNEL-02"]);
    facts.host.release = "7.1.0".to_owned();
    assert_eq!(codes(&facts), [""; 0]);
    set(&mut facts.host, "net/ipv4/vs/conntrack", "1");
    set(&mut facts.host, "net/ipv4/vs/conn_reuse_mode", "1");
    set(&mut facts.host, "net/netfilter/nf_conntrack_max", "1000");
    set(&mut facts.host, "net/netfilter/nf_conntrack_count", "899");
    assert_eq!(codes(&facts), [""; 0]);
    set(&mut facts.host, "net/netfilter/nf_conntrack_count", "900");
    set(&mut facts.host, "net/ipv4/vs/run_estimation", "0");
    facts.host.release = "5.8.0-63-generic".to_owned();
    facts.connections.clear();
    assert_eq!(codes(&facts), ["LVS-KERNEL-03", "LVS-KERNEL-04", "LVS-KERNEL-05"]);
    facts.access = TableAccess::NoIpvs(Some("no module".to_owned()));
    assert_eq!(commands(&facts, "LVS-KERNEL-01"), ["modprobe ip_vs"]);
}

#[test]
fn sync_daemons_need_an_interface_and_numbers_of_their_own() {
    use ipvs::model::{SyncDaemon, SyncRole};

    let mut facts = facts(NAT);
    let daemon =
        |role, id| SyncDaemon { sync_id: id, ..SyncDaemon::new(role, "eth1".parse().unwrap()) };
    facts.daemons = vec![daemon(SyncRole::Master, 1), daemon(SyncRole::Backup, 2)];
    assert_eq!(codes(&facts), [""; 0]);
    facts.daemons[1].sync_id = 1;
    assert_eq!(codes(&facts), ["LVS-SYNC-02"]);
    facts.daemons.pop();
    facts.host.interfaces[2].is_multicast = false;
    assert_eq!(commands(&facts, "LVS-SYNC-01"), ["ip link set eth1 multicast on"]);
}

#[test]
fn tables_of_two_directors_are_compared() {
    let ruleset = |facts: Facts| {
        let services = facts.services.into_iter().map(|entry| {
            let servers: Vec<_> = entry.servers.iter().map(|state| state.server).collect();
            ipvs::model::ServiceRules::new(entry.service.service, servers)
        });
        services.collect::<Ruleset>()
    };
    let mut facts = facts(NAT);
    facts.other = Some(ruleset(self::facts(NAT)));
    assert_eq!(codes(&facts), [""; 0]);
    facts.other = Some(ruleset(self::facts(&NAT.replace("-s rr", "-s wrr"))));
    assert_eq!(codes(&facts), ["LVS-SYNC-03"]);
    assert_eq!(commands(&facts, "LVS-SYNC-03"), ["ipvsadm -E -t 192.0.2.100:80 -s wrr"]);
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
fn report_is_text_and_json() {
    let facts = facts("-A -t 192.0.2.100:80");
    let findings = diagnose(&facts);
    let unseen = vec!["Not seen: x.".to_owned()];
    let mut report = Report { findings, unseen, width: 60, has_colours: false };
    let text = |report: &Report, format| {
        let mut out = Vec::new();
        crate::output::write_document(&mut out, report, format).unwrap();
        String::from_utf8(out).unwrap()
    };
    let shown = |format| text(&report, format);
    assert_eq!(
        shown(ipvs_rules::OutputFormat::Text),
        "LVS-SVC-01 error\n  -t 192.0.2.100:80 has no real server.\n  \
         The kernel refuses all connections to a service without\n  real servers.\n    \
         # ipvsadm -a -t 192.0.2.100:80 -r REAL-SERVER  # replace the word in capitals\n\n  Not seen: x.\n\
         1 error, 0 warnings, 0 notes.\n`ipvsadm --doctor=LVS-SVC-01' explains a finding.\n"
    );
    let json = shown(ipvs_rules::OutputFormat::Json);
    assert!(json.contains("{\"code\":\"LVS-SVC-01\",\"severity\":\"error\",\"seen\":"), "{json}");
    assert!(json.contains("\"commands\":[{\"machine\":null,\"command\":\"ipvsadm -a"), "{json}");
    assert!(json.contains("\"is_template\":true"), "{json}");
    report.has_colours = true;
    let coloured = text(&report, ipvs_rules::OutputFormat::Text);
    assert!(coloured.starts_with("\u{1b}[1;31mLVS-SVC-01 error\u{1b}[0m\n"), "{coloured}");
    assert_eq!(text(&report, ipvs_rules::OutputFormat::Json), json);
}

/// A service by mark with a server.
const MARK: &str = "-A -f 1 -s rr\n-a -f 1 -r 10.0.0.11 -m\n";

#[test]
fn marks_need_rules_that_set_them() {
    let mut facts = facts(MARK);
    assert_eq!(codes(&facts), ["LVS-SVC-12"]);
    assert_eq!(diagnose(&facts)[0].severity, Severity::Warning);
    let is_note = |facts: &Facts| {
        let findings = diagnose(facts);
        let of_mark = findings.iter().find(|finding| finding.code == "LVS-SVC-12");
        of_mark.is_some_and(|finding| finding.severity == Severity::Note)
    };
    let rules = |sets_marks| NfTables { sets_marks, ..NfTables::default() };
    facts.host.filters.nf_tables = Some(rules(true));
    assert!(is_note(&facts));
    facts.host.filters.nf_tables = Some(rules(false));
    assert!(!is_note(&facts));
    facts.host.filters.has_classifiers = Some(true);
    assert!(is_note(&facts));
    facts.host.filters.has_classifiers = None;
    assert_eq!(codes(&facts), [""; 0]);
    facts.host.filters.legacy = Some(vec!["iptables mangle".to_owned()]);
    assert!(is_note(&facts));
    assert_eq!(codes(&self::facts(NAT)), [""; 0]);
}

#[test]
fn address_on_loopback_is_answered_unless_a_setting_forbids_it() {
    let mut facts = facts(NAT);
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 32);
    assert_eq!(codes(&facts), [""; 0]);
    set(&mut facts.host, "net/ipv4/conf/all/arp_ignore", "1");
    assert_eq!(codes(&facts), ["LVS-DIR-06"]);
    assert_eq!(commands(&facts, "LVS-DIR-06"), ["ip address add 192.0.2.100/32 dev eth0"]);
    facts.host.has_failover = true;
    assert!(diagnose(&facts).iter().all(|finding| finding.severity == Severity::Note));
    facts.host.has_failover = false;
    own(&mut facts.host, 2, "192.0.2.100", 32);
    assert_eq!(codes(&facts), [""; 0]);
    let mut facts =
        self::facts("-A -t [2001:db8::100]:80\n-a -t [2001:db8::100]:80 -r [2001:db8:1::1]:80 -m");
    own(&mut facts.host, 2, "2001:db8::1", 64);
    own(&mut facts.host, 1, "2001:db8::100", 128);
    assert_eq!(codes(&facts), ["LVS-DIR-06"]);
}

#[test]
fn reverse_path_filter_of_a_director_matters_after_drops() {
    let mut facts = facts(NAT);
    facts.host.default_interface = Some(3);
    assert_eq!(codes(&facts), [""; 0]);
    facts.host.reverse_path_drops = Some(7);
    assert_eq!(commands(&facts, "LVS-DIR-07"), ["sysctl -w net.ipv4.conf.eth0.rp_filter=2"]);
    facts.host.default_interface = Some(2);
    assert_eq!(codes(&facts), [""; 0]);
    facts.host.default_interface = Some(3);
    set(&mut facts.host, "net/ipv4/conf/eth0/rp_filter", "2");
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn source_translation_needs_conntrack() {
    let mut facts = facts(NAT);
    let nf_tables = NfTables { translates_sources: true, ..NfTables::default() };
    facts.host.filters.nf_tables = Some(nf_tables);
    set(&mut facts.host, "net/ipv4/vs/conntrack", "1");
    assert_eq!(codes(&facts), [""; 0]);
    set(&mut facts.host, "net/ipv4/vs/conntrack", "0");
    assert_eq!(codes(&facts), ["LVS-DIR-08"]);
    facts.host.filters.nf_tables = None;
    facts.host.filters.legacy = Some(vec!["iptables nat".to_owned()]);
    assert_eq!(codes(&facts), ["LVS-DIR-05", "LVS-DIR-08"]);
}

#[test]
fn this_machine_as_a_server_needs_a_program() {
    let mut facts = facts("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.1:80");
    assert_eq!(codes(&facts), ["LVS-DR-05", "LVS-DR-04"]);
    let mut listen = |address: &str| {
        facts.host.listeners = Some(vec![address.parse().unwrap()]);
        codes(&facts)
    };
    assert_eq!(listen("10.0.0.1:80"), ["LVS-DR-05", "LVS-DR-04"]);
    assert_eq!(listen("192.0.2.100:80"), ["LVS-DR-04"]);
    assert_eq!(listen("[::]:80"), ["LVS-DR-04"]);
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
fn shared_servers_and_ports_are_notes() {
    let two = |second: &str| {
        let rules =
            format!("-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n{second}");
        codes(&facts(&rules))
    };
    let same = "-A -t 192.0.2.100:81\n-a -t 192.0.2.100:81 -r 10.0.0.11:80 -m";
    assert_eq!(two(same), ["LVS-NAT-03"]);
    assert_eq!(two(&format!("{same} -w 5")), ["LVS-NAT-03", "LVS-SVC-07"]);
    // Another address of the director.
    let other = same.replace("192.0.2.100", "192.0.2.1");
    assert_eq!(two(&other), ["LVS-SVC-11"]);
    assert_eq!(two("-A -t 192.0.2.100:81\n-a -t 192.0.2.100:81 -r 10.0.0.11:81 -m"), [""; 0]);
    let mark = two(MARK);
    assert!(mark.contains(&"LVS-SVC-10"), "{mark:?}");
    assert!(!two(&MARK.replace("10.0.0.11", "10.0.0.12")).contains(&"LVS-SVC-10"));
}

#[test]
fn kept_ports_matter_with_connections_of_drained_servers() {
    let mut facts = facts(NAT);
    set(&mut facts.host, "net/ipv4/vs/conn_reuse_mode", "0");
    facts.services[0].servers[0].server.weight = 0;
    assert_eq!(codes(&facts), [""; 0]);
    facts.services[0].servers[0].inactive_connections = 1;
    assert_eq!(codes(&facts), ["LVS-KERNEL-06"]);
    facts.host.release = "5.8.18".to_owned();
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn boot_rules_want_modules() {
    use crate::errors::KernelPart;

    let mut facts = facts(NAT);
    let wanted = |name: &str, state| WantedPart {
        part: KernelPart::Scheduler,
        name: name.to_owned(),
        line: 3,
        state: Some(state),
    };
    let path = "/etc/ipvsadm.rules".to_owned();
    let mut rules = BootRules { path, ..BootRules::default() };
    rules.wanted = vec![wanted("rr", ModuleState::Present), wanted("mh", ModuleState::Loadable)];
    facts.boot_rules = Some(rules.clone());
    assert_eq!(codes(&facts), [""; 0]);
    rules.wanted.push(wanted("sh", ModuleState::Missing("/lib/modules/6".into())));
    facts.boot_rules = Some(rules);
    let seen = &diagnose(&facts)[0].seen;
    assert_eq!(
        seen,
        "Line 3 of /etc/ipvsadm.rules wants the scheduler sh: no module ip_vs_sh in /lib/modules/6"
    );
}

#[test]
fn missing_rights_are_a_note() {
    let mut facts = facts(NAT);
    facts.access = TableAccess::WithoutRights(None);
    assert_eq!(commands(&facts, "LVS-KERNEL-08"), ["sudo ipvsadm --doctor"]);
    facts.access = TableAccess::WithoutRights(Some("a rootless container".to_owned()));
    assert_eq!(codes(&facts), ["LVS-KERNEL-08"]);
    assert!(commands(&facts, "LVS-KERNEL-08").is_empty());
}

#[test]
fn backup_director_has_to_be_ready() {
    use ipvs::model::{SyncDaemon, SyncRole};

    let mut facts = facts(NAT);
    set(&mut facts.host, "net/ipv4/vs/sloppy_tcp", "0");
    set(&mut facts.host, "net/ipv4/vs/backup_only", "1");
    assert_eq!(codes(&facts), [""; 0]);
    facts.daemons = vec![SyncDaemon::new(SyncRole::Backup, "eth1".parse().unwrap())];
    assert_eq!(codes(&facts), ["LVS-SYNC-06", "LVS-SYNC-07"]);
    assert_eq!(commands(&facts, "LVS-SYNC-06"), ["ipvsadm --stop-daemon backup"]);
    // The address is still with the other director.
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 32);
    set(&mut facts.host, "net/ipv4/vs/sloppy_tcp", "1");
    assert_eq!(codes(&facts), [""; 0]);
    connect(&mut facts, "10.0.0.11:8080", 0, 1);
    assert_eq!(codes(&facts), [""; 0]);
    let tally = facts.connections.values().next().unwrap().clone();
    let other = (Protocol::Tcp, "192.0.2.99:80".parse().unwrap(), "10.0.0.9:80".parse().unwrap());
    facts.connections.insert(other, tally);
    assert_eq!(codes(&facts), ["LVS-SYNC-04"]);
    facts.daemons.clear();
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn server_of_another_family_is_a_note() {
    let rules = "-A -t 192.0.2.100:80\n-a -t 192.0.2.100:80 -r [2001:db8::1]:80 -i";
    let facts = facts(rules);
    assert!(codes(&facts).contains(&"LVS-SYNC-05"), "{:?}", codes(&facts));
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
fn virtual_address_has_one_machine_that_answers() {
    let mut facts = facts(NAT);
    let address = "192.0.2.100".parse().unwrap();
    facts.owners.entry(address).or_default();
    assert_eq!(codes(&facts), [""; 0]);
    let hardware = [2, 0, 0, 0, 0, 1];
    facts.owners.entry(address).or_default().insert(hardware);
    assert_eq!(codes(&facts), ["LVS-ARP-04"]);
    assert!(commands(&facts, "LVS-ARP-04").is_empty());
    let server: IpAddr = "10.0.0.11".parse().unwrap();
    let neighbour = Neighbour {
        interface: 3,
        address: server,
        hardware: Some(hardware.to_vec()),
        is_silent: false,
    };
    facts.host.neighbours.insert(server, neighbour);
    assert_eq!(commands(&facts, "LVS-ARP-04").len(), 1);
    // The other director has the address.
    facts.host.has_failover = true;
    disown(&mut facts.host);
    route(&mut facts.host, "192.0.2.100", RouteKind::Unicast, 2, None);
    assert_eq!(codes(&facts), ["LVS-DIR-02"]);
    facts.owners.entry(address).or_default().insert([2, 0, 0, 0, 0, 2]);
    assert_eq!(codes(&facts), ["LVS-ARP-04", "LVS-DIR-02"]);
}
