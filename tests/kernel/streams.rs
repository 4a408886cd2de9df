//! Standard streams in non-blocking mode, and terminals, which get no escape sequences from names.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::Kernel;

/// The number of services whose listing does not fit into a pipe.
const SERVICES: usize = 6000;

#[test]
fn a_restore_waits_for_a_non_blocking_standard_input() {
    fresh_namespace();
    for program in [Program::restore(), Program::ours()] {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let arguments: &[&str] = if program.name().ends_with("restore") { &[] } else { &["-R"] };
        let stdin = Stdio::from(std::os::fd::OwnedFd::from(near));
        let child = program.command(arguments).stdin(stdin).spawn().unwrap();
        for line in ["-A -t 10.0.0.1:80 -s rr\n", "-A -t 10.0.0.2:80 -s rr\n"] {
            sleep(Duration::from_millis(300));
            far.write_all(line.as_bytes()).unwrap();
        }
        drop(far);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(Kernel::open().rules().services.len(), 2);
        Program::ours().line("-C").succeeded();
    }
}

#[test]
fn a_listing_and_a_save_wait_for_a_non_blocking_standard_output() {
    fresh_namespace();
    let rules: String =
        (1..=SERVICES).map(|port| format!("-A -t 10.0.0.1:{port} -s rr\n")).collect();
    Program::restore().feed::<&str>([], rules.as_bytes()).succeeded();
    for (program, arguments) in [
        (Program::ours(), &["-L", "-n"][..]),
        (Program::ours(), &["-S", "-n"]),
        (Program::save(), &["-n", "/dev/stdout"]),
    ] {
        let expected = program.run(arguments).succeeded().to_owned();
        assert!(expected.len() > 64 * 1024);
        let place = tempfile::tempdir().unwrap();
        let fifo = place.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let both = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        let mut reader = File::open(&fifo).unwrap();
        let writer = OpenOptions::new().write(true).open(&fifo).unwrap();
        drop(both);
        fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
        let child = program.command(arguments).stdout(writer).spawn().unwrap();
        let received = thread::spawn(move || {
            sleep(Duration::from_millis(300));
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(received.join().unwrap(), expected, "{arguments:?}");
    }
}

/// Runs a shell command, with the program's path as `$PROGRAM`, and returns the output that its terminal gets.
fn on_a_terminal(program: &Program, command: &str) -> String {
    let output = Command::new("script")
        .args(["-qec", command, "/dev/null"])
        .env("PROGRAM", program.name())
        .env("SHELL", "/bin/bash")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_interface_named_with_an_escape_sequence_does_not_reach_a_terminal() {
    fresh_namespace();
    let name = "\u{1b}[31mX\u{9b}m";
    let made = Command::new("ip").args(["link", "add", name, "type", "dummy"]).status().unwrap();
    assert!(made.success());
    assert!(Command::new("ip").args(["link", "set", name, "up"]).status().unwrap().success());
    Program::ours().run(["--start-daemon", "master", "--mcast-interface", name]).succeeded();
    for arguments in ["-L --daemon", "-S -n --all"] {
        let line = Program::ours().line(arguments).succeeded().to_owned();
        assert!(line.contains(name), "{line:?}");
        let shown = on_a_terminal(&Program::ours(), &format!("\"$PROGRAM\" {arguments}"));
        assert!(shown.contains("\\u{1b}[31mX\\u{9b}m"), "{shown:?}");
        assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
    }
    let listing = Program::ours().line("-L --daemon").stdout;
    assert_eq!(listing, Program::reference().line("-L --daemon").stdout);
}

#[test]
fn messages_show_escape_sequences_in_paths_and_words() {
    fresh_namespace();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(OsStr::from_bytes(b"\x1b[2Jrules"));
    let lines = [
        Program::restore().run([&path]),
        Program::save().run([&path.join("in")]),
        Program::ours().run(["-R".as_ref(), path.as_os_str()]),
        Program::ours().line("-A -t \x1b[2J:80"),
        Program::ours().line("-A -t 10.0.0.1:80 -s \x1b[2J-of-17-bytes-or-more"),
        Program::ours().line("--\x1b[2J"),
        Program::save().line("--\x1b[2J"),
        Program::restore().line("--\x1b[2J"),
        Program::ours().feed(["-R"], b"-A -t \x1b[2J:80\n"),
        Program::restore().feed::<&str>([], b"-A -t \x1b[2J:80\n-A -f 1 -s \xc2\x9b2J\n"),
    ];
    for outcome in lines {
        let said = outcome.complaint();
        assert!(!outcome.status.success(), "{said:?}");
        assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said:?}");
        assert!(said.contains("\\u{1b}[2J"), "{said:?}");
    }
}

#[test]
fn a_restore_lists_50_bad_rules_and_a_check_all() {
    fresh_namespace();
    let rules = format!("-A -t {}:80\n", "x.".repeat(20_000)).repeat(120);
    let outcome = Program::restore().feed::<&str>([], rules.as_bytes());
    outcome.refused(2);
    let lines: Vec<&str> = outcome.complaint().lines().collect();
    assert_eq!(lines.len(), 51);
    assert!(lines[49].starts_with("standard input:50: "), "{}", lines[49]);
    assert_eq!(lines[50], "and 70 more (ipvsadm-restore --check lists all)");
    assert!(outcome.stderr.len() < 51 * 400, "{}", lines[0]);
    let outcome = Program::restore().feed(["--check"], rules.as_bytes());
    outcome.refused(2);
    assert_eq!(outcome.complaint().lines().count(), 120);
    let outcome = Program::ours().feed(["-R"], rules.as_bytes());
    outcome.refused(2);
    assert!(outcome.complaint().lines().all(|line| line.len() < 400), "{}", outcome.complaint());
}
