//! The numbers of entries that a plan adds, edits, deletes and leaves as they are.

use super::Plan;
use crate::model::{Change, Ruleset, Scope};

/// The virtual services and real servers of a plan by their fate, and its other steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanCounts {
    /// Services and real servers that are added.
    pub added: usize,
    /// Services and real servers that are edited.
    pub edited: usize,
    /// Services and real servers that are deleted. The real servers of a deleted service count too.
    pub deleted: usize,
    /// Services and real servers that stay as they are.
    pub unchanged: usize,
    /// Changes of timeouts and of sync daemons. A sync daemon that is replaced counts as two: a stop and a start.
    pub settings: usize,
    /// Steps that zero counters, of one service or of all.
    pub zeroed: usize,
}

impl<O> Plan<O> {
    /// Counts the entries of the plan. `current` has the rules that the plan starts from.
    ///
    /// The time depends on the steps and on the number of services, not on the number of real servers that stay.
    pub fn counts<C>(&self, current: &Ruleset<C>) -> PlanCounts {
        let mut counts = PlanCounts::default();
        for step in self.steps() {
            match step.change {
                Change::AddService(_) | Change::AddServer(..) => counts.added += 1,
                Change::EditService(_) | Change::EditServer(..) => counts.edited += 1,
                // Undoing the deletion of a service adds the service and each of its real servers.
                Change::DeleteService(_) => counts.deleted += step.undo.len(),
                Change::DeleteServer(..) => counts.deleted += 1,
                Change::SetTimeouts(_) | Change::StartDaemon(_) | Change::StopDaemon(_) => {
                    counts.settings += 1;
                }
                Change::Zero(_) => counts.zeroed += 1,
                Change::Flush => {}
            }
        }
        let inside =
            current.services().filter(|rules| Scope::any_contains(&self.scopes, rules.key()));
        let before: usize = inside.map(|rules| 1 + rules.servers().len()).sum();
        counts.unchanged = before.saturating_sub(counts.edited + counts.deleted);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RealServer, ServiceKey, ServiceRules, Timeouts, VirtualService};
    use crate::plan::PlanOptions;

    fn key(last: u8) -> ServiceKey {
        ServiceKey::tcp(([10, 0, 0, last], 80).into())
    }

    /// Services with these last bytes of their addresses; each has real servers with these weights.
    fn rules(services: &[(u8, &[u32])]) -> Ruleset {
        services
            .iter()
            .map(|&(last, weights)| {
                let servers = (1..).zip(weights).map(|(n, &weight)| RealServer {
                    weight,
                    ..RealServer::new(format!("10.1.0.{n}:80").parse().unwrap())
                });
                ServiceRules::new(VirtualService::new(key(last)), servers)
            })
            .collect()
    }

    #[test]
    fn each_entry_counts_once() {
        let current = rules(&[(1, &[1, 1]), (2, &[1, 1, 1]), (3, &[5])]);
        let mut wanted = rules(&[(1, &[1, 9, 1]), (3, &[5]), (4, &[1])]);
        wanted.settings.timeouts = Some((Timeouts { tcp: 5, tcp_fin: 0, udp: 0 }, None));
        wanted.settings.zeroed.push((None, None));
        let expected =
            PlanCounts { added: 3, edited: 1, deleted: 4, unchanged: 4, settings: 1, zeroed: 1 };
        assert_eq!(Plan::between(&current, &wanted).counts(&current), expected);
        let same = Plan::between(&current, &current.without_settings()).counts(&current);
        assert_eq!(same, PlanCounts { unchanged: 9, ..PlanCounts::default() });
    }

    #[test]
    fn entries_outside_of_a_scope_do_not_count() {
        let current = rules(&[(1, &[1, 1]), (2, &[1])]);
        let options = PlanOptions::default().scope("10.0.0.2".parse().unwrap());
        let plan = Plan::with_options(&current, &rules(&[(2, &[3])]), &options);
        let expected = PlanCounts { edited: 1, unchanged: 1, ..PlanCounts::default() };
        assert_eq!(plan.counts(&current), expected);
    }
}
