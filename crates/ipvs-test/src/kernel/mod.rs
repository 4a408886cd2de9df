//! A model of the kernel's IPVS, for tests that need no kernel: it decodes requests and encodes answers as Linux 6.1
//! does, from bytes to bytes.
//!
//! - [`State`] is one network namespace: services, real servers, timeouts and sync daemons (`state`).
//! - Commands check their attributes and change the state; each refusal is the errno of the kernel (`commands`).
//! - A [`Socket`] splits datagrams into requests and queues the answers; a dump continues with every datagram that is
//!   received (`socket`). A test can refuse any request, and fail any receive.
//!
//! The model shares no code with the library's codec: it has its own constants and its own attributes, and knows no
//! type of the library. `tests/kernel/kernel_model.rs` runs random requests on the model and on a real kernel and
//! compares the answers.
//!
//! The model has no packets: counters, rates and connection counts are the numbers that a test writes into the state.
//! It has no limits of memory, and it lists services newest first where a real kernel lists them by a hash.

mod attributes;
mod commands;
mod constants;
mod socket;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

pub use socket::{Request, Socket};
pub use state::{Counters, Daemon, RealServer, Service, ServiceKey, State};

/// One network namespace of the model. Clones are handles of the same namespace.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    state: Arc<Mutex<State>>,
}

impl Kernel {
    /// Creates a namespace with an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a socket. Any number may be open at once.
    pub fn socket(&self) -> Socket {
        Socket::new(self.clone())
    }

    /// Locks the state, to look at it or to change it. Requests wait meanwhile.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}
