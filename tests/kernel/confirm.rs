//! `--confirm`: the rules of a restore, or a single change, stay if somebody presses Enter on the terminal in time.
//! Otherwise they are undone.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::network::{Host, fresh_namespace};
use crate::program::Program;
use crate::wait::{PATIENCE, wait_until};

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

fn saved() -> String {
    Program::ours().line("-S -n").succeeded().to_owned()
}

/// Waits until the table is this one.
#[track_caller]
fn wait_for(table: &str) {
    let start = Instant::now();
    while saved() != table {
        assert!(start.elapsed() < PATIENCE, "{}", saved());
        sleep(Duration::from_millis(10));
    }
}

/// A program that waits for a confirmation on a terminal of its own. script(1) makes the terminal.
struct Confirming {
    script: Child,
    folder: tempfile::TempDir,
}

impl Confirming {
    /// Starts a restore of the new rules over the old ones, and waits until they are in place.
    fn start() -> Confirming {
        let confirming = Confirming::restore_within(60);
        wait_for(NEW);
        confirming
    }

    /// Starts a restore of the new rules over the old ones.
    fn restore_within(seconds: u32) -> Confirming {
        fresh_namespace();
        Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
        assert_eq!(saved(), OLD);
        let restore = Program::restore();
        Confirming::run(&format!("{} --confirm={seconds} rules", restore.name()))
    }

    /// Starts a command line, in a folder with the new rules.
    fn run(line: &str) -> Confirming {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules"), NEW).unwrap();
        let script = Command::new("script")
            .args(["-qec", &format!("echo $$ >process; exec {line} 2>message"), "/dev/null"])
            .current_dir(folder.path())
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script(1): run `make test`");
        Confirming { script, folder }
    }

    /// Presses Enter until the program ends, since the terminal forgets keys that come before the question.
    fn press_enter(&mut self) {
        let mut keys = self.script.stdin.take().unwrap();
        wait_until("the end after Enter", || {
            let _ = keys.write_all(b"\n");
            self.script.try_wait().unwrap().is_some()
        });
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
    let mut confirming = Confirming::start();
    confirming.press_enter();
    assert_eq!(confirming.end(), (Some(0), String::new()));
    assert_eq!(saved(), NEW);
}

#[test]
fn rules_that_nobody_confirms_in_time_are_undone() {
    // The counters in the message show that the rules were there.
    let mut confirming = Confirming::restore_within(2);
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
    let mut confirming = Confirming::start();
    let _keys = confirming.script.stdin.take();
    kill(confirming.process(), Signal::SIGTERM).unwrap();
    let (status, message) = confirming.end();
    assert_eq!(status, Some(128 + 15), "{message}");
    assert!(message.contains("is not confirmed: signal 15 arrived; the table"), "{message}");
    assert_eq!(saved(), OLD);
}

#[test]
fn rules_are_undone_when_the_terminal_goes_away() {
    let mut confirming = Confirming::start();
    confirming.script.kill().unwrap();
    wait_for(OLD);
    confirming.script.wait().unwrap();
}

/// Runs a command without a terminal, and asserts that it is refused and leaves the table [`OLD`].
fn assert_refused_without_terminal(words: &[&str]) {
    // setsid(1) leaves the terminal of the tester.
    let output = Command::new("setsid").arg("--wait").args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("cannot wait for a confirmation: there is no terminal"),
        "{message}"
    );
    assert_eq!(saved(), OLD);
}

#[test]
fn nothing_is_done_without_a_terminal() {
    fresh_namespace();
    Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, NEW).unwrap();
    let rules = rules.to_str().unwrap();
    assert_refused_without_terminal(&[Program::restore().name(), "--confirm=5", rules]);
    for words in [&["--confirm=0"][..], &["--confirm=5", "--diff"], &["--confirm=x"]] {
        Program::restore().run(words).refused(2);
    }
}

const SERVER: &str = "-t 10.0.0.1:80 -r 10.1.0.1:80";

#[test]
fn each_change_that_nobody_confirms_is_undone() {
    let changes = [
        "-A -f 9 -s rr",
        "-E -t 10.0.0.1:80 -s wrr",
        "-D -t 10.0.0.1:80",
        "-a -t 10.0.0.1:80 -r 10.1.0.9 -m",
        &format!("-e {SERVER} -w 0"),
        &format!("-e {SERVER} --keep -w +1"),
        &format!("-d {SERVER}"),
        "-A -f 7 -s lc --replace",
        "-C",
        "-C --within fwmark:1-9",
        "--set 5 6 7",
        "--start-daemon master --mcast-interface lo",
        "-Z",
    ];
    let all = || Program::save().line("-n --all").succeeded().to_owned();
    // They wait at the same time, each on a director of its own.
    let started = changes.map(|change| {
        let director = Host::new();
        let (before, confirming) = director.within(|| {
            Program::ours().feed(["-R"], OLD.as_bytes()).succeeded();
            let line = format!("{} {change} --confirm=1", Program::ours().name());
            (all(), Confirming::run(&line))
        });
        (change, director, before, confirming)
    });
    for (change, director, before, mut confirming) in started {
        let _keys = confirming.script.stdin.take();
        let (status, message) = confirming.end();
        assert_eq!(status, Some(1), "{change}: {message}");
        let text =
            "the change is not confirmed: Enter was not pressed in time; the table is what it was";
        assert!(message.starts_with(text), "{change}: {message}");
        assert_eq!(message.contains("counters are zeroed"), change == "-Z", "{change}: {message}");
        assert_eq!(director.within(all), before, "{change}");
    }
}

#[test]
fn change_stays_if_it_is_confirmed_and_the_lock_is_held_meanwhile() {
    fresh_namespace();
    Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
    let line = format!("{} -e {SERVER} -w 7 --confirm=60", Program::ours().name());
    let changed = OLD.replace("-m -w 5", "-g -w 7");
    let mut confirming = Confirming::run(&line);
    wait_for(&changed);
    let other = Program::restore().feed(["--wait=0"], NEW.as_bytes());
    assert!(other.refused(255).starts_with("another restore is at work"), "{other:?}");
    confirming.press_enter();
    assert_eq!(confirming.end(), (Some(0), String::new()));
    assert_eq!(saved(), changed);

    // A change that has nothing to do asks nobody.
    let confirming = Confirming::run(&line);
    assert_eq!(confirming.end(), (Some(0), String::new()));
    // A refused change is refused as ever.
    let confirming =
        Confirming::run(&format!("{} -A -f 7 -s nosuch --confirm=60", Program::ours().name()));
    assert_eq!(
        confirming.end(),
        (Some(255), "Service already exists (fwmark 7; -E edits it)\n".to_owned())
    );
    let confirming =
        Confirming::run(&format!("{} -A -f 9 -s nosuch --confirm=60", Program::ours().name()));
    let (status, message) = confirming.end();
    assert_eq!(status, Some(255));
    assert!(message.starts_with("Scheduler or persistence engine not found"), "{message}");

    let mut confirming =
        Confirming::run(&format!("{} -D -t 10.0.0.1:80 --confirm=60", Program::ours().name()));
    let _keys = confirming.script.stdin.take();
    wait_for("-A -f 7 -s rr\n");
    kill(confirming.process(), Signal::SIGTERM).unwrap();
    let (status, message) = confirming.end();
    assert_eq!(status, Some(128 + 15), "{message}");
    let text = "the change is not confirmed: signal 15 arrived; the table is what it was, but the \
                counters of -t 10.0.0.1:80 begin at 0 again\n";
    assert_eq!(message, text);
    assert_eq!(saved(), changed);
}

#[test]
fn terminal_that_would_stop_the_process_has_the_change_undone() {
    fresh_namespace();
    Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
    let line = format!("{} -C --confirm=60", Program::ours().name());
    // The shell puts the command in the background.
    let mut confirming = Confirming::run(&format!("sh -c 'set -m; {line} & wait $!'"));
    let _keys = confirming.script.stdin.take();
    let text = "cannot wait for a confirmation: the process is in the background of its terminal\n";
    assert_eq!(confirming.end(), (Some(2), text.to_owned()));
    assert_eq!(saved(), OLD);

    let mut confirming = Confirming::run(&line);
    wait_for("");
    let mut keys = confirming.script.stdin.take().unwrap();
    // Ctrl-Z
    keys.write_all(b"\x1a").unwrap();
    let (status, message) = confirming.end();
    assert_eq!(status, Some(128 + 20), "{message}");
    assert!(message.contains("the change is not confirmed: signal 20 arrived"), "{message}");
    assert_eq!(saved(), OLD);
}

#[test]
fn change_is_not_made_without_a_terminal() {
    fresh_namespace();
    Program::restore().feed::<&str>([], OLD.as_bytes()).succeeded();
    assert_refused_without_terminal(&[Program::ours().name(), "-C", "--confirm=5"]);
    for input in ["-C --confirm 5\n", "-C --confirm=5"] {
        let lines = Program::ours().feed(["-R"], input.as_bytes());
        let text = "--confirm is an option of command lines; a rule line cannot have it (line 1)";
        assert_eq!(lines.refused(2), text);
        let restore = Program::restore().feed::<&str>([], input.as_bytes());
        assert!(restore.refused(2).ends_with("a rule line cannot have it"), "{restore:?}");
    }
    assert_eq!(saved(), OLD);
}
