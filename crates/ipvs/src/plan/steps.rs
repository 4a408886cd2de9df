//! From one table to another: only what differs, in an order that loses nothing.

use super::{Server, Service, Table, Target};
use crate::model::{Change, Family, ServiceKey, SyncDaemon, SyncRole, Timeouts};

/// One change and the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The change.
    pub change: Change,
    /// What takes it back, in order.
    pub undo: Vec<Change>,
    /// The line that asks for it; 0 where none does, as for what is no longer in the file.
    pub line: u64,
}

/// Changes in parts, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Services and real servers that come or are edited.
    pub additions: Vec<Step>,
    /// Timeouts and sync daemons. They come before the removals, because undoing a removal does not bring the
    /// counters of a service back: a value that the kernel refuses is found while nothing is removed.
    pub settings: Vec<Step>,
    /// Services and real servers that go. They go when all that comes is there, so that the kernel's hooks and every
    /// service that stays are in place all the time.
    pub removals: Vec<Step>,
    /// Sync daemons that the kernel refuses to start before the removals.
    pub late_daemons: Vec<Step>,
    /// Counters that are zeroed. Nothing brings them back, so they come last.
    pub zeroed: Vec<Step>,
}

impl Plan {
    /// The changes from one table to another.
    pub fn between(current: &Table, target: &Table) -> Self {
        let mut plan = Self::default();
        for (key, wanted) in &target.services {
            match current.services.get(key) {
                Some(known) => plan.adapt(key, known, wanted),
                None => plan.create(key, wanted),
            }
        }
        for (key, known) in &current.services {
            if !target.services.contains_key(key) {
                plan.removals.push(Step {
                    change: Change::DeleteService(*key),
                    undo: creation(key, known),
                    line: 0,
                });
            }
        }
        plan
    }

    fn create(&mut self, key: &ServiceKey, wanted: &Service) {
        self.additions.push(Step {
            change: Change::AddService(wanted.service.clone()),
            undo: vec![Change::DeleteService(*key)],
            line: wanted.line,
        });
        for server in wanted.servers.values() {
            self.add(key, server);
        }
    }

    fn add(&mut self, key: &ServiceKey, Server { server, line }: &Server) {
        self.additions.push(Step {
            change: Change::AddServer(*key, *server),
            undo: vec![Change::DeleteServer(*key, server.key)],
            line: *line,
        });
    }

    fn adapt(&mut self, key: &ServiceKey, known: &Service, wanted: &Service) {
        if !known.service.serves_as(&wanted.service) {
            self.additions.push(Step {
                change: Change::EditService(wanted.service.clone()),
                undo: vec![Change::EditService(known.service.clone())],
                line: wanted.line,
            });
        }
        for (server_key, wanted) in &wanted.servers {
            match known.servers.get(server_key) {
                None => self.add(key, wanted),
                Some(known) if !known.server.serves_as(&wanted.server) => {
                    self.additions.push(Step {
                        change: Change::EditServer(*key, wanted.server),
                        undo: vec![Change::EditServer(*key, known.server)],
                        line: wanted.line,
                    })
                }
                Some(_) => {}
            }
        }
        for (server_key, known) in &known.servers {
            if !wanted.servers.contains_key(server_key) {
                self.removals.push(Step {
                    change: Change::DeleteServer(*key, *server_key),
                    undo: vec![Change::AddServer(*key, known.server)],
                    line: 0,
                });
            }
        }
    }

    /// Adds the settings that differ from the timeouts and daemons that the kernel has, and the counters to zero.
    pub fn add_settings(&mut self, target: &Target, timeouts: &Timeouts, daemons: &[SyncDaemon]) {
        let differs = |wanted: &Timeouts| wanted.over(timeouts) != *timeouts;
        if let Some((wanted, line)) = target.timeouts.as_ref().filter(|(wanted, _)| differs(wanted))
        {
            self.settings.push(Step {
                change: Change::SetTimeouts(*wanted),
                undo: vec![Change::SetTimeouts(*timeouts)],
                line: *line,
            });
        }
        for (role, wanted) in
            [(SyncRole::Master, &target.master), (SyncRole::Backup, &target.backup)]
        {
            let running = daemons.iter().find(|daemon| daemon.role == role);
            if let Some((wanted, line)) = wanted {
                self.set_daemon(running, wanted.as_ref(), *line);
            }
        }
        for (change, line) in &target.zeroed {
            // Counters do not come back.
            self.zeroed.push(Step { change: change.clone(), undo: Vec::new(), line: *line });
        }
        // The kernel starts no daemon while a service has a real server of another address family.
        if self.removals.iter().any(removes_other_family) {
            let is_of_daemon =
                |step: &Step| matches!(step.change, Change::StartDaemon(_) | Change::StopDaemon(_));
            (self.late_daemons, self.settings) =
                std::mem::take(&mut self.settings).into_iter().partition(is_of_daemon);
        }
    }

    /// A daemon cannot be edited: one that has to be different stops first.
    fn set_daemon(&mut self, running: Option<&SyncDaemon>, wanted: Option<&SyncDaemon>, line: u64) {
        if running.zip(wanted).is_some_and(|(running, wanted)| running.serves_as(wanted)) {
            return;
        }
        if let Some(running) = running {
            self.settings.push(Step {
                change: Change::StopDaemon(running.role),
                undo: vec![Change::StartDaemon(running.clone())],
                line,
            });
        }
        if let Some(wanted) = wanted {
            self.settings.push(Step {
                change: Change::StartDaemon(wanted.clone()),
                undo: vec![Change::StopDaemon(wanted.role)],
                line,
            });
        }
    }

    /// The parts in order. A part begins when the kernel has made all changes of the parts before it.
    pub fn parts(&self) -> [&[Step]; 5] {
        let Self { additions, settings, removals, late_daemons, zeroed } = self;
        [additions, settings, removals, late_daemons, zeroed]
    }

    /// Whether the plan leaves services, real servers and settings as they are.
    pub fn zeroes_only(&self) -> bool {
        self.steps().all(|step| matches!(step.change, Change::Zero(_)))
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.parts().into_iter().flatten()
    }
}

/// Whether a step removes a real server whose address is of another family than its service.
fn removes_other_family(step: &Step) -> bool {
    step.undo.iter().any(|change| match change {
        Change::AddServer(key, server) => Family::of(server.key.address) != key.family(),
        _ => false,
    })
}

/// The changes that make a service out of nothing.
fn creation(key: &ServiceKey, service: &Service) -> Vec<Change> {
    let servers = service.servers.values().map(|known| Change::AddServer(*key, known.server));
    std::iter::once(Change::AddService(service.service.clone())).chain(servers).collect()
}
