//! A save to a file in a directory where other users can write, or with access control lists. It must not write to
//! another file, change another file's owner, or make a file readable.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, XattrFlags, getxattr, renameat_with, setxattr};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::network::fresh_namespace;
use crate::program::Program;

const RULES: &str = "-A -t 10.0.0.1:80 -s rr\n";
const OLD: &str = "# old\n-A -t 10.9.9.9:80 -s rr\n";

/// A user who has the directory, and one who saves: neither is root.
const NEIGHBOUR: u32 = 65534;
const CALLER: u32 = 65533;

/// Saves while another program exchanges the file with a link to a victim.
const SAVES: usize = 60;

fn directory(mode: u32, owner: u32) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    chown(directory.path(), Some(owner), Some(owner)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
    directory
}

fn file(path: &Path, mode: u32, owner: u32) {
    fs::write(path, OLD).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
}

/// Content, inode, mode and owner.
fn state(path: &Path) -> (Vec<u8>, u64, u32, u32, u32) {
    let file = fs::symlink_metadata(path).unwrap();
    (fs::read(path).unwrap(), file.ino(), file.mode(), file.uid(), file.gid())
}

fn table() {
    fresh_namespace();
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
}

/// Sets a flag when it is dropped, also after a failed assertion; otherwise the other thread would not end.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `save` while a thread exchanges `name` and `other` in a loop.
fn under_attack(name: &Path, other: &Path, mut save: impl FnMut()) {
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !has_ended.load(Ordering::Relaxed) {
                // A save never removes one of the names: it renames over them.
                renameat_with(CWD, name, CWD, other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let _end = SetAtEnd(&has_ended);
        (0..SAVES).for_each(|_| save());
    });
}

#[test]
fn a_file_exchanged_with_a_link_does_not_change_the_owner_of_root_s_file() {
    table();
    let (victims, hostile) = (directory(0o700, 0), directory(0o755, NEIGHBOUR));
    let victim = victims.path().join("victim");
    file(&victim, 0o600, 0);
    let before = state(&victim);
    let (name, link) = (hostile.path().join("rules"), hostile.path().join("link"));
    let mut saved = 0;
    let prepare = || {
        let _ = fs::remove_file(&name);
        let _ = fs::remove_file(&link);
        file(&name, 0o666, NEIGHBOUR);
        symlink(&victim, &link).unwrap();
    };
    prepare();
    under_attack(&name, &link, || {
        let outcome = Program::save().run(["-n".as_ref(), name.as_os_str()]);
        saved += usize::from(outcome.status.success());
        assert_eq!(state(&victim), before, "{}", outcome.complaint());
    });
    println!("{saved} of {SAVES} saved");
    let entries = fs::read_dir(hostile.path()).unwrap().count();
    assert_eq!(entries, 2, "a temporary file is left");
}

/// Our ipvsadm-save, run as a user with only the capability that it needs.
struct Unprivileged {
    copy: PathBuf,
    _directory: TempDir,
}

impl Unprivileged {
    fn new() -> Unprivileged {
        let directory = directory(0o755, 0);
        let copy = directory.path().join("ipvsadm-save");
        Program::save().copy_to(&copy);
        Unprivileged { copy, _directory: directory }
    }

    fn save(&self, path: &Path) -> (bool, String) {
        let user = format!("--reuid={CALLER}");
        let group = format!("--regid={CALLER}");
        let output = std::process::Command::new("setpriv")
            .args([
                &user,
                &group,
                "--clear-groups",
                "--inh-caps=+net_admin",
                "--ambient-caps=+net_admin",
            ])
            .args(["--bounding-set=-all,+net_admin"])
            .arg(&self.copy)
            .arg("-n")
            .arg(path)
            .current_dir("/")
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn a_file_exchanged_with_a_link_does_not_redirect_an_unprivileged_save() {
    table();
    let save = Unprivileged::new();
    let (victims, shared) = (directory(0o755, CALLER), directory(0o777, 0));
    let victim = victims.path().join("victim");
    file(&victim, 0o600, CALLER);
    let before = state(&victim);
    let (name, link) = (shared.path().join("rules"), shared.path().join("link"));
    file(&name, 0o666, NEIGHBOUR);
    symlink(&victim, &link).unwrap();
    under_attack(&name, &link, || {
        let (_, said) = save.save(&name);
        assert_eq!(state(&victim), before, "{said}");
    });
    // The caller's own directory.
    let own = victims.path().join("rules");
    assert_eq!(save.save(&own), (true, String::new()));
    symlink("rules", victims.path().join("link")).unwrap();
    assert_eq!(save.save(&victims.path().join("link")), (true, String::new()));
    assert_eq!(fs::read_to_string(&own).unwrap(), RULES);
    assert_eq!(fs::metadata(&own).unwrap().uid(), CALLER);
    assert_eq!(fs::read_dir(victims.path()).unwrap().count(), 3);
}

#[test]
fn a_link_that_others_can_change_is_not_followed() {
    table();
    let victims = directory(0o700, 0);
    let victim = victims.path().join("victim");
    file(&victim, 0o600, 0);
    let before = state(&victim);
    for (mode, owner) in [(0o755, NEIGHBOUR), (0o777, 0), (0o1777, 0), (0o775, 0)] {
        let hostile = directory(mode, owner);
        let link = hostile.path().join("link");
        symlink(&victim, &link).unwrap();
        let outcome = Program::save().run([&link]);
        let sentence = outcome.refused(1);
        assert!(sentence.contains("symbolic link that other users can change"), "{sentence}");
        assert_eq!(state(&victim), before);
    }
    let (root_s, hostile) = (directory(0o755, 0), directory(0o755, 0));
    let link = root_s.path().join("link");
    symlink(&victim, &link).unwrap();
    Program::save().run(["-n".as_ref(), link.as_os_str()]).succeeded();
    assert_eq!(fs::read_to_string(&victim).unwrap(), RULES);
    // The link belongs to another user, and root has moved it to root's directory.
    let foreign = hostile.path().join("foreign");
    symlink(&victim, &foreign).unwrap();
    std::os::unix::fs::lchown(&foreign, Some(NEIGHBOUR), None).unwrap();
    Program::save().run([&foreign]).refused(1);
}

#[test]
fn a_file_of_another_user_in_a_sticky_directory_is_refused() {
    table();
    let sticky = directory(0o1777, 0);
    let name = sticky.path().join("rules");
    file(&name, 0o666, NEIGHBOUR);
    let before = state(&name);
    let outcome = Program::save().run([&name]);
    assert!(outcome.refused(1).contains("another user"), "{}", outcome.complaint());
    assert_eq!(state(&name), before);
    chown(&name, Some(0), Some(0)).unwrap();
    Program::save().run([&name]).succeeded();
}

#[test]
fn an_owner_is_kept_only_if_no_other_user_could_have_created_the_file() {
    table();
    let root_s = directory(0o755, 0);
    let name = root_s.path().join("rules");
    file(&name, 0o4664, NEIGHBOUR);
    Program::save().run([&name]).succeeded();
    let (.., mode, uid, gid) = state(&name);
    assert_eq!((mode & 0o7777, uid, gid), (0o664, NEIGHBOUR, NEIGHBOUR));
    for (mode, owner) in [(0o755, NEIGHBOUR), (0o777, 0)] {
        let hostile = directory(mode, owner);
        let name = hostile.path().join("rules");
        file(&name, 0o666, NEIGHBOUR);
        Program::save().run([&name]).succeeded();
        let (.., mode, uid, gid) = state(&name);
        assert_eq!((mode & 0o7777, uid, gid), (0o604, 0, 0));
    }
}

/// The attribute of an access control list that gives user 12 the rights `user`, and the owning group none.
fn list(user: u16) -> Vec<u8> {
    const ANY: u32 = u32::MAX;
    let entries = [(1_u16, 6_u16, ANY), (2, user, 12), (4, 0, ANY), (16, user, ANY), (32, 0, ANY)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

fn list_of(path: &Path) -> Option<Vec<u8>> {
    let mut list = vec![0; 1024];
    match getxattr(path, "system.posix_acl_access", &mut list) {
        Ok(length) => {
            list.truncate(length);
            Some(list)
        }
        Err(Errno::NODATA) => None,
        Err(errno) => panic!("{}: {errno}", path.display()),
    }
}

#[test]
fn an_access_control_list_is_kept_and_none_is_inherited_from_the_directory() {
    table();
    // A file system that has such lists.
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let name = place.path().join("rules");
    file(&name, 0o600, 0);
    setxattr(&name, "system.posix_acl_access", &list(4), XattrFlags::empty()).unwrap();
    let mode = fs::metadata(&name).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o640, "the group's bits are the list's mask");
    Program::save().run(["-n".as_ref(), name.as_os_str()]).succeeded();
    assert_eq!(list_of(&name), Some(list(4)));
    assert_eq!(fs::metadata(&name).unwrap().mode() & 0o777, mode);
    assert_eq!(fs::read_to_string(&name).unwrap(), RULES);

    setxattr(place.path(), "system.posix_acl_default", &list(6), XattrFlags::empty()).unwrap();
    let plain = place.path().join("plain");
    file(&plain, 0o640, 0);
    rustix::fs::removexattr(&plain, "system.posix_acl_access").unwrap();
    fs::set_permissions(&plain, Permissions::from_mode(0o640)).unwrap();
    Program::save().run([&plain]).succeeded();
    assert_eq!(list_of(&plain), None);
    assert_eq!(fs::metadata(&plain).unwrap().mode() & 0o777, 0o640);
}
