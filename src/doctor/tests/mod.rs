//! Recorded facts, and the page of the codes.

mod director;
mod servers;
mod services;

use std::net::{IpAddr, SocketAddr};

use ipvs::Ruleset;
use ipvs::model::{Protocol, RealServerState, ServiceState};
use ipvs::state::ServiceSnapshot;
use ipvs_rules::{Command, parse_numeric_line};

use super::*;
use crate::host::{
    Address, Interface, InterfaceKind, ModuleState, Neighbour, NfTables, Route, RouteKind,
};

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
    facts.keys = ruleset.services().map(|rules| rules.service().key).collect();
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
            has_carrier: true,
            parent: None,
            controller: None,
            kind: InterfaceKind::Other,
            mtu: 1500,
            received: 0,
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
    host.receivers = Some(Vec::new());
    facts
}

fn own(host: &mut Host, interface: u32, address: &str, prefix_length: u8) {
    let address: IpAddr = address.parse().unwrap();
    let mut addresses: Vec<Address> = host.addresses.iter().cloned().collect();
    addresses.push(Address {
        interface,
        address,
        prefix_length,
        broadcast: None,
        has_peer: false,
        is_duplicate: false,
    });
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
    let route = Route {
        kind,
        destination,
        prefix_length: 32,
        interface,
        gateway,
        source: None,
        table: 254,
    };
    host.routes.insert(to, route);
}

fn set(host: &mut Host, path: &str, value: &str) {
    host.sysctls.insert(path.to_owned(), value.to_owned());
}

fn codes(facts: &Facts) -> Vec<&'static str> {
    let findings = diagnose(facts);
    findings.iter().for_each(|finding| assert_grammar(&finding.seen));
    let mut codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// No noun is in the plural after the number 1.
fn assert_grammar(text: &str) {
    let words: Vec<&str> = text.split([' ', ',', '.']).collect();
    for (place, _) in words.iter().enumerate().filter(|(_, word)| **word == "1") {
        for noun in ["bytes", "connections", "entries", "lines", "packets", "services", "servers"] {
            let end = words.len().min(place + 3);
            assert!(!words[place..end].contains(&noun), "{text}");
        }
    }
}

/// The commands of the findings with a code.
fn commands(facts: &Facts, code: &str) -> Vec<String> {
    let findings = diagnose(facts).into_iter().filter(|finding| finding.code == code);
    findings.flat_map(|finding| finding.commands).map(|mend| mend.command).collect()
}

fn connect(facts: &mut Facts, server: &str, opening: u64, established: u64) {
    let key = (Protocol::Tcp, "192.0.2.100:80".parse().unwrap(), server.parse().unwrap());
    let clients = vec!["198.51.100.7".parse().unwrap()];
    let entries = opening + established;
    let tally = Tally { entries, opening, established, clients, ..Tally::default() };
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
