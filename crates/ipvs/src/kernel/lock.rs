//! The lock of a network namespace: programs that replace all of its rules work one at a time.
//!
//! Knows no path of its own: the caller names the directory of the lock files.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, mkdir, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::{Error, ErrorKind, Operation, Subject};

/// How often a lock that another holds is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// A held lock; it is free when this is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of the calling thread's network namespace: a flock(2) on a file in the directory that is named by
    /// the namespace's inode.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process holds the lock longer than `patience`.
    pub(super) fn wait(directory: &Path, patience: Duration) -> Result<Self, Error> {
        let failed = |path: &Path, source: io::Error| {
            Error::io(Operation::Lock, source).with_subject(Subject::File(path.to_owned()))
        };
        let namespace = fs::metadata("/proc/thread-self/ns/net");
        let inode = namespace.map_err(|source| failed(directory, source))?.ino();
        let path = directory.join(format!("{inode}.lock"));
        let unavailable = |source| failed(&path, source);
        let directory = open_directory(directory).map_err(unavailable)?;
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
                Err(Errno::WOULDBLOCK) => {
                    let error = Error::new(ErrorKind::Locked, Operation::Lock);
                    return Err(error.with_subject(Subject::File(path)));
                }
                Err(errno) => return Err(unavailable(errno.into())),
            }
        }
    }
}

/// Opens the directory of the lock files, and makes it first where it is missing.
///
/// # Errors
/// Also when other users could put files there: they would decide whether the lock is free.
fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    match mkdir(path, Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(path, flags, Mode::empty())?;
    let stat = fstat(&directory)?;
    let is_trusted = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    if is_trusted && stat.st_mode & 0o022 == 0 {
        Ok(directory)
    } else {
        Err(io::Error::other("other users can write to the directory"))
    }
}
