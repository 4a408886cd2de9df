//! The kernel, the director and its sync daemons.

use super::*;

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
fn kernel_is_judged_by_its_version_and_sizes() {
    let mut facts = facts(NAT);
    connect(&mut facts, "10.0.0.11:8080", 0, 3 * 4096);
    assert_eq!(codes(&facts), ["LVS-KERNEL-02"]);
    facts.host.release = "7.1.0".to_owned();
    assert_eq!(codes(&facts), [""; 0]);
    // From 7.1 on, a namespace has no table before its first connection.
    facts.table_size = 0;
    for release in ["7.1.0", "6.1.0"] {
        facts.host.release = release.to_owned();
        assert_eq!(codes(&facts), [""; 0], "{release}");
    }
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
fn real_server_needs_no_ip_vs() {
    let mut facts = facts("");
    facts.access = TableAccess::NoIpvs(None);
    assert_eq!(diagnose(&facts)[0].severity, Severity::Error);
    own(&mut facts.host, 1, "203.0.113.1", 32);
    assert_eq!(codes(&facts), ["LVS-KERNEL-01"]);
    assert_eq!(diagnose(&facts)[0].severity, Severity::Note);
    assert!(commands(&facts, "LVS-KERNEL-01").is_empty());
    // A director with such an address, as a standby, has rules for its boot.
    facts.boot_rules = Some(BootRules::default());
    assert_eq!(diagnose(&facts)[0].severity, Severity::Error);
}

#[test]
fn sync_daemons_need_an_interface_and_numbers_of_their_own() {
    use ipvs::model::{SyncDaemon, SyncRole};

    let mut facts = facts(NAT);
    let daemon = |role, id| SyncDaemon::new(role, "eth1".parse().unwrap()).sync_id(id);
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
    route(&mut facts.host, "2001:db8:1::1", RouteKind::Unicast, 3, None);
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
    facts.host.default_interface = None;
    assert_eq!(commands(&facts, "LVS-DIR-07"), ["ip route add default via ROUTER"]);
    facts.host.reverse_path_drops = Some(0);
    assert_eq!(codes(&facts), [""; 0]);
    connect(&mut facts, "10.0.0.11:8080", 3, 0);
    assert_eq!(commands(&facts, "LVS-NAT-02"), ["ip route add default via ROUTER"]);
    facts.host.default_interface = Some(2);
    assert_eq!(commands(&facts, "LVS-NAT-02"), ["ip route replace default via 10.0.0.1"]);
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

#[test]
fn interface_of_a_virtual_address_needs_a_carrier() {
    let mut facts = facts(NAT);
    facts.host.interfaces[1].has_carrier = false;
    assert_eq!(codes(&facts), ["LVS-DIR-03"]);
    assert_eq!(commands(&facts, "LVS-DIR-03"), [""; 0]);
    // The interface below a VLAN, or a port of a bond.
    facts.host.interfaces[2].is_up = false;
    facts.host.interfaces[1].parent = Some(3);
    assert!(commands(&facts, "LVS-DIR-03").contains(&"ip link set eth1 up".to_owned()));
    facts.host.interfaces[1].parent = None;
    facts.host.interfaces[2].controller = Some(2);
    assert!(commands(&facts, "LVS-DIR-03").contains(&"ip link set eth1 up".to_owned()));
    // Many addresses are one finding.
    let mut facts = self::facts(&format!("{NAT}{}", NAT.replace(".100:", ".101:")));
    own(&mut facts.host, 2, "192.0.2.101", 32);
    facts.host.interfaces[1].has_carrier = false;
    let found = diagnose(&facts);
    assert!(found[0].seen.ends_with("192.0.2.100 and 1 more"), "{found:?}");
    assert_ne!(found[1].code, "LVS-DIR-03");
    let mut facts = self::facts(NAT);
    // A bridge without ports serves as a dummy.
    facts.host.interfaces[1].has_carrier = false;
    facts.host.interfaces[1].kind = InterfaceKind::Bridge;
    assert_eq!(diagnose(&facts)[0].severity, Severity::Note);
    // Another interface has the address too.
    own(&mut facts.host, 3, "192.0.2.100", 32);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn address_on_loopback_needs_the_interface_of_its_network() {
    let mut facts = facts(NAT);
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 32);
    facts.host.interfaces[1].is_up = false;
    assert_eq!(codes(&facts), ["LVS-DIR-03"]);
    assert_eq!(commands(&facts, "LVS-DIR-03"), ["ip link set eth0 up"]);
    facts.host.interfaces[0].is_loopback = false;
    facts.host.interfaces[0].has_neighbours = false;
    assert!(diagnose(&facts).iter().all(|finding| finding.severity == Severity::Note));
}

#[test]
fn address_that_another_machine_had_first_is_not_used() {
    let mut facts =
        facts("-A -t [2001:db8::100]:80\n-a -t [2001:db8::100]:80 -r [2001:db8:1::1]:80 -m");
    route(&mut facts.host, "2001:db8:1::1", RouteKind::Unicast, 3, None);
    own(&mut facts.host, 2, "2001:db8::100", 128);
    assert_eq!(codes(&facts), [""; 0]);
    let mut addresses: Vec<Address> = facts.host.addresses.iter().cloned().collect();
    addresses.last_mut().unwrap().is_duplicate = true;
    facts.host.addresses = addresses.into();
    assert_eq!(
        commands(&facts, "LVS-DIR-09"),
        ["ip address del 2001:db8::100/128 dev eth0", "ip address add 2001:db8::100/128 dev eth0"]
    );
}

#[test]
fn program_of_this_machine_takes_the_packets_of_its_protocol_and_version() {
    let rules = "-A -t [2001:db8::100]:80\n-a -t [2001:db8::100]:80 -r [2001:db8::1] -g";
    let mut facts = facts(rules);
    own(&mut facts.host, 2, "2001:db8::100", 128);
    own(&mut facts.host, 2, "2001:db8::1", 64);
    let mut listen = |address: &str| {
        facts.host.listeners = Some(vec![address.parse().unwrap()]);
        codes(&facts).contains(&"LVS-DR-05")
    };
    assert!(listen("0.0.0.0:80"));
    assert!(!listen("[::]:80"));
    let mut facts = self::facts("-A -u 192.0.2.100:53 -s rr\n-a -u 192.0.2.100:53 -r 10.0.0.1 -g");
    assert_eq!(codes(&facts), ["LVS-DR-05", "LVS-DR-04"]);
    facts.host.receivers = Some(vec!["192.0.2.100:53".parse().unwrap()]);
    assert_eq!(codes(&facts), ["LVS-DR-04"]);
}

#[test]
fn network_on_loopback_is_a_fault_of_a_director_too() {
    let mut facts = facts(NAT);
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 24);
    assert_eq!(codes(&facts), ["LVS-ARP-03"]);
    disown(&mut facts.host);
    own(&mut facts.host, 1, "192.0.2.100", 32);
    assert_eq!(codes(&facts), [""; 0]);
}

#[test]
fn redirects_matter_to_a_virtual_address_on_loopback() {
    let mut facts = facts("-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -m");
    own(&mut facts.host, 1, "10.0.0.100", 32);
    assert_eq!(codes(&facts), ["LVS-DIR-04"]);
}
