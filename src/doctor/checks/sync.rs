//! Sync daemons, and the other director.

use ipvs::model::{Family, ServiceKey, SyncRole};
use ipvs::{Plan, Ruleset};

use crate::doctor::{Facts, Found, command, options_of};
use crate::errors::other_family;
use crate::host::Interface;
use crate::output::counted;

pub(super) fn bad_interface(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for daemon in &facts.daemons {
        let name = daemon.interface.as_str();
        let (role, interfaces) = (daemon.role, &facts.host.interfaces);
        let Some(interface) = interfaces.iter().find(|interface| interface.name == name) else {
            if !interfaces.is_empty() {
                found.push(
                    Found::new(format!(
                        "There is no interface {name}, which the {role} daemon uses"
                    ))
                    .here(format!("ipvsadm --stop-daemon {role}"))
                    .template(format!(
                        "ipvsadm --start-daemon {role} --mcast-interface INTERFACE --syncid {}",
                        daemon.sync_id
                    )),
                );
            }
            continue;
        };
        let is_up = interface.is_up;
        if !is_up {
            let seen = format!("{name}, the interface of the {role} daemon, is down");
            found.push(Found::new(seen).here(format!("ip link set {name} up")));
        } else if !interface.is_multicast && !interface.is_loopback {
            let seen = format!("{name}, the interface of the {role} daemon, has no multicast");
            found.push(Found::new(seen).here(format!("ip link set {name} multicast on")));
        }
    }
    found
}

pub(super) fn same_id(facts: &Facts) -> Vec<Found> {
    let daemon = |role| facts.daemons.iter().find(|daemon| daemon.role == role);
    match (daemon(SyncRole::Master), daemon(SyncRole::Backup)) {
        (Some(master), Some(backup)) if master.sync_id == backup.sync_id => {
            let seen = format!("Both sync daemons have the sync ID {}", master.sync_id);
            vec![Found::new(seen)]
        }
        _ => Vec::new(),
    }
}

/// Entries from a master daemon for services that this machine lacks.
pub(super) fn entries_without_service(facts: &Facts) -> Vec<Found> {
    // The entries of a mark name the address of the packet.
    let has_marks = facts.keys.iter().any(|key| matches!(key, ServiceKey::Fwmark { .. }));
    if !facts.daemons.iter().any(|daemon| daemon.role == SyncRole::Backup) || has_marks {
        return Vec::new();
    }
    let mut count = 0;
    let mut first = None;
    for (&(protocol, target, _), tally) in &facts.connections {
        if !facts.has_service_of(protocol, target) {
            count += tally.entries;
            first.get_or_insert_with(|| options_of(&ServiceKey::new(protocol, target)));
        }
    }
    let found = first.map(|first| {
        let count = counted(count, "connection");
        Found::new(format!("This machine has {count} of services that it lacks, as {first}"))
    });
    found.into_iter().collect()
}

pub(super) fn mixed_families(facts: &Facts) -> Vec<Found> {
    let mut servers = facts.servers();
    let mixed = servers.find(|(key, server)| Family::of(server.key.address) != key.family());
    mixed.map(|(key, server)| Found::new(other_family(key, &server.key))).into_iter().collect()
}

/// A backup daemon that keeps this machine from serving the virtual addresses that it has.
pub(super) fn backup_only(facts: &Facts) -> Vec<Found> {
    let host = &facts.host;
    let is_backup = facts.daemons.iter().any(|daemon| daemon.role == SyncRole::Backup);
    if !is_backup || host.number("net/ipv4/vs/backup_only") != Some(1) {
        return Vec::new();
    }
    let is_served = |one: &Interface| one.is_up && one.has_neighbours && !one.is_loopback;
    let here = facts.services.iter().find_map(|entry| match entry.service.service.key {
        ServiceKey::Address { address, .. } => {
            host.owners(&address).find(|&one| is_served(one)).map(|one| (address, one))
        }
        ServiceKey::Fwmark { .. } => None,
    });
    let found = here.map(|(address, interface)| {
        let seen = format!(
            "net.ipv4.vs.backup_only is 1, the backup daemon runs, and {} has {address}",
            interface.name
        );
        Found::new(seen).here("ipvsadm --stop-daemon backup")
    });
    found.into_iter().collect()
}

pub(super) fn strict_tcp(facts: &Facts) -> Vec<Found> {
    let is_backup = facts.daemons.iter().any(|daemon| daemon.role == SyncRole::Backup);
    let is_strict = facts.host.number("net/ipv4/vs/sloppy_tcp") == Some(0);
    match is_backup && is_strict && !facts.services.is_empty() {
        true => vec![
            Found::new("net.ipv4.vs.sloppy_tcp is 0, and the backup daemon runs")
                .here("sysctl -w net.ipv4.vs.sloppy_tcp=1"),
        ],
        false => Vec::new(),
    }
}

pub(super) fn other_table(facts: &Facts) -> Vec<Found> {
    let Some(other) = &facts.other else { return Vec::new() };
    let servers = |entry: &ipvs::state::ServiceSnapshot| {
        let servers: Vec<_> = entry.servers.iter().map(|state| state.server).collect();
        ipvs::model::ServiceRules::new(entry.service.service.clone(), servers)
    };
    let own: Ruleset = facts.services.iter().map(servers).collect();
    let plan = Plan::between(&own, other);
    let steps: Vec<String> = plan.steps().map(|step| command(&step.change)).collect();
    if steps.is_empty() {
        return Vec::new();
    }
    // A command that failed may have written nothing, so nobody should delete the table for it.
    if other.services().next().is_none() {
        return vec![Found::new("The table of the other director is empty, and this one is not")];
    }
    let lines = counted(steps.len(), "line");
    let seen = format!("The table differs from that of the other director in {lines}");
    let shown = steps.into_iter().take(20);
    vec![shown.fold(Found::new(seen), |found, step| found.here(step))]
}
