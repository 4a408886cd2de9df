//! Options of a plan: the part of the table that it may change, and settings that it leaves to others.

use crate::model::Scope;

/// Options of a [`Plan`](super::Plan). The default makes the table exactly the wanted one.
///
/// ```
/// use ipvs::plan::PlanOptions;
///
/// let network = "192.0.2.0/24".parse().unwrap();
/// let options = PlanOptions::default().scope(network).keep_weights(true);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// The parts of the table that the plan is about; without any, the plan is about all services. A plan with scopes leads
    /// to exactly the wanted services inside them. It does not change services outside, timeouts or sync daemons, and it
    /// ignores wanted services that are outside.
    pub scopes: Vec<Scope>,
    /// If true, real servers that exist keep their weights, such as those that a health check sets. The weight of an
    /// edit ([`Change::EditServer`](crate::model::Change::EditServer)) counts all the same.
    pub keep_weights: bool,
}

impl PlanOptions {
    /// Adds a part of the table that the plan is about.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// Sets whether real servers that exist keep their weights.
    #[must_use]
    pub fn keep_weights(self, keep_weights: bool) -> Self {
        Self { keep_weights, ..self }
    }
}
