//! The services of the table.

use super::*;

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
fn hash_meets_servers_at_their_thresholds() {
    for (scheduler, mend) in [
        ("sh", "ipvsadm -E -t 192.0.2.100:80 -s sh -b sh-fallback"),
        ("dh", "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.11:8080 -m -w 1 -x 4"),
    ] {
        let rules = NAT.replace("-s rr", &format!("-s {scheduler}")).replace("-m", "-m -x 2");
        let mut facts = facts(&rules);
        assert_eq!(codes(&facts), [""; 0]);
        facts.services[0].servers[0].active_connections = 2;
        assert_eq!(commands(&facts, "LVS-SVC-03"), [mend]);
        facts.services[0].service.service.scheduler = "rr".parse().unwrap();
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn server_near_its_threshold_may_have_been_full() {
    let mut facts = facts(&NAT.replace("-m", "-m -x 8"));
    let mut note = |connections, lower_threshold| {
        for state in &mut facts.services[0].servers {
            state.active_connections = connections;
            state.server.lower_threshold = lower_threshold;
        }
        let found = diagnose(&facts);
        assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:?}");
        found.len()
    };
    assert_eq!([note(5, 0), note(6, 0), note(5, 5), note(4, 5)], [0, 1, 1, 0]);
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
