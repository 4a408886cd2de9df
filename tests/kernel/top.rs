//! ipvsadm-top on a terminal, under traffic: its screens, its keys, and the terminal after every end.

use std::cell::RefCell;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vt100::Screen;

use crate::network::{Host, fresh_namespace};
use crate::one_machine::{Connection, TcpServers, client, furnish, list, machine};
use crate::program::Program;
use crate::terminal::Terminal;
use crate::top_picture::{masked, masked_with_connections, svg, text_of_svg};

/// Debian's nobody.
const NOBODY: u32 = 65534;

/// A server of each condition, a service without servers, and one of IPv6.
const RULES: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.2.0.1:80 -m -w 1
-a -t 10.1.0.100:80 -r 10.2.0.2:80 -m -w 1 -x 2 -y 1
-a -t 10.1.0.100:80 -r 10.2.0.3:80 -m -w 0
-A -u 10.1.0.100:53 -s rr
-a -u 10.1.0.100:53 -r 10.2.0.1:53 -m
-A -t [2001:db8::1]:443 -s wlc
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -m
-A -f 7 -s rr
";

/// Traffic until it is dropped: six TCP connections that stay open, and datagrams of three sockets all the time.
///
/// With `has_requests`, further TCP connections are opened and closed. Their rate rises and falls within 16 seconds.
struct Traffic {
    _open: Vec<Connection>,
    has_requests: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Traffic {
    fn start() -> Traffic {
        let servers = TcpServers::new(2);
        let open = (0..6).map(|_| servers.open()).collect();
        let server = UdpSocket::bind("10.2.0.1:53").unwrap();
        server.set_nonblocking(true).unwrap();
        let clients = ["10.4.0.1", "10.4.0.1", "10.4.0.2"].map(client);
        let send = move || {
            for client in &clients {
                client.send_to(b"question", "10.1.0.100:53").unwrap();
                let _ = server.recv(&mut [0; 16]);
            }
        };
        // Each client has its entry before a program reads the table.
        send();
        let [has_requests, is_over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (is_requesting, ended) = (Arc::clone(&has_requests), Arc::clone(&is_over));
        let begin = Instant::now();
        let sender = thread::spawn(move || {
            for turn in 0_u64.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let share = 2 + (begin.elapsed().as_secs() % 16).abs_diff(8);
                if is_requesting.load(Ordering::Relaxed) && turn % 10 < share {
                    // The client closes first.
                    let Connection { client, server, .. } = servers.open();
                    drop(client);
                    drop(server);
                }
                send();
                thread::sleep(Duration::from_millis(10));
            }
        });
        Traffic { _open: open, has_requests, is_over, sender: Some(sender) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.sender.take().unwrap().join().unwrap();
    }
}

fn start(arguments: &str) -> Terminal {
    Terminal::start(&Program::top().command(arguments.split(' ')), 24, 80)
}

/// The line of a screen with a text.
fn line(screen: &Screen, text: &str) -> String {
    let contents = screen.contents();
    contents.lines().find(|line| line.contains(text)).unwrap_or_default().trim_end().to_owned()
}

/// Writes a file of pictures to target/tmp/top.
fn write(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("top");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

/// A file of the project, or nothing.
fn kept(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).unwrap_or_default()
}

/// The text of a picture of the documentation, without the numbers of the traffic.
fn documented(name: &str) -> String {
    masked(&text_of_svg(&kept(&format!("docs/{name}"))))
}

/// With UPDATE=1, pictures are written as they are, and not compared.
fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// The header has the rates of the second sample.
fn has_rates(screen: &Screen) -> bool {
    let total = line(screen, "Total:");
    total.contains("pkt/s") && !total.contains(" 0 pkt/s")
}

/// The screens are kept without the numbers of the traffic. With UPDATE=1, the new ones in target/tmp/top replace those in
/// tests/kernel/top and docs by hand: the kernel of the test writes nowhere else.
#[test]
fn screens_under_traffic_are_as_kept_at_each_size() {
    machine(RULES);
    let traffic = Traffic::start();
    let mut terminal = start("-n");
    terminal.wait_for("UDP 10.1.0.100:53");
    terminal.keys("a");
    for (rows, columns) in [(24, 80), (60, 200), (5, 20)] {
        terminal.resize(rows, columns);
        let name = format!("{columns}x{rows}.txt");
        let wanted = kept(&format!("tests/kernel/top/{name}"));
        let is_complete = |screen: &Screen| {
            // The whole picture of this size, with the rates of the second sample.
            let text = screen.contents();
            let first = text.lines().next().unwrap_or_default().trim_end().chars().count();
            let last = text.lines().last().unwrap_or_default();
            match columns {
                20 => text.starts_with("4 services") && last.starts_with('O'),
                _ => {
                    first == usize::from(columns)
                        && last.starts_with("? help")
                        && has_rates(screen)
                        && !line(screen, "UDP 10.1").ends_with("  -")
                }
            }
        };
        let is_as_kept = |screen: &Screen| masked(&screen.contents()) == wanted;
        let screen = terminal.wait(&format!("the screen of {name}"), |screen| {
            is_complete(screen) && (is_update() || is_as_kept(screen))
        });
        write(&name, &masked(&screen.contents()));
    }

    // The picture of the documentation shows new connections.
    let picture = text_of_svg(&kept("docs/top.svg"));
    assert!(is_update() || !picture.contains(" 0 conn/s"), "no new connection:\n{picture}");
    traffic.has_requests.store(true, Ordering::Relaxed);
    terminal.resize(24, 80);
    let is_busy = |screen: &Screen| {
        let [total, service] = ["Total:", "TCP 10.1.0.100:80 rr"].map(|text| line(screen, text));
        let mut rates = service.split_whitespace().rev().take(3);
        total.contains("conn/s")
            && !total.contains(" 0 conn/s")
            && rates.all(|rate| !["0", "-"].contains(&rate))
    };
    let wanted = masked_with_connections(&picture);
    let is_as_kept = |screen: &Screen| masked_with_connections(&screen.contents()) == wanted;
    if is_update() {
        terminal.wait("new connections", is_busy);
        // The graphs are those of a whole minute.
        thread::sleep(Duration::from_secs(65));
    }
    let shown = terminal
        .wait("the picture", |screen| is_busy(screen) && (is_update() || is_as_kept(screen)));
    write("top.svg", &svg(&shown));
    terminal.keys("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn keys_sort_filter_freeze_and_show_connections() {
    machine(RULES);
    let traffic = Traffic::start();
    let mut terminal = start("-n");
    terminal.wait_for("UDP 10.1.0.100:53");
    // Sorted by inactive connections, the service with UDP clients comes first.
    terminal.keys("ss");
    terminal.wait("the order", |screen| {
        let contents = screen.contents();
        contents.contains("sorted by inactive")
            && contents.lines().nth(4).is_some_and(|line| line.contains("UDP"))
    });
    terminal.keys("/tcp\r");
    terminal.wait("the filter", |screen| {
        let contents = screen.contents();
        contents.contains("filter: tcp") && !contents.contains("UDP 10.1")
    });
    terminal.keys("\u{1b}");
    terminal.wait_for("UDP 10.1.0.100:53");
    terminal.keys("/udp\rc");
    let picture = documented("top-connections.svg");
    let shown = terminal.wait("the connections, with rates", |screen| {
        screen.contents().contains("Connections of UDP 10.1.0.100:53: 3,")
            && has_rates(screen)
            && line(screen, "10.4.0.1").ends_with("2  10.4.0.1")
            && line(screen, "UDP  ").contains("3  UDP")
            && (is_update() || masked(&screen.contents()) == picture)
    });
    write("top-connections.svg", &svg(&shown));
    let counted = list("-L -c -n -u 10.1.0.100:53 --count-by client --no-header");
    let counted: Vec<&str> = counted.split_whitespace().collect();
    assert_eq!(counted, ["10.4.0.1", "2", "0", "10.4.0.2", "1", "0"]);
    // Esc and the next key together would be one key with Alt.
    terminal.keys("\u{1b}");
    terminal.wait_for("Service / real server");
    terminal.keys("f");
    let before = RefCell::new(String::new());
    let frozen = terminal.wait("a screen that stays", |screen| {
        thread::sleep(Duration::from_millis(200));
        let now = screen.contents();
        now.contains("FROZEN") && before.replace(now.clone()) == now
    });
    drop(traffic);
    Program::ours().line("-D -u 10.1.0.100:53").succeeded();
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(terminal.screen().contents(), frozen.contents());
    terminal.keys("f");
    terminal.wait_for("no service and no real server contains `udp'");
    terminal.keys("?");
    terminal.wait_for("draw again, suspend");
    // Ctrl-C arrives as a key.
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn every_end_restores_the_terminal() {
    fresh_namespace();
    for (signal, status) in
        [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGQUIT, 131), (Signal::SIGINT, 0)]
    {
        let mut terminal = start("-n");
        terminal.wait("the empty table", |screen| {
            let contents = screen.contents();
            let is_full_screen = screen.alternate_screen() && screen.hide_cursor();
            contents.contains("no virtual services") && is_full_screen && terminal.is_raw()
        });
        kill(Pid::from_raw(terminal.child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(terminal.ended(), Some(status), "{signal}");
        if status != 0 {
            terminal.wait_for(&format!("stopped by signal {}", status - 128));
        }
    }
    // A terminal that is closed cannot be restored, but the program must not stay.
    let mut terminal = start("-n");
    terminal.wait_for("no virtual services");
    assert_eq!(terminal.closed(), Some(129));
}

#[test]
fn signal_ends_the_program_while_the_terminal_takes_no_output() {
    machine(RULES);
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 0)] {
        let mut terminal = start("-n");
        terminal.wait_for("UDP 10.1.0.100:53");
        terminal.pause(true);
        while terminal.takes_output() {
            // Ctrl-L draws the whole picture again.
            terminal.keys("\u{c}");
            thread::sleep(Duration::from_millis(20));
        }
        // The program waits in the next picture.
        terminal.keys("\u{c}");
        thread::sleep(Duration::from_secs(2));
        kill(Pid::from_raw(terminal.child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(terminal.child.wait().unwrap().code(), Some(status), "{signal}");
        terminal.pause(false);
        assert_eq!(terminal.ended(), Some(status), "{signal}");
    }
}

/// The process with this name, of which there is one.
fn process(name: &str) -> Pid {
    let found = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let is_name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end() == name;
        is_name.then_some(pid)
    });
    let found: Vec<i32> = found.collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    Pid::from_raw(found[0])
}

#[test]
fn suspended_program_gives_the_terminal_back_and_resumes() {
    machine(RULES);
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "--noediting", "-i"]);
    shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("PS1", "READY> ");
    let mut terminal = Terminal::start(&shell, 24, 80);
    terminal.wait_for("READY>");
    // Other tests run their own at the same time.
    let name = format!("top-{}", std::process::id());
    let program = Path::new("/tmp").join(&name);
    Program::top().copy_to(&program);
    terminal.keys(&format!("{} -n\n", program.display()));
    let is_running = |screen: &Screen| {
        screen.alternate_screen()
            && screen.hide_cursor()
            && screen.contents().contains("TCP 10.1.0.100:80")
            && screen.contents().contains("? help")
    };
    let is_stopped = |screen: &Screen| {
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && screen.contents().trim_end().ends_with("READY>")
            && screen.contents().contains("Stopped")
    };
    terminal.wait("the table", is_running);
    terminal.keys("\u{1a}");
    terminal.wait("the shell after Ctrl-Z", is_stopped);
    terminal.keys("clear; fg\n");
    terminal.wait("the table after fg", is_running);
    kill(process(&name), Signal::SIGTSTP).unwrap();
    terminal.wait("the shell after SIGTSTP", is_stopped);
    terminal.keys("clear; fg\n");
    terminal.wait("the table after the second fg", is_running);
    // SIGSTOP gives no chance to restore the terminal; going on must do with the modes that the shell has set.
    kill(process(&name), Signal::SIGSTOP).unwrap();
    terminal.wait_for("READY>");
    terminal.keys("printf '\\033[?1049l'; stty sane; clear; fg\n");
    terminal.wait("the table after SIGSTOP", |screen| is_running(screen) && terminal.is_raw());
    terminal.keys("q");
    terminal.wait("the shell at the end", |screen| {
        !screen.alternate_screen() && screen.contents().trim_end().ends_with("READY>")
    });
    assert!(!terminal.screen().hide_cursor());
    terminal.keys("exit\n");
    assert_eq!(terminal.ended(), Some(0));
    fs::remove_file(&program).unwrap();
}

#[test]
fn ctrl_z_without_a_shell_does_not_stop_the_program_for_ever() {
    fresh_namespace();
    let mut terminal = start("-n");
    terminal.wait_for("no virtual services");
    terminal.keys("\u{1a}");
    Program::ours().line("-A -t 10.0.0.1:80 -s rr").succeeded();
    terminal.wait_for("TCP 10.0.0.1:80");
    terminal.keys("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn load_of_conntrack_is_in_the_header_while_ipvs_uses_it() {
    machine(RULES);
    let mut terminal = start("-n");
    let screen = terminal.wait("the limits", |screen| {
        line(screen, "Limits:").contains("table size 4096")
            && screen.contents().contains("TCP 10.1.0.100:80")
    });
    assert!(!line(&screen, "Limits:").contains("conntrack"), "{}", screen.contents());
    fs::write("/proc/sys/net/ipv4/vs/conntrack", "1").unwrap();
    let limit = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap();
    terminal.wait("the load of conntrack", |screen| {
        let limits = line(screen, "Limits:");
        limits.contains("conntrack ") && limits.contains(&format!(" of {} (", limit.trim()))
    });
    terminal.keys("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn without_root_the_screen_shows_the_numbers_of_proc() {
    machine(RULES);
    let _traffic = Traffic::start();
    let program = Path::new("/tmp").join(format!("top-nobody-{}", std::process::id()));
    Program::top().copy_to(&program);
    let mut setpriv = Command::new("setpriv");
    let id = NOBODY.to_string();
    setpriv.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&program);
    setpriv.args(["-n", "--color", "never"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let mut terminal = Terminal::start(&setpriv, 24, 80);
    terminal.wait_for("TCP 10.1.0.100:80");
    terminal.keys("a");
    let screen = terminal.wait("the rows of servers", |screen| {
        let row = |text| line(screen, text).split_whitespace().collect::<Vec<_>>().join(" ") + " ";
        line(screen, "Limits:").contains("without root: no rates of services")
            && row("10.2.0.1:80").starts_with("-> 10.2.0.1:80 1 4 0 ")
            && row("10.2.0.3:80") == "-> 10.2.0.3:80 drained 0 0 0 "
            && screen.contents().contains("10.2.0.1:53")
    });
    fs::remove_file(&program).unwrap();
    let colours = (0..24).flat_map(|y| (0..80).map(move |x| (y, x)));
    for (y, x) in colours {
        let cell = screen.cell(y, x).unwrap();
        assert_eq!(cell.fgcolor(), vt100::Color::Default, "row {y}, column {x}");
    }
    // The totals are readable by everybody.
    terminal.wait("rates of all", has_rates);
    terminal.keys("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn other_namespace_is_shown_from_outside() {
    fresh_namespace();
    let host = Host::new();
    let process = host.within(|| {
        furnish("-A -u 10.1.0.9:53 -s wrr");
        Command::new("sleep").arg("600").spawn()
    });
    let mut process = process.unwrap();
    let path = format!("/proc/{}/ns/net", process.id());
    let mut terminal = start(&format!("--netns {path} -n"));
    let screen = terminal.wait_for("UDP 10.1.0.9:53");
    assert!(screen.contents().contains(&format!("netns {path}")), "{}", screen.contents());
    terminal.keys("q");
    assert_eq!(terminal.ended(), Some(0));
    for (word, reason) in [
        ("/run/netns/red", "no such network namespace"),
        ("/etc/passwd", "it is not a network namespace"),
    ] {
        let mut terminal = start(&format!("-n --netns={word}"));
        terminal.wait_for(&format!("cannot enter the network namespace {word}: {reason}"));
        assert_eq!(terminal.ended(), Some(2), "{word}");
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn without_a_terminal_the_program_refuses() {
    fresh_namespace();
    let outcome = Program::top().run(["-n"]);
    assert_eq!(
        outcome.refused(2),
        "cannot show the screen: standard output is not a terminal; `ipvsadm -L --watch' prints anywhere"
    );
    let mut dumb = Command::new("env");
    dumb.arg("TERM=dumb").arg(Program::top().name()).env("PATH", "/usr/bin:/bin");
    let mut terminal = Terminal::start(&dumb, 24, 80);
    terminal.wait_for("cannot move its cursor");
    assert_eq!(terminal.ended(), Some(2));
}
