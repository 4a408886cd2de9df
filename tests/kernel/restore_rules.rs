//! Generated rules files, and the number of changes that one table needs to become another.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::table::{Destination, Service, Table};

const SERVICES: [&str; 10] = [
    "-t 10.0.0.1:80",
    "-t 10.0.0.2:443",
    "-u 10.0.0.1:53",
    "--sctp-service 10.0.0.1:9899",
    "-f 7",
    "-f 4294967295",
    "-t [2001:db8::1]:80",
    "-u [2001:db8::1]:53",
    "-f 7 -6",
    "-f 8 -6",
];
/// The services from this index on are IPv6.
const FIRST_IPV6: usize = 6;

const SERVICE_OPTIONS: [&str; 9] = [
    "-s rr",
    "-s wrr",
    "",
    "-s sed -p",
    "-s rr -p 60",
    "-s sh -b sh-port",
    "-s mh -b mh-fallback,mh-port",
    "-s lc -p 300 -M MASK",
    "-s wlc -p 60 --pe sip",
];

const HOSTS: [&str; 4] = ["1", "2", "3", "4"];

/// The last host always has a different port than its service, which only masquerading allows.
const METHODS: [&str; 6] = [
    "-m",
    "-g",
    "-i",
    "-i --tun-type gue --tun-port 6080 --tun-nocsum",
    "-i --tun-type gre --tun-csum",
    "-i --tun-type gue --tun-port 6081 --tun-remcsum",
];
const NUMBERS: [&str; 5] = ["", "-w 0", "-w 65535", "-w 7 -x 100 -y 50", "-x 2147483647"];

#[derive(Clone, Copy, Debug)]
enum Verb {
    AddService,
    EditService,
    DeleteService,
    AddServer,
    EditServer,
    DeleteServer,
    Flush,
}

/// A line, with its choices from the lists above.
type Line = (Verb, Index, Index, Index, Index);

/// Up to 80 lines that the kernel accepts one after the other.
pub(crate) fn rules_file() -> impl Strategy<Value = String> {
    let verb = prop_oneof![
        20 => Just(Verb::AddService),
        60 => Just(Verb::AddServer),
        5 => Just(Verb::EditService),
        10 => Just(Verb::EditServer),
        2 => Just(Verb::DeleteService),
        5 => Just(Verb::DeleteServer),
        1 => Just(Verb::Flush),
    ];
    let pick = any::<Index>;
    vec((verb, pick(), pick(), pick(), pick()), 0..80).prop_map(|lines| spell(&lines))
}

/// Writes the lines that are valid after the lines before them.
fn spell(lines: &[Line]) -> String {
    let mut known: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut text = String::new();
    for (verb, service, host, first, second) in lines {
        let (service, host) = (service.index(SERVICES.len()), host.index(HOSTS.len()));
        let servers = known.get(&service);
        let fits = match verb {
            Verb::AddService => servers.is_none(),
            Verb::EditService | Verb::DeleteService => servers.is_some(),
            Verb::AddServer => servers.is_some_and(|servers| !servers.contains(&host)),
            Verb::EditServer | Verb::DeleteServer => {
                servers.is_some_and(|servers| servers.contains(&host))
            }
            Verb::Flush => true,
        };
        if !fits {
            continue;
        }
        let key = SERVICES[service];
        let line = match verb {
            Verb::AddService | Verb::EditService => {
                let letter = if matches!(verb, Verb::AddService) { "-A" } else { "-E" };
                format!("{letter} {key} {}", service_options(service, *first, *second))
            }
            Verb::DeleteService => format!("-D {key}"),
            Verb::AddServer => {
                format!(
                    "-a {key} {} {}",
                    server(service, host),
                    server_options(host, *first, *second)
                )
            }
            Verb::EditServer => {
                format!(
                    "-e {key} {} {}",
                    server(service, host),
                    server_options(host, *first, *second)
                )
            }
            Verb::DeleteServer => format!("-d {key} {}", server(service, host)),
            Verb::Flush => "-C".to_owned(),
        };
        match verb {
            Verb::AddService => drop(known.insert(service, BTreeSet::new())),
            Verb::DeleteService => drop(known.remove(&service)),
            Verb::AddServer => drop(known.entry(service).or_default().insert(host)),
            Verb::DeleteServer => drop(known.entry(service).or_default().remove(&host)),
            Verb::Flush => known.clear(),
            Verb::EditService | Verb::EditServer => {}
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn service_options(service: usize, first: Index, second: Index) -> String {
    let mask = if service < FIRST_IPV6 { "255.255.255.0" } else { "64" };
    let options = SERVICE_OPTIONS[first.index(SERVICE_OPTIONS.len())].replace("MASK", mask);
    // Only UDP services and firewall marks allow one-packet scheduling.
    let may_be_one_packet =
        SERVICES[service].starts_with("-u") || SERVICES[service].starts_with("-f");
    if may_be_one_packet && second.index(4) == 0 { format!("{options} -o") } else { options }
}

fn server(service: usize, host: usize) -> String {
    let (start, end) = if service < FIRST_IPV6 { ("10.1.0.", "") } else { ("[2001:db8:1::", "]") };
    let port = if host + 1 == HOSTS.len() { ":8080" } else { "" };
    let address = format!("{start}{}{end}", HOSTS[host]);
    match port {
        "" => format!("-r {}", address.trim_matches(['[', ']'])),
        _ => format!("-r {address}{port}"),
    }
}

fn server_options(host: usize, first: Index, second: Index) -> String {
    let method = if host + 1 == HOSTS.len() { "-m" } else { METHODS[first.index(METHODS.len())] };
    format!("{} {}", method, NUMBERS[second.index(NUMBERS.len())])
}

/// The number of changes between two tables, with one change for each entry that differs.
pub(crate) fn difference(from: &Table, to: &Table) -> usize {
    let known = |service: &Service| from.services.iter().find(|known| known.key == service.key);
    let stays = |service: &Service| to.services.iter().any(|kept| kept.key == service.key);
    let gone = from.services.iter().filter(|service| !stays(service)).count();
    let come: usize = to
        .services
        .iter()
        .map(|service| match known(service) {
            None => 1 + service.destinations.len(),
            Some(known) => edits(known, service),
        })
        .sum();
    gone + come
}

fn edits(from: &Service, to: &Service) -> usize {
    let alone = |service: &Service| Service { destinations: Vec::new(), ..service.clone() };
    let servers = |service: &Service| -> BTreeMap<_, Destination> {
        let with_keys = service.destinations.iter().cloned();
        with_keys.map(|server| ((server.address, server.port), server)).collect()
    };
    let (old, new) = (servers(from), servers(to));
    let gone = old.keys().filter(|key| !new.contains_key(key)).count();
    let come = new.iter().filter(|&(key, server)| old.get(key) != Some(server)).count();
    usize::from(alone(from) != alone(to)) + gone + come
}
