//! The steps from one ruleset to another: only the differences, in an order that loses nothing.

use std::cmp::Ordering;

use super::PlanOptions;
use crate::model::{
    Change, Family, RealServer, Ruleset, Scope, ServerRule, ServiceKey, ServiceRules, Settings,
    SyncDaemon, Timeouts,
};

/// A change and the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<O = ()> {
    /// The change.
    pub change: Change,
    /// The changes that undo it, in order.
    pub undo: Vec<Change>,
    /// The origin of the rule that asks for the change. `None` where no rule does: for an entry that is deleted because
    /// no rule names it.
    pub origin: Option<O>,
}

/// The steps from one ruleset to another, in parts that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<O = ()> {
    /// The parts of the table that the plan is about; without any, all of it.
    pub scopes: Vec<Scope>,
    /// Services and real servers to add or edit.
    pub additions: Vec<Step<O>>,
    /// Timeouts and sync daemons. They precede the removals, because undoing a removal does not restore the counters of
    /// a service: a setting that the kernel refuses fails while nothing is removed.
    pub settings: Vec<Step<O>>,
    /// Services and real servers to delete. They follow all additions, so that the kernel keeps its hooks, and every
    /// service that stays, all the time.
    pub removals: Vec<Step<O>>,
    /// Sync daemons that the kernel refuses to start before the removals.
    pub late_daemons: Vec<Step<O>>,
    /// Counters to zero. Nothing restores them, so they come last.
    pub zeroed: Vec<Step<O>>,
}

impl<O> Default for Plan<O> {
    fn default() -> Self {
        let (additions, settings, removals) = (Vec::new(), Vec::new(), Vec::new());
        let (scopes, late_daemons, zeroed) = (Vec::new(), Vec::new(), Vec::new());
        Self { scopes, additions, settings, removals, late_daemons, zeroed }
    }
}

impl<O: Copy> Plan<O> {
    /// The steps from the current rules to the wanted ones. A setting that the wanted rules leave open stays.
    pub fn between<C: Copy>(current: &Ruleset<C>, wanted: &Ruleset<O>) -> Self {
        Self::with_options(current, wanted, &PlanOptions::default())
    }

    /// The steps from the current rules to the wanted ones, within the options.
    pub fn with_options<C: Copy>(
        current: &Ruleset<C>,
        wanted: &Ruleset<O>,
        options: &PlanOptions,
    ) -> Self {
        let mut plan = Self { scopes: options.scopes.clone(), ..Self::default() };
        let mut deletions = Vec::new();
        for pair in pairs(
            current.services().filter(|rules| Scope::any_contains(&options.scopes, rules.key())),
            wanted.services().filter(|rules| Scope::any_contains(&options.scopes, rules.key())),
            |one| *one.key(),
            |one| *one.key(),
        ) {
            match pair {
                (Some(current), Some(wanted)) => plan.edit_service(current, wanted, options),
                (None, Some(wanted)) => plan.add_service(wanted),
                (Some(current), None) => deletions.push(delete_service(current)),
                (None, None) => {}
            }
        }
        plan.removals.append(&mut deletions);
        if options.scopes.is_empty() {
            plan.set(&current.settings, &wanted.settings);
        }
        plan.zero(&wanted.settings, options);
        plan
    }

    fn add_service(&mut self, wanted: &ServiceRules<O>) {
        self.additions.push(Step {
            change: Change::AddService(wanted.service().clone()),
            undo: vec![Change::DeleteService(*wanted.key())],
            origin: wanted.origin().copied(),
        });
        for rule in wanted.servers() {
            self.add_server(wanted.key(), rule);
        }
    }

    fn add_server(&mut self, key: &ServiceKey, ServerRule { server, origin, .. }: &ServerRule<O>) {
        self.additions.push(Step {
            change: Change::AddServer(*key, *server),
            undo: vec![Change::DeleteServer(*key, server.key)],
            origin: *origin,
        });
    }

    fn edit_service<C: Copy>(
        &mut self,
        current: &ServiceRules<C>,
        wanted: &ServiceRules<O>,
        options: &PlanOptions,
    ) {
        let key = wanted.key();
        if !current.service().serves_as(wanted.service()) {
            self.additions.push(Step {
                change: Change::EditService(wanted.service().clone()),
                undo: vec![Change::EditService(current.service().clone())],
                origin: wanted.origin().copied(),
            });
        }
        for pair in pairs(
            current.servers(),
            wanted.servers(),
            |rule| rule.server.key,
            |rule| rule.server.key,
        ) {
            match pair {
                (Some(current), Some(wanted)) => {
                    let mut wanted = *wanted;
                    if options.keep_weights && !wanted.is_edited {
                        wanted.server.weight = current.server.weight;
                    }
                    self.edit_server(key, &current.server, &wanted);
                }
                (None, Some(wanted)) => self.add_server(key, wanted),
                (Some(current), None) => self.removals.push(Step {
                    change: Change::DeleteServer(*key, current.server.key),
                    undo: vec![Change::AddServer(*key, current.server)],
                    origin: None,
                }),
                (None, None) => {}
            }
        }
    }

    fn edit_server(&mut self, key: &ServiceKey, current: &RealServer, wanted: &ServerRule<O>) {
        if !current.serves_as(&wanted.server) {
            self.additions.push(Step {
                change: Change::EditServer(*key, wanted.server),
                undo: vec![Change::EditServer(*key, *current)],
                origin: wanted.origin,
            });
        }
    }

    fn set<C: Copy>(&mut self, current: &Settings<C>, wanted: &Settings<O>) {
        let timeouts = current.timeouts.map(|(timeouts, _)| timeouts);
        self.set_timeouts(timeouts, wanted);
        for (current, wanted) in
            [(&current.master, &wanted.master), (&current.backup, &wanted.backup)]
        {
            let running = current.as_ref().and_then(|(daemon, _)| daemon.as_ref());
            if let Some((wanted, origin)) = wanted {
                self.set_daemon(running, wanted.as_ref(), *origin);
            }
        }
        // The kernel starts no daemon while a service has a real server of another address family.
        if self.removals.iter().any(removes_other_family) {
            let is_of_daemon = |step: &Step<O>| {
                matches!(step.change, Change::StartDaemon(_) | Change::StopDaemon(_))
            };
            (self.late_daemons, self.settings) =
                std::mem::take(&mut self.settings).into_iter().partition(is_of_daemon);
        }
    }

    fn zero(&mut self, wanted: &Settings<O>, options: &PlanOptions) {
        for (service, origin) in &wanted.zeroed {
            // The counters of all services are outside every scope.
            let is_included = match service {
                Some(key) => Scope::any_contains(&options.scopes, key),
                None => options.scopes.is_empty(),
            };
            if is_included {
                let change = Change::Zero(*service);
                self.zeroed.push(Step { change, undo: Vec::new(), origin: *origin });
            }
        }
    }

    fn set_timeouts(&mut self, current: Option<Timeouts>, wanted: &Settings<O>) {
        let Some((wanted, origin)) = &wanted.timeouts else { return };
        if current.is_some_and(|current| wanted.over(&current) == current) {
            return;
        }
        self.settings.push(Step {
            change: Change::SetTimeouts(*wanted),
            undo: current.map(Change::SetTimeouts).into_iter().collect(),
            origin: *origin,
        });
    }

    /// A daemon cannot be edited: one that differs stops first.
    fn set_daemon(
        &mut self,
        running: Option<&SyncDaemon>,
        wanted: Option<&SyncDaemon>,
        origin: Option<O>,
    ) {
        if running.zip(wanted).is_some_and(|(running, wanted)| running.serves_as(wanted)) {
            return;
        }
        if let Some(running) = running {
            self.settings.push(Step {
                change: Change::StopDaemon(running.role),
                undo: vec![Change::StartDaemon(running.clone())],
                origin,
            });
        }
        if let Some(wanted) = wanted {
            self.settings.push(Step {
                change: Change::StartDaemon(wanted.clone()),
                undo: vec![Change::StopDaemon(wanted.role)],
                origin,
            });
        }
    }
}

impl<O> Plan<O> {
    /// The parts in order. A part begins when the kernel has made all changes of the parts before it.
    pub fn parts(&self) -> [&[Step<O>]; 5] {
        let Self { scopes: _, additions, settings, removals, late_daemons, zeroed } = self;
        [additions, settings, removals, late_daemons, zeroed]
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step<O>> {
        self.parts().into_iter().flatten()
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the plan leaves services, real servers and settings as they are.
    pub fn zeroes_only(&self) -> bool {
        self.steps().all(|step| matches!(step.change, Change::Zero(_)))
    }
}

/// Pairs the items of two sequences that have the same key. Both sequences are in the order of their keys; an item whose
/// key the other sequence lacks has no partner.
fn pairs<A, B, K: Ord>(
    ones: impl IntoIterator<Item = A>,
    others: impl IntoIterator<Item = B>,
    key_of_one: impl Fn(&A) -> K,
    key_of_other: impl Fn(&B) -> K,
) -> impl Iterator<Item = (Option<A>, Option<B>)> {
    let mut ones = ones.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    std::iter::from_fn(move || {
        let order = match (ones.peek(), others.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => key_of_one(one).cmp(&key_of_other(other)),
        };
        Some(match order {
            Ordering::Less => (ones.next(), None),
            Ordering::Greater => (None, others.next()),
            Ordering::Equal => (ones.next(), others.next()),
        })
    })
}

/// True if a step removes a real server whose address is of another family than its service.
fn removes_other_family<O>(step: &Step<O>) -> bool {
    step.undo.iter().any(|change| match change {
        Change::AddServer(key, server) => Family::of(server.key.address) != key.family(),
        _ => false,
    })
}

fn delete_service<C, O>(current: &ServiceRules<C>) -> Step<O> {
    let key = *current.key();
    let servers = current.servers().iter().map(|rule| Change::AddServer(key, rule.server));
    let undo = std::iter::once(Change::AddService(current.service().clone())).chain(servers);
    Step { change: Change::DeleteService(key), undo: undo.collect(), origin: None }
}
