//! Sync daemons, and the other director.

use ipvs::model::SyncRole;
use ipvs::{Plan, Ruleset};

use crate::doctor::{Facts, Found, command};

pub(super) fn bad_interface(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for daemon in &facts.daemons {
        let name = daemon.interface.as_str();
        let interface = facts.host.interfaces.iter().find(|interface| interface.name == name);
        let Some(interface) = interface else { continue };
        let (role, is_up) = (daemon.role, interface.is_up);
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
        (Some(master), Some(backup))
            if master.sync_id == backup.sync_id && master.interface == backup.interface =>
        {
            let seen = format!("Both sync daemons have the sync ID {}", master.sync_id);
            vec![Found::new(seen)]
        }
        _ => Vec::new(),
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
    let seen =
        format!("The table differs from that of the other director in {} lines", steps.len());
    let shown = steps.into_iter().take(20);
    vec![shown.fold(Found::new(seen), |found, step| found.here(step))]
}
