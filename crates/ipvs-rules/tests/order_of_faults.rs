//! A name in a line changes neither the outcome nor which of several faults is reported.

#![cfg(test)]

use std::mem::discriminant;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use ipvs::model::Protocol;
use ipvs_rules::{Answers, Command, LineError, Parsed, RuleError, parse_line};

/// A resolver that knows two hosts and one port.
struct Known;

impl Answers for Known {
    fn address(&mut self, host: &str) -> Result<IpAddr, String> {
        match host {
            "vip" => Ok(IpAddr::from([10, 0, 0, 1])),
            "vip6" => Ok("2001:db8::1".parse().unwrap()),
            _ => Err("Name or service not known".to_owned()),
        }
    }

    fn port(&mut self, name: &str, _protocol: Protocol) -> Option<u16> {
        (name == "http").then_some(80)
    }
}

fn parse(line: &str) -> Result<Parsed<'_>, RuleError> {
    match parse_line(line.as_bytes()) {
        Ok(parsed) => Ok(parsed.expect(line)),
        Err(LineError::Rule(fault)) => Err(fault),
        Err(error) => panic!("{line}: {error}"),
    }
}

fn resolved(line: &str) -> Result<Command, RuleError> {
    parse(line)?.resolve(&mut Known)
}

#[test]
fn line_waits_for_its_names_alone() {
    let names = |line| match parse(line).unwrap() {
        Parsed::Waiting(waiting) => waiting.host_names().collect::<Vec<_>>(),
        Parsed::Command(command) => panic!("{line}: {command:?}"),
    };
    assert_eq!(names("-a -t vip:80 -r vip6"), ["vip", "vip6"]);
    assert_eq!(names("-a -t 10.0.0.1:http -r [vip6]:http"), ["vip6"]);
    assert_eq!(names("-A -t 10.0.0.1:http"), [""; 0]);
    for line in ["-A -t 10.0.0.1:80", "-a -f 1 -r [2001:db8::1]:80 -i", "-h", "-L -n"] {
        assert!(matches!(parse(line), Ok(Parsed::Command(_))), "{line}");
    }
    // A fault before the first name needs no answer.
    assert!(matches!(parse("-a -w x -t vip:80"), Err(RuleError::BadValue { .. })));
}

#[test]
fn name_that_leads_nowhere_is_the_fault_before_those_behind_it() {
    let fault = |line| resolved(line).expect_err(line).to_string();
    assert_eq!(
        fault("-a -t vip:80 -r nowhere -w x"),
        "illegal real server address[:port] specified (`nowhere': Name or service not known)"
    );
    assert!(fault("-a -t vip:80 -r vip6 -w x").starts_with("illegal weight specified"));
    assert!(fault("-A -t vip6:80 -M 129 -w x").starts_with("illegal ipv6 netmask specified"));
    assert!(fault("-A -t vip:80 -Q").starts_with("-Q: unknown option"));
    assert!(fault("-A -t nowhere:80 -C").starts_with("illegal virtual server address"));
    assert!(fault("-A -t vip -s rr").starts_with("Zero port specified"));
}

/// An option as it is typed with names, and with numbers in their place.
type Spelling = (String, String);

/// Endpoints with names, and the numbers that have the same outcome at the same place.
const ENDPOINTS: [(&str, &str); 13] = [
    ("vip:80", "10.0.0.1:80"),
    ("vip", "10.0.0.1"),
    ("vip:http", "10.0.0.1:80"),
    ("10.0.0.1:http", "10.0.0.1:80"),
    ("10.0.0.1", "10.0.0.1"),
    ("vip6", "2001:db8::1"),
    ("vip6:443", "[2001:db8::1]:443"),
    ("[vip6]:http", "[2001:db8::1]:80"),
    ("[vip]:http", "[10.0.0.1]:80"),
    ("[vip]:nothing", "[10.0.0.1]:1"),
    ("nowhere:80", "bogus..:80"),
    ("vip:nothing", "bogus..:80"),
    ("[vip6]:nothing", "bogus..:80"),
];

/// Options with faults of their own among them, in groups that exclude each other.
const OPTIONS: [&[&str]; 10] = [
    &["-M 24", "-M 64", "-M 255.255.0.0", "-M 129", "-M x"],
    &["-p", "-p 300", "-p 0"],
    &["-s rr", "-s sh", "-s abcdefghijklmnop"],
    &["-m", "-i", "-g"],
    &["-w 5", "-w x"],
    &["-6"],
    &["-o"],
    &["-b sh-port", "-b bogus"],
    &["-Q", "-C", "foo", "-n", "-c"],
    &["-x 5", "-y 5", "--tun-type gre"],
];

fn option(kind: usize) -> BoxedStrategy<Spelling> {
    let endpoint = select(&ENDPOINTS[..]);
    match kind {
        0 => (select(&["-t", "-u", "--sctp-service"][..]), endpoint)
            .prop_map(|(option, (named, numeric))| {
                (format!("{option} {named}"), format!("{option} {numeric}"))
            })
            .boxed(),
        1 => endpoint
            .prop_map(|(named, numeric)| (format!("-r {named}"), format!("-r {numeric}")))
            .boxed(),
        2 => Just(("-f 1".to_owned(), "-f 1".to_owned())).boxed(),
        kind => select(OPTIONS[kind - 3])
            .prop_map(|option| (option.to_owned(), option.to_owned()))
            .boxed(),
    }
}

/// A command with some options in any order, typed with names and with numbers.
fn line() -> impl Strategy<Value = Spelling> {
    let commands = select(&["-A", "-E", "-D", "-a", "-e", "-d", "-Z", "-L"][..]);
    let kinds: Vec<usize> = (0..OPTIONS.len() + 3).collect();
    let kinds = subsequence(kinds, 0..6).prop_shuffle();
    let options = kinds.prop_flat_map(|kinds| kinds.into_iter().map(option).collect::<Vec<_>>());
    // A service and a real server mostly come first, so that many lines have no fault before the names.
    let start = prop_oneof![
        2 => (option(0), option(1)).prop_map(|(service, server)| vec![service, server]),
        1 => option(0).prop_map(|service| vec![service]),
        1 => Just(Vec::new()),
    ];
    (commands, start, options).prop_map(|(command, start, options)| {
        let (mut named, mut numeric) = (command.to_owned(), command.to_owned());
        for (with_names, with_numbers) in start.into_iter().chain(options) {
            let has_service =
                ["-t ", "-u ", "-service ", "-f "].iter().any(|option| named.contains(option));
            named += &format!(" {with_names}");
            // Before a service a port name is a fault.
            let is_port_name = with_names.ends_with(":http") && !with_names.contains("[vip]");
            match with_names.starts_with("-r") && is_port_name && !has_service {
                true => numeric += " -r 10.0.0.1:",
                false => numeric += &format!(" {with_numbers}"),
            }
        }
        (named, numeric)
    })
}

/// A fault without the values in it. The variant decides the exit status.
fn sentence(fault: &RuleError) -> String {
    let text = fault.to_string();
    text.split_once(" (").map_or(text.clone(), |(sentence, _)| sentence.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn line_with_names_has_the_outcome_of_the_line_with_numbers((named, numeric) in line()) {
        let expected = parse(&numeric).map(|parsed| match parsed {
            Parsed::Command(command) => command,
            Parsed::Waiting(_) => panic!("{numeric} waits"),
        });
        match (resolved(&named), expected) {
            (Ok(command), Ok(expected)) => prop_assert_eq!(command, expected),
            (Err(fault), Err(expected)) => {
                prop_assert_eq!(sentence(&fault), sentence(&expected), "{}", numeric);
                prop_assert_eq!(discriminant(&fault), discriminant(&expected), "{}", numeric);
            }
            (outcome, expected) => prop_assert!(false, "{outcome:?} is not {expected:?} of {numeric}"),
        }
    }
}
