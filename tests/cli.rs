//! The programs without a kernel: help, version and invalid arguments.
//!
//! These command lines change no table, whatever kernel they run on.

#![cfg(test)]

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ipvs_rules::{COMMANDS, OPTIONS};

const IPVSADM: &str = env!("CARGO_BIN_EXE_ipvsadm");
const SAVE: &str = env!("CARGO_BIN_EXE_ipvsadm-save");
const RESTORE: &str = env!("CARGO_BIN_EXE_ipvsadm-restore");

const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";

/// The results of a run.
#[derive(Debug)]
struct Outcome {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Outcome {
    feed(program, arguments, b"")
}

fn feed<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Outcome {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may have ended.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs ipvsadm with blank-separated words.
fn ipvsadm(line: &str) -> Outcome {
    run(IPVSADM, line.split(' '))
}

/// Asserts the status of each command line, the beginning of its standard error, and an empty standard output.
fn all_are_refused(lines: &[(&str, i32, &str)]) {
    for &(line, status, message) in lines {
        let Outcome { status: found, stdout, stderr } = ipvsadm(line);
        assert!(stderr.starts_with(message), "{line}: {stderr}");
        assert_eq!((found, stdout.as_str()), (Some(status), ""), "{line}");
    }
}

#[test]
fn help_names_commands_and_options_and_ignores_the_words_behind_it() {
    for (word, lines) in
        [("-h", &["-h -w x", "-hL", "-h --nosuch"][..]), ("--help", &["--help foo --nosuch"])]
    {
        let help = ipvsadm(word);
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
        let commands = COMMANDS.iter().map(|spec| spec.long);
        let options = OPTIONS.iter().filter(|spec| word == "--help" || !spec.is_rare);
        for name in commands.chain(options.map(|spec| spec.long)) {
            assert!(help.stdout.contains(&format!("--{name}")), "{word}: --{name}");
        }
        for line in lines {
            assert_eq!(ipvsadm(line).stdout, help.stdout, "{line}");
        }
    }
    assert!(ipvsadm("-h").stdout.lines().count() <= 40);
    assert!(ipvsadm("--help").stdout.lines().count() > 40);
}

#[test]
fn version_is_one_line_that_scripts_can_compare() {
    for line in ["-v", "--version", "-v -L", "-vh"] {
        let version = ipvsadm(line);
        assert_eq!((version.status, version.stderr.as_str()), (Some(0), ""), "{line}");
        let number = version.stdout.strip_prefix("ipvsadm v").unwrap();
        assert!(number.starts_with(env!("CARGO_PKG_VERSION")), "{number}");
        assert_eq!(version.stdout.lines().count(), 1, "{line}");
    }
}

#[test]
fn line_without_a_command_is_refused_with_a_hint_to_the_help() {
    for (line, message) in [
        ("foo", "no command"),
        ("--", "no command"),
        ("-", "no command"),
        ("-n -L", "--numeric comes before a command"),
        ("-nL", "--numeric comes before a command"),
        ("-t 10.0.0.1:80 -A", "--tcp-service comes before a command"),
        ("--start-daemon", "--start-daemon: missing argument"),
        ("--list=", "--list=: option does not take an argument"),
        ("-Q", "-Q: unknown option"),
        ("--lisst", "--lisst: unknown option (did you mean --list?)"),
    ] {
        all_are_refused(&[(line, 255, message)]);
        assert!(ipvsadm(line).stderr.ends_with(&format!("\n{TRY}\n")), "{line}");
    }
}

#[test]
fn command_lines_that_cannot_be_parsed_exit_with_255() {
    all_are_refused(&[
        ("-L -Q", 255, "-Q: unknown option"),
        ("-L -zq", 255, "-zq: unknown option"),
        ("-L --num", 255, "--num: unknown option (did you mean --numeric?)"),
        ("-A -t", 255, "-t: missing argument"),
        ("-L --stats=1", 255, "--stats=1: option does not take an argument"),
        ("-A --schedular rr", 255, "--schedular: unknown option (did you mean --scheduler?)"),
    ]);
}

#[test]
fn invalid_values_and_combinations_exit_with_2() {
    all_are_refused(&[
        ("-L foo", 2, "unexpected argument foo"),
        ("-a -t 10.0.0.1:80 10.0.0.2", 2, "unexpected argument 10.0.0.2 (a real server is"),
        ("-C -A", 2, "invalid option `-A' (there is a command already: flush)"),
        ("-L -n -n", 2, "multiple 'numeric' options specified"),
        ("-A", 2, "You need to supply the 'service-address' option for the 'add-service' command"),
        ("-C -n", 2, "Illegal 'numeric' option with the 'flush' command"),
        ("-A -t 10.0.0.1", 2, "Zero port specified for non-persistent service"),
        (
            "-A -f 0",
            2,
            "invalid fwmark value `0' specified (`0' is not a number from 1 to 4294967295)",
        ),
        ("--set 1 2", 2, "--set option requires 3 timeout values (2 given)"),
        (
            "--stop-daemon both",
            2,
            "illegal start_daemon specified (`both' is neither master nor backup)",
        ),
    ]);
}

#[test]
fn typographic_dash_is_named_with_the_plain_one_that_was_meant() {
    for (line, found, meant) in [
        ("–L", "–L (it begins with U+2013", "-L"),
        ("-A —t 10.0.0.1:80", "—t (it begins with U+2014", "-t"),
        ("-L —stats", "—stats (it begins with U+2014", "--stats"),
    ] {
        let Outcome { status, stderr, .. } = ipvsadm(line);
        assert!(stderr.starts_with(&format!("unexpected argument {found}")), "{stderr}");
        assert!(stderr.ends_with(&format!(" {meant})\n")), "{stderr}");
        assert_eq!(status, Some(2), "{line}");
    }
}

#[test]
fn argument_that_is_not_utf8_is_refused_before_anything_is_done() {
    let word = |text: &[u8]| OsString::from_vec(text.to_vec());
    for (program, words, status, message) in [
        (IPVSADM, [word(b"-A"), word(b"-t10.0.0.\xff")], 2, "illegal virtual server address"),
        (IPVSADM, [word(b"-L"), word(b"-\xff")], 255, "-\u{fffd}: unknown option"),
        (IPVSADM, [word(b"-L"), word(b"\xff")], 2, "unexpected argument \u{fffd}"),
        (SAVE, [word(b"-n"), word(b"-\xff")], 2, "-\u{fffd}: unknown option"),
        (RESTORE, [word(b"--check"), word(b"-\xff")], 2, "-\u{fffd}: unknown option"),
    ] {
        let outcome = run(program, words);
        assert!(outcome.stderr.starts_with(message), "{program}: {}", outcome.stderr);
        assert_eq!(outcome.status, Some(status), "{program}");
    }
}

#[test]
fn file_may_have_a_name_that_is_not_utf8() {
    let folder = std::env::temp_dir().join(format!("ipvsadm-cli-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join(OsString::from_vec(b"rules-\xff".to_vec()));
    std::fs::write(&file, "-A -t 10.0.0.1:80\n").unwrap();
    let outcome = run(RESTORE, [OsString::from("--check"), file.into_os_string()]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn system_error_is_said_without_its_number() {
    for (program, arguments) in
        [(RESTORE, ["--check", "/nowhere/x"]), (IPVSADM, ["-R", "/nowhere/x"])]
    {
        let outcome = run(program, arguments);
        let said = outcome.stderr.lines().next().unwrap_or_default();
        assert_eq!(said, "cannot read /nowhere/x: No such file or directory", "{program}");
    }
}

#[test]
fn rule_lines_are_refused_with_their_numbers_and_the_first_gives_the_status() {
    let lines = b"# comment\n-Q\n\n-A\n  ipvsadm -A -t 10.0.0.1:80 -w 1 # here\r\n\xff\n-R\n";
    let outcome = feed(IPVSADM, ["-R"], lines);
    let expected = [
        "-Q: unknown option (line 2)",
        "You need to supply the 'service-address' option for the 'add-service' command (line 4)",
        "Illegal 'weight' option with the 'add-service' command (it goes with -a, -e) (line 5)",
        "not UTF-8 text from byte 1 on (line 6)",
        "-R within the lines that are being restored (line 7)",
    ];
    assert_eq!(outcome.stderr.lines().collect::<Vec<_>>(), expected);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(255), ""));
    assert_eq!(feed(IPVSADM, ["-R"], b"-A\n-Q\n").status, Some(2));
}

#[test]
fn help_of_save_and_restore_only_prints_the_help() {
    for program in [SAVE, RESTORE] {
        for word in ["-h", "--help"] {
            let help = run(program, [word]);
            assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""), "{program} {word}");
            let name = Path::new(program).file_name().unwrap().to_str().unwrap();
            assert!(help.stdout.contains(&format!("Usage: {name}")), "{}", help.stdout);
        }
    }
}

#[test]
fn save_and_restore_print_their_version() {
    for program in [SAVE, RESTORE] {
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        for word in ["-v", "-V", "--version"] {
            let version = run(program, [word]);
            assert_eq!((version.status, version.stderr.as_str()), (Some(0), ""), "{name} {word}");
            let start = format!("{name} v{}", env!("CARGO_PKG_VERSION"));
            assert!(version.stdout.starts_with(&start), "{}", version.stdout);
        }
    }
}

#[test]
fn the_version_names_the_commit_of_a_build_that_is_not_of_a_release() {
    let version = run(IPVSADM, ["-v"]).stdout;
    let commit = option_env!("IPVSADM_COMMIT").map(|commit| format!(", commit {commit}"));
    let expected = format!(" (IPVS over generic netlink{})\n", commit.unwrap_or_default());
    assert!(version.ends_with(&expected), "{version}");
}

#[test]
fn wrong_words_of_save_and_restore_are_refused_in_the_words_of_ipvsadm() {
    for (program, line, message) in [
        (SAVE, "-x", "-x: unknown option"),
        (SAVE, "--nosuch", "--nosuch: unknown option"),
        (SAVE, "one two", "unexpected argument two"),
        (SAVE, "--all --all", "multiple 'all' options specified"),
        (RESTORE, "-n", "-n: unknown option"),
        (RESTORE, "--chek", "--chek: unknown option (did you mean --check?)"),
        (RESTORE, "--check=1", "--check: option does not take an argument"),
        (
            RESTORE,
            "--within host",
            "illegal within value `host' specified (`host' is neither a network such as 192.0.2.0/24 nor firewall marks such as fwmark:1-99)",
        ),
        (
            SAVE,
            "--all --within 10.0.0.0/8",
            "The option '--all' conflicts with the '--within' option",
        ),
        (RESTORE, "--check --diff", "The option '--check' conflicts with the '--diff' option"),
        (RESTORE, "--wait=x", "illegal wait value `x' specified"),
        (SAVE, "--netns=a --netns=b", "multiple 'netns' options specified"),
        (
            RESTORE,
            "--color=blue",
            "illegal color value `blue' specified (`blue' is none of auto, always, never)",
        ),
    ] {
        let outcome = run(program, line.split(' '));
        assert_eq!(outcome.stderr, format!("{message}\n"), "{program} {line}");
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{program} {line}");
    }
}

#[test]
fn network_namespace_that_is_missing_is_told_from_a_file_that_is_none() {
    for (word, message) in [
        ("no-such-namespace", "no such network namespace (/run/netns has "),
        ("4294967294", "no name of a network namespace, and no process has this number ("),
        ("/no/such/file", "no such network namespace\n"),
        ("/etc/passwd", ""),
    ] {
        for (program, line) in [
            (IPVSADM, format!("--netns {word} -L")),
            (IPVSADM, format!("-A -t 10.0.0.1:80 --netns={word}")),
            (SAVE, format!("--netns {word}")),
            (RESTORE, format!("--check --netns {word} /dev/null")),
        ] {
            let outcome = run(program, line.split(' '));
            let start = format!("cannot enter the network namespace {word}: {message}");
            assert!(outcome.stderr.starts_with(&start), "{program} {line}: {}", outcome.stderr);
            assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{line}");
        }
    }
}

#[test]
fn colours_are_those_that_are_asked_for() {
    let escape = '\u{1b}';
    for program in [IPVSADM, SAVE, RESTORE] {
        let coloured = run(program, ["--color=always", "--help"]);
        assert!(coloured.stdout.contains(escape), "{program}");
        assert!(!run(program, ["--color", "never", "--help"]).stdout.contains(escape), "{program}");
        assert!(!run(program, ["--help"]).stdout.contains(escape), "{program}");
        // The choice counts on both sides of a fault.
        for line in
            ["--color=always --nosuch", "--nosuch --color=always", "--nosuch --color always"]
        {
            let failed = run(program, line.split(' '));
            assert!(failed.stderr.starts_with("\u{1b}[31m"), "{program} {line}: {}", failed.stderr);
        }
    }
    let failed = run(IPVSADM, ["-L", "--metrics", "-Q", "--color=always"]);
    assert!(failed.stderr.starts_with("\u{1b}[31m"), "{}", failed.stderr);
}
