//! `--netns`: the programs work in another network namespace as they do inside it, and look names up outside.

use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;

use nix::mount::{MsFlags, mount};

use crate::names::Names;
use crate::network::Host;
use crate::one_machine::{UdpServers, VIRTUAL, client, furnish, service};
use crate::program::Program;
use crate::table::Kernel;

/// Debian's nobody.
const NOBODY: u32 = 65534;

/// A machine beside that of the calling thread, with the name `blue`, and a process in it.
struct Blue {
    host: Host,
    process: Child,
    /// The caller's own files.
    _names: Names,
}

impl Blue {
    fn new(test: &str, hosts: &str) -> Blue {
        let names = Names::with_hosts(test, hosts);
        let nothing: Option<&str> = None;
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
        fs::create_dir("/run/netns").unwrap();
        File::create("/run/netns/blue").unwrap();
        let host = Host::new();
        let process = host.within(|| {
            let namespace = Some("/proc/thread-self/ns/net");
            mount(namespace, "/run/netns/blue", nothing, MsFlags::MS_BIND, nothing).unwrap();
            Command::new("sleep").arg("600").spawn().unwrap()
        });
        Blue { host, process, _names: names }
    }

    /// The words for the namespace: its name, a path and a process.
    fn words(&self) -> [String; 3] {
        let pid = self.process.id();
        ["blue".to_owned(), format!("/proc/{pid}/ns/net"), pid.to_string()]
    }
}

impl Drop for Blue {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn listing_from_outside_is_the_one_inside() {
    let blue = Blue::new("netns-listing", "127.0.0.1 localhost\n");
    let outside = Kernel::open();
    let _servers = blue.host.within(|| {
        furnish(&service("-u", "-s rr", &[1, 2]));
        let servers = UdpServers::new(2);
        for _ in 0..4 {
            servers.takes(&client("10.0.0.1"), VIRTUAL);
        }
        servers
    });
    // Seconds that pass between two listings show in the second column.
    let steady = |text: &str| -> Vec<String> {
        let rows = text.lines().map(|line| match line.split_once("UDP ") {
            Some((start, rest)) if rest.starts_with("0") => format!("{start}UDP {}", &rest[5..]),
            _ => line.to_owned(),
        });
        rows.collect()
    };
    let mut lines = 0;
    for line in
        ["-L -n", "-L -n -c", "-L -n --thresholds", "-L --timeout", "-L --timeout --json", "-S -n"]
    {
        let inside = blue.host.within(|| Program::ours().line(line).succeeded().to_owned());
        lines += inside.lines().count();
        for word in blue.words() {
            for line in [format!("--netns {word} {line}"), format!("{line} --netns={word}")] {
                let outcome = Program::ours().line(&line);
                assert_eq!(steady(outcome.succeeded()), steady(&inside), "{line}");
            }
        }
    }
    assert!(lines > 20, "the listings have {lines} lines");
    // Counters and seconds change from one listing to the next; all other words stay.
    let words = |text: &str| -> Vec<String> {
        let is_word = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
        text.split_whitespace().filter(is_word).map(str::to_owned).collect()
    };
    blue.host.within(|| fs::write("/proc/sys/net/ipv4/vs/conntrack", "1").unwrap());
    for (line, is_steady) in [
        ("-L -n --summary", false),
        ("-L --metrics", false),
        ("-L --settings", true),
        ("-S --settings", true),
    ] {
        let inside = blue.host.within(|| Program::ours().line(line).succeeded().to_owned());
        let outside = Program::ours().line(&format!("{line} --netns blue"));
        let without = Program::ours().line(line);
        assert_ne!(without.succeeded(), inside, "{line}");
        match is_steady {
            true => assert_eq!(outside.succeeded(), inside, "{line}"),
            false => assert_eq!(words(outside.succeeded()), words(&inside), "{line}"),
        }
    }
    let alone = Program::ours().line("--netns blue");
    assert!(alone.succeeded().contains(VIRTUAL), "{}", alone.text());
    assert!(outside.rules().services.is_empty());
}

#[test]
fn changes_saves_and_restores_go_to_the_namespace_alone() {
    let blue = Blue::new("netns-changes", "127.0.0.1 localhost\n");
    let outside = Kernel::open();
    let inside = blue.host.within(Kernel::open);
    let rules = service("-t", "-s wrr", &[3, 4]);
    Program::restore().feed(["--netns", "blue"], rules.as_bytes()).succeeded();
    let restored = inside.rules();
    assert_eq!(restored.services.len(), 1);
    let saved = Program::save().line("-n --netns=blue").succeeded().to_owned();
    assert_eq!(saved, blue.host.within(|| Program::save().line("-n").succeeded().to_owned()));
    Program::ours().line("--netns blue -C").succeeded();
    assert!(inside.rules().services.is_empty());
    Program::ours().feed(["-R", "--netns", "blue"], saved.as_bytes()).succeeded();
    assert_eq!(inside.rules(), restored);
    // The reason of a refusal is the namespace's too.
    let outcome = Program::ours().line(&format!("--netns blue -D -u {VIRTUAL}"));
    assert_eq!(
        outcome.refused(255),
        format!("No such service (udp {VIRTUAL}; there is tcp {VIRTUAL})")
    );
    assert!(outside.rules().services.is_empty());
}

/// Answers each question about an IPv4 address with 10.7.7.7, and each about a name with `vip.example`.
fn name_server(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, sender)) = socket.recv_from(&mut question) {
        let mut name_end = 12;
        while question[name_end] != 0 {
            name_end += usize::from(question[name_end]) + 1;
        }
        let end = (name_end + 5).min(length);
        let answer: &[u8] = match question[name_end + 2] {
            1 => b"\x00\x04\x0a\x07\x07\x07",
            12 => b"\x00\x0d\x03vip\x07example\x00",
            _ => b"",
        };
        let mut message = question[..2].to_vec();
        message.extend([0x81, 0x80, 0, 1, 0, u8::from(!answer.is_empty()), 0, 0, 0, 0]);
        message.extend(&question[12..end]);
        if !answer.is_empty() {
            // The name and the type of the question, and a time to live.
            message.extend([0xc0, 12]);
            message.extend(&question[name_end + 1..end]);
            message.extend([0, 0, 0, 60]);
            message.extend(answer);
        }
        socket.send_to(&message, sender).unwrap();
    }
}

#[test]
fn names_are_looked_up_outside_where_the_name_server_is() {
    let blue = Blue::new("netns-names", "127.0.0.1 localhost\n");
    let inside = blue.host.within(Kernel::open);
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    let server = socket.try_clone().unwrap();
    thread::spawn(move || name_server(&server));
    Program::ours().line("--netns blue -A -t vip.example:80 -s rr").succeeded();
    let services = inside.rules().services;
    assert_eq!(services.len(), 1);
    let outcome = Program::ours().line("-L --netns blue");
    let listing = outcome.succeeded();
    assert!(listing.contains("TCP  vip.example:http rr"), "{listing}");
    let numeric = Program::ours().line("-Ln --netns blue");
    assert!(numeric.succeeded().contains("TCP  10.7.7.7:80 rr"), "{}", numeric.text());
    // Inside, nobody answers.
    let outcome = blue.host.within(|| Program::ours().line("-A -t other.example:80 -s rr"));
    assert!(outcome.complaint().contains("other.example"), "{}", outcome.complaint());
}

#[test]
fn reasons_tell_missing_wrong_and_forbidden_namespaces_apart() {
    let _blue = Blue::new("netns-reasons", "127.0.0.1 localhost\n");
    let refused = |word: &str| {
        let outcome = Program::ours().line(&format!("--netns {word} -L -n"));
        let start = format!("cannot enter the network namespace {word}: ");
        outcome.refused(2).strip_prefix(&start).unwrap_or_default().to_owned()
    };
    assert_eq!(refused("red"), "no such network namespace (/run/netns has blue)");
    assert_eq!(refused("/run/netns/red"), "no such network namespace");
    for word in ["/etc/passwd", "/proc/self/ns/mnt", "/"] {
        assert_eq!(refused(word), "it is not a network namespace", "{word}");
    }
    let program = Path::new("/tmp").join(format!("netns-reasons-{}", std::process::id()));
    Program::ours().copy_to(&program);
    let output =
        Command::new(&program).args(["--netns", "blue", "-Ln"]).uid(NOBODY).gid(NOBODY).output();
    fs::remove_file(&program).unwrap();
    let output = output.unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "cannot enter the network namespace /run/netns/blue: this takes CAP_SYS_ADMIN; be root\n"
    );
    assert_eq!(output.status.code(), Some(2));
}
