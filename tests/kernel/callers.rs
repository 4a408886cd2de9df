//! Programs that wrap ipvsadm can parse our output: each test parses it as one of them does, by line, by column or by
//! header word. tests/compliance/callers.txt compares their calls with 1.31.

use std::collections::BTreeMap;

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};

/// Makes a table with our program, one command on each line.
fn table(commands: &[&str]) {
    fresh_namespace();
    for command in commands {
        Program::ours().line(command).succeeded();
    }
}

/// Standard output and standard error together, as a parser gets them from a shell's `2>&1`.
fn merged(outcome: &Outcome) -> String {
    [outcome.text(), outcome.complaint()].concat()
}

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

const LDIRECTORD: &[&str] = &[
    "-A -t 10.0.0.1:80 -s wrr -p 600 -M 255.255.255.0",
    "-a -t 10.0.0.1:80 -x 200 -y 100 -r 10.0.0.2:80 -g -w 1",
    "-a -t 10.0.0.1:80 -x 0 -y 0 -r 10.0.0.3:8080 -m -w 0",
    "-A -u [2001:db8::1]:53 -s wlc -p 300",
    "-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -i -w 5",
    "-A -f 1 -s rr",
    "-a -f 1 -r 127.0.0.1 -g -w 1",
    "-A -f 1 -6 -s sh -b sh-port",
];

#[test]
fn ldirectord_finds_its_services_in_our_listing() {
    table(LDIRECTORD);
    let listing = merged(&Program::ours().line("-L -n"));
    let services = listing.lines().skip(3).filter(|line| !line.starts_with(' '));
    // Protocol, address, the mark's family, scheduler, "persistent N", "mask M".
    let found: Vec<String> = services.map(|line| columns(line).join(" ")).collect();
    assert_eq!(
        found,
        [
            "TCP 10.0.0.1:80 wrr persistent 600 mask 255.255.255.0",
            "UDP [2001:db8::1]:53 wlc persistent 300",
            "FWM 1 rr",
            "FWM 1 IPv6 sh (sh-port)",
        ]
    );
}

#[test]
fn ldirectord_finds_its_real_servers_in_our_listing() {
    table(LDIRECTORD);
    let listing = merged(&Program::ours().line("-L -n"));
    let servers = listing.lines().skip(3).filter_map(|line| line.strip_prefix("  ->"));
    let found: Vec<String> = servers.map(|line| columns(line)[..3].join(" ")).collect();
    assert_eq!(
        found,
        [
            "10.0.0.2:80 Route 1",
            "10.0.0.3:8080 Masq 0",
            "[2001:db8::2]:53 Tunnel 5",
            "127.0.0.1:0 Route 1"
        ]
    );
}

#[test]
fn ldirectord_finds_its_thresholds_in_our_listing() {
    table(LDIRECTORD);
    let listing = merged(&Program::ours().line("-L -n --thresholds"));
    let servers = listing.lines().skip(3).filter_map(|line| line.strip_prefix("  ->"));
    let found: Vec<String> = servers.map(|line| columns(line)[..3].join(" ")).collect();
    assert_eq!(
        found,
        ["10.0.0.2:80 200 100", "10.0.0.3:8080 0 0", "[2001:db8::2]:53 0 0", "127.0.0.1:0 0 0"]
    );
}

#[test]
fn salt_finds_its_rules_in_our_saved_text() {
    table(&[
        "-A -t 10.0.0.1:80 -s wlc -p 300",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 1 -x 20 -y 10",
    ]);
    let outcome = Program::ours().line("-S -n");
    let saved = outcome.succeeded();
    assert!(saved.contains(" -t 10.0.0.1:80 -s wlc"), "{saved}");
    assert!(saved.contains(" -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 1"), "{saved}");
}

#[test]
fn octavia_pairs_our_numbers_with_our_header_words() {
    table(&["-A -u 10.0.0.1:53 -s rr", "-a -u 10.0.0.1:53 -r 10.0.0.2:53 -m -w 3"]);
    // The words of both header lines name the columns of a real server; with --stats the first line's words name both.
    let pairs = |arguments: &str| -> BTreeMap<String, String> {
        let listing = merged(&Program::ours().line(arguments));
        let service = listing.lines().find(|line| line.starts_with("Prot")).unwrap();
        let server = listing.lines().find(|line| line.contains("RemoteAddress")).unwrap();
        let line = listing.lines().find(|line| line.contains("-> 10.0.0.2:53")).unwrap();
        let names = if service.contains("Flags") {
            columns(server)
        } else {
            [&["->", "RemoteAddress:Port"], &columns(service)[2..]].concat()
        };
        names
            .into_iter()
            .map(str::to_owned)
            .zip(columns(line).into_iter().map(str::to_owned))
            .collect()
    };
    let plain = pairs("-Ln");
    assert_eq!((plain["Forward"].as_str(), plain["Weight"].as_str()), ("Masq", "3"));
    assert_eq!((plain["ActiveConn"].as_str(), plain["InActConn"].as_str()), ("0", "0"));
    let stats = pairs("-Ln --stats --exact");
    assert_eq!(["Conns", "InBytes", "OutBytes"].map(|name| stats[name].as_str()), ["0", "0", "0"]);
}

#[test]
fn neutron_splits_our_lines_on_runs_of_blanks() {
    table(&["-A -t 10.0.0.1:80 -s wrr -p", "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 4"]);
    let listing = merged(&Program::ours().line("-Ln"));
    assert!(listing.contains("TCP  10.0.0.1:80"), "{listing}");
    let server = listing.lines().find(|line| line.contains("-> 10.0.0.2:80")).unwrap();
    assert_eq!(columns(server), ["->", "10.0.0.2:80", "Masq", "4", "0", "0"]);
}

#[test]
fn diamond_finds_a_word_at_the_head_of_every_line_after_the_third() {
    table(&["-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m"]);
    for arguments in ["--list --stats --numeric --exact", "--list --numeric"] {
        let outcome = Program::ours().line(arguments);
        let rows: Vec<Vec<&str>> = outcome.succeeded().lines().skip(3).map(columns).collect();
        let heads: Vec<&str> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(heads, ["TCP", "->"], "{arguments}");
        let number = rows[1][4].parse::<u64>();
        assert_eq!(number, Ok(0), "{arguments}: column 4");
    }
}

#[test]
fn graphs_of_munin_and_zabbix_find_their_columns() {
    table(&[
        "-A -t 10.0.0.1:80 -s rr",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m",
        "-A -t 10.0.0.2:443 -s rr",
    ]);
    let listing = merged(&Program::ours().line("-Ln"));
    let services = listing.lines().filter(|line| line.starts_with("TCP "));
    let addresses: Vec<&str> = services.map(|line| columns(line)[1]).collect();
    assert_eq!(addresses, ["10.0.0.1:80", "10.0.0.2:443"]);
    let rates = merged(&Program::ours().line("-l -n --rate"));
    assert_eq!(
        columns(rates.lines().nth(3).unwrap()),
        ["TCP", "10.0.0.1:80", "0", "0", "0", "0", "0"]
    );
    assert_eq!(
        columns(rates.lines().nth(4).unwrap()),
        ["->", "10.0.0.2:80", "0", "0", "0", "0", "0"]
    );
}

#[test]
fn nagios_skips_two_header_lines_of_one_service() {
    table(&["-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m", "-A -t 10.0.0.2:80"]);
    let listing = merged(&Program::ours().line("-L -n -t 10.0.0.1:80"));
    let rows: Vec<&str> = listing.lines().skip(2).map(|line| columns(line)[1]).collect();
    assert_eq!(rows, ["10.0.0.1:80", "10.0.0.2:80"]);
}

#[test]
fn scripts_that_compare_versions_see_a_newer_one_than_1_31() {
    fresh_namespace();
    let outcome = Program::ours().line("-v");
    let version = outcome.succeeded().strip_prefix("ipvsadm v").unwrap();
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    assert!(numbers.next() >= Some(2), "{version}");
}
