//! Saves to an open file and to a FIFO, under limits, and until a signal.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::thread::{self, sleep};
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::save_file::{OLD, at_each_moment};
use crate::wait::wait_until;

const RULES: &str = "-A -t 10.0.0.1:80 -s rr\n";

fn table() {
    fresh_namespace();
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
}

fn shell(script: &str, place: &Path) -> (Option<i32>, String) {
    let output = Command::new("bash")
        .args(["-c", script, "bash", Program::save().name()])
        .current_dir(place)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn dev_stdout_is_written_at_its_position() {
    table();
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    for (script, expected) in [
        ("echo old >log; \"$1\" -n /dev/stdout >>log", format!("old\n{RULES}")),
        ("{ echo start; \"$1\" -n /dev/fd/1; echo end; } >log", format!("start\n{RULES}end\n")),
        (
            "{ echo start; \"$1\" -n /proc/self/fd/2; echo end; } >log 2>&1",
            format!("start\n{RULES}end\n"),
        ),
        ("echo old >log; \"$1\" -n /dev/fd/3 3>>log", format!("old\n{RULES}")),
        ("\"$1\" -n /dev/stdout | cat >log", RULES.to_owned()),
    ] {
        assert_eq!(shell(script, place.path()), (Some(0), String::new()), "{script}");
        assert_eq!(fs::read_to_string(&log).unwrap(), expected, "{script}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_save_waits_for_the_reader_of_a_fifo_with_a_limit() {
    table();
    let place = tempfile::tempdir().unwrap();
    let fifo = place.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let is_refused = |outcome: &Outcome| {
        let sentence = outcome.refused(1);
        assert!(sentence.contains("no program has opened it for reading"), "{sentence}");
    };
    is_refused(&Program::save().run([&fifo]));
    // On a busy machine, the reader may come after the limit.
    wait_until("a reader in time", || {
        let reader = thread::spawn({
            let fifo = fifo.clone();
            move || {
                sleep(Duration::from_millis(500));
                let mut text = String::new();
                fs::File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
                text
            }
        });
        let outcome = Program::save().run(["-n".as_ref(), fifo.as_os_str()]);
        let is_in_time = outcome.status.success();
        if is_in_time {
            outcome.succeeded();
        } else {
            is_refused(&outcome);
            drop(fs::File::options().write(true).open(&fifo).unwrap());
        }
        assert_eq!(reader.join().unwrap(), if is_in_time { RULES } else { "" });
        is_in_time
    });
}

#[test]
fn a_file_larger_than_the_limit_is_an_error_and_leaves_nothing() {
    table();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("rules"), "# old\n").unwrap();
    let (code, said) = shell("ulimit -f 0; exec \"$1\" rules", place.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(fs::read_to_string(place.path().join("rules")).unwrap(), "# old\n");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

/// The test runs in a file system that supports unnamed files (O_TMPFILE), and in the build directory's, which may not
/// support them: under User Mode Linux it is a view of the machine's files.
#[test]
fn a_save_that_a_signal_ends_leaves_no_temporary_file() {
    table();
    for base in [Path::new("/tmp"), Path::new(env!("CARGO_TARGET_TMPDIR"))] {
        let place = tempfile::tempdir_in(base).unwrap();
        let file = place.path().join("rules");
        let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
        let mut ended = 0;
        let moments = at_each_moment(&file, &signals, |status| {
            ended += usize::from(status.signal().is_some());
            let content = fs::read_to_string(&file).unwrap();
            assert!(content == OLD || content == RULES, "{status}, half a file:\n{content}");
            let names: Vec<_> = fs::read_dir(place.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["rules"], "{status}");
        });
        println!("signals ended {ended} of {moments} in {}", base.display());
    }
}
