//! One network namespace: the sockets and files that are opened in it, and its lock.

mod lock;
mod namespace;

pub use lock::Lock;
pub use namespace::Namespace;
