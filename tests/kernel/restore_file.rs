//! Input and options of a restore: a file with an invalid line changes nothing, and every invalid line is reported.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::held::Held;
use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::table::{Kernel, Service, TCP, Table};

/// A namespace whose table has one service with one real server.
fn small_table() -> (Kernel, Table) {
    fresh_namespace();
    let kernel = Kernel::open();
    kernel.add(&Service::new(TCP, "10.9.9.9", 80).with("10.9.9.1", 80));
    let table = kernel.rules();
    (kernel, table)
}

fn restore(arguments: &[&str], input: impl AsRef<[u8]>) -> Outcome {
    Program::restore().feed(arguments, input.as_ref())
}

fn web(last: u8) -> Service {
    Service::new(TCP, &format!("10.0.0.{last}"), 80)
}

/// Restores two good lines with others between them: the message names the lines with these numbers, and nothing
/// changes.
#[track_caller]
fn is_refused(between: impl AsRef<[u8]>, wrong: &[(u64, &str)]) {
    let (kernel, before) = small_table();
    let head = b"-A -t 10.0.0.1:80 -s rr\n";
    let input = [&head[..], between.as_ref(), b"\n-A -t 10.0.0.2:80 -s rr\n"].concat();
    for mode in [&[][..], &["--check"], &["--diff"], &["--noflush"]] {
        let outcome = restore(mode, &input);
        outcome.refused(2);
        let said: Vec<&str> = outcome.complaint().lines().collect();
        assert_eq!(said.len(), wrong.len(), "{}", outcome.complaint());
        for (said, (line, words)) in said.iter().zip(wrong) {
            let start = format!("standard input:{line}: ");
            assert!(
                said.starts_with(&start) && said.contains(words),
                "{said:?}: {start:?} {words:?}"
            );
            assert!(said.len() < 500, "{} bytes", said.len());
        }
        assert_eq!(kernel.rules(), before, "{mode:?}");
    }
}

#[test]
fn every_wrong_line_is_named() {
    is_refused(
        "# a comment\n\
         -A -t bogus..:80\n\
         \n\
         -A -t 10.0.0.3:80 -Q\n\
         -a -t 10.0.0.1:80 -r 10.1.0.1 -w heavy\n\
         -A\n\
         what\n\
         -A -t 10.0.0.4:80 -s rr --nosuch",
        &[
            (3, "-A -t bogus..:80: illegal virtual server address[:port] specified"),
            (5, "-Q: unknown option"),
            (6, "illegal weight specified"),
            (7, "service-address"),
            (8, "what"),
            (9, "--nosuch"),
        ],
    );
}

#[test]
fn a_file_holds_rules_and_nothing_else() {
    for line in ["-R", "-R FILE", "--restore", "-S", "-S -n", "-L -n", "-h", "--version"] {
        is_refused(line, &[(2, "only rules can be restored")]);
    }
}

#[test]
fn lines_that_do_not_fit_the_ones_before_them_are_refused() {
    for (lines, line, words) in [
        ("-a -t 10.0.0.2:80 -r 10.1.0.1 -m", 2, "Service not defined"),
        ("-A -t 10.0.0.1:80 -s wrr", 2, "Service already exists (line 1"),
        ("-E -t 10.0.0.3:80 -s wrr", 2, "No such service"),
        // The service is in the kernel, but a restore starts with an empty table.
        ("-D -t 10.9.9.9:80", 2, "No such service"),
        ("-Z -t 10.0.0.3:80", 2, "No such service"),
        ("-d -t 10.0.0.1:80 -r 10.1.0.1", 2, "No such destination"),
        ("-e -t 10.0.0.1:80 -r 10.1.0.1 -m", 2, "No such destination"),
        (
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m -w 3",
            3,
            "Destination already exists (line 2",
        ),
    ] {
        let (kernel, before) = small_table();
        let input = format!("-A -t 10.0.0.1:80 -s rr\n{lines}\n");
        for mode in [&[][..], &["--check"], &["--diff"]] {
            let outcome = restore(mode, &input);
            let sentence = outcome.refused(2);
            let named = format!("standard input:{line}: {}", lines.lines().last().unwrap());
            assert!(sentence.starts_with(&named) && sentence.contains(words), "{sentence:?}");
            assert_eq!(kernel.rules(), before);
        }
    }
}

#[test]
fn the_same_line_twice_is_no_error() {
    fresh_namespace();
    let lines = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";
    restore(&[], lines.repeat(2)).succeeded();
    assert_eq!(Kernel::open().rules().services, [web(1).with("10.1.0.1", 80)]);
}

#[test]
fn ends_of_lines_and_of_the_file_do_not_matter() {
    for input in [
        "-A -t 10.0.0.1:80 -s rr\r\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\r\n",
        "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m",
        "\n\n# head\r\n  ipvsadm -A\t-t 10.0.0.1:80 -s rr # why\n\t-a -t 10.0.0.1:80 -r 10.1.0.1 -m  ",
    ] {
        let (kernel, _) = small_table();
        restore(&[], input).succeeded();
        assert_eq!(kernel.rules().services, [web(1).with("10.1.0.1", 80)], "{input:?}");
    }
}

#[test]
fn bytes_that_are_not_text_are_refused_with_their_line() {
    is_refused(b"-A -t 10.0.0.\xff:80 -s rr", &[(2, "not UTF-8")]);
    is_refused(b"-A -t 10.0.0.3:80 -s rr\0", &[(2, "NUL")]);
    is_refused(b"\0\n\xff\xfe", &[(2, "NUL"), (3, "not UTF-8")]);
    is_refused(vec![b'x'; 1 << 20], &[(2, "longer than")]);
    is_refused("-A ".repeat(1 << 19), &[(2, "longer than")]);
    is_refused([&b"# "[..], &vec![b'x'; 1 << 20]].concat(), &[(2, "longer than")]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (kernel, before) = small_table();
    let folder = tempfile::tempdir().unwrap();
    let folder_path = folder.path().to_str().unwrap();
    let gone = folder.path().join("gone");
    for (path, words) in
        [(folder_path, "Is a directory"), (gone.to_str().unwrap(), "No such file or directory")]
    {
        for outcome in [
            Program::restore().line(path),
            Program::restore().line(&format!("--check {path}")),
            Program::restore().line(&format!("--diff {path}")),
            Program::ours().line(&format!("-R {path}")),
        ] {
            let sentence = outcome.refused(2);
            assert!(sentence.contains(path) && sentence.contains(words), "{sentence}");
            assert_eq!(kernel.rules(), before);
        }
    }
}

/// The program reads the whole file into memory before it sends a request to the kernel.
#[test]
fn a_file_that_is_deleted_or_emptied_meanwhile_is_restored_as_it_was() {
    let (kernel, _) = small_table();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    Command::new("mkfifo").arg(&pipe).status().unwrap();
    let child = Program::restore().command([&pipe]).spawn().unwrap();
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    std::io::Write::write_all(&mut writer, b"-A -t 10.0.0.1:80 -s rr\n").unwrap();
    assert_eq!(kernel.rules().services.len(), 1);
    drop(writer);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(kernel.rules().services, [web(1)]);
}

#[test]
fn a_million_lines_are_restored() {
    const LINES: usize = 1_000_000;
    let (kernel, _) = small_table();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    let lines = "-A -t 10.0.0.1:80 -s rr\n".to_owned() + &"# -D\n".repeat(LINES - 2);
    fs::write(&path, lines + "-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n").unwrap();
    Program::restore().run([&path]).succeeded();
    assert_eq!(kernel.rules().services, [web(1).with("10.1.0.1", 80)]);
}

#[test]
fn a_file_makes_the_same_table_as_its_lines_in_order() {
    let (kernel, _) = small_table();
    let lines = "\
        -A -t 10.0.0.5:80 -s rr\n\
        -C\n\
        -A -t 10.0.0.1:80 -s wlc\n\
        -a -t 10.0.0.1:80 -r 10.1.0.1 -g\n\
        -a -t 10.0.0.1:80 -r 10.1.0.2 -m\n\
        -E -t 10.0.0.1:80 -s rr\n\
        -e -t 10.0.0.1:80 -r 10.1.0.1 -m\n\
        -d -t 10.0.0.1:80 -r 10.1.0.2\n\
        -A -t 10.0.0.3:80 -s rr\n\
        -Z -t 10.0.0.3:80\n\
        -D -t 10.0.0.3:80\n\
        -Z\n";
    restore(&[], lines).succeeded();
    assert_eq!(kernel.rules().services, [web(1).with("10.1.0.1", 80)]);
}

#[test]
fn a_check_reads_the_file_and_changes_nothing() {
    let (kernel, before) = small_table();
    let input = "-A -t 10.0.0.1:80 -s nosuch\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";
    let outcome = restore(&["--check"], input);
    let said = outcome.succeeded();
    assert!(said.contains("1 service") && said.contains("1 real server"), "{said}");
    assert!(said.contains("scheduler") && said.contains("only the kernel knows"), "{said}");
    assert_eq!(kernel.rules(), before);
    restore(&["--check", "--noflush"], "-D -t 10.7.7.7:80\n").succeeded();
}

#[test]
fn a_diff_prints_lines_that_make_the_table_of_the_file() {
    fresh_namespace();
    let kernel = Kernel::open();
    let old = "-A -t 10.0.0.1:80 -s rr\n\
               -a -t 10.0.0.1:80 -r 10.1.0.1 -m\n\
               -a -t 10.0.0.1:80 -r 10.1.0.2 -m\n\
               -A -f 7 -s rr\n";
    let new = "--set 77 0 0\n\
               -A -t 10.0.0.1:80 -s wrr\n\
               -a -t 10.0.0.1:80 -r 10.1.0.2 -m -w 4 -x 9 -y 5\n\
               -A -t [2001:db8::1]:80 -s rr\n\
               -a -t [2001:db8::1]:80 -r 2001:db8::2 -i --tun-type gre --tun-csum\n";
    restore(&[], old).succeeded();
    let before = kernel.rules();
    let outcome = restore(&["--diff"], new);
    assert_eq!((outcome.code(), outcome.complaint()), (1, ""));
    assert_eq!(kernel.rules(), before, "a diff changes nothing");
    assert_eq!(
        outcome.text(),
        "-E -t 10.0.0.1:80 -s wrr\n\
         -e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 4 -x 9 -y 5\n\
         -A -t [2001:db8::1]:80 -s rr\n\
         -a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -i -w 1 --tun-type gre --tun-csum\n\
         --set 77 0 0\n\
         -d -t 10.0.0.1:80 -r 10.1.0.1:80\n\
         -D -f 7\n"
    );
    Program::ours().feed(["-R"], &outcome.stdout).succeeded();
    for mode in [&["--diff"][..], &[]] {
        let outcome = restore(mode, new);
        assert_eq!((outcome.code(), outcome.text()), (0, ""), "nothing left to do");
    }
}

#[test]
fn zeroed_counters_alone_do_not_count_as_a_change() {
    fresh_namespace();
    let rules = "-A -t 10.0.0.1:80 -s rr\n-Z\n";
    let outcome = restore(&["--diff"], rules);
    assert_eq!((outcome.code(), outcome.text()), (1, rules));
    restore(&[], rules).succeeded();
    assert_eq!(restore(&["--diff"], rules).succeeded(), "");
    assert_eq!(restore(&["--diff"], format!("{rules}-Z -t 10.0.0.1:80\n")).succeeded(), "");
}

#[test]
fn noflush_keeps_entries_that_the_file_does_not_name() {
    let (kernel, before) = small_table();
    let other = before.services[0].clone();
    let input = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";
    restore(&["--noflush"], input).succeeded();
    restore(&["--noflush"], input).succeeded();
    assert_eq!(kernel.rules().services, [web(1).with("10.1.0.1", 80), other.clone()]);
    // A line with other options edits the service, and its other real servers stay.
    restore(&["--noflush"], "-A -t 10.9.9.9:80 -s rr\n-a -t 10.9.9.9:80 -r 10.9.9.2 -m\n")
        .succeeded();
    restore(&["--noflush"], "-d -t 10.0.0.1:80 -r 10.1.0.1\n").succeeded();
    assert_eq!(kernel.rules().services, [web(1), other.with("10.9.9.2", 80)]);
    // A deletion of a missing service is done already. An edit of a missing service is refused.
    restore(&["--noflush"], "-D -t 10.7.7.7:80\n").succeeded();
    let outcome = restore(&["--noflush"], "-A -t 10.0.0.3:80 -s rr\n-E -t 10.7.7.7:80 -s rr\n");
    let said = outcome.refused(2);
    assert!(said.contains("standard input:2: -E -t 10.7.7.7:80 -s rr: No such service"), "{said}");
    assert_eq!(kernel.rules().services.len(), 2);
}

#[test]
fn settings_take_effect_with_the_table_and_only_if_they_differ() {
    fresh_namespace();
    let kernel = Kernel::open();
    let rules = "--set 0 7 0\n\
                 --start-daemon master --mcast-interface lo --syncid 5\n\
                 --start-daemon backup --mcast-interface lo --syncid 6 --mcast-port 9000\n\
                 -A -t 10.0.0.1:80 -s rr\n\
                 --set 99 0 0\n";
    restore(&[], rules).succeeded();
    let table = kernel.rules();
    assert_eq!((table.timeouts.tcp, table.timeouts.tcp_fin), (99, 7));
    let daemons: Vec<(u32, u32)> = table.daemons.iter().map(|d| (d.state, d.sync_id)).collect();
    assert_eq!(daemons, [(1, 5), (2, 6)]);
    assert_eq!(restore(&["--diff"], rules).succeeded(), "");
    restore(&[], rules).succeeded();
    assert_eq!(kernel.rules(), table);
    // A file without settings leaves the kernel's settings unchanged.
    restore(&[], "-A -t 10.0.0.1:80 -s rr\n").succeeded();
    assert_eq!(kernel.rules(), table);
    // A failure of the last change rolls everything back: the table, the timeouts and the stopped daemon.
    let failing = "--set 5 5 5\n\
                   --start-daemon backup --mcast-interface lo --syncid 7\n\
                   --start-daemon master --mcast-interface lo --syncid 8\n\
                   -A -t 10.0.0.2:80 -s rr\n";
    let failing_interface =
        failing.replacen("backup --mcast-interface lo", "backup --mcast-interface none", 1);
    let outcome = restore(&[], failing_interface);
    assert!(
        outcome.refused(255).contains("standard input:2: --start-daemon backup"),
        "{}",
        outcome.complaint()
    );
    assert_eq!(kernel.rules().to_string(), table.to_string());
    restore(&[], failing).succeeded();
    let daemons: Vec<u32> = kernel.rules().daemons.iter().map(|daemon| daemon.sync_id).collect();
    assert_eq!(daemons, [8, 7]);
    restore(&["--noflush"], "--stop-daemon master\n--stop-daemon backup\n").succeeded();
    assert_eq!(kernel.rules().daemons, []);
}

/// A file whose restore needs more than 10,000 changes.
fn large_file(folder: &TempDir) -> String {
    let path = folder.path().join("rules");
    let mut rules = String::new();
    for port in 1..=100 {
        rules.push_str(&format!("-A -t 10.0.0.1:{port} -s rr\n"));
        for host in 1..=100 {
            rules.push_str(&format!("-a -t 10.0.0.1:{port} -r 10.1.0.{host}:80 -m\n"));
        }
    }
    fs::write(&path, rules).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn only_a_terminal_shows_the_progress_of_a_large_restore() {
    fresh_namespace();
    let folder = tempfile::tempdir().unwrap();
    let path = large_file(&folder);
    let on_a_terminal = |file: &str| {
        let command = format!("{} {file}", Program::restore().name());
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).env("NO_COLOR", "1");
        let output = script.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = on_a_terminal(&path);
    assert_eq!(code, Some(0));
    assert!(shown.contains("of 10100 changes"), "{shown:?}");
    let summary = "10100 of 10100 changes\r\n10100 added, 0 edited, 0 deleted, 0 unchanged\r\n";
    assert!(shown.ends_with(summary), "{shown:?}");

    let small = folder.path().join("small");
    fs::write(&small, "-A -t 10.0.0.1:1 -s rr\n").unwrap();
    Program::restore().run([&small]).succeeded();
    assert_eq!(Program::restore().line(&path).succeeded(), "", "not to a pipe");
    let summary = "0 added, 0 edited, 0 deleted, 10100 unchanged\r\n";
    assert_eq!(on_a_terminal(&path), (Some(0), summary.to_owned()), "nor for a small one");

    // An error message begins on a new line.
    Program::restore().run([&small]).succeeded();
    let rules = fs::read_to_string(&path).unwrap();
    fs::write(&path, rules + "-A -t 10.0.0.9:1 -s nosuch\n").unwrap();
    let (code, shown) = on_a_terminal(&path);
    assert_eq!(code, Some(255));
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("Scheduler or persistence engine not found"), "{last:?}");
}

/// Single commands do not wait for a restore. The restore is stopped while another program makes one of its changes.
#[test]
fn a_change_by_another_program_meanwhile_is_taken_into_account() {
    const OLD: &str = "-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.2:80 -s rr\n";
    const NEW: &str = "-A -t 10.0.0.2:80 -s rr\n-A -t 10.0.0.3:80 -s rr\n-A -t 10.0.0.4:80 -s rr\n";
    // The sends are the family, the services, the real servers of both services, the additions, and the deletions.
    for (last_send, meanwhile) in [("4", "-A -t 10.0.0.4:80 -s wrr"), ("5", "-D -t 10.0.0.1:80")] {
        fresh_namespace();
        let kernel = Kernel::open();
        Program::ours().feed(["-R"], OLD.as_bytes()).succeeded();
        let mut restore = Held::start(&Program::restore(), "", NEW.as_bytes(), last_send);
        assert!(restore.stops(), "it has ended");
        let additions = usize::from(last_send == "5") * 2;
        assert_eq!(kernel.rules().services.len(), 2 + additions, "before the next send");
        Program::ours().line(meanwhile).succeeded();
        restore.go_on();
        let output = restore.end();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let services = ["10.0.0.2", "10.0.0.3", "10.0.0.4"];
        let services = services.map(|address| Service::new(TCP, address, 80));
        assert_eq!(kernel.rules().services, services, "{meanwhile}");
    }
}
