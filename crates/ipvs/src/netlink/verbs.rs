//! A method of the client for each change, beside [`Client::apply`], which takes changes as values.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::{Client, KernelSocket, Transport};
use crate::error::{Error, ErrorKind, Operation, Subject};
use crate::model::{
    Change, RealServer, RealServerKey, RealServerState, ServiceKey, SyncDaemon, SyncRole, Timeouts,
    VirtualService,
};

impl Client<KernelSocket> {
    /// Limits the time that a call waits for each answer of the kernel. With `None`, there is no limit, and a new client
    /// has none. The kernel answers within the call that sends a request, so a limit matters only where a lock of the
    /// kernel is held for long.
    ///
    /// A call that exceeds the limit fails with [`ErrorKind::Timeout`]; a change may have been made by then. The client
    /// remains usable.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] for a limit of zero.
    pub fn set_timeout(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        let set = self.transport.set_timeout(limit);
        set.map_err(|error| Error::io(Operation::Connect, error))
    }
}

/// The file descriptor of the netlink socket, such as for entering it in a poll(2).
impl<T: AsFd> AsFd for Client<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

impl<T: Transport> Client<T> {
    /// Adds a virtual service.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when a service has the key, [`ErrorKind::NoScheduler`] when the kernel lacks the scheduler
    /// or the persistence engine.
    pub fn add_service(&mut self, service: &VirtualService) -> Result<(), Error> {
        self.apply(&Change::AddService(service.clone()))
    }

    /// Replaces all settings of a virtual service. [`perform`](crate::plan::perform) edits some and keeps the others.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist, otherwise as [`Client::add_service`].
    pub fn edit_service(&mut self, service: &VirtualService) -> Result<(), Error> {
        self.apply(&Change::EditService(service.clone()))
    }

    /// Deletes a virtual service with its real servers.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist.
    pub fn delete_service(&mut self, service: &ServiceKey) -> Result<(), Error> {
        self.apply(&Change::DeleteService(*service))
    }

    /// Reads one real server. The kernel has no request for this, so the client reads all real servers of the service.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist or lacks the real server.
    pub fn server(
        &mut self,
        service: &ServiceKey,
        server: &RealServerKey,
    ) -> Result<RealServerState, Error> {
        let states = self.real_servers(service)?;
        states.into_iter().find(|state| state.server.key == *server).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, Operation::ListServers)
                .with_subject(Subject::Server(*service, *server))
        })
    }

    /// Adds a real server to a virtual service.
    ///
    /// # Errors
    /// [`ErrorKind::NoService`] when the service does not exist, [`ErrorKind::Exists`] when it has the real server.
    pub fn add_server(&mut self, service: &ServiceKey, server: &RealServer) -> Result<(), Error> {
        self.apply(&Change::AddServer(*service, *server))
    }

    /// Replaces all settings of a real server. [`perform`](crate::plan::perform) edits some and keeps the others.
    ///
    /// # Errors
    /// [`ErrorKind::NoService`] when the service does not exist, [`ErrorKind::NotFound`] when it lacks the real server.
    pub fn edit_server(&mut self, service: &ServiceKey, server: &RealServer) -> Result<(), Error> {
        self.apply(&Change::EditServer(*service, *server))
    }

    /// Deletes a real server from a virtual service.
    ///
    /// # Errors
    /// As [`Client::edit_server`].
    pub fn delete_server(
        &mut self,
        service: &ServiceKey,
        server: &RealServerKey,
    ) -> Result<(), Error> {
        self.apply(&Change::DeleteServer(*service, *server))
    }

    /// Sets the weight of a real server and keeps its other settings. The kernel replaces all settings at once, so the
    /// client reads them first; an edit by another program between reading and writing is lost.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist or lacks the real server.
    pub fn set_weight(
        &mut self,
        service: &ServiceKey,
        server: &RealServerKey,
        weight: u32,
    ) -> Result<(), Error> {
        let current = self.server(service, server)?.server;
        self.edit_server(service, &RealServer { weight, ..current })
    }

    /// Zeroes the counters of one virtual service and its real servers, or with `None` those of all.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist.
    pub fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        self.apply(&Change::Zero(service.copied()))
    }

    /// Deletes all virtual services with their real servers.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.apply(&Change::Flush)
    }

    /// Sets the timeouts that are not zero.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the kernel refuses a timeout.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.apply(&Change::SetTimeouts(*timeouts))
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when a daemon of the role is running, [`ErrorKind::NoInterface`] when the interface does not
    /// exist.
    pub fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.apply(&Change::StartDaemon(daemon.clone()))
    }

    /// Stops the sync daemon of a role.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no daemon of the role is running.
    pub fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        self.apply(&Change::StopDaemon(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_is_send_and_sync<T: Send + Sync>() {}

    #[test]
    fn client_can_move_between_threads_and_be_shared() {
        assert_is_send_and_sync::<Client>();
        assert_is_send_and_sync::<Error>();
    }

    #[test]
    fn receive_that_exceeds_the_limit_is_a_timeout() {
        let mut socket = KernelSocket::open().unwrap();
        socket.set_timeout(Some(Duration::from_millis(1))).unwrap();
        let error = socket.receive(&mut Vec::new()).unwrap_err();
        assert_eq!(Error::io(Operation::GetInfo, error).kind(), ErrorKind::Timeout);
    }
}
