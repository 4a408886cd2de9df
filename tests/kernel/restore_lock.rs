//! Concurrent restores do not interleave: each network namespace has a lock. Single commands and `-R` do not take it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use ipvs::kernel::Lock;
use ipvs::{ErrorKind, Namespace};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::network::{Host, fresh_namespace};
use crate::program::{Outcome, Program};
use crate::table::Kernel;
use crate::wait::wait_until;

const RULES: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";

fn restore(arguments: &[&str]) -> Outcome {
    Program::restore().feed(arguments, RULES.as_bytes())
}

fn try_lock() -> Result<Lock, ipvs::Error> {
    Namespace::current().lock(Path::new("/run/ipvsadm"), Duration::ZERO)
}

/// Takes the lock of this namespace, as a restore does.
fn lock() -> Lock {
    try_lock().unwrap()
}

fn lock_file() -> PathBuf {
    let inode = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    format!("/run/ipvsadm/{inode}.lock").into()
}

#[test]
fn a_restore_that_does_not_wait_reports_the_other_one() {
    fresh_namespace();
    let kernel = Kernel::open();
    let lock = lock();
    for (wait, least) in [("--wait=0", 0), ("--wait=1", 1)] {
        let start = Instant::now();
        let outcome = restore(&[wait]);
        let took = start.elapsed();
        let sentence = outcome.refused(255);
        assert!(sentence.contains("another restore is at work"), "{sentence}");
        assert!(sentence.contains(lock_file().to_str().unwrap()), "{sentence}");
        assert!(took >= Duration::from_secs(least), "{wait}: {took:?}");
        assert!(kernel.rules().services.is_empty());
    }
    drop(lock);
    restore(&["--wait=0"]).succeeded();
    assert_eq!(kernel.rules().services.len(), 1);
}

#[test]
fn a_restore_that_waits_continues_when_the_other_one_has_ended() {
    let waits = |arguments: &[&str]| {
        fresh_namespace();
        let lock = lock();
        let start = Instant::now();
        let holder = thread::spawn(move || {
            sleep(Duration::from_millis(500));
            drop(lock);
        });
        let outcome = restore(arguments);
        assert!(start.elapsed() >= Duration::from_millis(500), "{arguments:?}");
        holder.join().unwrap();
        outcome
    };
    waits(&["--wait"]).succeeded();
    waits(&["--wait=60"]).succeeded();
    // It waits for some seconds by itself, which a busy machine may need to run the holder.
    wait_until("a restore in time", || {
        let outcome = waits(&[]);
        if !outcome.status.success() {
            assert!(outcome.refused(255).contains("another restore is at work"), "{outcome:?}");
            return false;
        }
        outcome.succeeded();
        true
    });
}

#[test]
fn only_restores_of_the_same_namespace_take_the_lock() {
    fresh_namespace();
    let _lock = lock();
    for line in ["-A -t 10.0.0.9:80 -s rr", "-L -n", "-S -n", "-C"] {
        Program::ours().line(line).succeeded();
    }
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
    for mode in ["--check", "--diff"] {
        assert_eq!(restore(&[mode, "--wait=0"]).code(), 0, "{mode}");
    }
    Host::new().within(|| restore(&["--wait=0"])).succeeded();
    assert_eq!(restore(&["--wait=0"]).code(), 255);
}

#[test]
fn concurrent_restores_leave_the_table_of_one_of_them() {
    fresh_namespace();
    let kernel = Kernel::open();
    let rules = |last: u8| -> String {
        let server = |port| {
            format!("-A -t 10.0.0.1:{port} -s rr\n-a -t 10.0.0.1:{port} -r 10.1.0.{last} -m\n")
        };
        (1..=100).map(server).collect()
    };
    let tables = [1, 2].map(|last| {
        Program::restore().feed::<&str>([], rules(last).as_bytes()).succeeded();
        kernel.rules()
    });
    for _ in 0..10 {
        thread::scope(|scope| {
            for last in [1, 2, 1, 2] {
                let rules = rules(last);
                scope.spawn(move || {
                    Program::restore().feed(["--wait"], rules.as_bytes()).succeeded().to_owned()
                });
            }
        });
        assert!(tables.contains(&kernel.rules()));
    }
}

#[test]
fn a_restore_continues_if_it_cannot_lock() {
    let in_its_own_mounts = || {
        fresh_namespace();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(Some("run"), "/run", Some("tmpfs"), MsFlags::MS_RDONLY, nothing).unwrap();
        restore(&["--wait=0"]).succeeded();
        assert_eq!(Kernel::open().rules().services.len(), 1);
        let terminal = "script -qec \"$0 --wait=0 --no-empty\" /dev/null";
        let shown = std::process::Command::new("sh")
            .args(["-c", terminal, Program::restore().name()])
            .output()
            .unwrap();
        String::from_utf8(shown.stdout).unwrap()
    };
    // A mount namespace belongs to a thread.
    let shown = thread::spawn(in_its_own_mounts).join().unwrap();
    assert!(shown.contains("restoring without a lock"), "{shown}");
}

/// A FIFO instead of the lock file must not block, and a directory that others can write to is not used.
#[test]
fn other_files_at_the_path_of_the_lock_do_not_stop_a_restore() {
    fresh_namespace();
    drop(lock());
    let file = lock_file();
    fs::remove_file(&file).unwrap();
    mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    restore(&["--wait=0"]).succeeded();
    fs::remove_file(&file).unwrap();
    assert_eq!(Kernel::open().rules().services.len(), 1);
    let in_its_own_mounts = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(Some("run"), "/run/ipvsadm", Some("tmpfs"), MsFlags::empty(), Some("mode=777"))
            .unwrap();
        let error = try_lock().unwrap_err();
        // The restore goes on, and tells the journal.
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), RULES).unwrap();
        let mut restore = Program::restore().command([file.path()]);
        let journal = tempfile::NamedTempFile::new().unwrap();
        let metadata = journal.as_file().metadata().unwrap();
        let status = restore
            .env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()))
            .stderr(journal.reopen().unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{status:?}");
        (error, fs::read_to_string(journal.path()).unwrap())
    };
    let (error, said) = thread::spawn(in_its_own_mounts).join().unwrap();
    assert_ne!(error.kind(), ErrorKind::Locked);
    assert!(said.contains("restoring without a lock"), "{said}");
    assert!(!said.contains("os error"), "{said}");
}
