//! `ipvsadm-restore --confirm`: rules stay if somebody presses Enter on the terminal in time; otherwise they are undone.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::network::fresh_namespace;
use crate::program::Program;

const OLD: &str = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5
-A -f 7 -s rr
";
const NEW: &str = "\
-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 9
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 1
";
const PATIENCE: Duration = Duration::from_secs(20);

fn saved() -> String {
    Program::ours().line("-S -n").succeeded().to_owned()
}

/// A restore of the new rules over the old ones, on a terminal of its own. script(1) makes the terminal.
struct Confirming {
    script: Child,
    folder: tempfile::TempDir,
}

impl Confirming {
    /// Starts the restore, and waits until its rules are in place.
    fn start(seconds: u32) -> Confirming {
        fresh_namespace();
        Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
        assert_eq!(saved(), OLD);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules"), NEW).unwrap();
        let at = folder.path().display();
        let line = format!(
            "echo $$ >{at}/process; exec {} --confirm={seconds} {at}/rules 2>{at}/message",
            Program::restore().name()
        );
        let script = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script(1): run `make test`");
        let start = Instant::now();
        while saved() != NEW {
            assert!(start.elapsed() < PATIENCE, "{}", saved());
            sleep(Duration::from_millis(10));
        }
        Confirming { script, folder }
    }

    fn process(&self) -> Pid {
        let text = fs::read_to_string(self.folder.path().join("process")).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    }

    /// Its exit status and its message.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.script.wait().unwrap().code();
        (status, fs::read_to_string(self.folder.path().join("message")).unwrap())
    }
}

#[test]
fn confirmed_rules_stay() {
    let mut confirming = Confirming::start(60);
    // The terminal forgets keys that come before the question, so Enter is pressed until the restore ends.
    let mut keys = confirming.script.stdin.take().unwrap();
    let start = Instant::now();
    while confirming.script.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE);
        let _ = keys.write_all(b"\n");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(confirming.end(), (Some(0), String::new()));
    assert_eq!(saved(), NEW);
}

#[test]
fn rules_that_nobody_confirms_in_time_are_undone() {
    let mut confirming = Confirming::start(2);
    let _keys = confirming.script.stdin.take();
    let (status, message) = confirming.end();
    assert_eq!(status, Some(1), "{message}");
    let text = "is not confirmed: Enter was not pressed in time; the table is what it was, but the \
                counters of -f 7 begin at 0 again";
    assert!(message.contains(text), "{message}");
    assert_eq!(saved(), OLD);
}

#[test]
fn signal_undoes_the_rules() {
    let mut confirming = Confirming::start(60);
    let _keys = confirming.script.stdin.take();
    kill(confirming.process(), Signal::SIGTERM).unwrap();
    let (status, message) = confirming.end();
    assert_eq!(status, Some(128 + 15), "{message}");
    assert!(message.contains("is not confirmed: signal 15 arrived; the table"), "{message}");
    assert_eq!(saved(), OLD);
}

#[test]
fn rules_are_undone_when_the_terminal_goes_away() {
    let mut confirming = Confirming::start(60);
    confirming.script.kill().unwrap();
    let start = Instant::now();
    while saved() != OLD {
        assert!(start.elapsed() < PATIENCE, "{}", saved());
        sleep(Duration::from_millis(10));
    }
    confirming.script.wait().unwrap();
}

#[test]
fn nothing_is_done_without_a_terminal() {
    fresh_namespace();
    Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, NEW).unwrap();
    // setsid(1) leaves the terminal of the tester.
    let output = Command::new("setsid")
        .args(["--wait", Program::restore().name(), "--confirm=5"])
        .arg(&rules)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("cannot wait for a confirmation: there is no terminal"),
        "{message}"
    );
    assert_eq!(saved(), OLD);
    for words in [&["--confirm=0"][..], &["--confirm=5", "--diff"], &["--confirm=x"]] {
        Program::restore().run(words).refused(2);
    }
}
