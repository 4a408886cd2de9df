//! Invalid input: the first line of the message names the fault, the exit status is the one that callers of 1.31
//! expect, and the table is unchanged.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::table::{Kernel, Service, TCP};

/// A namespace whose table has one service with one real server.
fn small_table() -> Kernel {
    fresh_namespace();
    let kernel = Kernel::open();
    kernel.add(&Service::new(TCP, "10.0.0.1", 80).with("10.0.0.2", 80));
    kernel
}

/// Runs each command line, and asserts its exit status and that the first line on standard error contains the words.
fn all_are_refused(code: i32, lines: &[(&str, &str)]) {
    let kernel = small_table();
    let before = kernel.rules();
    let mut wrong = Vec::new();
    for (line, words) in lines {
        let outcome = Program::ours().line(line);
        let sentence = outcome.complaint().lines().next().unwrap_or_default();
        if outcome.code() != code || !sentence.contains(words) || !outcome.stdout.is_empty() {
            wrong.push(format!(
                "{line}: {} {:?}, not {code} {words:?}",
                outcome.code(),
                outcome.complaint()
            ));
        }
        assert_eq!(kernel.rules(), before, "{line} changed the table");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unknown_options_are_named() {
    all_are_refused(
        255,
        &[
            ("-Q", "-Q"),
            ("-A -t 10.0.0.1:81 -Q", "-Q"),
            ("-A -t 10.0.0.1:81 --nosuch", "--nosuch"),
            ("-A -t 10.0.0.1:81 --nosuch=5", "--nosuch"),
            ("-LnQ", "Q"),
            ("--lisst", "--lisst"),
        ],
    );
}

#[test]
fn repeated_options_are_named() {
    all_are_refused(
        2,
        &[
            ("-A -t 10.0.0.1:81 -t 10.0.0.1:82", "service-address"),
            ("-A -t 10.0.0.1:81 -s rr -s rr", "scheduler"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -w 1 -w 2", "weight"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -m -g", "forwarding-method"),
            ("-L -n --stats --stats", "stats"),
        ],
    );
}

#[test]
fn options_of_another_command_are_named_with_this_one() {
    all_are_refused(
        2,
        &[
            ("-A -t 10.0.0.1:81 -w 5", "Illegal 'weight' option with the 'add-service' command"),
            (
                "-a -t 10.0.0.1:80 -r 10.0.0.3 -p",
                "Illegal 'persistent' option with the 'add-server' command",
            ),
            (
                "-D -t 10.0.0.1:80 -r 10.0.0.2",
                "Illegal 'real-server' option with the 'delete-service' command",
            ),
            ("-C -n", "Illegal 'numeric' option with the 'flush' command"),
            (
                "--stop-daemon master --mcast-port 3",
                "Illegal 'mcast-port' option with the 'stop-daemon' command",
            ),
        ],
    );
}

#[test]
fn missing_values_and_options_are_named() {
    all_are_refused(
        255,
        &[("-A -t", "-t"), ("-A -t 10.0.0.1:81 -s", "-s"), ("-a -t 10.0.0.1:80 -r", "-r")],
    );
    all_are_refused(
        2,
        &[
            ("-A", "service-address"),
            ("-A -s rr", "service-address"),
            ("-a -t 10.0.0.1:80", "real-server"),
            ("-d -r 10.0.0.2", "service-address"),
            ("--set 1 2", "3 timeout values"),
        ],
    );
}

#[test]
fn values_out_of_range_are_named() {
    all_are_refused(
        2,
        &[
            ("-A -t 10.0.0.1:99999", "illegal virtual server address[:port] specified"),
            ("-A -t 10.0.0.1:-1", "illegal virtual server address[:port] specified"),
            ("-A -t [2001:db8::1]:99999", "illegal virtual server address[:port] specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3:99999", "illegal real server address[:port] specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3:-1", "illegal real server address[:port] specified"),
            (
                "-A -t 10.0.0.1:81 -p -M 255.255.0.255.0",
                "illegal virtual server persistent mask specified",
            ),
            ("-A -t 10.0.0.1:81 -p -M 33", "illegal virtual server persistent mask specified"),
            ("-A -t [2001:db8::1]:81 -p -M 129", "illegal ipv6 netmask specified"),
            ("-A -t [2001:db8::1]:81 -p -M -1", "illegal ipv6 netmask specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -w -1", "illegal weight specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -w 2147483648", "illegal weight specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -w heavy", "illegal weight specified"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -x -1", "illegal u_threshold specified"),
            ("-A -t 10.0.0.1:81 -p 0", "invalid timeout value `0' specified"),
            ("-A -t 10.0.0.1:81 -p 2678401", "invalid timeout value `2678401' specified"),
            ("--set 1 2 2678401", "invalid timeout value `2678401' specified"),
            ("-A -f 0", "invalid fwmark value `0' specified"),
            ("-A -f 4294967296", "invalid fwmark value `4294967296' specified"),
            ("--start-daemon master --syncid 256", "illegal syncid specified"),
        ],
    );
}

#[test]
fn the_wrong_value_itself_is_shown() {
    all_are_refused(
        2,
        &[
            ("-A -t 10.0.0.1:99999", "99999"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3:99999", "99999"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 -w 2147483648", "2147483648"),
            ("-A -t 10.0.0.1:81 -p -M 255.255.0.255.0", "255.255.0.255.0"),
        ],
    );
}

#[test]
fn names_that_do_not_resolve_are_named() {
    all_are_refused(
        2,
        &[
            ("-A -t nosuchhost.invalid:80", "nosuchhost.invalid"),
            ("-A -t 10.0.0.1:nosuchservice", "nosuchservice"),
            ("-a -t 10.0.0.1:80 -r nosuchhost.invalid", "nosuchhost.invalid"),
        ],
    );
}

#[test]
fn typographic_dashes_are_refused_with_the_plain_one() {
    all_are_refused(
        2,
        &[
            ("-A –t 10.0.0.1:81", "–t"),
            ("-A -t 10.0.0.1:81 —s rr", "—s"),
            ("-a -t 10.0.0.1:80 -r 10.0.0.3 –g", "–g"),
        ],
    );
    for line in ["-A –t 10.0.0.1:81", "–L", "—list"] {
        let outcome = Program::ours().line(line);
        assert!(!outcome.status.success());
        let plain =
            line.split(' ').find(|word| !word.is_ascii()).unwrap().trim_start_matches(['–', '—']);
        assert!(
            outcome.complaint().contains(&format!("-{plain}")),
            "{line}: {}",
            outcome.complaint()
        );
    }
}

#[test]
fn arguments_that_are_not_utf8_are_refused() {
    let kernel = small_table();
    let before = kernel.rules();
    let with_byte = |text: &str| {
        OsString::from_vec(text.bytes().map(|b| if b == b'?' { 0xff } else { b }).collect())
    };
    for arguments in [
        &["-A", "-t", "10.0.0.?:80"][..],
        &["-A", "-t", "10.0.0.1:81", "?"],
        &["-A", "-t", "10.0.0.1:81", "-?"],
        &["-A", "-t", "10.0.0.1:81", "--nosuch?"],
        &["--?"],
        &["-?"],
        &["?"],
        &["-a", "-t", "10.0.0.1:80", "-r", "10.0.0.3", "-w", "?"],
    ] {
        let arguments: Vec<OsString> = arguments.iter().map(|text| with_byte(text)).collect();
        let as_1_31 = Program::reference().run(&arguments).code();
        assert_ne!(Program::ours().run(&arguments).refused(as_1_31), "", "{arguments:?}");
        assert_eq!(kernel.rules(), before, "{arguments:?} changed the table");
    }
}

/// Feeds `-R` one wrong line between two good ones: the good lines take effect, and the message names the number of the
/// wrong one.
fn only_the_second_line_is_refused(line: &[u8]) -> Outcome {
    fresh_namespace();
    let kernel = Kernel::open();
    let input = [b"-A -t 10.0.0.1:80 -s rr\n", line, b"\n-A -t 10.0.0.3:80 -s rr\n"].concat();
    let outcome = Program::ours().feed(["-R"], &input);
    let expected = [Service::new(TCP, "10.0.0.1", 80), Service::new(TCP, "10.0.0.3", 80)];
    assert_eq!(kernel.rules().services, expected, "{}", outcome.complaint());
    assert!(
        outcome.complaint().lines().next().unwrap_or_default().contains("line 2"),
        "{}",
        outcome.complaint()
    );
    assert_eq!(
        outcome.complaint().lines().filter(|line| line.contains("line ")).count(),
        1,
        "{}",
        outcome.complaint()
    );
    outcome
}

#[test]
fn a_rule_line_that_is_not_utf8_is_refused() {
    assert_eq!(only_the_second_line_is_refused(b"-A -t 10.0.0.\xff:80 -s rr").code(), 2);
    assert_ne!(only_the_second_line_is_refused(b"\xff\xfe").code(), 0);
    assert_eq!(only_the_second_line_is_refused(b"-A -t 10.0.0.2:80 -s r\xffr").code(), 2);
}

#[test]
fn a_rule_line_with_a_nul_byte_is_refused() {
    assert_ne!(only_the_second_line_is_refused(b"-A -t 10.0.0.2:80\0 -s rr").code(), 0);
    assert_ne!(only_the_second_line_is_refused(b"-A -t 10.0.0.2:80 -s rr\0").code(), 0);
    assert_ne!(only_the_second_line_is_refused(b"\0").code(), 0);
}

#[test]
fn a_rule_line_of_a_mebibyte_is_refused_briefly() {
    for line in
        [format!("-A -t {}:80", "1".repeat(1 << 20)), "x".repeat(1 << 20), "-A ".repeat(1 << 19)]
    {
        let outcome = only_the_second_line_is_refused(line.as_bytes());
        assert_ne!(outcome.code(), 0);
        assert!(outcome.stderr.len() < 4096, "{} bytes on standard error", outcome.stderr.len());
    }
}

#[test]
fn a_closed_reader_ends_a_listing_quietly() {
    small_table();
    for line in ["-L -n", "-S -n", "-L -n -c", "-L --timeout", "-h", "-v"] {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let mut command = Program::ours().command(line.split(' '));
        let output = command.stdout(writer).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        // SIGPIPE ends 1.31 there, without a message; a script with pipefail would report that as a failure.
        assert_eq!(output.status.code(), Some(0), "{line}: {}", output.status);
    }
}

#[test]
fn a_listing_without_standard_output_ends_quietly() {
    small_table();
    let shell = r#"exec "$0" -L -n >&-"#;
    let output = Command::new("sh").args(["-c", shell, Program::ours().name()]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    small_table();
    for line in ["-L -n", "-S -n", "-L -n -c", "-L --timeout", "-h", "-v"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Program::ours().command(line.split(' '));
        let output = command.stdout(full).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("No space left on device"), "{line}: {said:?}");
    }
}

#[test]
fn unknown_arguments_of_save_and_restore_change_nothing() {
    let kernel = small_table();
    let before = kernel.rules();
    for program in [Program::save(), Program::restore()] {
        for line in ["-Q", "--nosuch", "--nosuch=5", "one two"] {
            let outcome = program.line(line);
            assert!(
                outcome.code() == 2 && !outcome.stderr.is_empty(),
                "{} {line}: {outcome:?}",
                program.name()
            );
            assert_eq!(kernel.rules(), before, "{line} changed the table");
        }
        for line in ["-h", "--help"] {
            assert_ne!(program.line(line).succeeded(), "", "{line}");
            assert_eq!(kernel.rules(), before, "{line} changed the table");
        }
    }
}
