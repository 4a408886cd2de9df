//! `--doctor`: collects the facts, and hands the findings to the output.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use ipvs::model::{
    ConnectionFilter, Forwarding, Protocol, RealServer, RealServerState, ServiceKey, ServiceRules,
    ServiceState, Tunnel,
};
use ipvs::state::ServiceSnapshot;
use ipvs::{ErrorKind, Ruleset, Snapshot};
use ipvs_rules::Doctor;

use super::{Error, Session};
use crate::doctor::{
    CHECKS, Facts, Owners, ProbedPort, Report, TableAccess, diagnose, explanation,
    look_at_addresses, look_at_boot_rules, look_at_host, probe, tally, who_has,
};
use crate::errors::{missing_ipvs, reason};
use crate::host::module_is_loaded;
use crate::output::{counted, write_document};
use crate::process::TerminalStyle;
use crate::rules_file::{Origin, RuleFile};

/// The most bad lines that a message lists.
const MOST_BAD_LINES: usize = 50;

/// The most virtual addresses that are asked for by ARP: each question is a broadcast.
const MOST_QUESTIONS: usize = 256;

/// Prints the findings, or the description of a code. Returns true if a finding is above a note. `other` is the saved table
/// of another director, with the name of its file.
///
/// # Errors
/// If the code or the service does not exist, if nothing could be looked at, or if the output fails.
pub fn doctor(
    asked: &Doctor,
    other: Option<(&str, &[u8])>,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    if let Some(code) = &asked.code {
        let text = explanation(code).ok_or_else(|| Error::NoCode {
            code: code.clone(),
            codes: CHECKS.iter().map(|check| check.code).collect(),
        })?;
        writeln!(out, "{text}").map_err(Error::Output)?;
        return Ok(false);
    }
    let mut unseen = Vec::new();
    let mut facts = Facts::default();
    let table = read_table(session, &mut facts, &mut unseen);
    facts.keys = facts.services.iter().map(|entry| entry.service.service.key).collect();
    facts.other = other.map(|(name, text)| parse_other(name, text, session)).transpose()?;
    let has_ipvs = !matches!(facts.access, TableAccess::NoIpvs(_));
    if let Some(seconds) = asked.sample.filter(|_| has_ipvs) {
        thread::sleep(Duration::from_secs(seconds.into()));
        facts.later = read_snapshot(session).ok().map(|table| table.services);
    }
    if let Some(key) = asked.service {
        if let Some(error) = table {
            return Err(Error::NothingSeen(error));
        }
        let is_asked = |entry: &ServiceSnapshot| entry.service.service.key == key;
        if has_ipvs && !facts.services.iter().any(is_asked) {
            return Err(Error::NoServiceToExamine(key));
        }
        facts.services.retain(is_asked);
        facts.other = facts.other.map(|other| {
            let is_asked = |rules: &&ServiceRules<_>| rules.service().key == key;
            other.services().filter(is_asked).cloned().collect()
        });
        facts.later = facts.later.map(|services| services.into_iter().filter(is_asked).collect());
    }
    if let Err(error) = read_connections(session, &mut facts) {
        unseen.push(format!("The connections were not seen: {error}."));
    }
    match look_at_boot_rules() {
        Ok(rules) => facts.boot_rules = rules,
        Err(error) => unseen.push(format!("Not seen: the rules of the boot: {error}.")),
    }
    let patience = asked.probe.map(|seconds| Duration::from_secs(seconds.into()));
    if let Some(patience) = patience {
        ask_the_network(patience, session, &mut facts, &mut unseen)?;
    }
    // The look comes after the probes, since they complete the neighbours.
    match (look(session, &mut facts), table) {
        (Ok(()), _) => {}
        (Err(_), Some(error)) => return Err(Error::NothingSeen(error)),
        (Err(error), None) => unseen.push(format!("This machine was not seen: {error}.")),
    }
    list_unseen(&facts, &mut unseen);
    let findings = diagnose(&facts);
    let TerminalStyle { width, has_colours, .. } = TerminalStyle::of_standard_output();
    let report = Report { findings, unseen, width, has_colours };
    let mut text = Vec::new();
    write_document(&mut text, &report, asked.format).map_err(Error::Output)?;
    out.write_all(&text).map_err(Error::Output)?;
    Ok(report.has_faults())
}

/// Reads the table by netlink, or without rights from `/proc`. Returns the error if neither works.
fn read_table(
    session: &mut Session,
    facts: &mut Facts,
    unseen: &mut Vec<String>,
) -> Option<ipvs::Error> {
    if is_unloaded(session) {
        facts.access = TableAccess::NoIpvs(missing_ipvs());
        return None;
    }
    match read_snapshot(session) {
        Ok(Snapshot { info, services, daemons, .. }) => {
            facts.services = services;
            facts.daemons = daemons;
            facts.table_size = info.table_size;
        }
        Err(error) if error.kind() == ErrorKind::NoFamily => {
            facts.access = TableAccess::NoIpvs(reason(&error));
        }
        Err(error) if error.kind() == ErrorKind::NotPermitted => {
            facts.access = TableAccess::WithoutRights(reason(&error));
            unseen.push(
                "Not seen without CAP_NET_ADMIN: counters, thresholds, scheduler flags and sync daemons."
                    .to_owned(),
            );
            return read_file(session, facts).err().inspect(|error| {
                unseen.push(format!("The table was not seen: {error}."));
            });
        }
        Err(error) => {
            unseen.push(format!("The table was not seen: {error}."));
            return Some(error);
        }
    }
    None
}

/// True if the kernel has not loaded ip_vs. A question for its table would load the module, and the doctor changes nothing.
fn is_unloaded(session: &Session) -> bool {
    module_is_loaded("ip_vs") == Some(false)
        && matches!(session.namespace().has_connections(), Ok(false))
}

fn read_snapshot(session: &mut Session) -> Result<Snapshot, ipvs::Error> {
    Snapshot::read(session.client()?)
}

fn read_file(session: &Session, facts: &mut Facts) -> Result<(), ipvs::Error> {
    let file = session.namespace().services_file()?;
    facts.table_size = file.info.table_size;
    for (place, listed) in file.services.iter().enumerate() {
        let servers = file.servers(place).iter().map(|summary| {
            let mut server = RealServer::new(summary.key);
            server.forwarding = summary.forwarding;
            server.weight = summary.weight;
            let mut state = RealServerState::new(server);
            state.active_connections = summary.active_connections;
            state.inactive_connections = summary.inactive_connections;
            state
        });
        let service = ServiceState::new(listed.service.clone());
        facts.services.push(ServiceSnapshot { service, servers: servers.collect() });
    }
    facts.services.sort_unstable_by_key(|entry| entry.service.service.key);
    Ok(())
}

/// Counts the connections. A namespace without ip_vs has no file of them.
fn read_connections(session: &mut Session, facts: &mut Facts) -> Result<(), ipvs::Error> {
    if !session.namespace().has_connections()? {
        return Ok(());
    }
    // Without rights the ages of entries are unknown.
    let timeouts = match facts.access {
        TableAccess::Complete => Some(session.client()?.timeouts()?),
        _ => None,
    };
    for connection in session.namespace().connections(ConnectionFilter::default())? {
        tally(facts, &connection?, timeouts);
    }
    Ok(())
}

/// Looks at the machine and at its routes to all addresses that the table has.
fn look(session: &Session, facts: &mut Facts) -> Result<(), Error> {
    let mut targets: BTreeSet<IpAddr> =
        facts.servers().map(|(_, server)| server.key.address).collect();
    for entry in &facts.services {
        if let ServiceKey::Address { address, .. } = entry.service.service.key {
            targets.insert(address);
        }
    }
    let looked = session.namespace().enter(|| look_at_host(&targets))?;
    facts.host = looked.map_err(Error::Host)?;
    Ok(())
}

/// The rules file, the packet filters and the ports that cannot be seen.
fn list_unseen(facts: &Facts, unseen: &mut Vec<String>) {
    let is_gue = |server: &RealServer| {
        matches!(server.forwarding, Forwarding::Tunneling(Tunnel::Gue { .. }))
    };
    if facts.servers().any(|(_, server)| is_gue(server)) {
        unseen.push(
            "Not seen: listeners for GUE on the real servers. `ip fou show' lists them there."
                .to_owned(),
        );
    }
    let filters = &facts.host.filters;
    if facts.access == TableAccess::Complete && filters.nf_tables.is_none() {
        unseen.push("Not seen: the rules of nf_tables.".to_owned());
    }
}

/// Asks the real servers and, by ARP, the owners of the virtual addresses, at the same time.
fn ask_the_network(
    patience: Duration,
    session: &Session,
    facts: &mut Facts,
    unseen: &mut Vec<String>,
) -> Result<(), Error> {
    let ports = probed_ports(facts, unseen);
    let addresses: BTreeSet<Ipv4Addr> = facts
        .services
        .iter()
        .filter_map(|entry| match entry.service.service.key {
            ServiceKey::Address { address: IpAddr::V4(address), .. } => Some(address),
            _ => None,
        })
        .collect();
    let (answers, owners) = session.namespace().enter(|| {
        thread::scope(|scope| {
            // A new thread is in the same namespace.
            let owners = scope.spawn(|| ask_for_owners(&addresses, patience));
            let answers = probe(&ports, patience);
            (answers, owners.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    })?;
    match answers {
        Ok(answers) => facts.answers = answers,
        Err(error) => unseen.push(format!("Not probed: {error}.")),
    }
    match owners {
        Ok((owners, is_complete)) => {
            facts.owners = owners;
            if !is_complete {
                unseen.push(format!(
                    "Not probed by ARP: virtual addresses after the first {MOST_QUESTIONS}."
                ));
            }
        }
        Err(error) => unseen.push(format!("Not probed by ARP: {error}.")),
    }
    Ok(())
}

/// The ports of the real servers.
fn probed_ports(facts: &Facts, unseen: &mut Vec<String>) -> Vec<ProbedPort> {
    let mut ports: BTreeSet<ProbedPort> = BTreeSet::new();
    let (mut all_ports, mut other_protocols) = (0_usize, 0_usize);
    for (key, server) in facts.servers() {
        match key.protocol().filter(|protocol| *protocol != Protocol::Sctp) {
            Some(_) if server.key.port == 0 => all_ports += 1,
            Some(protocol) => {
                ports.insert((protocol, SocketAddr::new(server.key.address, server.key.port)));
            }
            None => other_protocols += 1,
        }
    }
    if all_ports > 0 {
        unseen.push(format!("Not probed: {} with port 0.", counted(all_ports, "real server")));
    }
    if other_protocols > 0 {
        unseen.push(format!(
            "Not probed: {} of SCTP services or firewall marks.",
            counted(other_protocols, "real server")
        ));
    }
    ports.into_iter().collect()
}

/// Asks by ARP who has virtual addresses, on the networks that they belong to. Returns false if there are too many.
fn ask_for_owners(
    addresses: &BTreeSet<Ipv4Addr>,
    patience: Duration,
) -> io::Result<(Owners, bool)> {
    let host = look_at_addresses()?;
    let segment = |address: Ipv4Addr| Some(host.segment(&address.into())?.name.clone());
    let mut wanted = addresses.iter().filter_map(|&address| Some((segment(address)?, address)));
    let first: Vec<_> = wanted.by_ref().take(MOST_QUESTIONS).collect();
    Ok((who_has(&first, patience)?, wanted.next().is_none()))
}

/// Parses the saved table of another director.
fn parse_other(name: &str, text: &[u8], session: &mut Session) -> Result<Ruleset, Error> {
    let mut file = RuleFile::read(text, &mut session.resolver);
    let mut table: Ruleset<Origin> = Ruleset::default();
    let conflicts = table.apply_all(&file.rules);
    file.reject(conflicts);
    if !file.bad_rules.is_empty() {
        let more = file.bad_rules.len().saturating_sub(MOST_BAD_LINES);
        file.bad_rules.truncate(MOST_BAD_LINES);
        return Err(Error::BadRules { file: name.to_owned(), lines: file.bad_rules, more });
    }
    let services = table.services().map(|rules| {
        let servers = rules.servers().iter().map(|rule| rule.server);
        ServiceRules::new(rules.service().clone(), servers)
    });
    Ok(services.collect())
}
