//! Rules: the virtual services and real servers that the kernel has, or that are wanted.
//!
//! A ruleset changes as the kernel's table would. Each entry may carry its origin, such as the line of a file that asks
//! for it; the library never looks into an origin.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use thiserror::Error;

use super::{
    Change, Entry as RuleEntry, RealServer, RealServerKey, Request, ServiceKey, SyncDaemon,
    SyncRole, Timeouts, VirtualService, WeightTooLarge,
};

/// A request and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<O> {
    /// The request.
    pub request: Request,
    /// The place that asks for it, such as a line of a file.
    pub origin: O,
}

/// A virtual service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRules<O = ()> {
    service: VirtualService,
    origin: Option<O>,
    /// In the order of their keys.
    servers: Vec<ServerRule<O>>,
}

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerRule<O = ()> {
    /// The server.
    pub server: RealServer,
    /// The place that asks for it. `None` for a server that the kernel has.
    pub origin: Option<O>,
    /// True if the last change of the server was an edit. A plan that keeps weights still sets this server's weight.
    pub is_edited: bool,
}

/// Virtual services with their real servers, and the settings of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset<O = ()> {
    services: BTreeMap<ServiceKey, ServiceRules<O>>,
    /// Timeouts, sync daemons and counters.
    pub settings: Settings<O>,
    /// The attributes of a newer kernel that this version does not know. They are listed apart, since there are almost
    /// never any.
    pub unknown_attributes: Vec<UnknownAttribute>,
}

/// The settings of a namespace. `None` leaves a setting as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings<O = ()> {
    /// The connection timeouts. A timeout of 0 stays as it is.
    pub timeouts: Option<(Timeouts, Option<O>)>,
    /// The master daemon: the one that runs, or none.
    pub master: Option<(Option<SyncDaemon>, Option<O>)>,
    /// The backup daemon: the one that runs, or none.
    pub backup: Option<(Option<SyncDaemon>, Option<O>)>,
    /// The counters to zero: of one service, or of all.
    pub zeroed: Vec<(Option<ServiceKey>, Option<O>)>,
}

/// An attribute of a newer kernel that this version does not know. An entry that is made again lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// The virtual service.
    pub service: ServiceKey,
    /// Its real server, if the attribute is a real server's.
    pub server: Option<RealServerKey>,
    /// The attribute's number in linux/ip_vs.h.
    pub number: u16,
}

/// A change that does not fit a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RuleConflict<O> {
    /// The service to add exists with other settings; this origin asked for it, unless the kernel had it before.
    #[error("the service exists with other settings")]
    ServiceExists(Option<O>),
    /// The service to edit, delete or zero is missing.
    #[error("no such service")]
    NoSuchService,
    /// The service of a real server is missing.
    #[error("the service of the real server is missing")]
    NoServiceForServer,
    /// The real server to add exists with other settings; this origin asked for it, unless the kernel had it before.
    #[error("the real server exists with other settings")]
    ServerExists(Option<O>),
    /// The real server to edit or delete is missing.
    #[error("no such real server")]
    NoSuchServer,
    /// The relative weight of an edit leads beyond the largest weight.
    #[error(transparent)]
    Weight(#[from] WeightTooLarge),
}

impl<O> RuleConflict<O> {
    /// True if the entry to edit, delete or zero is missing, or the service of it.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::NoSuchService | Self::NoServiceForServer | Self::NoSuchServer)
    }
}

impl<O> Default for Ruleset<O> {
    fn default() -> Self {
        Self {
            services: BTreeMap::new(),
            settings: Settings::default(),
            unknown_attributes: Vec::new(),
        }
    }
}

impl<O> Default for Settings<O> {
    fn default() -> Self {
        Self { timeouts: None, master: None, backup: None, zeroed: Vec::new() }
    }
}

impl<O> Settings<O> {
    /// True if no setting is given and no counter is zeroed.
    pub fn is_empty(&self) -> bool {
        let Self { timeouts, master, backup, zeroed } = self;
        timeouts.is_none() && master.is_none() && backup.is_none() && zeroed.is_empty()
    }

    fn daemon(&mut self, role: SyncRole) -> &mut Option<(Option<SyncDaemon>, Option<O>)> {
        match role {
            SyncRole::Master => &mut self.master,
            SyncRole::Backup => &mut self.backup,
        }
    }
}

impl<O> ServiceRules<O> {
    /// A service without an origin, and its real servers. Of two servers with the same key the last counts.
    pub fn new(service: VirtualService, servers: impl IntoIterator<Item = RealServer>) -> Self {
        let servers =
            servers.into_iter().map(|server| ServerRule { server, origin: None, is_edited: false });
        let mut servers: Vec<ServerRule<O>> = servers.collect();
        // The kernel lists the newest first, and servers are mostly added in order.
        servers.reverse();
        servers.sort_by_key(|rule| rule.server.key);
        servers.dedup_by_key(|rule| rule.server.key);
        Self { service, origin: None, servers }
    }

    /// The service.
    pub fn service(&self) -> &VirtualService {
        &self.service
    }

    /// The service's key.
    pub fn key(&self) -> &ServiceKey {
        &self.service.key
    }

    /// The place that asks for the service. `None` for a service that the kernel has.
    pub fn origin(&self) -> Option<&O> {
        self.origin.as_ref()
    }

    /// The real servers in the order of their keys.
    pub fn servers(&self) -> &[ServerRule<O>] {
        &self.servers
    }

    /// The index of a server, or the index where it would be inserted.
    fn position(&self, key: &RealServerKey) -> Result<usize, usize> {
        // Files and kernels mostly give servers in order.
        match self.servers.last() {
            Some(last) if last.server.key < *key => Err(self.servers.len()),
            _ => self.servers.binary_search_by_key(key, |rule| rule.server.key),
        }
    }

    fn find(&mut self, key: &RealServerKey) -> Result<&mut ServerRule<O>, RuleConflict<O>> {
        let found = self.position(key).ok().and_then(|place| self.servers.get_mut(place));
        found.ok_or(RuleConflict::NoSuchServer)
    }
}

impl<O: Copy> ServiceRules<O> {
    /// Applies a change of a real server. Any other change has no effect.
    fn apply(&mut self, change: &Change, origin: Option<O>) -> Result<(), RuleConflict<O>> {
        match change {
            Change::AddServer(_, server) => {
                self.add_server(ServerRule { server: *server, origin, is_edited: false })
            }
            Change::EditServer(_, server) => {
                *self.find(&server.key)? = ServerRule { server: *server, origin, is_edited: true };
                Ok(())
            }
            Change::DeleteServer(_, key) => {
                let place = self.position(key).map_err(|_| RuleConflict::NoSuchServer)?;
                self.servers.remove(place);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_server(&mut self, added: ServerRule<O>) -> Result<(), RuleConflict<O>> {
        match self.position(&added.server.key) {
            Err(place) => self.servers.insert(place, added),
            Ok(_) => {
                let known = self.find(&added.server.key)?;
                match known.origin {
                    Some(origin) if known.server != added.server => {
                        return Err(RuleConflict::ServerExists(Some(origin)));
                    }
                    _ => *known = added,
                }
            }
        }
        Ok(())
    }
}

impl<O> Ruleset<O> {
    /// The services in the order of their keys.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &ServiceRules<O>> {
        self.services.values()
    }

    /// The service with this key.
    pub fn service(&self, key: &ServiceKey) -> Option<&ServiceRules<O>> {
        self.services.get(key)
    }

    /// True if there is no service. Settings do not count.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The number of real servers of all services together.
    pub fn server_count(&self) -> usize {
        self.services().map(|rules| rules.servers.len()).sum()
    }

    /// The same rules without settings.
    pub fn without_settings(&self) -> Self
    where
        O: Clone,
    {
        let Self { services, settings: _, unknown_attributes } = self;
        Self {
            services: services.clone(),
            settings: Settings::default(),
            unknown_attributes: unknown_attributes.clone(),
        }
    }

    /// Inserts a service with its real servers in place of one with the same key.
    pub fn insert(&mut self, rules: ServiceRules<O>) {
        self.services.insert(rules.service.key, rules);
    }
}

impl<O> FromIterator<ServiceRules<O>> for Ruleset<O> {
    fn from_iter<I: IntoIterator<Item = ServiceRules<O>>>(rules: I) -> Self {
        let services = rules.into_iter().map(|rules| (rules.service.key, rules)).collect();
        Self { services, ..Self::default() }
    }
}

impl<O: Copy> Ruleset<O> {
    /// Performs requests in order, as the kernel would. A request that does not fit is skipped and returned with its
    /// conflict.
    pub fn apply_all(&mut self, rules: &[Rule<O>]) -> Vec<(O, RuleConflict<O>)> {
        let mut conflicts = Vec::new();
        let rules = match self.services.is_empty() {
            true => self.load_sorted(rules, &mut conflicts),
            false => rules,
        };
        // Real servers of a service mostly follow each other: their service is looked up once.
        for run in rules.chunk_by(|one, next| is_of_same_service(&one.request, &next.request)) {
            let key = run.first().and_then(|rule| service_of_server(&rule.request));
            let Some(key) = key else {
                for rule in run {
                    let result = self.perform(&rule.request, Some(rule.origin));
                    conflicts.extend(result.err().map(|conflict| (rule.origin, conflict)));
                }
                continue;
            };
            let mut service = self.services.get_mut(key);
            for rule in run {
                let Request::Change(change) = &rule.request else { continue };
                let service = service.as_mut().ok_or(RuleConflict::NoServiceForServer);
                let result = service.and_then(|service| service.apply(change, Some(rule.origin)));
                conflicts.extend(result.err().map(|conflict| (rule.origin, conflict)));
            }
        }
        conflicts
    }

    /// Loads the first rules into an empty table while they come as a save writes them: services in the order of their
    /// keys, each before its real servers. The map then takes all services without a search for each. Returns the other
    /// rules.
    fn load_sorted<'a>(
        &mut self,
        rules: &'a [Rule<O>],
        conflicts: &mut Vec<(O, RuleConflict<O>)>,
    ) -> &'a [Rule<O>] {
        let mut loaded: Vec<(ServiceKey, ServiceRules<O>)> = Vec::new();
        let mut rest = rules;
        while let [Rule { request: Request::Change(change), origin }, after @ ..] = rest {
            let Change::AddService(service) = change else { break };
            if loaded.last().is_some_and(|(last_key, _)| *last_key >= service.key) {
                break;
            }
            let is_of_service = |rule: &&Rule<O>| match &rule.request {
                Request::Change(Change::AddServer(key, _)) => *key == service.key,
                _ => false,
            };
            let (additions, after) = after.split_at(after.iter().take_while(is_of_service).count());
            // A vector that grows has room for four servers at least, and most memory of small services would be unused.
            let servers = Vec::with_capacity(additions.len());
            let mut rules =
                ServiceRules { service: service.clone(), origin: Some(*origin), servers };
            for Rule { request, origin } in additions {
                let Request::Change(change) = request else { continue };
                let result = rules.apply(change, Some(*origin));
                conflicts.extend(result.err().map(|conflict| (*origin, conflict)));
            }
            loaded.push((service.key, rules));
            rest = after;
        }
        self.services = loaded.into_iter().collect();
        rest
    }

    /// Performs a request: applies its change, or edits the entry as the requests before it left it.
    ///
    /// # Errors
    /// The reason why the request does not fit.
    pub fn perform(&mut self, request: &Request, origin: Option<O>) -> Result<(), RuleConflict<O>> {
        match request {
            Request::Change(change) => self.apply(change, origin),
            Request::EditService(key, edit) => {
                let rules = self.services.get_mut(key).ok_or(RuleConflict::NoSuchService)?;
                rules.service = edit.applied_to(&rules.service);
                rules.origin = origin;
                Ok(())
            }
            Request::EditServer(service, key, edit) => {
                let rules = self.services.get_mut(service);
                let rule = rules.ok_or(RuleConflict::NoServiceForServer)?.find(key)?;
                let is_edited = rule.is_edited || edit.weight.is_some();
                *rule = ServerRule { server: edit.applied_to(&rule.server)?, origin, is_edited };
                Ok(())
            }
            Request::IfExists(request) => match self.perform(request, origin) {
                Err(conflict) if conflict.is_missing() => Ok(()),
                result => result,
            },
            Request::AddIfMissing(entry) => match self.known(entry) {
                None => self.apply(&entry.addition(), origin),
                Some((true, _)) => Ok(()),
                Some((false, earlier)) => Err(match entry {
                    RuleEntry::Service(_) => RuleConflict::ServiceExists(earlier),
                    RuleEntry::Server(..) => RuleConflict::ServerExists(earlier),
                }),
            },
            Request::Replace(entry) => {
                let change = match self.known(entry) {
                    None => entry.addition(),
                    Some(_) => entry.edit(),
                };
                self.apply(&change, origin)
            }
        }
    }

    /// Applies a change, as the kernel would. An entry that the kernel had before (without an origin) may be added again
    /// with other settings. An entry with an origin may be added again only with the same settings.
    ///
    /// # Errors
    /// The reason why the change does not fit.
    pub fn apply(&mut self, change: &Change, origin: Option<O>) -> Result<(), RuleConflict<O>> {
        match change {
            Change::AddService(service) => self.add_service(service, origin)?,
            Change::EditService(service) => {
                let known = self.services.get_mut(&service.key);
                let known = known.ok_or(RuleConflict::NoSuchService)?;
                known.service = service.clone();
                known.origin = origin;
            }
            Change::DeleteService(key) => {
                self.services.remove(key).ok_or(RuleConflict::NoSuchService)?;
                // A deleted service has no counters to zero.
                self.settings.zeroed.retain(|(zeroed, _)| zeroed.as_ref() != Some(key));
            }
            Change::AddServer(key, _)
            | Change::EditServer(key, _)
            | Change::DeleteServer(key, _) => {
                let service = self.services.get_mut(key);
                service.ok_or(RuleConflict::NoServiceForServer)?.apply(change, origin)?;
            }
            Change::Flush => {
                self.services.clear();
                self.settings.zeroed.retain(|(zeroed, _)| zeroed.is_none());
            }
            Change::Zero(Some(key)) if !self.services.contains_key(key) => {
                return Err(RuleConflict::NoSuchService);
            }
            Change::Zero(key) => self.settings.zeroed.push((*key, origin)),
            Change::SetTimeouts(timeouts) => {
                let before = self.settings.timeouts.map(|(timeouts, _)| timeouts);
                let timeouts = before.map_or(*timeouts, |before| timeouts.over(&before));
                self.settings.timeouts = Some((timeouts, origin));
            }
            Change::StartDaemon(daemon) => {
                *self.settings.daemon(daemon.role) = Some((Some(daemon.clone()), origin));
            }
            Change::StopDaemon(role) => *self.settings.daemon(*role) = Some((None, origin)),
        }
        Ok(())
    }

    /// True if the rules have an entry with the same settings, false if with others; and its origin.
    fn known(&self, entry: &RuleEntry) -> Option<(bool, Option<O>)> {
        match entry {
            RuleEntry::Service(service) => {
                let rules = self.services.get(&service.key)?;
                Some((rules.service.serves_as(service), rules.origin))
            }
            RuleEntry::Server(key, server) => {
                let rules = self.services.get(key)?;
                let rule = rules.servers.get(rules.position(&server.key).ok()?)?;
                Some((rule.server.serves_as(server), rule.origin))
            }
        }
    }

    fn add_service(
        &mut self,
        service: &VirtualService,
        origin: Option<O>,
    ) -> Result<(), RuleConflict<O>> {
        match self.services.entry(service.key) {
            Entry::Vacant(entry) => {
                let service = service.clone();
                entry.insert(ServiceRules { service, origin, servers: Vec::new() });
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if let Some(earlier) = known.origin.filter(|_| !known.service.serves_as(service)) {
                    return Err(RuleConflict::ServiceExists(Some(earlier)));
                }
                known.service = service.clone();
                known.origin = origin;
            }
        }
        Ok(())
    }
}

/// The service whose real servers a request changes without a condition.
fn service_of_server(request: &Request) -> Option<&ServiceKey> {
    match request {
        Request::Change(change) => change.service_of_server(),
        _ => None,
    }
}

/// True if two requests are changes of real servers of the same service.
fn is_of_same_service(one: &Request, next: &Request) -> bool {
    service_of_server(one).is_some() && service_of_server(one) == service_of_server(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ipvs::values;

    /// The place of a change in a save: services in the order of their keys, each before its real servers.
    fn place_in_save(change: &Change) -> Option<(ServiceKey, Option<RealServerKey>)> {
        match change {
            Change::AddService(service) => Some((service.key, None)),
            Change::AddServer(key, server) => Some((*key, Some(server.key))),
            _ => None,
        }
    }

    #[test]
    fn loaded_services_have_room_for_their_servers_alone() {
        let address = |last| [10, 0, 0, last].into();
        let rules = (1..=3).flat_map(|count: u8| {
            let key = ServiceKey::tcp((address(count), 80).into());
            let servers = (0..count).map(move |last| {
                let server = RealServerKey { address: address(last), port: 80 };
                Change::AddServer(key, RealServer::new(server))
            });
            std::iter::once(Change::AddService(VirtualService::new(key))).chain(servers)
        });
        let rules: Vec<Rule<()>> =
            rules.map(|change| Rule { request: change.into(), origin: () }).collect();
        let mut ruleset = Ruleset::default();
        assert_eq!(ruleset.apply_all(&rules), []);
        let rooms: Vec<usize> = ruleset.services().map(|rules| rules.servers.capacity()).collect();
        assert_eq!(rooms, [1, 2, 3]);
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn rules_are_applied_together_as_one_after_the_other(
            history in values::history(0..30),
            is_save in any::<bool>(),
        ) {
            let mut changes = history;
            if is_save {
                changes.sort_by_key(|change| {
                    let place = place_in_save(change);
                    (place.is_none(), place)
                });
            }
            let rules = changes.into_iter().enumerate();
            let rules: Vec<Rule<usize>> =
                rules.map(|(origin, change)| Rule { request: change.into(), origin }).collect();
            let (mut together, mut one_by_one) = (Ruleset::default(), Ruleset::default());
            let conflicts: Vec<_> = rules
                .iter()
                .filter_map(|rule| {
                    let result = one_by_one.perform(&rule.request, Some(rule.origin));
                    result.err().map(|conflict| (rule.origin, conflict))
                })
                .collect();
            prop_assert_eq!(together.apply_all(&rules), conflicts);
            prop_assert_eq!(together, one_by_one);
        }
    }
}
