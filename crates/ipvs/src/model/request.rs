//! One thing that is asked for: a change, or an edit that keeps the settings it does not name.

use super::{
    Change, Forwarding, Netmask, Persistence, PersistenceEngineName, RealServer, RealServerKey,
    SchedulerFlags, SchedulerName, ServiceKey, Tunnel, VirtualService,
};
use thiserror::Error;

/// A change, or an edit of an entry as the kernel has it. [`perform`](crate::plan::perform) performs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Request {
    /// A change that does not depend on the entry as it is.
    Change(Change),
    /// An edit of some settings of a virtual service.
    EditService(ServiceKey, ServiceEdit),
    /// An edit of some settings of a real server.
    EditServer(ServiceKey, RealServerKey, ServerEdit),
    /// An addition that is done already if the entry exists with the same settings.
    AddIfMissing(Entry),
    /// An addition or, if the entry exists, an edit of all its settings.
    Replace(Entry),
    /// A request that is done already if its entry is missing.
    IfExists(Box<Request>),
}

/// A virtual service, or a real server with the key of its service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A virtual service.
    Service(VirtualService),
    /// A real server.
    Server(ServiceKey, RealServer),
}

impl Entry {
    /// The change that adds the entry.
    pub fn addition(&self) -> Change {
        match self {
            Self::Service(service) => Change::AddService(service.clone()),
            Self::Server(key, server) => Change::AddServer(*key, *server),
        }
    }

    /// The change that replaces all settings of the entry.
    pub fn edit(&self) -> Change {
        match self {
            Self::Service(service) => Change::EditService(service.clone()),
            Self::Server(key, server) => Change::EditServer(*key, *server),
        }
    }
}

impl Request {
    /// An edit of a real server's weight.
    pub fn set_weight(service: ServiceKey, server: RealServerKey, weight: u32) -> Self {
        let edit = ServerEdit { weight: Some(WeightEdit::To(weight)), ..ServerEdit::default() };
        Self::EditServer(service, server, edit)
    }

    /// The service that the request is about. `None` for a change of all services, of timeouts or of sync daemons.
    pub const fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::Change(change) => change.service(),
            Self::EditService(key, _) | Self::EditServer(key, ..) => Some(key),
            Self::AddIfMissing(entry) | Self::Replace(entry) => Some(match entry {
                Entry::Service(service) => &service.key,
                Entry::Server(key, _) => key,
            }),
            Self::IfExists(request) => request.service(),
        }
    }
}

impl From<Change> for Request {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

/// The settings of a virtual service to edit. `ServiceEdit::default()` keeps all settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceEdit {
    /// The scheduler.
    pub scheduler: Option<SchedulerName>,
    /// The scheduler's flags.
    pub scheduler_flags: Option<SchedulerFlags>,
    /// The persistence; `Some(None)` ends it.
    pub persistence: Option<Option<Persistence>>,
    /// If true, a service that is persistent keeps its mask, and only takes the timeout of `persistence`.
    pub keeps_netmask: bool,
    /// The mask of a persistent service, whose timeout stays.
    pub netmask: Option<Netmask>,
    /// The persistence engine; `Some(None)` removes it.
    pub engine: Option<Option<PersistenceEngineName>>,
    /// One-packet scheduling.
    pub one_packet: Option<bool>,
}

impl ServiceEdit {
    /// The service with these settings edited.
    #[must_use]
    pub fn applied_to(&self, service: &VirtualService) -> VirtualService {
        let Self {
            scheduler,
            scheduler_flags,
            persistence,
            keeps_netmask,
            netmask,
            engine,
            one_packet,
        } = self;
        let old_mask = service.persistence.map(Persistence::netmask).filter(|_| *keeps_netmask);
        let persistence = match (persistence.unwrap_or(service.persistence), netmask.or(old_mask)) {
            (Some(persistence), Some(mask)) => {
                Some(Persistence::reported(persistence.timeout(), mask))
            }
            (persistence, _) => persistence,
        };
        VirtualService {
            key: service.key,
            scheduler: scheduler.unwrap_or(service.scheduler),
            scheduler_flags: scheduler_flags.unwrap_or(service.scheduler_flags),
            persistence,
            unused_netmask: service.unused_netmask.or(netmask.filter(|_| persistence.is_none())),
            engine: engine.unwrap_or(service.engine),
            one_packet: one_packet.unwrap_or(service.one_packet),
        }
    }
}

/// The settings of a real server to edit. `ServerEdit::default()` keeps all settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerEdit {
    /// The way packets reach the real server.
    pub forwarding: Option<ForwardingEdit>,
    /// The weight.
    pub weight: Option<WeightEdit>,
    /// The upper connection threshold.
    pub upper_threshold: Option<u32>,
    /// The lower connection threshold.
    pub lower_threshold: Option<u32>,
}

/// An edit of the way packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardingEdit {
    /// This one, with its tunnel.
    To(Forwarding),
    /// Tunneling. A tunneled server keeps its tunnel; any other gets IP in IP.
    Tunneling,
}

impl ForwardingEdit {
    fn applied_to(self, forwarding: Forwarding) -> Forwarding {
        match (self, forwarding) {
            (Self::To(forwarding), _) => forwarding,
            (Self::Tunneling, tunneling @ Forwarding::Tunneling(_)) => tunneling,
            (Self::Tunneling, _) => Forwarding::Tunneling(Tunnel::Ipip),
        }
    }
}

/// An edit of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightEdit {
    /// This weight.
    To(u32),
    /// This much more.
    Add(u32),
    /// This much less, but at least 0.
    Subtract(u32),
    /// This percentage, rounded up: only a weight of 0 stays 0.
    Percent(u32),
}

/// A weight above [`RealServer::MAX_WEIGHT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the weight would be {0}, and the largest is {max}", max = RealServer::MAX_WEIGHT)]
pub struct WeightTooLarge(u64);

impl WeightEdit {
    /// The weight that this makes of another one.
    ///
    /// # Errors
    /// When the kernel would take it for a negative number.
    pub fn applied_to(self, weight: u32) -> Result<u32, WeightTooLarge> {
        let old = u64::from(weight);
        let new = match self {
            Self::To(weight) => u64::from(weight),
            Self::Add(more) => old + u64::from(more),
            Self::Subtract(less) => old.saturating_sub(u64::from(less)),
            Self::Percent(percent) => (old * u64::from(percent)).div_ceil(100),
        };
        let is_small = |&weight: &u32| weight <= RealServer::MAX_WEIGHT;
        u32::try_from(new).ok().filter(is_small).ok_or(WeightTooLarge(new))
    }
}

impl ServerEdit {
    /// The real server with these settings edited.
    ///
    /// # Errors
    /// When the weight would be too large.
    pub fn applied_to(&self, server: &RealServer) -> Result<RealServer, WeightTooLarge> {
        let Self { forwarding, weight, upper_threshold, lower_threshold } = self;
        let edited_forwarding = forwarding.map(|edit| edit.applied_to(server.forwarding));
        Ok(RealServer {
            key: server.key,
            forwarding: edited_forwarding.unwrap_or(server.forwarding),
            weight: match weight {
                Some(edit) => edit.applied_to(server.weight)?,
                None => server.weight,
            },
            upper_threshold: upper_threshold.unwrap_or(server.upper_threshold),
            lower_threshold: lower_threshold.unwrap_or(server.lower_threshold),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_is_edited_relative_to_the_old_one() {
        use WeightEdit::*;

        for (edit, old, new) in [
            (To(0), 5, 0),
            (Add(5), 5, 10),
            (Subtract(2), 5, 3),
            (Subtract(6), 5, 0),
            (Percent(50), 5, 3),
            (Percent(1), 5, 1),
            (Percent(50), 0, 0),
            (Percent(200), 5, 10),
            (Add(0), RealServer::MAX_WEIGHT, RealServer::MAX_WEIGHT),
        ] {
            assert_eq!(edit.applied_to(old), Ok(new), "{edit:?} of {old}");
        }
        let too_large = [Add(1), Percent(101), Percent(u32::MAX), To(1 << 31)];
        for edit in too_large {
            let error = edit.applied_to(RealServer::MAX_WEIGHT).unwrap_err();
            assert!(error.0 > u64::from(RealServer::MAX_WEIGHT), "{edit:?}: {error}");
        }
    }

    #[test]
    fn tunnel_stays_unless_another_is_named() {
        let edited = |edit: ForwardingEdit, old| edit.applied_to(old);
        let gue = Forwarding::Tunneling(Tunnel::Gue { port: 6080, checksum: Default::default() });
        assert_eq!(edited(ForwardingEdit::Tunneling, gue), gue);
        let ipip = Forwarding::Tunneling(Tunnel::Ipip);
        assert_eq!(edited(ForwardingEdit::Tunneling, Forwarding::Masquerading), ipip);
        assert_eq!(edited(ForwardingEdit::To(ipip), gue), ipip);
    }

    #[test]
    fn timeout_and_mask_of_a_persistent_service_are_edited_apart() {
        let key = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
        let of = |timeout, length| {
            let mask = Netmask::of_length(length, key.family()).unwrap();
            Some(Persistence::new(timeout, mask).unwrap())
        };
        let service = VirtualService { persistence: of(300, 24), ..VirtualService::new(key) };
        let timeout = ServiceEdit {
            persistence: Some(of(60, 32)),
            keeps_netmask: true,
            ..ServiceEdit::default()
        };
        assert_eq!(timeout.applied_to(&service).persistence, of(60, 24));
        assert_eq!(timeout.applied_to(&VirtualService::new(key)).persistence, of(60, 32));
        let netmask = Netmask::of_length(16, key.family());
        let mask = ServiceEdit { netmask, ..ServiceEdit::default() };
        assert_eq!(mask.applied_to(&service).persistence, of(300, 16));
        assert_eq!(mask.applied_to(&VirtualService::new(key)).persistence, None);
    }
}
