//! The kernel: its module, its tables of connections, and settings that matter on its version.

use super::real_server;
use crate::doctor::{Facts, Found, TableAccess, WantedPart, options_of};
use crate::errors::missing_part;

pub(super) fn no_ip_vs(facts: &Facts) -> Vec<Found> {
    let TableAccess::NoIpvs(reason) = &facts.access else { return Vec::new() };
    let reason = reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    let seen = format!("The kernel has not loaded ip_vs{reason}");
    let wants_services = facts.boot_rules.is_some() || facts.host.has_failover;
    vec![match real_server::has_virtual_address(facts) && !wants_services {
        // The packets of a director need no IPVS there.
        true => Found::new(format!("{seen}, which a real server does not need")).as_note(),
        false => Found::new(seen).here("modprobe ip_vs"),
    }]
}

/// The release as numbers: 6.1 is (6, 1).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(super) fn small_table(facts: &Facts) -> Vec<Found> {
    let entries: u64 = facts.connections.values().map(|tally| tally.entries).sum();
    let size = u64::from(facts.table_size);
    // Later kernels let the table grow.
    if size == 0 || entries <= 2 * size || version(&facts.host.release) >= Some((7, 1)) {
        return Vec::new();
    }
    let bits = (entries.next_power_of_two().ilog2()).min(20);
    vec![
        Found::new(format!("The connection table has {size} buckets for {entries} entries")).here(
            format!("echo options ip_vs conn_tab_bits={bits} >/etc/modprobe.d/ip_vs.conf  # at the next boot"),
        ),
    ]
}

pub(super) fn full_conntrack(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let (Some(count), Some(most)) = (
        host.number("net/netfilter/nf_conntrack_count"),
        host.number("net/netfilter/nf_conntrack_max"),
    ) else {
        return Vec::new();
    };
    if host.number("net/ipv4/vs/conntrack") != Some(1) || most == 0 || count * 10 < most * 9 {
        return Vec::new();
    }
    let command = format!("sysctl -w net.netfilter.nf_conntrack_max={}", most * 2);
    vec![Found::new(format!("nf_conntrack has {count} of {most} entries")).here(command)]
}

pub(super) fn kept_ports(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let is_old = version(&host.release).is_none_or(|version| version < (5, 9));
    if is_old || host.number("net/ipv4/vs/conn_reuse_mode") != Some(0) {
        return Vec::new();
    }
    let servers = facts
        .services
        .iter()
        .flat_map(|entry| entry.servers.iter().map(|state| (&entry.service.service.key, state)));
    let drained = servers.into_iter().find(|(_, state)| {
        let connections = state.active_connections.saturating_add(state.inactive_connections);
        state.server.weight == 0 && connections > 0
    });
    let found = drained.map(|(key, state)| {
        let seen = format!(
            "net.ipv4.vs.conn_reuse_mode is 0, and {} of {} with weight 0 has connections",
            state.server.key,
            options_of(key)
        );
        Found::new(seen).here("sysctl -w net.ipv4.vs.conn_reuse_mode=1")
    });
    found.into_iter().collect()
}

pub(super) fn boot_rules(facts: &Facts) -> Vec<Found> {
    let Some(rules) = &facts.boot_rules else { return Vec::new() };
    let missing = rules.wanted.iter().filter_map(|wanted| {
        let WantedPart { part, name, line, state } = wanted;
        let reason = missing_part(*part, name, state.clone(), rules.is_loading_banned)?;
        Some(Found::new(format!("Line {line} of {} wants the {reason}", rules.path)))
    });
    missing.collect()
}

pub(super) fn no_rights(facts: &Facts) -> Vec<Found> {
    match &facts.access {
        TableAccess::WithoutRights(Some(reason)) => vec![Found::new(reason)],
        TableAccess::WithoutRights(None) => {
            vec![Found::new("This process lacks CAP_NET_ADMIN").here("sudo ipvsadm --doctor")]
        }
        _ => Vec::new(),
    }
}

pub(super) fn reuse_mode(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let is_old = version(&host.release).is_some_and(|version| version < (5, 9));
    let is_set = |name: &str| host.number(&format!("net/ipv4/vs/{name}")) == Some(1);
    if !is_old || facts.services.is_empty() || !is_set("conn_reuse_mode") || !is_set("conntrack") {
        return Vec::new();
    }
    let seen = format!(
        "conn_reuse_mode and conntrack of net.ipv4.vs are 1, and Linux {} is older than 5.9",
        host.release
    );
    vec![Found::new(seen).here("sysctl -w net.ipv4.vs.conn_reuse_mode=0")]
}

pub(super) fn no_estimation(facts: &Facts) -> Vec<Found> {
    match facts.host.number("net/ipv4/vs/run_estimation") {
        Some(0) if !facts.services.is_empty() => {
            let command = "sysctl -w net.ipv4.vs.run_estimation=1";
            vec![Found::new("net.ipv4.vs.run_estimation is 0").here(command)]
        }
        _ => Vec::new(),
    }
}
