//! System calls of a run, counted by strace: each process has one netlink socket and one family lookup, a send contains
//! many rule lines, and help and version need no netlink.

use std::fs;
use std::process::{Command, Stdio};

use crate::network::fresh_namespace;
use crate::program::Program;

/// Runs ipvsadm under strace in a fresh namespace, and returns the system calls with these names, one on each line.
fn calls(names: &str, arguments: &str, input: &str) -> Vec<String> {
    fresh_namespace();
    calls_of(&Program::ours(), names, arguments, input)
}

/// Runs any program under strace in the current namespace.
fn calls_of(program: &Program, names: &str, arguments: &str, input: &str) -> Vec<String> {
    let directory = std::env::temp_dir().join(format!(
        "strace-{}-{}",
        std::process::id(),
        names.len() + arguments.len()
    ));
    fs::create_dir_all(&directory).unwrap();
    let (log, rules) = (directory.join("log"), directory.join("rules"));
    fs::write(&rules, input).unwrap();
    let status = Command::new("strace")
        .args(["-f", "-e", &format!("trace={names}"), "-o"])
        .arg(&log)
        .arg(program.name())
        .args(arguments.split_whitespace())
        .env_remove("LD_LIBRARY_PATH")
        .stdin(fs::File::open(&rules).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is missing: run `make test`, which installs it");
    assert!(status.success(), "{arguments}: {status}");
    let log = fs::read_to_string(&log).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    log.lines().filter(|line| line.contains('(')).map(str::to_owned).collect()
}

#[test]
fn a_process_opens_one_netlink_socket() {
    let rules = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2 -m\n-L -n\n-S -n\n--set 5 5 5\n-L --timeout\n";
    for (arguments, input) in [("-L -n --stats", ""), ("-A -t 10.0.0.1:80", ""), ("-R", rules)] {
        let sockets = calls("socket", arguments, input);
        let netlink = sockets.iter().filter(|call| call.contains("NETLINK_GENERIC"));
        assert_eq!(netlink.count(), 1, "{arguments}: {sockets:?}");
    }
}

/// Each service has nine real servers, which makes a thousand lines.
const SERVICES: usize = 100;

/// The number of changes in a datagram.
const BATCH: usize = 64;

/// The allowance for start-up, for reading the file and for the family lookup; 1.31 makes 15 calls for each line.
const OTHERS: usize = 100;

/// A restore installs a handler for each of 46 signals.
const HANDLERS: usize = 2 * 46;

#[test]
fn a_thousand_lines_take_few_system_calls() {
    let services = (1..=SERVICES).flat_map(|port| {
        let service = format!("-A -t 10.0.0.1:{port} -s rr\n");
        let server = move |number| format!("-a -t 10.0.0.1:{port} -r 10.0.1.{number}:80 -m\n");
        std::iter::once(service).chain((1..=9).map(server))
    });
    let rules: String = services.collect();
    let changes = rules.lines().count().div_ceil(BATCH);
    // A restore reads the table first: the services, then each one's real servers.
    let (ours, restore) = (Program::ours(), Program::restore());
    fresh_namespace();
    let lines = calls_of(&ours, "all", "-R", &rules);
    let unchanged = calls_of(&restore, "all", "", &rules);
    fresh_namespace();
    let into_nothing = calls_of(&restore, "all", "", &rules);
    for (calls, sends) in [(lines, changes), (into_nothing, 1 + changes), (unchanged, 1 + SERVICES)]
    {
        let sent = calls.iter().filter(|call| call.contains("sendto(")).count();
        assert_eq!(sent, 1 + sends, "the first asks for the family: {calls:#?}");
        // Each answer is received; a dump ends with a further message.
        let most = OTHERS + HANDLERS + sends * 5;
        assert!(calls.len() <= most, "{} of {most}: {calls:#?}", calls.len());
    }
}

#[test]
fn edit_reads_the_old_settings_for_its_notes_on_a_terminal_only() {
    fresh_namespace();
    let rules = "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2 -m -w 5\n";
    Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
    for edit in ["-e -t 10.0.0.1:80 -r 10.0.0.2 -w 0", "-E -t 10.0.0.1:80 -s rr"] {
        let sent = calls_of(&Program::ours(), "sendto", edit, "");
        assert_eq!(sent.len(), 2, "the family and the edit: {sent:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "strace -o log -e trace=sendto {} -e -t 10.0.0.1:80 -r 10.0.0.2 -w 3",
        Program::ours().name()
    );
    let shown = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.matches("sendto(").count() > 2, "{log}");
}

#[test]
fn help_and_version_ask_the_kernel_for_nothing() {
    for arguments in ["-h", "--help", "-v", "--version"] {
        let asked = calls("socket,execve", arguments, "");
        assert_eq!(asked.len(), 1, "{arguments}: more than its own execve: {asked:?}");
    }
}

#[test]
fn listing_without_a_socket_exits_with_1_and_a_change_with_255() {
    fresh_namespace();
    for (arguments, status) in
        [("-L -n --stats", 1), ("-S", 1), ("-A -t 10.0.0.1:80", 255), ("-Z", 255)]
    {
        let outcome = Command::new("strace")
            .args(["-o", "/dev/null", "-e", "inject=socket:error=EMFILE"])
            .arg(Program::ours().name())
            .args(arguments.split(' '))
            .output()
            .expect("strace is missing: run `make test`, which installs it");
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(status), "{arguments}: {said}");
        assert!(said.contains("Too many open files"), "{arguments}: {said}");
    }
}
