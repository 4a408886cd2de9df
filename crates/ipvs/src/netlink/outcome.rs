//! The result of many changes at once.

use crate::error::Error;

/// A change that the kernel refused, with its index in the input of [`Client::apply_all`](super::Client::apply_all).
#[derive(Debug)]
pub struct Failure {
    /// The place of the change, counted from 0.
    pub index: usize,
    /// The kernel's refusal.
    pub error: Error,
}

impl Failure {
    /// The same failure among changes of which there are more before it.
    pub(super) fn shifted(self, by: usize) -> Self {
        Self { index: self.index + by, ..self }
    }
}

/// The result of many changes: those that the kernel refused did not keep it from making the others.
#[must_use = "the kernel may have refused changes"]
#[derive(Debug, Default)]
pub struct Outcome {
    failures: Vec<Failure>,
}

impl Outcome {
    pub(super) fn new(failures: Vec<Failure>) -> Self {
        Self { failures }
    }

    /// The changes that the kernel refused, in order.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// True if the kernel has made all changes.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Makes a refusal an error.
    ///
    /// # Errors
    /// The first refusal, if there is one.
    pub fn complete(self) -> Result<(), Error> {
        self.failures.into_iter().next().map_or(Ok(()), |failure| Err(failure.error))
    }

    /// The changes that the kernel refused, in order.
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}
