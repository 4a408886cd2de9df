//! A network namespace: the client, the files of `/proc` and the lock that belong to it.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, ErrorKind, Operation, Subject};

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
        let file = File::open(&path)
            .map_err(|error| failed(Error::io(Operation::EnterNamespace, error)))?;
        let namespace = Self { handle: Some(Handle { path: path.clone(), file }) };
        namespace.enter(|| ())?;
        Ok(namespace)
    }

    /// The network namespace that ip-netns(8) knows by a name: `/run/netns/NAME`.
    ///
    /// # Errors
    /// As [`Namespace::from_path`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::from_path(Path::new("/run/netns").join(name))
    }

    /// The network namespace of a process.
    ///
    /// # Errors
    /// As [`Namespace::from_path`].
    pub fn from_pid(pid: u32) -> Result<Self, Error> {
        Self::from_path(format!("/proc/{pid}/ns/net"))
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
