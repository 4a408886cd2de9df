//! ipvsadm-restore clears the table only if its input asks for it. An input without a rule most likely comes from a
//! command that failed, or from a file that is not written yet.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::table::{Kernel, Service, TCP, Table};

/// Inputs that neither add a virtual service nor clear the table.
const WITHOUT_A_RULE: [&str; 7] = [
    "",
    "\n",
    "# nothing yet\n\n",
    "\r\n",
    "ipvsadm\n",
    "--set 5 5 5\n--start-daemon master --mcast-interface lo\n",
    "-Z\n",
];

/// Inputs that lead to an empty table by rules of their own.
const CLEARING: [&str; 3] =
    ["-C\n", "-A -t 10.0.0.1:80 -s rr\n-C\n", "-A -t 10.0.0.1:80 -s rr\n-D -t 10.0.0.1:80\n"];

/// A namespace whose table has one service with one real server.
fn small_table() -> (Kernel, Table) {
    fresh_namespace();
    let kernel = Kernel::open();
    kernel.add(&Service::new(TCP, "10.9.9.9", 80).with("10.9.9.1", 80));
    let table = kernel.rules();
    (kernel, table)
}

fn restore(arguments: &[&str], input: &str) -> Outcome {
    Program::restore().feed(arguments, input.as_bytes())
}

#[test]
fn input_without_a_rule_is_refused_while_the_kernel_has_services() {
    let (kernel, before) = small_table();
    for input in WITHOUT_A_RULE {
        for mode in [&[][..], &["--diff"]] {
            let outcome = restore(mode, input);
            let sentence = outcome.refused(2);
            assert!(sentence.starts_with("cannot restore standard input: "), "{sentence}");
            for words in ["--allow-empty", "ipvsadm -C", "no virtual service, and the kernel has 1"]
            {
                assert!(sentence.contains(words), "{words:?}: {sentence}");
            }
            let has_other_lines = input.contains("--set") || input.contains("-Z");
            assert_eq!(sentence.contains("--noflush"), has_other_lines, "{sentence}");
            assert_eq!(kernel.rules().to_string(), before.to_string(), "{input:?}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    std::fs::write(&path, "# none\n").unwrap();
    let outcome = Program::restore().run([&path]);
    assert!(outcome.refused(2).starts_with(&format!("cannot restore {}: ", path.display())));
}

#[test]
fn input_without_a_rule_has_nothing_to_clear_while_the_kernel_has_no_services() {
    for input in WITHOUT_A_RULE {
        fresh_namespace();
        restore(&[], input).succeeded();
        let table = Kernel::open().rules();
        assert!(table.services.is_empty(), "{input:?}");
        let has_settings = input.contains("--set");
        assert_eq!(table.timeouts.tcp == 5, has_settings, "{input:?}");
        assert_eq!(table.daemons.len(), usize::from(has_settings), "{input:?}");
    }
}

#[test]
fn table_is_cleared_by_a_rule_that_says_so_or_by_allow_empty() {
    for input in CLEARING {
        let (kernel, _) = small_table();
        restore(&[], input).succeeded();
        assert!(kernel.rules().services.is_empty(), "{input:?}");
    }
    for input in WITHOUT_A_RULE {
        let (kernel, _) = small_table();
        restore(&["--allow-empty"], input).succeeded();
        assert!(kernel.rules().services.is_empty(), "{input:?}");
    }
    small_table();
    let diff = restore(&["--allow-empty", "--diff"], "");
    assert_eq!((diff.code(), diff.text(), diff.complaint()), (1, "-D -t 10.9.9.9:80\n", ""));
}

#[test]
fn no_empty_refuses_every_file_that_leaves_no_service() {
    for input in WITHOUT_A_RULE.iter().chain(&CLEARING) {
        let (kernel, before) = small_table();
        let outcome = restore(&["--no-empty"], input);
        assert!(outcome.refused(2).contains("standard input"), "{}", outcome.complaint());
        assert_eq!(kernel.rules().to_string(), before.to_string(), "{input:?}");
        restore(&["--check", "--no-empty"], input).refused(2);
        fresh_namespace();
        restore(&["--no-empty"], input).refused(2);
    }
    restore(&["--no-empty"], "-A -t 10.0.0.1:80 -s rr\n").succeeded();
    restore(&["--no-empty", "--allow-empty"], "-A -t 10.0.0.1:80 -s rr\n").refused(2);
}

#[test]
fn input_without_a_rule_changes_nothing_with_noflush() {
    let (kernel, before) = small_table();
    for input in ["", "# none\n"] {
        restore(&["--noflush"], input).succeeded();
        assert_eq!(kernel.rules().to_string(), before.to_string(), "{input:?}");
    }
    restore(&["--noflush"], "--set 5 0 0\n").succeeded();
    assert_eq!((kernel.rules().services, kernel.rules().timeouts.tcp), (before.services, 5));
}

#[test]
fn check_says_that_a_restore_refuses_an_input_without_a_rule() {
    fresh_namespace();
    let said = restore(&["--check"], "# none\n");
    assert!(said.succeeded().contains("--allow-empty"), "{}", said.text());
    for (arguments, input) in [
        (&["--check"][..], "-C\n"),
        (&["--check", "--allow-empty"], ""),
        (&["--check", "--noflush"], ""),
        (&["--check"], "-A -t 10.0.0.1:80 -s rr\n"),
    ] {
        let said = restore(arguments, input);
        assert!(!said.succeeded().contains("--allow-empty"), "{}", said.text());
    }
}

#[test]
fn standard_input_that_is_closed_or_cannot_be_read_is_an_empty_input() {
    let (kernel, before) = small_table();
    for redirection in ["<&-", "0>/dev/null", "</dev/null"] {
        let command = format!("\"$0\" {redirection}");
        let output =
            Command::new("sh").args(["-c", &command, Program::restore().name()]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{redirection}: {said}");
        assert!(said.starts_with("cannot restore standard input: "), "{redirection}: {said}");
        assert_eq!(kernel.rules().to_string(), before.to_string(), "{redirection}");
    }
}

/// Runs a command at a terminal until the end of its input, and returns its status and its output.
fn on_a_terminal(command: &str) -> (Option<i32>, String) {
    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut terminal = child.stdin.take().unwrap();
    // Control-D ends the input.
    terminal.write_all(b"-A -t 10.0.0.1:80 -s rr\n\x04").unwrap();
    drop(terminal);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn on_a_terminal_the_restore_prints_that_it_waits_for_rules() {
    const WAITS: &str = "Reading rules from the terminal; Ctrl-D ends them, Ctrl-C cancels.";
    let restore = Program::restore();
    for (arguments, is_told) in
        [("", true), ("-", true), ("--diff", true), ("/dev/null", false), ("-h", false)]
    {
        fresh_namespace();
        let (_, shown) = on_a_terminal(&format!("{} {arguments}", restore.name()));
        assert_eq!(shown.contains(WAITS), is_told, "{arguments}: {shown}");
    }
    fresh_namespace();
    assert_eq!(on_a_terminal(restore.name()).0, Some(0));
    assert_eq!(Kernel::open().rules().services, [Service::new(TCP, "10.0.0.1", 80)]);
    let (_, shown) = on_a_terminal(&format!("{} 2>/dev/null", restore.name()));
    assert!(!shown.contains(WAITS), "only a terminal is told: {shown}");
    let (_, shown) = on_a_terminal(&format!("</dev/null {}", restore.name()));
    assert!(!shown.contains(WAITS), "nobody types: {shown}");
}
