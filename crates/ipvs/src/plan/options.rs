//! Options of a plan: the part of the table that it may change, and settings that it leaves to others.

use std::ops::RangeInclusive;

use crate::model::{Network, ServiceKey};

/// Options of a [`Plan`](super::Plan). The default makes the table exactly the wanted one.
///
/// ```
/// use ipvs::plan::{PlanOptions, Scope};
///
/// let network = "192.0.2.0/24".parse().unwrap();
/// let options = PlanOptions::default().scope(Scope::Network(network)).keep_weights(true);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// The part of the table that the plan is about. Without a scope, the plan is about all services.
    pub scope: Option<Scope>,
    /// If true, real servers that exist keep their weights, such as those that a health check sets. The weight of an
    /// edit ([`Change::EditServer`](crate::model::Change::EditServer)) counts all the same.
    pub keep_weights: bool,
}

impl PlanOptions {
    /// Sets the services that the plan is about.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Sets whether real servers that exist keep their weights.
    #[must_use]
    pub fn keep_weights(self, keep_weights: bool) -> Self {
        Self { keep_weights, ..self }
    }

    /// Returns true for a service that the plan is about.
    pub(super) fn includes(&self, key: &ServiceKey) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(key))
    }
}

/// A part of the table. A plan with a scope leads to exactly the wanted services inside the scope. It does not change
/// services outside, timeouts or sync daemons, and it ignores wanted services that are outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The services whose address is in a network.
    Network(Network),
    /// The services of the firewall marks in a range.
    Fwmarks(RangeInclusive<u32>),
}

impl Scope {
    /// Returns true for a service inside the scope.
    pub fn contains(&self, key: &ServiceKey) -> bool {
        match (self, *key) {
            (Self::Network(network), ServiceKey::Address { address, .. }) => {
                network.contains(address)
            }
            (Self::Fwmarks(marks), ServiceKey::Fwmark { mark, .. }) => marks.contains(&mark.get()),
            _ => false,
        }
    }
}
