//! `--doctor` with real traffic: each test makes a mistake, sees connections fail, sees the code, runs the printed commands
//! as they are printed, and sees the code gone and connections succeed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::network::Host;
use crate::program::Program;
use crate::wait::{PATIENCE, wait_until, wait_until_seen};

pub(crate) const VIRTUAL: &str = "192.0.2.100:80";

/// Clients and the director are on 192.0.2.0/24, the director and two real servers on 10.0.0.0/24. A bridge joins the
/// three; the real servers' addresses end in 11 and 12.
pub(crate) struct Lab {
    pub(crate) client: Host,
    pub(crate) director: Host,
    pub(crate) servers: [Host; 2],
    pub(crate) switch: Host,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let lab = Lab {
            client: Host::new(),
            director: Host::new(),
            servers: [Host::new(), Host::new()],
            switch: Host::new(),
        };
        lab.director.join("eth0", "192.0.2.1/24", &lab.client, "eth0", "192.0.2.10/24");
        lab.switch.ip("link add bridge type bridge");
        lab.switch.ip("link set bridge up");
        let machines = [
            (&lab.director, "10.0.0.1/24", "port0"),
            (&lab.servers[0], "10.0.0.11/24", "port1"),
            (&lab.servers[1], "10.0.0.12/24", "port2"),
        ];
        for (machine, address, port) in machines {
            // An address of the port itself is of no use, but `join` gives one.
            lab.switch.join(port, "169.254.0.1/32", machine, "eth1", address);
            lab.switch.ip(&format!("link set {port} master bridge"));
        }
        for server in &lab.servers {
            server.ip("route add default via 10.0.0.1");
        }
        lab.director.ip("address add 192.0.2.100/32 dev eth0");
        lab.director.sysctl("ipv4/ip_forward", "1");
        lab
    }

    /// The services, one command on each line.
    pub(crate) fn rules(&self, lines: &str) {
        for line in lines.lines() {
            self.director.within(|| Program::ours().line(line).succeeded().len());
        }
    }

    /// Each server answers connections to its port 80.
    pub(crate) fn serve(&self) {
        for server in &self.servers {
            serve(server, "0.0.0.0:80", "hello");
        }
    }

    /// The connections of the client that get an answer, of this many.
    pub(crate) fn answers(&self, count: usize) -> usize {
        self.client.within(|| (0..count).filter(|_| answer(VIRTUAL, PATIENCE).is_some()).count())
    }

    /// True if one of eight connections of the client gets no answer. Stops at the first one.
    pub(crate) fn loses_some(&self) -> bool {
        self.client.within(|| (0..8).any(|_| answer(VIRTUAL, HURRY).is_none()))
    }

    /// True if some of eight connections of the client get no answer. Makes all of them.
    pub(crate) fn loses_some_of_all(&self) -> bool {
        self.client.within(|| (0..8).filter(|_| answer(VIRTUAL, HURRY).is_some()).count() < 8)
    }
}

/// Answers each connection to an address of a machine with a word, until the end of the tests.
pub(crate) fn serve(machine: &Host, address: &str, word: &'static str) {
    let listener = machine.within(|| TcpListener::bind(address).unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            // A client that gives up closes its end.
            let _ = connection.and_then(|mut connection| connection.write_all(word.as_bytes()));
        }
    });
}

/// The time after which a connection counts as lost, where connections are expected to be.
pub(crate) const HURRY: Duration = Duration::from_millis(500);

/// The answer that the calling thread's machine gets from an address within a time.
pub(crate) fn answer(address: &str, time: Duration) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut connection = TcpStream::connect_timeout(&address, time).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

/// A printed command: the name of another machine, if it belongs there, and the command.
type Mend = (Option<String>, String);

/// The codes and severities that the doctor prints on a host, and the commands below each code.
pub(crate) fn findings(host: &Host, line: &str) -> Vec<(String, Vec<Mend>)> {
    findings_in(host.within(|| Program::ours().line(line)).text())
}

/// The same, of a printed report.
pub(crate) fn findings_in(report: &str) -> Vec<(String, Vec<Mend>)> {
    let mut found: Vec<(String, Vec<Mend>)> = Vec::new();
    for line in report.lines() {
        if line.starts_with("LVS-") {
            found.push((line.to_owned(), Vec::new()));
        } else if let Some((machine, command)) =
            line.strip_prefix("    ").and_then(|line| line.split_once("# "))
        {
            let machine = Some(machine.to_owned()).filter(|machine| !machine.is_empty());
            found.last_mut().unwrap().1.push((machine, command.to_owned()));
        }
    }
    found
}

/// The codes and severities of the findings above notes.
pub(crate) fn faults(host: &Host) -> Vec<String> {
    faults_of(host, "--doctor")
}

/// The same, of another command line.
pub(crate) fn faults_of(host: &Host, line: &str) -> Vec<String> {
    let found = findings(host, line).into_iter().map(|(title, _)| title);
    found.filter(|title| !title.ends_with(" note")).collect()
}

/// Waits until connections that a function makes lead to these findings above notes. Their entries expire, so each look
/// follows new connections.
#[track_caller]
pub(crate) fn faults_after(cause: impl Fn(), host: &Host, expected: &[&str]) {
    let look = || {
        cause();
        faults(host)
    };
    wait_until_seen(look, |found| found == expected);
}

/// Runs a printed command as it is printed.
pub(crate) fn run(host: &Host, command: &str) {
    let programs = Path::new(env!("CARGO_BIN_EXE_ipvsadm")).parent().unwrap().display();
    let path = format!("{programs}:{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let status =
        host.within(|| Command::new("sh").args(["-ec", command]).env("PATH", path).status());
    assert!(status.unwrap().success(), "{command}");
}

/// Waits for a finding, such as `LVS-DIR-01 error`, and runs its commands: those of another machine on `there`.
#[track_caller]
pub(crate) fn mend_by(seen_by: &Host, line: &str, title: &str, there: &Host) {
    mend_found(seen_by, title, there, || findings(seen_by, line));
}

/// The same, of a finding that depends on connections. Their entries expire, and the kernel gives their ages in whole
/// seconds, so each look follows new connections, which `cause` makes.
#[track_caller]
pub(crate) fn mend_after(cause: impl Fn(), seen_by: &Host, code: &str, there: &Host) {
    mend_found(seen_by, &format!("{code} error"), there, || {
        cause();
        findings(seen_by, "--doctor")
    });
}

/// Repeats a look until it has a finding, and runs the commands of this finding.
#[track_caller]
pub(crate) fn mend_found(
    seen_by: &Host,
    title: &str,
    there: &Host,
    look: impl FnMut() -> Vec<(String, Vec<Mend>)>,
) {
    let found = wait_until_seen(look, |found| found.iter().any(|(seen, _)| seen == title));
    let (_, commands) = found.iter().find(|(seen, _)| seen == title).unwrap();
    assert!(!commands.is_empty(), "{title}");
    for (machine, command) in commands {
        run(if machine.is_some() { there } else { seen_by }, command);
    }
}

/// Sees one error, and runs its commands.
#[track_caller]
pub(crate) fn mend(seen_by: &Host, code: &str, there: &Host) {
    mend_by(seen_by, "--doctor", &format!("{code} error"), there);
}

pub(crate) const NAT: &str = "-A -t 192.0.2.100:80 -s rr\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.12:80 -m";

#[test]
fn doctor_mends_a_director_with_nat() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(&lab.director), [""; 0]);
    let mistakes: [(&str, &dyn Fn()); 9] = [
        ("LVS-DIR-01", &|| lab.director.sysctl("ipv4/ip_forward", "0")),
        ("LVS-DIR-02", &|| lab.director.ip("address del 192.0.2.100/32 dev eth0")),
        ("LVS-SVC-02", &|| {
            lab.rules(
                "-e -t 192.0.2.100:80 -r 10.0.0.11:80 -m -w 0\n\
                 -e -t 192.0.2.100:80 -r 10.0.0.12:80 -m -w 0",
            );
        }),
        ("LVS-SVC-03", &|| {
            lab.rules(
                "-E -t 192.0.2.100:80 -s sh -b sh-port\n\
                 -e -t 192.0.2.100:80 -r 10.0.0.12:80 -m -w 0",
            );
        }),
        ("LVS-DIR-03", &|| lab.director.ip("link set eth0 down")),
        ("LVS-DIR-06", &|| {
            lab.director.sysctl("ipv4/conf/all/arp_ignore", "1");
            lab.director.ip("address del 192.0.2.100/32 dev eth0");
            lab.director.ip("address add 192.0.2.100/32 dev lo");
            lab.client.ip("neighbour flush dev eth0");
        }),
        ("LVS-ARP-03", &|| {
            lab.director.ip("address del 192.0.2.100/32 dev lo");
            lab.director.ip("address add 192.0.2.100/24 dev lo");
        }),
        ("LVS-SRV-06", &|| lab.director.ip("link set eth1 down")),
        ("LVS-SYNC-06", &|| {
            lab.director.sysctl("ipv4/vs/backup_only", "1");
            lab.rules("--start-daemon backup --mcast-interface eth1 --syncid 1");
        }),
    ];
    for (code, mistake) in mistakes {
        mistake();
        // A hash may send all of some connections to the server that is left.
        wait_until(&format!("a lost connection after {code}"), || lab.loses_some());
        mend(&lab.director, code, &lab.director);
        assert!(!faults(&lab.director).iter().any(|title| title.starts_with(code)), "{code}");
        // An interface that comes up has a carrier only later.
        wait_until(&format!("all answers after {code}"), || !lab.loses_some());
    }
}

#[test]
fn doctor_finds_answers_that_take_another_way() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    lab.servers[0].ip("route del default");
    lab.servers[0].ip("route add default via 10.0.0.12");
    let is_lost = || assert!(lab.loses_some_of_all());
    // A server sends its lost answers again. The next ones arrive after the repair, and make old entries look new.
    let all_answer = || assert_eq!(lab.answers(8), 8);
    mend_after(is_lost, &lab.director, "LVS-NAT-02", &lab.servers[0]);
    faults_after(all_answer, &lab.director, &[]);
    // The answered connections of the last minutes do not hide the next mistake.
    lab.servers[0].ip("route del default");
    mend_after(is_lost, &lab.director, "LVS-NAT-02", &lab.servers[0]);
    faults_after(all_answer, &lab.director, &[]);
}

#[test]
fn doctor_finds_a_client_beside_its_server() {
    let lab = Lab::new();
    lab.director.ip("address add 10.0.0.100/32 dev eth1");
    lab.rules("-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -m");
    lab.serve();
    let ask = |time| lab.servers[1].within(|| answer("10.0.0.100:80", time).is_some());
    assert!(!ask(HURRY));
    // The other fault of a network with one arm.
    mend_by(&lab.director, "--doctor", "LVS-DIR-04 warning", &lab.servers[0]);
    mend_after(|| assert!(!ask(HURRY)), &lab.director, "LVS-NAT-01", &lab.servers[0]);
    assert!(ask(PATIENCE));
    assert_eq!(faults(&lab.director), [""; 0], "a client beside its server with a route");
}

#[test]
fn doctor_mends_services_at_their_limits() {
    let lab = Lab::new();
    lab.rules(
        "-A -t 192.0.2.100:80 -s rr\n\
         -a -t 192.0.2.100:80 -r 10.0.0.11:80 -m -x 2",
    );
    lab.serve();
    mend_after(|| assert!(lab.loses_some()), &lab.director, "LVS-SVC-08", &lab.director);
    assert_eq!(lab.answers(1), 1);
    assert_eq!(faults(&lab.director), [""; 0]);
}

#[test]
fn doctor_mends_one_packet_scheduling_with_nat() {
    let lab = Lab::new();
    lab.rules("-A -u 192.0.2.100:53 -s rr -o\n-a -u 192.0.2.100:53 -r 10.0.0.11:53 -m");
    let socket = lab.servers[0].within(|| UdpSocket::bind("10.0.0.11:53").unwrap());
    thread::spawn(move || {
        let mut question = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            socket.send_to(&question[..length], from).unwrap();
        }
    });
    let ask = || {
        lab.client.within(|| {
            let socket = UdpSocket::bind("192.0.2.10:0").unwrap();
            socket.connect("192.0.2.100:53").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket.send(b"question").unwrap();
            socket.recv(&mut [0; 100]).is_ok()
        })
    };
    assert!(!ask());
    mend(&lab.director, "LVS-SVC-09", &lab.director);
    wait_until("an answer", ask);
    assert_eq!(faults(&lab.director), [""; 0]);
}

#[test]
fn doctor_finds_silent_and_refusing_servers() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    lab.rules("-a -t 192.0.2.100:80 -r 10.0.0.77:80 -m\n-a -t 192.0.2.100:80 -r 10.0.0.12:81 -m");
    assert!(lab.loses_some_of_all());
    mend_by(&lab.director, "--doctor --probe", "LVS-SRV-03 error", &lab.servers[1]);
    wait_until("a failed neighbour", || {
        findings(&lab.director, "--doctor").iter().any(|(title, _)| title == "LVS-SRV-01 error")
    });
    mend(&lab.director, "LVS-SRV-01", &lab.director);
    assert_eq!(lab.answers(8), 8);
    assert_eq!(faults(&lab.director), [""; 0], "a silent server without weight");
    // A packet filter of the server drops another port, and then this one.
    run(&lab.servers[0], "iptables-legacy -A INPUT -p tcp --dport 81 -j DROP");
    assert_eq!(faults_of(&lab.director, "--doctor --probe"), [""; 0]);
    run(&lab.servers[0], "iptables-legacy -A INPUT -p tcp --dport 80 -j DROP");
    assert!(lab.loses_some());
    mend_by(&lab.director, "--doctor --probe", "LVS-SRV-04 error", &lab.servers[0]);
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults_of(&lab.director, "--doctor --probe"), [""; 0]);
}

#[test]
fn doctor_mends_addresses_of_a_real_server() {
    let lab = Lab::new();
    let [server, other] = &lab.servers;
    // The address of a router's loopback is on no network of the machine.
    server.ip("address add 203.0.113.1/32 dev lo");
    assert_eq!(faults(server), [""; 0]);
    server.ip("address add 10.0.0.100/24 dev lo");
    assert!(faults(server).contains(&"LVS-ARP-03 error".to_owned()));
    let _listener = other.within(|| TcpListener::bind("10.0.0.12:90").unwrap());
    let address: SocketAddr = "10.0.0.12:90".parse().unwrap();
    let reach = |time| server.within(|| TcpStream::connect_timeout(&address, time).is_ok());
    assert!(!reach(HURRY));
    mend(server, "LVS-ARP-03", server);
    mend(server, "LVS-ARP-01", server);
    assert_eq!(faults(server), [""; 0]);
    assert!(reach(PATIENCE));
}

#[test]
fn doctor_looks_at_one_service_or_explains_a_code() {
    let lab = Lab::new();
    lab.rules(
        "-A -t 192.0.2.100:80\n-A -t 192.0.2.100:81\n-a -t 192.0.2.100:81 -r 10.0.0.11:81 -m",
    );
    let run = |line: &str| lab.director.within(|| Program::ours().line(line));
    assert_eq!(run("--doctor").code(), 1);
    assert_eq!(run("--doctor -t 192.0.2.100:80").code(), 1);
    assert_eq!(run("--doctor -t 192.0.2.100:81").code(), 0);
    assert_eq!(run("--doctor -t 192.0.2.100:82").code(), 2);
    assert_eq!(run("--doctor=LVS-SVC-01").code(), 0);
    assert_eq!(run("--doctor=LVS-SVC-99").code(), 2);
    let from_elsewhere = format!("--doctor --netns {}", lab.director.path());
    let seen = lab.client.within(|| Program::ours().line(&from_elsewhere));
    assert_eq!(seen.text(), run("--doctor").text());
    let json = run("--doctor --json");
    assert_eq!(json.code(), 1);
    assert!(json.text().contains("\"code\":\"LVS-SVC-01\""));
}

#[test]
fn doctor_sees_filters_and_the_rules_that_set_marks() {
    let lab = Lab::new();
    let codes = || -> Vec<String> {
        let found = findings(&lab.director, "--doctor").into_iter();
        found.map(|(title, _)| title).collect()
    };
    lab.rules("-A -f 1 -s rr\n-a -f 1 -r 10.0.0.11 -m");
    assert!(codes().contains(&"LVS-SVC-12 warning".to_owned()), "{:?}", codes());
    run(&lab.director, "tc qdisc add dev eth0 clsact");
    assert_eq!(codes(), ["LVS-SVC-12 note"]);
    run(&lab.director, "tc qdisc del dev eth0 clsact");
    run(&lab.director, "iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 1");
    assert_eq!(codes(), ["LVS-DIR-05 note", "LVS-SVC-12 note"]);
    run(&lab.director, "iptables-legacy -t nat -A POSTROUTING -j MASQUERADE");
    assert!(codes().contains(&"LVS-DIR-08 note".to_owned()), "{:?}", codes());
}

#[test]
fn doctor_mends_a_director_that_is_a_real_server() {
    let lab = Lab::new();
    lab.rules(&NAT.replace("10.0.0.12:80 -m", "10.0.0.1:80 -g"));
    lab.serve();
    // A program of the director that listens on another address than the service.
    let own = lab.director.within(|| TcpListener::bind("10.0.0.1:80").unwrap());
    assert!(lab.loses_some());
    mend(&lab.director, "LVS-DR-05", &lab.director);
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(&lab.director), [""; 0]);
    drop(own);
    serve(&lab.director, "0.0.0.0:80", "director");
    lab.rules("-e -t 192.0.2.100:80 -r 10.0.0.1:80");
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(&lab.director), [""; 0], "a program that listens on all addresses");
    // The program keeps the namespace, and services keep the module.
    lab.rules("-C");
}

#[test]
fn doctor_asks_for_all_owners_of_a_virtual_address() {
    let lab = Lab::new();
    lab.director.ip("address add 10.0.0.100/32 dev eth1");
    lab.rules(
        "-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11 -g\n\
         -A -u 10.0.0.100:53 -s rr\n-a -u 10.0.0.100:53 -r 10.0.0.12:53 -m",
    );
    lab.serve();
    let server = &lab.servers[0];
    server.ip("address add 10.0.0.100/32 dev lo");
    let found = findings(&lab.director, "--doctor --probe");
    // Nothing listens for UDP, and the server says so by ICMP.
    assert!(found.iter().any(|(title, _)| title == "LVS-SRV-03 error"), "{found:?}");
    let (_, commands) = found.iter().find(|(title, _)| title == "LVS-ARP-04 error").unwrap();
    assert!(!commands.is_empty(), "{found:?}");
    commands.iter().for_each(|(_, command)| run(server, command));
    let found = findings(&lab.director, "--doctor --probe");
    assert!(!found.iter().any(|(title, _)| title.starts_with("LVS-ARP-04")), "{found:?}");
}

/// A busy machine may let the doctor run again only after the time for answers.
#[test]
fn doctor_counts_answers_of_arp_that_it_reads_late() {
    let lab = Lab::new();
    lab.director.ip("address add 10.0.0.100/32 dev eth1");
    lab.rules("-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11 -g");
    lab.servers[0].ip("address add 10.0.0.100/32 dev lo");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=ppoll"]);
    // The answers have arrived when the doctor begins to wait for them.
    strace.args(["-e", "inject=ppoll:delay_enter=1100000"]);
    strace.arg(Program::ours().name()).args(["--doctor", "--probe=1"]);
    let output = lab.director.within(|| strace.output());
    let output = output.expect("strace is missing: run `make test`, which installs it");
    let report = String::from_utf8(output.stdout).unwrap();
    let found = findings_in(&report);
    assert!(found.iter().any(|(title, _)| title == "LVS-ARP-04 error"), "{report}");
}
