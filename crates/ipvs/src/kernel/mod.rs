//! One network namespace of the kernel: its lock.

mod lock;

pub use lock::{Lock, LockError};
