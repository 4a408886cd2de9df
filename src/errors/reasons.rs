//! Reasons of refusals, as sentences about facts.
//!
//! An error message and the doctor name the same reason in the same words. Looks at nothing: the callers have the facts.

use std::path::PathBuf;

use ipvs::model::{RealServerKey, ServiceKey, SyncRole};

use crate::host::ModuleState;

/// The schedulers of Linux 6.12.
const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
];

/// The persistence engines of Linux 6.12.
const ENGINES: &[&str] = &["sip"];

/// A part of IPVS that is a kernel module of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelPart {
    /// A scheduler.
    Scheduler,
    /// A persistence engine.
    Engine,
}

impl KernelPart {
    const fn noun(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Engine => "persistence engine",
        }
    }

    const fn known(self) -> &'static [&'static str] {
        match self {
            Self::Scheduler => SCHEDULERS,
            Self::Engine => ENGINES,
        }
    }

    /// The name of the module.
    pub fn module(self, name: &str) -> String {
        match self {
            Self::Scheduler => format!("ip_vs_{name}"),
            Self::Engine => format!("ip_vs_pe_{name}"),
        }
    }
}

/// The facts that decide whether ip_vs can be loaded.
#[derive(Clone, Debug, Default)]
pub struct WaysToLoad {
    /// True if an administrator has banned the loading of modules.
    pub is_banned: bool,
    /// The state of the module ip_vs.
    pub state: Option<ModuleState>,
    /// The program that the kernel runs to load a module, if it is missing.
    pub missing_modprobe: Option<PathBuf>,
    /// True if this process may load modules.
    pub may_load: bool,
}

/// The reason why the kernel has no IPVS. `None` if it could be loaded.
pub fn no_ipvs(ways: &WaysToLoad) -> Option<String> {
    if ways.is_banned {
        return Some(
            "loading modules is banned: kernel.modprobe is empty or kernel.modules_disabled is 1; \
             load ip_vs at boot"
                .to_owned(),
        );
    }
    match (ways.state.as_ref()?, &ways.missing_modprobe) {
        (ModuleState::Present, _) => None,
        (ModuleState::NoDirectory(directory), _) => Some(format!(
            "{} is missing: install the modules of the running kernel, or boot the kernel whose modules are installed; \
             in a container, run modprobe ip_vs on the host",
            directory.display()
        )),
        (ModuleState::Missing(directory), _) => Some(format!(
            "no module ip_vs in {}: install the package with the kernel's extra modules, or a kernel with CONFIG_IP_VS",
            directory.display()
        )),
        (ModuleState::Loadable, Some(path)) => {
            Some(format!("{} is missing: install kmod", path.display()))
        }
        (ModuleState::Loadable, None) => (!ways.may_load).then(|| {
            "loading a module takes CAP_SYS_MODULE: run modprobe ip_vs as root on the host"
                .to_owned()
        }),
    }
}

/// The reason why root cannot change the table. `None` for other users, and for a process that has the right.
pub fn no_rights(
    is_root: bool,
    is_initial_user_namespace: bool,
    has_net_admin: bool,
) -> Option<&'static str> {
    if !is_root {
        return None;
    }
    if !is_initial_user_namespace {
        return Some(
            "CAP_NET_ADMIN in the initial user namespace is needed, and this process is in another one; \
             a rootless container cannot have it",
        );
    }
    (!has_net_admin).then_some(
        "CAP_NET_ADMIN in the initial user namespace is needed, and this process is root without it; \
         docker run --cap-add NET_ADMIN gives it",
    )
}

/// Rules that start a sync daemon and add a real server with another IP version than its service.
pub fn daemon_beside_server(role: SyncRole, server: &RealServerKey) -> String {
    format!(
        "the rules start the sync daemon {role} and add {server}, which has another IP version than its service: \
         the kernel takes one of them alone"
    )
}

/// A real server that keeps sync daemons from starting.
pub fn other_family(service: &ServiceKey, server: &RealServerKey) -> String {
    format!(
        "{server} of {service} has another IP version than its service: \
         no sync daemon starts while there is such a real server"
    )
}

/// Names a scheduler or an engine that the kernel neither has nor can load. `state` is the state of its module.
pub fn missing_part(
    part: KernelPart,
    name: &str,
    state: Option<ModuleState>,
    is_banned: bool,
) -> Option<String> {
    let (noun, known) = (part.noun(), part.known());
    let named = format!("{noun} {name}");
    if known.contains(&name) {
        let module = part.module(name);
        return match state? {
            ModuleState::Present => None,
            ModuleState::Loadable if is_banned => {
                Some(format!("{named}: loading modules is banned; load {module} at boot"))
            }
            ModuleState::Loadable => None,
            ModuleState::Missing(directory) => {
                Some(format!("{named}: no module {module} in {}", directory.display()))
            }
            ModuleState::NoDirectory(directory) => {
                Some(format!("{named}: {} is missing", directory.display()))
            }
        };
    }
    if state == Some(ModuleState::Present) {
        return None;
    }
    let lower = name.to_lowercase();
    if known.contains(&lower.as_str()) {
        return Some(format!("{named}: names are lower case, did you mean {lower}?"));
    }
    let near = known.iter().map(|&known| (distance(&lower, known), known)).min();
    Some(match near {
        Some((1, near)) => format!("{named}: did you mean {near}?"),
        _ => format!("{named}: the kernel has {}", known.join(", ")),
    })
}

/// The number of letters to insert, delete, replace or swap with the next, to make one word of another.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let width = other.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, expected) in other.iter().enumerate() {
            let cell = |rows: &[Vec<usize>], up: usize, column: usize| {
                let row = rows.len().checked_sub(up).and_then(|place| rows.get(place));
                row.and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX / 2)
            };
            let replaced = cell(&rows, 1, j) + usize::from(letter != expected);
            let deleted = cell(&rows, 1, j + 1) + 1;
            let inserted = row.get(j).copied().unwrap_or_default() + 1;
            let before = |letters: &[char], place: usize| {
                place.checked_sub(1).and_then(|place| letters.get(place)).copied()
            };
            let is_swapped =
                before(&one, i) == Some(*expected) && before(&other, j) == Some(*letter);
            let swapped = match (is_swapped, j.checked_sub(1)) {
                (true, Some(column)) => cell(&rows, 2, column) + 1,
                _ => usize::MAX,
            };
            row.push(replaced.min(deleted).min(inserted).min(swapped));
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_that_could_be_loaded_has_no_reason() {
        let ways = WaysToLoad { state: Some(ModuleState::Loadable), ..WaysToLoad::default() };
        assert!(no_ipvs(&ways).unwrap().starts_with("loading a module takes CAP_SYS_MODULE"));
        let mut ways = WaysToLoad { may_load: true, ..ways };
        assert_eq!(no_ipvs(&ways), None);
        ways.missing_modprobe = Some("/sbin/modprobe".into());
        assert_eq!(no_ipvs(&ways).unwrap(), "/sbin/modprobe is missing: install kmod");
        ways.state = None;
        assert_eq!(no_ipvs(&ways), None);
        ways.is_banned = true;
        assert!(no_ipvs(&ways).unwrap().starts_with("loading modules is banned"));
    }

    #[test]
    fn distance_counts_letters_and_swaps() {
        for (one, other, expected) in [
            ("wrr", "wrr", 0),
            ("wwr", "wrr", 1),
            ("rw", "wr", 1),
            ("wlcc", "wlc", 1),
            ("", "rr", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn scheduler_is_suggested_by_its_letters() {
        let said = |name| missing_part(KernelPart::Scheduler, name, None, false).unwrap();
        assert_eq!(said("WRR"), "scheduler WRR: names are lower case, did you mean wrr?");
        assert_eq!(said("wwrr"), "scheduler wwrr: did you mean wrr?");
        assert!(said("roundrobin").starts_with("scheduler roundrobin: the kernel has rr, wrr, "));
    }

    #[test]
    fn module_of_a_known_scheduler_may_be_missing() {
        let said = |state| missing_part(KernelPart::Engine, "sip", state, false);
        assert_eq!(said(Some(ModuleState::Loadable)), None);
        let missing = said(Some(ModuleState::Missing("/lib/modules/6".into())));
        assert_eq!(
            missing.unwrap(),
            "persistence engine sip: no module ip_vs_pe_sip in /lib/modules/6"
        );
        assert!(
            missing_part(KernelPart::Scheduler, "rr", Some(ModuleState::Loadable), true).is_some()
        );
    }
}
