//! Replaces a file as a whole: whatever happens, the old file or the new one is there, with the old one's mode, owner
//! and access control list.
//!
//! Safe in directories where other users can write. A path is resolved once, to an open directory and a name in it, and
//! all later calls work on these. It must not know the content.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, PROC_SUPER_MAGIC, Stat, Uid, XattrFlags, fchmod,
    fchown, fgetxattr, fremovexattr, fsetxattr, fstat, fstatfs, getxattr, linkat, openat,
    readlinkat, renameat, stat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Signal, geteuid};

use super::signals::ENDING;
use super::streams::WaitingStream;

/// How many symbolic links lead to a file at most, as in the kernel.
const MOST_LINKS: usize = 40;

/// How long a FIFO may be without a reader.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(20);

/// XATTR_SIZE_MAX of linux/limits.h.
const ATTRIBUTE_ROOM: usize = 64 * 1024;

const ACL: &str = "system.posix_acl_access";
const SELINUX_LABEL: &str = "security.selinux";

const FOREIGN_LINK: &str =
    "it is a symbolic link that other users can change; name the file that it leads to";

const FOREIGN_FILE: &str =
    "it belongs to another user, in a sticky directory where others can make files";

/// A file to replace, or to make.
#[derive(Debug)]
pub struct AtomicFile {
    directory: OwnedFd,
    name: Vec<u8>,
    /// Only root and the caller can change entries of the directory.
    is_private: bool,
    node: Node,
}

/// The directory entry.
#[derive(Debug)]
enum Node {
    Missing,
    File {
        /// Opened with O_PATH.
        node: OwnedFd,
        stat: Stat,
    },
    /// A FIFO, device or socket: written to, never replaced.
    Special(Stat),
    /// A link of procfs to an open file, such as the one that /dev/stdout leads to.
    Descriptor,
}

impl AtomicFile {
    /// Resolves a path. A symbolic link in its last place is followed only where the link and its directory belong to
    /// root or the caller, and nobody else can write to the directory.
    ///
    /// # Errors
    /// For a directory, a link that is not followed, and another user's file in a sticky directory.
    pub fn resolve(path: &Path) -> io::Result<Self> {
        let directory_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let node_flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut base = openat(CWD, ".", directory_flags, Mode::empty())?;
        let mut path = path.as_os_str().as_bytes().to_vec();
        for _ in 0..MOST_LINKS {
            let (parent, name) = split(&path)?;
            let directory = openat(&base, parent, directory_flags, Mode::empty())?;
            let directory_stat = fstat(&directory)?;
            let is_private = is_trusted(&directory_stat) && directory_stat.st_mode & 0o022 == 0;
            let node = match openat(&directory, name, node_flags, Mode::empty()) {
                Ok(node) => {
                    let stat = fstat(&node)?;
                    match FileType::from_raw_mode(stat.st_mode) {
                        FileType::Directory => return Err(io::ErrorKind::IsADirectory.into()),
                        FileType::Symlink if !(is_private && is_trusted(&stat)) => {
                            return Err(io::Error::other(FOREIGN_LINK));
                        }
                        FileType::Symlink if fstatfs(&directory)?.f_type == PROC_SUPER_MAGIC => {
                            Node::Descriptor
                        }
                        FileType::Symlink => {
                            path = readlinkat(&node, "", Vec::new())?.into_bytes();
                            base = directory;
                            continue;
                        }
                        FileType::RegularFile | FileType::Fifo
                            if is_foreign(&stat, &directory_stat) =>
                        {
                            return Err(io::Error::other(FOREIGN_FILE));
                        }
                        FileType::RegularFile => Node::File { node, stat },
                        _ => Node::Special(stat),
                    }
                }
                Err(Errno::NOENT) => Node::Missing,
                Err(errno) => return Err(errno.into()),
            };
            return Ok(Self { name: name.to_owned(), directory, is_private, node });
        }
        Err(Errno::LOOP.into())
    }

    /// The content. A missing file, and one that is written to and never replaced, have none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let Node::File { stat, .. } = &self.node else { return Ok(None) };
        let mut content = Vec::new();
        self.open(OFlags::RDONLY, stat)?.read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Replaces the file, or makes it. A FIFO or a device is written to.
    ///
    /// # Errors
    /// The old file is as it was.
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        match &self.node {
            Node::Missing => self.replace(content, None),
            Node::File { node, stat } => self.replace(content, Some((node, stat))),
            Node::Special(stat) => {
                let start = Instant::now();
                let is_fifo = FileType::from_raw_mode(stat.st_mode).is_fifo();
                let file = loop {
                    match self.open(OFlags::WRONLY, stat) {
                        Err(error) if is_fifo && has_errno(&error, Errno::NXIO) => {
                            if start.elapsed() >= PATIENCE {
                                return Err(io::Error::other(format!(
                                    "it is a FIFO, and no program has opened it for reading in {} seconds",
                                    PATIENCE.as_secs()
                                )));
                            }
                            thread::sleep(PAUSE);
                        }
                        result => break result?,
                    }
                };
                WaitingStream(file).write_all(content)
            }
            Node::Descriptor => self.write_to_descriptor(content),
        }
    }

    /// Opens the entry without following a link, and makes sure that it is the one that was resolved.
    fn open(&self, access: OFlags, resolved: &Stat) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(&self.directory, self.name.as_slice(), access | flags, Mode::empty())?;
        if is_same(&fstat(&file)?, resolved) { Ok(file.into()) } else { Err(changed_meanwhile()) }
    }

    /// Writes to an open file. Standard output and standard error share their position with other programs, and a socket
    /// cannot be opened again, so these descriptors are used themselves. Any other file is appended to.
    fn write_to_descriptor(&self, content: &[u8]) -> io::Result<()> {
        let directory = fstat(&self.directory)?;
        let is_own = ["/proc/self/fd", "/proc/thread-self/fd"]
            .iter()
            .any(|own| stat(*own).is_ok_and(|own| is_same(&own, &directory)));
        match self.name.as_slice() {
            b"1" if is_own => WaitingStream(io::stdout().as_fd()).write_all(content),
            b"2" if is_own => WaitingStream(io::stderr().as_fd()).write_all(content),
            name => {
                let flags = OFlags::WRONLY
                    | OFlags::APPEND
                    | OFlags::NONBLOCK
                    | OFlags::NOCTTY
                    | OFlags::CLOEXEC;
                let file = openat(&self.directory, name, flags, Mode::empty())?;
                WaitingStream(file).write_all(content)
            }
        }
    }

    fn replace(&self, content: &[u8], old: Option<(&OwnedFd, &Stat)>) -> io::Result<()> {
        // A file that has no name yet is gone when the process ends. While it has its temporary one, no signal may end
        // the process; the save is finished first. A file that is too large for the limit is an error then.
        hold(&[Signal::XFSZ]);
        // As wide as a shell's redirection makes a new file, narrowed by the umask; in the place of another, nobody
        // else's until it has that one's access control list and mode.
        let mode = Mode::from_raw_mode(if old.is_some() { 0o600 } else { 0o666 });
        let (mut file, mut temporary) = self.create(mode)?;
        file.write_all(content)?;
        // The owner of another user's file is not kept where others could have put that file there.
        let keeps_owner = |stat: &Stat| self.is_private || is_trusted(stat);
        if let Some((node, stat)) = old {
            let mode = if !keeps_owner(stat) {
                fremovexattr(&file, ACL).or_else(ignore_missing)?;
                0o705
            } else if copy_attribute(node, &file, ACL) && copy_attribute(node, &file, SELINUX_LABEL)
            {
                0o777
            } else {
                fremovexattr(&file, ACL).or_else(ignore_missing)?;
                0o700
            };
            // Before the owner changes: then only CAP_FOWNER could set the mode.
            fchmod(&file, Mode::from_raw_mode(stat.st_mode & mode))?;
        }
        file.sync_all()?;
        hold(&ENDING);
        if temporary.name.is_none() {
            if old.is_none() {
                match self.link(&file, &self.name) {
                    Err(Errno::EXIST) if self.is_private => {}
                    Err(Errno::EXIST) => return Err(changed_meanwhile()),
                    result => {
                        result?;
                        self.sync();
                        return Ok(());
                    }
                }
            }
            temporary.name = Some(with_new_name(|name| self.link(&file, name))?.1);
        }
        if let Some((_, stat)) = old.filter(|(_, stat)| keeps_owner(stat)) {
            let new = fstat(&file)?;
            if (new.st_uid, new.st_gid) != (stat.st_uid, stat.st_gid) {
                let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                fchown(&file, Some(uid), Some(gid))?;
                file.sync_all()?;
            }
        }
        if !self.is_private {
            let now = statat(&self.directory, self.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
            match (now, old) {
                (Ok(now), Some((_, stat))) if is_same(&now, stat) => {}
                (Err(Errno::NOENT), None) => {}
                _ => return Err(changed_meanwhile()),
            }
        }
        temporary.rename(&self.name)?;
        self.sync();
        Ok(())
    }

    /// Makes a file for the new content: without a name, where the file system and /proc allow that.
    fn create(&self, mode: Mode) -> io::Result<(File, Temporary<'_>)> {
        let directory = self.directory.as_fd();
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        if Path::new("/proc/self/fd").exists() {
            match openat(directory, ".", flags | OFlags::TMPFILE, mode) {
                Ok(file) => return Ok((file.into(), Temporary { directory: self, name: None })),
                // The file system, or the kernel, has no such files.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        hold(&ENDING);
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (file, name) = with_new_name(|name| openat(directory, name, flags, mode))?;
        Ok((file.into(), Temporary { directory: self, name: Some(name) }))
    }

    /// Gives a file without a name one. By /proc, since AT_EMPTY_PATH takes CAP_DAC_READ_SEARCH.
    fn link(&self, file: &File, name: &[u8]) -> Result<(), Errno> {
        let unnamed = descriptor_path(file);
        linkat(CWD, unnamed, &self.directory, name, AtFlags::SYMLINK_FOLLOW)
    }

    /// The new file is there, whole; a crash before this has ended may bring the old one back, whole.
    fn sync(&self) {
        if let Ok(directory) =
            openat(&self.directory, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        {
            let _ = File::from(directory).sync_all();
        }
    }
}

/// The new file's name until it takes the old one's place; removed if it does not.
struct Temporary<'a> {
    directory: &'a AtomicFile,
    name: Option<Vec<u8>>,
}

impl Temporary<'_> {
    fn rename(mut self, name: &[u8]) -> io::Result<()> {
        let Some(temporary) = self.name.as_deref() else { return Ok(()) };
        let directory = &self.directory.directory;
        renameat(directory, temporary, directory, name).map_err(|errno| match errno {
            // As containers have single files of the host.
            Errno::BUSY => io::Error::other(
                "it is a mount point, which no new file can replace; to write into it: ipvsadm-save >FILE",
            ),
            errno => errno.into(),
        })?;
        self.name = None;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.as_deref() {
            // Nothing more can be done about a file that cannot be removed.
            let _ = unlinkat(&self.directory.directory, name, AtFlags::empty());
        }
    }
}

/// Calls `make` with random names until one is new.
fn with_new_name<T>(make: impl Fn(&[u8]) -> Result<T, Errno>) -> io::Result<(T, Vec<u8>)> {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let name = format!(".ipvsadm-save.{random:016x}").into_bytes();
        match make(&name) {
            Err(Errno::EXIST) => {}
            result => return Ok((result?, name)),
        }
    }
}

/// A path's directory and its last name, which must be a file's.
fn split(path: &[u8]) -> io::Result<(&[u8], &[u8])> {
    if path.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => (&b"."[..], path),
    };
    match name {
        b"" | b"." | b".." => Err(io::ErrorKind::IsADirectory.into()),
        name => Ok((parent, name)),
    }
}

/// Tells if an entry belongs to root or the caller.
fn is_trusted(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == geteuid().as_raw()
}

/// Tells if a file in a sticky directory is another user's. fs.protected_regular and fs.protected_fifos refuse such a file
/// to a shell's redirection.
fn is_foreign(file: &Stat, directory: &Stat) -> bool {
    let mode = directory.st_mode;
    let is_shared = mode & 0o1000 != 0 && mode & 0o022 != 0;
    is_shared && file.st_uid != geteuid().as_raw() && file.st_uid != directory.st_uid
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn has_errno(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

fn changed_meanwhile() -> io::Error {
    io::Error::other("another program replaced it meanwhile")
}

fn descriptor_path(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn ignore_missing(errno: Errno) -> Result<(), Errno> {
    match errno {
        Errno::NODATA | Errno::OPNOTSUPP => Ok(()),
        errno => Err(errno),
    }
}

/// Gives a file the extended attribute of another, and says whether it has the same now. The other is read by its path in
/// /proc, which takes no right to read the file.
fn copy_attribute(from: &OwnedFd, to: &File, name: &str) -> bool {
    let read = |result: Result<_, Errno>, value: Vec<u8>| match result {
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    };
    let (mut old, mut new) =
        (Vec::with_capacity(ATTRIBUTE_ROOM), Vec::with_capacity(ATTRIBUTE_ROOM));
    let result = getxattr(descriptor_path(from), name, spare_capacity(&mut old));
    let old = read(result.map(drop), old);
    let result = fgetxattr(to, name, spare_capacity(&mut new));
    let new = read(result.map(drop), new);
    match (old, new) {
        (Ok(old), Ok(new)) if old == new => true,
        (Ok(Some(value)), _) => fsetxattr(to, name, &value, XattrFlags::empty()).is_ok(),
        // A new file may have inherited a list from its directory.
        (Ok(None), _) if name == ACL => fremovexattr(to, name).or_else(ignore_missing).is_ok(),
        (Ok(None), _) => true,
        (Err(_), _) => false,
    }
}

/// Keeps signals from ending the process from now on.
fn hold(signals: &[Signal]) {
    for signal in signals {
        // A signal that cannot be held acts as it did before.
        let _ = signal_hook::flag::register(signal.as_raw(), Arc::default());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{RenameFlags, mknodat, renameat_with};

    use super::*;

    fn write(path: &Path, content: &[u8]) -> io::Result<()> {
        AtomicFile::resolve(path)?.write(content)
    }

    fn entries(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn replaced_file_keeps_its_mode_and_a_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("rules"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(entries(directory.path()), 2);
    }

    #[test]
    fn new_file_is_made_also_behind_a_dangling_link() {
        let directory = tempfile::tempdir().unwrap();
        let (new, link) = (directory.path().join("new"), directory.path().join("link"));
        symlink("new", &link).unwrap();
        write(&link, b"content").unwrap();
        assert_eq!(fs::read(&new).unwrap(), b"content");
        assert_eq!(entries(directory.path()), 2);
    }

    #[test]
    fn set_user_id_bits_are_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
        write(&file, b"new").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn link_where_others_can_write_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::write(&target, "old").unwrap();
        for mode in [0o777, 0o1777, 0o770] {
            let shared = directory.path().join(format!("{mode:o}"));
            fs::create_dir(&shared).unwrap();
            fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
            symlink("../target", shared.join("link")).unwrap();
            let error = write(&shared.join("link"), b"new").unwrap_err();
            assert!(error.to_string().contains("symbolic link"), "{mode:o}: {error}");
            assert_eq!(entries(&shared), 1);
        }
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn links_in_a_circle_and_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        symlink("link", &link).unwrap();
        assert!(has_errno(&write(&link, b"").unwrap_err(), Errno::LOOP));
        for name in ["", "/", "/."] {
            let path = PathBuf::from(format!("{}{name}", directory.path().display()));
            let error = write(&path, b"").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::IsADirectory, "{name:?}");
        }
        assert_eq!(write(Path::new(""), b"").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn fifo_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(AtomicFile::resolve(&fifo).unwrap().read().unwrap().is_none());
    }

    /// Another program exchanges the file and a link without a pause.
    #[test]
    fn file_that_is_exchanged_with_a_link_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "victim").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
        let before = fs::metadata(&victim).unwrap();
        // A save may replace the link itself, which ends the attack: several attacks.
        for round in 0..5 {
            let shared = directory.path().join(round.to_string());
            fs::create_dir(&shared).unwrap();
            fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
            let (file, link) = (shared.join("rules"), shared.join("link"));
            symlink("../victim", &link).unwrap();
            fs::write(&file, "old").unwrap();
            let has_ended = AtomicBool::new(false);
            let exchange = || renameat_with(CWD, &file, CWD, &link, RenameFlags::EXCHANGE);
            let attack = || {
                while !has_ended.load(Ordering::Relaxed) && exchange().is_ok() {
                    std::hint::spin_loop();
                }
            };
            thread::scope(|scope| {
                scope.spawn(attack);
                // Either result is right.
                (0..50).for_each(|_| drop(write(&file, b"new")));
                has_ended.store(true, Ordering::Relaxed);
            });
            let after = fs::metadata(&victim).unwrap();
            assert_eq!(fs::read(&victim).unwrap(), b"victim");
            assert_eq!(
                (after.ino(), after.mode(), after.uid()),
                (before.ino(), before.mode(), before.uid())
            );
            assert_eq!(entries(&shared), 2);
        }
    }
}
