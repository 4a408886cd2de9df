//! One restore at a time in a network namespace.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use thiserror::Error;

/// How often a lock that another holds is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// A held lock; it is free when this is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another restore has it.
    #[error("another restore is at work in this network namespace ({path} is locked)")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be had: a read-only or missing /run.
    #[error("cannot lock {path}: {source}")]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Waits for the lock of the calling thread's network namespace: a flock(2) on a file in /run that is named
    /// by the namespace's inode.
    ///
    /// # Errors
    /// [`LockError::Busy`] when another has it for all the time.
    pub fn wait(patience: Duration) -> Result<Self, LockError> {
        let namespace = fs::metadata("/proc/thread-self/ns/net").map(|file| file.ino());
        let path = match namespace {
            Ok(inode) => PathBuf::from(format!("/run/ipvsadm.{inode}.lock")),
            Err(source) => {
                return Err(LockError::Unavailable { path: PathBuf::from("/run"), source });
            }
        };
        let unavailable = |source| LockError::Unavailable { path: path.clone(), source };
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // A link there is nobody's of ours.
            .custom_flags(i32::from_ne_bytes(OFlags::NOFOLLOW.bits().to_ne_bytes()))
            .open(&path)
            .map_err(unavailable)?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if start.elapsed() < patience => thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(LockError::Busy { path }),
                Err(errno) => return Err(unavailable(errno.into())),
            }
        }
    }
}
