//! What a run asks of the kernel, as strace sees it: one netlink socket and one family look-up a process, many rule lines
//! a send, and nothing for help and version.

use std::fs;
use std::process::{Command, Stdio};

use crate::network::fresh_namespace;
use crate::program::Program;

/// Runs ours under strace, and gives the calls of the names asked for, one a line.
fn calls(names: &str, arguments: &str, input: &str) -> Vec<String> {
    fresh_namespace();
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
        .arg(Program::ours().name())
        .args(arguments.split(' '))
        .stdin(fs::File::open(&rules).unwrap())
        .stdout(Stdio::null())
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

#[test]
fn many_rule_lines_go_out_in_one_send() {
    let rules: String = (1..=200).map(|port| format!("-A -t 10.0.0.1:{port} -s rr\n")).collect();
    let sends = calls("sendto,sendmsg,write", "-R", &rules);
    assert!(sends.len() < 40, "{} sends for 200 lines", sends.len());
}

#[test]
fn help_and_version_ask_the_kernel_for_nothing() {
    for arguments in ["-h", "--help", "-v", "--version"] {
        let asked = calls("socket,execve", arguments, "");
        assert_eq!(asked.len(), 1, "{arguments}: more than its own execve: {asked:?}");
    }
}
