//! A restore that is killed leaves in place all that is in both tables, and running it again ends in the file's table.
//! One that is asked to stop leaves the old table or the new one, whole.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tempfile::TempDir;

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Kernel, Service, Table};

const MOMENTS: usize = 50;

/// Two tables that have half their services and a quarter of their real servers in common, and none of them the same.
fn two_files() -> [String; 2] {
    let file = |half: u32, scheduler: &str, weight: u32| {
        let mut text = String::new();
        for port in (1..=8).map(|n| n + 4 * half) {
            text.push_str(&format!("-A -t 10.0.0.1:{port} -s {scheduler}\n"));
            for host in (1..=120).map(|n| n + 60 * half) {
                let server = format!("10.1.0.{host}:80 -m -w {weight}");
                text.push_str(&format!("-a -t 10.0.0.1:{port} -r {server}\n"));
            }
        }
        text
    };
    [file(0, "rr", 1), file(1, "wrr", 2)]
}

/// A namespace whose table is led from one file to another and back.
struct Swing {
    kernel: Kernel,
    _folder: TempDir,
    files: [PathBuf; 2],
    tables: [Table; 2],
    /// How long it takes to find out what has to change, and to change it as well, when nobody interrupts.
    times: [Duration; 2],
    random: TestRng,
}

impl Swing {
    /// The table is that of the first file.
    fn new() -> Swing {
        fresh_namespace();
        let kernel = Kernel::open();
        let folder = tempfile::tempdir().unwrap();
        let files = ["first", "second"].map(|name| folder.path().join(name));
        for (file, text) in files.iter().zip(two_files()) {
            fs::write(file, text).unwrap();
        }
        let restore = |file: &PathBuf| Program::restore().run([file]).succeeded().to_owned();
        restore(&files[0]);
        let tables = [kernel.rules(), {
            restore(&files[1]);
            kernel.rules()
        }];
        let start = Instant::now();
        Program::restore().command(["--diff".as_ref(), files[0].as_os_str()]).output().unwrap();
        let found = start.elapsed();
        let start = Instant::now();
        restore(&files[0]);
        let times = [found, start.elapsed()];
        let random = TestRng::deterministic_rng(RngAlgorithm::default());
        Swing { kernel, _folder: folder, files, tables, times, random }
    }

    /// Starts the restore of a file and sends it signals, one right after the other, at a random moment: most of them
    /// when changes are under way.
    fn interrupt(&mut self, file: usize, signals: &[Signal]) -> ExitStatus {
        let mut command = Program::restore().command([&self.files[file]]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let [start, end] = [self.times[0] * 3 / 4, self.times[1] * 5 / 4];
        sleep(start + (end - start) * (self.random.next_u32() % 1000) / 1000);
        for signal in signals {
            kill(Pid::from_raw(child.id().try_into().unwrap()), *signal).unwrap();
        }
        child.wait().unwrap()
    }
}

/// Demands every service and every real server that is in both tables.
fn nothing_is_missing(now: &Table, tables: &[Table; 2]) {
    let service = |table: &Table, wanted: &Service| -> Option<Service> {
        table.services.iter().find(|service| service.key == wanted.key).cloned()
    };
    for first in &tables[0].services {
        let Some(second) = service(&tables[1], first) else { continue };
        let found = service(now, first);
        let found = found.unwrap_or_else(|| panic!("{:?} is missing:\n{now}", first.key));
        for server in &first.destinations {
            let is_same = |known: &crate::table::Destination| {
                (known.address, known.port) == (server.address, server.port)
            };
            assert!(
                found.destinations.iter().any(is_same) || !second.destinations.iter().any(is_same),
                "{:?} lacks {server:?}:\n{now}",
                first.key
            );
        }
    }
}

#[test]
fn killed_at_any_moment_nothing_is_missing_and_the_next_run_completes_it() {
    let mut swing = Swing::new();
    let mut halves = 0;
    for moment in 1..=MOMENTS {
        let file = moment % 2;
        swing.interrupt(file, &[Signal::SIGKILL]);
        let now = swing.kernel.rules();
        nothing_is_missing(&now, &swing.tables);
        halves += usize::from(!swing.tables.contains(&now));
        Program::restore().run([&swing.files[file]]).succeeded();
        assert!(swing.kernel.rules() == swing.tables[file], "at moment {moment}");
    }
    println!("killed at {MOMENTS} moments of {:?}, half-way at {halves}", swing.times);
    assert!(halves > 0, "none of the moments was half-way");
}

#[test]
fn a_signal_at_any_moment_leaves_one_of_the_tables_whole() {
    let mut swing = Swing::new();
    let (mut current, mut stopped) = (0, 0);
    for moment in 1..=MOMENTS {
        let signal = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP][moment % 3];
        // A second one changes nothing.
        let signals = vec![signal; 1 + moment % 2];
        let status = swing.interrupt(1 - current, &signals);
        let now = swing.kernel.rules();
        match status.code() {
            Some(0) => current = 1 - current,
            Some(code) => {
                assert_eq!(code, 128 + signal as i32, "{status}");
                stopped += 1;
            }
            // Before it has anything to undo, it ends as any program does: 128 and the signal to a shell.
            None => assert_eq!(status.signal(), Some(signal as i32)),
        }
        assert!(now == swing.tables[current], "{status} at moment {moment}:\n{now}");
    }
    println!("asked to stop at {MOMENTS} moments of {:?}, did so at {stopped}", swing.times);
    assert!(stopped > 0, "none of the moments was half-way");
}
