//! One restore at a time in a network namespace.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, mkdir, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;
use thiserror::Error;

/// The directory of the lock files.
const DIRECTORY: &str = "/run/ipvsadm";

/// How often a lock that another holds is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// A held lock; it is free when this is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The reason why the lock was not taken.
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
    /// Waits for the lock of the calling thread's network namespace: a flock(2) on a file in /run/ipvsadm that is named
    /// by the namespace's inode.
    ///
    /// # Errors
    /// [`LockError::Busy`] when another has it for all the time.
    pub fn wait(patience: Duration) -> Result<Self, LockError> {
        let namespace = fs::metadata("/proc/thread-self/ns/net").map(|file| file.ino());
        let path = match namespace {
            Ok(inode) => Path::new(DIRECTORY).join(format!("{inode}.lock")),
            Err(source) => {
                return Err(LockError::Unavailable { path: PathBuf::from(DIRECTORY), source });
            }
        };
        let unavailable = |source| LockError::Unavailable { path: path.clone(), source };
        let directory = open_directory().map_err(unavailable)?;
        // A FIFO there must not block, and a link must not be followed.
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let name = path.file_name().unwrap_or_default();
        let file = openat(directory, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| unavailable(errno.into()))?;
        let file = File::from(file);
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

/// Opens the directory of the lock files, and makes it first where it is missing.
///
/// # Errors
/// Also when other users could put files there: they would decide whether a restore runs.
fn open_directory() -> io::Result<OwnedFd> {
    match mkdir(DIRECTORY, Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(DIRECTORY, flags, Mode::empty())?;
    let stat = fstat(&directory)?;
    let is_trusted = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    if is_trusted && stat.st_mode & 0o022 == 0 {
        Ok(directory)
    } else {
        Err(io::Error::other("other users can write to the directory"))
    }
}
