//! A network namespace: the client, the files of `/proc` and the lock that belong to it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Lock;
use crate::error::{Error, ErrorKind, Operation, Subject};
use crate::model::ConnectionFilter;
use crate::netlink::Client;
use crate::procfs::{
    self, Application, Connections, CpuCounters, NetFile, ServicesFile, StatusLine, Sysctl, Totals,
    read_applications, read_cpu_counters, read_status, read_sysctls,
};

/// A network namespace of the machine. Each has its own IPVS table.
///
/// Sockets and files are opened inside the namespace by a short-lived thread and stay there, so one thread can serve
/// many namespaces and stays in its own.
#[derive(Debug)]
pub struct Namespace {
    /// `None` for the namespace of the calling thread.
    handle: Option<Handle>,
}

#[derive(Debug)]
struct Handle {
    path: PathBuf,
    file: File,
}

impl Namespace {
    /// The directory in which ip-netns(8) keeps the namespaces that have names.
    pub const DIRECTORY: &str = "/run/netns";

    /// The network namespace of the calling thread.
    pub const fn current() -> Self {
        Self { handle: None }
    }

    /// The network namespace that a path leads to, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::NotPermitted`] when the path cannot be opened.
    /// [`ErrorKind::Invalid`] when it leads to a file that is not a network namespace.
    pub fn from_path(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let failed = |error: Error| error.with_subject(Subject::File(path.clone()));
        // The path may lead to a FIFO, which must not block.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::empty()).map_err(|errno| {
            failed(Error::io(Operation::EnterNamespace, io::Error::from(errno)))
        })?;
        let handle = Handle { path: path.clone(), file: file.into() };
        let namespace = Self { handle: Some(handle) };
        namespace.enter(|| ())?;
        Ok(namespace)
    }

    /// The network namespace that ip-netns(8) knows by a name: `/run/netns/NAME`.
    ///
    /// # Errors
    /// As [`Namespace::from_path`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::from_path(Path::new(Self::DIRECTORY).join(name))
    }

    /// The network namespace of a process.
    ///
    /// # Errors
    /// As [`Namespace::from_path`].
    pub fn from_pid(pid: u32) -> Result<Self, Error> {
        Self::from_path(format!("/proc/{pid}/ns/net"))
    }

    /// Opens a client of the namespace.
    ///
    /// # Errors
    /// As [`Client::connect`], and when the namespace cannot be entered.
    pub fn connect(&self) -> Result<Client, Error> {
        self.enter(Client::connect)?
    }

    /// Opens the connection table of the namespace, and iterates over the entries that match a filter. A filter with an
    /// origin reads `/proc/net/ip_vs_conn_sync`, which lacks the data of persistence engines.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when ip_vs is not loaded; when the namespace cannot be entered.
    pub fn connections(&self, filter: ConnectionFilter) -> Result<Connections, Error> {
        match filter.origin {
            None => self.connections_of(NetFile::Connections, filter),
            Some(_) => self.connections_with_origin(filter),
        }
    }

    /// Opens the connection table of the namespace like [`Namespace::connections`]. Every entry has its origin, and none
    /// has the data of persistence engines.
    ///
    /// # Errors
    /// As [`Namespace::connections`].
    pub fn connections_with_origin(&self, filter: ConnectionFilter) -> Result<Connections, Error> {
        self.connections_of(NetFile::ConnectionsSync, filter)
    }

    fn connections_of(
        &self,
        file: NetFile,
        filter: ConnectionFilter,
    ) -> Result<Connections, Error> {
        let opened = self.enter(|| file.open())??;
        Ok(Connections::new(file, opened).matching(filter))
    }

    /// Returns true if the namespace has a connection table: it comes with ip_vs.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn has_connections(&self) -> Result<bool, Error> {
        self.enter(procfs::has_connections)
    }

    /// Reads `/proc/net/ip_vs` of the namespace.
    ///
    /// # Errors
    /// As [`ServicesFile::read`], and when the namespace cannot be entered.
    pub fn services_file(&self) -> Result<ServicesFile, Error> {
        ServicesFile::from_reader(self.enter(|| NetFile::Services.open())??)
    }

    /// Reads the totals of the namespace: `/proc/net/ip_vs_stats`.
    ///
    /// # Errors
    /// As [`Totals::from_reader`], and when the file cannot be opened or the namespace cannot be entered.
    pub fn totals(&self) -> Result<Totals, Error> {
        Totals::from_reader(self.enter(|| NetFile::Stats.open())??)
    }

    /// Reads the counters of each CPU in the namespace: `/proc/net/ip_vs_stats_percpu`.
    ///
    /// # Errors
    /// As [`read_cpu_counters`], and when the file cannot be opened or the namespace cannot be entered.
    pub fn cpu_counters(&self) -> Result<Vec<CpuCounters>, Error> {
        read_cpu_counters(self.enter(|| NetFile::StatsPerCpu.open())??)
    }

    /// Reads the helpers of applications in the namespace: `/proc/net/ip_vs_app`.
    ///
    /// # Errors
    /// As [`read_applications`], and when the file cannot be opened or the namespace cannot be entered.
    pub fn applications(&self) -> Result<Vec<Application>, Error> {
        read_applications(self.enter(|| NetFile::Applications.open())??)
    }

    /// Reads the settings of IPVS in the namespace: `net.ipv4.vs.*`, in the order of their names. There are none without
    /// ip_vs, nor in the namespaces of other user namespaces on kernels before 7.1.
    ///
    /// # Errors
    /// When the settings cannot be read or the namespace cannot be entered.
    pub fn sysctls(&self) -> Result<Vec<Sysctl>, Error> {
        self.enter(read_sysctls)?
    }

    /// Reads the load of the tables of the namespace: `/proc/net/ip_vs_status`. `None` if the kernel is older than the
    /// file, or if the caller may not read it.
    ///
    /// # Errors
    /// As [`read_status`], and when the namespace cannot be entered.
    pub fn status(&self) -> Result<Option<Vec<StatusLine>>, Error> {
        match self.enter(|| NetFile::Status.open())? {
            Ok(file) => read_status(file).map(Some),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotPermitted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the lock of the namespace. Programs that replace all rules of a namespace take it, so that one of them works
    /// at a time. They agree on the directory of the lock files, in which only root may write, such as `/run/ipvsadm`.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process holds the lock longer than `patience`; when the lock's file cannot be
    /// opened; when the namespace cannot be entered.
    pub fn lock(&self, directory: &Path, patience: Duration) -> Result<Lock, Error> {
        self.enter(|| Lock::wait(directory, patience))?
    }

    /// Calls a function inside the namespace: on the calling thread in its own namespace, otherwise on a thread that
    /// enters the namespace and ends afterwards.
    ///
    /// # Errors
    /// When the namespace cannot be entered, which takes CAP_SYS_ADMIN.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
        let Some(Handle { path, file }) = &self.handle else { return Ok(work()) };
        let failed = |error: Error| error.with_subject(Subject::File(path.clone()));
        thread::scope(|scope| {
            let inside = thread::Builder::new().spawn_scoped(scope, || {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .map(|()| work())
            });
            let inside =
                inside.map_err(|error| failed(Error::io(Operation::EnterNamespace, error)))?;
            match inside.join() {
                Ok(Ok(result)) => Ok(result),
                Ok(Err(Errno::INVAL)) => Err(failed(
                    Error::new(ErrorKind::Invalid, Operation::EnterNamespace)
                        .with_detail("the file is not a network namespace"),
                )),
                Ok(Err(errno)) => Err(failed(Error::refused(
                    Operation::EnterNamespace,
                    None,
                    errno.raw_os_error(),
                ))),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_and_lock_can_move_between_threads_and_be_shared() {
        fn assert_is_send_and_sync<T: Send + Sync>() {}
        assert_is_send_and_sync::<Namespace>();
        assert_is_send_and_sync::<Lock>();
    }
}
