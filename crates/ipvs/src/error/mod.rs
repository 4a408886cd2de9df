//! The library's one error type.
//!
//! An error has the operation, the entry it was about and the kernel's errno; callers decide by its kind.

mod operation;

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::model::Change;

pub use operation::{Operation, Subject};

/// The kinds of failure that a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel has no IPVS: the module ip_vs is not loaded, or the kernel was built without it.
    NoFamily,
    /// The caller lacks a right: CAP_NET_ADMIN in the initial user namespace for IPVS.
    NotPermitted,
    /// The entry is missing: the service, real server or daemon that was to be read, edited, deleted or stopped.
    NotFound,
    /// The virtual service of a real server is missing.
    NoService,
    /// The entry that was to be added or started is there already.
    Exists,
    /// The kernel has no scheduler or no persistence engine of that name.
    NoScheduler,
    /// The kernel has no network interface of that name.
    NoInterface,
    /// A value is outside the kernel's range.
    OutOfRange,
    /// The kernel refuses the values or their combination (EINVAL).
    Invalid,
    /// The kernel is out of memory, or its socket buffers are full.
    OutOfMemory,
    /// The table kept changing while it was read.
    Interrupted,
    /// The time limit passed.
    Timeout,
    /// Another process holds the lock.
    Locked,
    /// The kernel's answer is malformed, or has a value that this version does not know.
    Malformed,
    /// The socket or the file failed.
    Io,
    /// Any other errno.
    Other,
}

/// The failure of an operation.
pub struct Error(Box<Content>);

struct Content {
    kind: ErrorKind,
    operation: Operation,
    subject: Option<Subject>,
    /// The change that was refused.
    change: Option<Box<Change>>,
    errno: Option<i32>,
    /// A detail that kind and errno do not tell.
    detail: Option<Box<str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without an errno.
    pub(crate) fn new(kind: ErrorKind, operation: Operation) -> Self {
        let (subject, change, errno, detail, source) = (None, None, None, None, None);
        Self(Box::new(Content { kind, operation, subject, change, errno, detail, source }))
    }

    /// The kernel's refusal of an operation, with its errno(3).
    pub fn refused(operation: Operation, subject: Option<Subject>, errno: i32) -> Self {
        let mut error = Self::new(kind_of(operation, errno), operation);
        error.0.subject = subject;
        error.0.errno = Some(errno);
        error
    }

    /// The kernel's refusal of a change, with its errno(3). A program that predicts a refusal makes one as well.
    pub fn refused_change(change: &Change, errno: i32) -> Self {
        let mut error = Self::refused(change.into(), Subject::of(change), errno);
        error.0.change = Some(Box::new(change.clone()));
        error
    }

    /// A system call that failed.
    pub(crate) fn io(operation: Operation, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::Timeout,
            _ => ErrorKind::Io,
        };
        let mut error = Self::new(kind, operation);
        error.0.errno = source.raw_os_error();
        error.0.source = Some(Box::new(source));
        error
    }

    pub(crate) fn with_subject(mut self, subject: Subject) -> Self {
        self.0.subject = Some(subject);
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// An answer or a file whose content has another form than expected.
    pub(crate) fn malformed(
        operation: Operation,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(ErrorKind::Malformed, operation);
        error.0.source = Some(Box::new(source));
        error
    }

    pub(crate) fn is_errno(&self, errno: Errno) -> bool {
        self.0.errno == Some(errno.raw_os_error())
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The entry or file that the operation was about.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// The change that the kernel refused, with all its values. `None` if the operation was not a change.
    pub fn change(&self) -> Option<&Change> {
        self.0.change.as_deref()
    }

    /// A detail that the kind does not tell, such as the line of a file that was not understood.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The errno of the kernel or of the system call that failed (errno(3)).
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }
}

/// The kind of a refusal. The kernel's IPVS has no error numbers of its own: it uses errno(3).
fn kind_of(operation: Operation, errno: i32) -> ErrorKind {
    use Operation::*;

    match (operation, Errno::from_raw_os_error(errno)) {
        (AddService | EditService, Errno::NOENT) => ErrorKind::NoScheduler,
        (FindFamily, Errno::NOENT) => ErrorKind::NoFamily,
        (AddServer | EditServer | DeleteServer, Errno::SRCH) => ErrorKind::NoService,
        (_, Errno::SRCH | Errno::NOENT) => ErrorKind::NotFound,
        (_, Errno::EXIST) => ErrorKind::Exists,
        (_, Errno::PERM | Errno::ACCESS) => ErrorKind::NotPermitted,
        (_, Errno::NODEV) => ErrorKind::NoInterface,
        (_, Errno::RANGE) => ErrorKind::OutOfRange,
        (_, Errno::INVAL) => ErrorKind::Invalid,
        (_, Errno::NOMEM | Errno::NOBUFS) => ErrorKind::OutOfMemory,
        _ => ErrorKind::Other,
    }
}

impl ErrorKind {
    /// The reason in the error's text. `None` where the errno's own text says it better.
    const fn reason(self, operation: Operation) -> Option<&'static str> {
        Some(match self {
            Self::NoFamily => "the kernel has no IPVS",
            Self::NotPermitted => match operation {
                Operation::OpenFile
                | Operation::ReadFile
                | Operation::EnterNamespace
                | Operation::Lock => return None,
                _ => "CAP_NET_ADMIN in the initial user namespace is needed",
            },
            Self::NotFound => match operation {
                Operation::EditServer | Operation::DeleteServer | Operation::ListServers => {
                    "no such real server"
                }
                Operation::StopDaemon => "no such daemon is running",
                Operation::OpenFile | Operation::ReadFile | Operation::Lock => return None,
                Operation::EnterNamespace => "no such network namespace",
                _ => "no such service",
            },
            Self::NoService => "no such service",
            Self::Exists => match operation {
                Operation::StartDaemon => "it is already running",
                _ => "it exists already",
            },
            Self::NoScheduler => "no such scheduler or persistence engine",
            Self::NoInterface => "no such network interface",
            Self::Interrupted => "the table changed while it was read",
            Self::Locked => "another process holds the lock",
            Self::OutOfRange
            | Self::Invalid
            | Self::OutOfMemory
            | Self::Timeout
            | Self::Malformed
            | Self::Io
            | Self::Other => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { kind, operation, subject, change: _, errno, detail, source } = &*self.0;
        write!(f, "cannot ")?;
        match subject {
            None => write!(f, "{operation}")?,
            Some(Subject::Service(service)) => match operation {
                Operation::ListServices => write!(f, "read service {service}")?,
                Operation::Zero | Operation::ListServers => write!(f, "{operation} of {service}")?,
                _ => write!(f, "{operation} {service}")?,
            },
            Some(Subject::Server(service, server)) => {
                let operation = match operation {
                    Operation::ListServers => "read real server",
                    operation => operation.phrase(),
                };
                let preposition = match self.0.operation {
                    Operation::AddServer => "to",
                    Operation::DeleteServer => "from",
                    _ => "of",
                };
                write!(f, "{operation} {server} {preposition} {service}")?;
            }
            Some(Subject::Daemon(role)) => write!(f, "{operation} ({role})")?,
            Some(Subject::File(path)) => write!(f, "{operation} {}", path.display())?,
        }
        // A source is printed by whoever prints the chain of sources.
        match (kind.reason(*operation), detail, errno) {
            (Some(reason), None, _) => write!(f, ": {reason}"),
            (reason, Some(detail), _) => match reason {
                Some(reason) => write!(f, ": {reason} ({detail})"),
                None => write!(f, ": {detail}"),
            },
            (None, None, Some(errno)) if source.is_none() => {
                write!(f, ": {}", io::Error::from_raw_os_error(*errno))
            }
            (None, None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { kind, operation, subject, change, errno, detail, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("subject", subject)
            .field("change", change)
            .field("errno", errno)
            .field("detail", detail)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Protocol, RealServerKey, ServiceKey};

    #[test]
    fn refusal_names_the_operation_the_entry_and_the_reason() {
        let address = [10, 0, 0, 1].into();
        let service = ServiceKey::Address { protocol: Protocol::Tcp, address, port: 80 };
        let server = RealServerKey { address: [10, 1, 0, 1].into(), port: 80 };
        let subject = Some(Subject::Server(service, server));
        let error = Error::refused(Operation::AddServer, subject, Errno::SRCH.raw_os_error());
        assert_eq!(error.kind(), ErrorKind::NoService);
        assert_eq!(
            error.to_string(),
            "cannot add real server 10.1.0.1:80 to tcp 10.0.0.1:80: no such service"
        );
    }

    #[test]
    fn source_is_in_the_chain_and_not_in_the_text() {
        let error = Error::io(Operation::ListServices, io::ErrorKind::ConnectionReset.into());
        assert_eq!(error.to_string(), "cannot read the services");
        assert!(error.source().is_some());
    }
}
