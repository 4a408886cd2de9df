//! `-L --watch` and `-L --monitor`: what they print while the table changes, and how they end.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::network::fresh_namespace;
use crate::one_machine::{UdpServers, VIRTUAL, apply, list, machine, service, wait_for_listing};
use crate::program::{Program, validator, wait_until_it_catches};
#[cfg(feature = "top")]
use crate::terminal::Terminal;

/// A program that runs until it is stopped, and the lines that it prints.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The form of each line, if it is JSON.
    validator: Option<jsonschema::Validator>,
}

impl Running {
    fn start(line: &str) -> Running {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = Program::ours().command(&arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines, validator: validator(&arguments) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        if let Some(validator) = self.validator.as_ref().filter(|_| !line.is_empty()) {
            let document = serde_json::from_str(&line).unwrap();
            validator.validate(&document).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        line
    }

    /// The text of the next listing, which an empty line ends.
    fn listing(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.line() {
                line if line == "\n" || line.is_empty() => return text,
                line => text.push_str(&line),
            }
        }
    }

    /// Reads lines until each of these texts was in one.
    fn print_all(&mut self, texts: &[&str]) {
        let mut missing = texts.to_vec();
        while !missing.is_empty() {
            let line = self.line();
            assert_ne!(line, "", "it ended before {missing:?}");
            missing.retain(|text| !line.contains(text));
        }
    }

    /// Ends it with a signal, and returns its status.
    fn end(mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        wait_until_it_catches(pid, signal);
        kill(pid, signal).unwrap();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn listing_is_repeated_while_the_table_changes() {
    machine(&service("-u", "-s rr", &[1, 1]));
    let servers = UdpServers::new(2);
    let mut running = Running::start("-L -n --watch=1");
    assert_eq!(running.listing(), list("-L -n"));
    apply("-A -t 10.1.0.7:80 -s wlc");
    while !running.listing().contains("TCP  10.1.0.7:80 wlc") {}
    assert_eq!(running.end(Signal::SIGINT), Some(0));

    let mut counts = Running::start("-L -c --count-by client --no-header --watch=1 --json");
    assert_eq!(counts.line(), "{\"counts\":[]}\n");
    servers.takes_from("10.4.0.1");
    let expected = "{\"counts\":[{\"client\":\"10.4.0.1\",\"connections\":1,\"templates\":0}]}\n";
    loop {
        match counts.line() {
            line if line == expected => break,
            line => assert_eq!(line, "{\"counts\":[]}\n"),
        }
    }
    assert_eq!(counts.end(Signal::SIGTERM), Some(128 + 15));

    let mut summaries = Running::start("-L --summary --watch=1 --json");
    for _ in 0..2 {
        let summary: serde_json::Value = serde_json::from_str(&summaries.line()).unwrap();
        assert_eq!(summary["services"].as_array().unwrap().len(), 2);
    }
    assert_eq!(summaries.end(Signal::SIGINT), Some(0));
}

#[test]
fn every_listing_is_watched_in_text_and_as_json_lines() {
    machine(&service("-u", "-s rr -p 300", &[1, 1]));
    apply("--set 0 0 7200");
    UdpServers::new(2).takes_from("10.4.0.1");
    // The counters of the kernel follow within two seconds.
    wait_for_listing("-L -n --stats", |text| is_counted(text, 1));
    for line in [
        "-L -n",
        "-L -n --stats",
        "-L -n --thresholds",
        "-L -n --persistent-conn",
        "-L -n --sort -u 10.1.0.100:80",
        "-L -n -c --count",
        "-L -n -c --count-by client/24,64 --limit 1",
        "-L -n -c --count-by state --no-header",
        "-L --timeout",
        "-L --daemon",
    ] {
        let mut running = Running::start(&format!("{line} --watch=1"));
        let expected = list(line);
        if !expected.is_empty() {
            assert_eq!(running.listing(), expected, "{line}");
            assert_eq!(running.listing(), expected, "{line}");
        }
        assert_eq!(running.end(Signal::SIGINT), Some(0), "{line}");
    }
    // Their rates, times and loads change; schemas hold each line.
    for line in [
        "-L",
        "-L -c",
        "-L -c --count",
        "-L -c --count-by service",
        "-L --timeout",
        "-L --daemon",
        "-L --summary",
        "-L --settings",
    ] {
        let mut running = Running::start(&format!("{line} --json --watch=1"));
        for _ in 0..2 {
            assert!(running.line().starts_with('{'), "{line}");
        }
        assert_eq!(running.end(Signal::SIGINT), Some(0), "{line}");
    }
    for line in ["-L -n --summary", "-L --settings"] {
        let mut running = Running::start(&format!("{line} --watch=1"));
        let titles = list(line).lines().next().unwrap().to_owned();
        running.print_all(&[&titles]);
        running.print_all(&[&titles]);
        assert_eq!(running.end(Signal::SIGINT), Some(0), "{line}");
    }
}

/// The numbers of a listing with --stats: the service's, and the sums of its real servers.
fn statistics(text: &str) -> [Vec<u64>; 2] {
    let row = |line: &str| -> Vec<u64> {
        line.split_whitespace().rev().take(5).map(|number| number.parse().unwrap()).collect()
    };
    let service = text.lines().find(|line| line.starts_with("UDP")).map(row).unwrap();
    let servers = text.lines().filter(|line| line.starts_with("  -> 1")).map(row);
    let sums = servers.reduce(|one, other| one.iter().zip(other).map(|(a, b)| a + b).collect());
    [service, sums.unwrap()]
}

/// Tests whether the kernel has counted all of these connections of one datagram each, of the service and of its servers.
fn is_counted(text: &str, connections: u64) -> bool {
    // Bytes out and in, packets out and in, connections; a datagram of 8 bytes has 28 of headers.
    let all = [0, 36 * connections, 0, connections, connections];
    statistics(text).iter().all(|numbers| *numbers == all)
}

#[test]
fn growth_in_a_watch_under_traffic_is_the_difference_of_the_statistics() {
    const DATAGRAMS: u64 = 40;
    machine(&service("-u", "-s rr", &[1, 1]));
    let servers = UdpServers::new(2);
    servers.takes_from("10.4.0.1");
    let settled = |connections: u64| {
        wait_for_listing("-L -n --stats", move |text| is_counted(text, connections))
    };
    let before = settled(1);
    let mut running = Running::start("-L -n --stats --watch=1");
    let mut last = running.listing();
    assert_eq!(last, before);
    let mut growth = vec![0; 5];
    let mut sent = 0;
    loop {
        if sent < DATAGRAMS {
            for _ in 0..10 {
                servers.takes_from("10.4.0.2");
                sent += 1;
            }
        }
        let next = running.listing();
        let ([old, _], [new, _]) = (statistics(&last), statistics(&next));
        for ((sum, old), new) in growth.iter_mut().zip(old).zip(&new) {
            *sum += new.checked_sub(old).expect("a counter went back");
        }
        last = next;
        if is_counted(&last, 1 + DATAGRAMS) {
            break;
        }
    }
    assert_eq!(running.end(Signal::SIGINT), Some(0));
    let after = settled(1 + DATAGRAMS);
    let ([old, _], [new, _]) = (statistics(&before), statistics(&after));
    let difference: Vec<u64> = new.iter().zip(old).map(|(new, old)| new - old).collect();
    assert_eq!(growth, difference);
    assert_eq!(difference, [0, 36 * DATAGRAMS, 0, DATAGRAMS, DATAGRAMS]);
}

#[test]
fn watch_of_a_service_goes_on_while_the_service_is_missing() {
    machine(&service("-t", "-s rr", &[1]));
    let line = format!("-L -n -t {VIRTUAL} --watch=1");
    let mut text = Running::start(&line);
    let mut json = Running::start(&format!("{line} --json"));
    let listed = list(&format!("-L -n -t {VIRTUAL}"));
    assert_eq!(text.listing(), listed);
    assert!(json.line().contains("\"services\":[{"));
    apply(&format!("-D -t {VIRTUAL}"));
    while text.listing() != "No such service\n" {}
    while !json.line().contains("\"services\":[]") {}
    // At the beginning it is a mistake.
    let refused = Program::ours().line(&line);
    assert_eq!(refused.refused(1), format!("No such service (tcp {VIRTUAL})"));
    apply(&service("-t", "-s rr", &[1]));
    while text.listing() != listed {}
    while !json.line().contains("\"services\":[{") {}
    assert_eq!(text.end(Signal::SIGINT), Some(0));
    assert_eq!(json.end(Signal::SIGINT), Some(0));
}

#[test]
fn closed_pipe_ends_a_watch_quietly() {
    fresh_namespace();
    let mut running = Running::start("-L -n --watch=1");
    running.line();
    let Running { child, lines, .. } = running;
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn monitor_prints_each_change_with_the_entry_before_and_after() {
    machine(&service("-t", "-s rr", &[1]));
    let mut text = Running::start("-L --monitor=1");
    let mut json = Running::start("-L --monitor=1 --json");
    // A service that comes and goes shows when the first reading is over: until then nothing is a change.
    let mut marker = 0;
    let mut wait_until_it_reads = |running: &mut Running| {
        let (seen, is_seen) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                running.line();
                seen.send(()).unwrap();
            });
            loop {
                marker += 1;
                Program::ours().line(&format!("-A -f {marker} -s rr")).succeeded();
                if is_seen.recv_timeout(std::time::Duration::from_millis(500)).is_ok() {
                    return;
                }
            }
        });
    };
    wait_until_it_reads(&mut text);
    wait_until_it_reads(&mut json);
    apply(&format!("-A -u 10.1.0.9:53 -s wrr\n-e -t {VIRTUAL} -r 10.2.0.1:80 -m -w 7"));
    apply("--start-daemon backup --mcast-interface lo --syncid 5");
    let server = format!("{VIRTUAL} -r 10.2.0.1:80");
    text.print_all(&[
        &format!("Z server edited: -e -t {server} -m -w 7 (was: -e -t {server} -m -w 1)\n"),
        "Z service added: -A -u 10.1.0.9:53 -s wrr\n",
        "Z daemon started: --start-daemon backup --mcast-interface lo --syncid 5 ",
    ]);
    let weights = "\"weight\":1,";
    json.print_all(&["\"change\":\"server_edited\"", weights, "\"weight\":7,", "daemon_started"]);
    apply("-C\n--stop-daemon backup");
    text.print_all(&[
        &format!("Z server deleted: -d -t {server} (was: -a -t {server} -m -w 7)\n"),
        &format!("Z service deleted: -D -t {VIRTUAL} (was: -A -t {VIRTUAL} -s rr)\n"),
        "Z daemon stopped: --stop-daemon backup (was: --start-daemon backup",
    ]);
    assert_eq!(text.end(Signal::SIGINT), Some(0));
    assert_eq!(json.end(Signal::SIGINT), Some(0));
}

#[test]
fn terminal_shows_each_listing_in_the_place_of_the_one_before() {
    machine(&service("-t", "-s rr", &[1; 30]));
    let program = Program::ours();
    let line = format!("stty rows 10 cols 40; exec {} -L -n --watch=1", program.name());
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut shown = Vec::new();
    let mut screen = child.stdout.take().unwrap();
    let mut buffer = [0; 4096];
    let pictures = |shown: &[u8]| String::from_utf8_lossy(shown).matches("\u{1b}[H").count();
    while pictures(&shown) < 3 {
        let count = screen.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&buffer[..count]);
    }
    keys.write_all(b"\x03").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let text = String::from_utf8_lossy(&shown).into_owned();
    let picture = text.split("\u{1b}[H").nth(2).unwrap();
    let rows: Vec<&str> = picture.split("\u{1b}[K").collect();
    assert!(rows.iter().all(|row| row.trim().chars().count() <= 40), "{rows:?}");
    assert!(picture.contains("(26 more lines)\r\r\n"), "{picture:?}");
    assert_eq!(picture.matches("\u{1b}[K").count(), 9, "{picture:?}");
}

#[cfg(feature = "top")]
#[test]
fn terminal_that_cannot_move_its_cursor_gets_one_listing_after_the_other() {
    fresh_namespace();
    let mut command = Command::new("env");
    command.args(["TERM=dumb", Program::ours().name(), "-L", "-n", "--watch=1"]);
    let mut terminal = Terminal::start(&command, 24, 80);
    let screen = terminal
        .wait("two listings", |screen| screen.contents().matches("IP Virtual Server").count() >= 2);
    assert!(screen.contents().contains("\n\nIP Virtual Server"), "{}", screen.contents());
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn signal_ends_a_watch_whose_reader_takes_no_more() {
    // A listing that is larger than a pipe.
    let mut rules = String::new();
    for port in 1..=6 {
        writeln!(rules, "-A -t 10.1.0.100:{port} -s rr").unwrap();
        for host in 1..=200 {
            writeln!(rules, "-a -t 10.1.0.100:{port} -r 10.2.0.{host}:80 -m").unwrap();
        }
    }
    machine(&rules);
    for (signal, status) in [(Signal::SIGINT, 0), (Signal::SIGTERM, 143)] {
        for line in ["-L -n --watch=1", "-L -n --watch=1 --json"] {
            let (_reader, writer) = nix::unistd::pipe().unwrap();
            let mut command = Program::ours().command(line.split(' '));
            let mut child = command.stdout(writer.try_clone().unwrap()).spawn().unwrap();
            let is_full = || {
                let mut waited = [PollFd::new(&writer, PollFlags::OUT)];
                poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 0
            };
            while !is_full() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            wait_until_it_catches(pid, signal);
            kill(pid, signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(status), "{line}, {signal}");
        }
    }
}

#[cfg(feature = "top")]
#[test]
fn new_size_of_the_terminal_redraws_at_once() {
    machine(&service("-t", "-s rr", &[1; 30]));
    // No test waits for the next reading.
    let mut terminal =
        Terminal::start(&Program::ours().command("-L -n --watch=86400".split(' ')), 10, 40);
    terminal.wait_for("(26 more lines)");
    for (rows, columns, more) in [(20, 60, "(16 more lines)"), (8, 90, "(28 more lines)")] {
        terminal.resize(rows, columns);
        terminal.wait_for(more);
    }
    terminal.resize(50, 80);
    terminal.wait("the whole table", |screen| screen.contents().lines().count() == 34);
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended(), Some(0));
}

#[cfg(feature = "top")]
#[test]
fn listings_fit_screens_of_any_size() {
    machine(&service("-t", "-s rr", &[1; 30]));
    for (rows, columns) in [(1, 1), (1, 40), (2, 3), (3, 8), (5, 20)] {
        for (line, first) in [
            ("-L -n --watch=1", "IP Virtual Server version 1.2.1 (size=4096)"),
            ("-L -n --summary --no-header --watch=1", "TCP 10.1.0.100:80"),
        ] {
            let mut terminal =
                Terminal::start(&Program::ours().command(line.split(' ')), rows, columns);
            // The second picture would scroll the screen, too.
            std::thread::sleep(std::time::Duration::from_secs(2));
            terminal.wait(line, |screen| {
                let text = screen.contents();
                let line = text.lines().next().unwrap_or_default();
                let shown = line.split("  ").next().unwrap_or_default().trim_end_matches('~');
                match rows {
                    1 | 2 => shown.starts_with('('),
                    _ => !shown.is_empty() && first.starts_with(shown),
                }
            });
            terminal.keys("\u{3}");
            assert_eq!(terminal.ended(), Some(0), "{line} on {columns}x{rows}");
        }
    }
}
