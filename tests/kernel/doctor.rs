//! `--doctor` with real traffic: each test makes a mistake, sees connections fail, sees the code, runs the printed commands
//! as they are printed, and sees the code gone and connections succeed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::network::Host;
use crate::program::Program;

const VIRTUAL: &str = "192.0.2.100:80";

/// Clients and the director are on 192.0.2.0/24, the director and two real servers on 10.0.0.0/24. A bridge joins the
/// three; the real servers' addresses end in 11 and 12.
struct Lab {
    client: Host,
    director: Host,
    servers: [Host; 2],
    _switch: Host,
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab {
            client: Host::new(),
            director: Host::new(),
            servers: [Host::new(), Host::new()],
            _switch: Host::new(),
        };
        lab.director.join("eth0", "192.0.2.1/24", &lab.client, "eth0", "192.0.2.10/24");
        lab._switch.ip("link add bridge type bridge");
        lab._switch.ip("link set bridge up");
        let machines = [
            (&lab.director, "10.0.0.1/24", "port0"),
            (&lab.servers[0], "10.0.0.11/24", "port1"),
            (&lab.servers[1], "10.0.0.12/24", "port2"),
        ];
        for (machine, address, port) in machines {
            // An address of the port itself is of no use, but `join` gives one.
            lab._switch.join(port, "169.254.0.1/32", machine, "eth1", address);
            lab._switch.ip(&format!("link set {port} master bridge"));
        }
        for server in &lab.servers {
            server.ip("route add default via 10.0.0.1");
        }
        lab.director.ip("address add 192.0.2.100/32 dev eth0");
        lab.director.sysctl("ipv4/ip_forward", "1");
        lab
    }

    /// The services, one command on each line.
    fn rules(&self, lines: &str) {
        for line in lines.lines() {
            self.director.within(|| Program::ours().line(line).succeeded().len());
        }
    }

    /// Each server answers connections to its port 80.
    fn serve(&self) {
        for server in &self.servers {
            let listener = server.within(|| TcpListener::bind("0.0.0.0:80").unwrap());
            thread::spawn(move || {
                for connection in listener.incoming() {
                    connection.unwrap().write_all(b"hello").unwrap();
                }
            });
        }
    }

    /// The connections of the client that get an answer, of this many.
    fn answers(&self, count: usize) -> usize {
        self.client.within(|| (0..count).filter(|_| is_answered(VIRTUAL)).count())
    }
}

fn is_answered(address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    let Ok(mut connection) = TcpStream::connect_timeout(&address, Duration::from_millis(500))
    else {
        return false;
    };
    connection.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).is_ok() && answer == b"hello"
}

/// The codes and severities that the doctor prints on a host, and the commands below each code.
fn findings(host: &Host, line: &str) -> Vec<(String, Vec<String>)> {
    let outcome = host.within(|| Program::ours().line(line));
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in outcome.text().lines() {
        if line.starts_with("LVS-") {
            found.push((line.to_owned(), Vec::new()));
        } else if line.starts_with("    ") {
            if let Some((_, command)) = line.split_once("# ") {
                found.last_mut().unwrap().1.push(command.to_owned());
            }
        }
    }
    found
}

/// The findings above notes.
fn faults(host: &Host) -> Vec<String> {
    let found = findings(host, "--doctor").into_iter().map(|(title, _)| title);
    found.filter(|title| !title.ends_with(" note")).collect()
}

/// Runs a printed command as it is printed.
fn run(host: &Host, command: &str) {
    let programs = Path::new(env!("CARGO_BIN_EXE_ipvsadm")).parent().unwrap().display();
    let path = format!("{programs}:{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let status =
        host.within(|| Command::new("sh").args(["-ec", command]).env("PATH", path).status());
    assert!(status.unwrap().success(), "{command}");
}

/// Sees one error, and runs its commands on a host.
#[track_caller]
fn mend(seen_by: &Host, code: &str, there: &Host) {
    let found = findings(seen_by, "--doctor");
    let (_, commands) = found
        .iter()
        .find(|(title, _)| *title == format!("{code} error"))
        .unwrap_or_else(|| panic!("no {code} in {found:?}"));
    assert!(!commands.is_empty(), "{code}");
    commands.iter().for_each(|command| run(there, command));
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

const NAT: &str = "-A -t 192.0.2.100:80 -s rr\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.11:80 -m\n\
                   -a -t 192.0.2.100:80 -r 10.0.0.12:80 -m";

#[test]
fn doctor_mends_a_director_with_nat() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(&lab.director), [""; 0]);
    let mistakes: [(&str, &dyn Fn()); 5] = [
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
    ];
    for (code, mistake) in mistakes {
        mistake();
        assert!(lab.answers(8) < 8, "{code}");
        mend(&lab.director, code, &lab.director);
        assert!(!faults(&lab.director).iter().any(|title| title.starts_with(code)), "{code}");
        assert_eq!(lab.answers(8), 8, "{code}");
    }
}

#[test]
fn doctor_finds_answers_that_take_another_way() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    lab.servers[0].ip("route del default");
    lab.servers[0].ip("route add default via 10.0.0.12");
    assert!(lab.answers(8) < 8);
    mend(&lab.director, "LVS-NAT-02", &lab.servers[0]);
    assert_eq!(lab.answers(8), 8);
    assert_eq!(faults(&lab.director), [""; 0]);
}

#[test]
fn doctor_finds_a_client_beside_its_server() {
    let lab = Lab::new();
    lab.director.ip("address add 10.0.0.100/32 dev eth1");
    lab.rules("-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -m");
    lab.serve();
    let ask = || lab.servers[1].within(|| is_answered("10.0.0.100:80"));
    assert!(!ask());
    // The other fault of a network with one arm.
    let all = findings(&lab.director, "--doctor");
    let (_, commands) = all.iter().find(|(title, _)| title == "LVS-DIR-04 warning").unwrap();
    commands.iter().for_each(|command| run(&lab.director, command));
    mend(&lab.director, "LVS-NAT-01", &lab.servers[0]);
    assert!(ask());
    wait_until("the end of the old connection", || faults(&lab.director).is_empty() || ask());
}

#[test]
fn doctor_mends_services_at_their_limits() {
    let lab = Lab::new();
    lab.rules(
        "-A -t 192.0.2.100:80 -s rr\n\
         -a -t 192.0.2.100:80 -r 10.0.0.11:80 -m -x 2",
    );
    lab.serve();
    assert!(lab.answers(4) < 4);
    mend(&lab.director, "LVS-SVC-08", &lab.director);
    assert_eq!(lab.answers(1), 1);
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
    assert!(ask());
    assert_eq!(faults(&lab.director), [""; 0]);
}

#[test]
fn doctor_finds_silent_and_refusing_servers() {
    let lab = Lab::new();
    lab.rules(NAT);
    lab.serve();
    lab.rules("-a -t 192.0.2.100:80 -r 10.0.0.77:80 -m\n-a -t 192.0.2.100:80 -r 10.0.0.12:81 -m");
    assert!(lab.answers(8) < 8);
    let probed = findings(&lab.director, "--doctor --probe");
    let refused = probed.iter().find(|(title, _)| title == "LVS-SRV-03 error").unwrap();
    refused.1.iter().for_each(|command| run(&lab.director, command));
    wait_until("a failed neighbour", || {
        findings(&lab.director, "--doctor").iter().any(|(title, _)| title == "LVS-SRV-01 error")
    });
    mend(&lab.director, "LVS-SRV-01", &lab.director);
    assert_eq!(lab.answers(8), 8);
    assert_eq!(faults(&lab.director), [""; 0]);
}

#[test]
fn doctor_mends_addresses_of_a_real_server() {
    let lab = Lab::new();
    let [server, other] = &lab.servers;
    server.ip("address add 10.0.0.100/24 dev lo");
    assert!(faults(server).contains(&"LVS-ARP-03 error".to_owned()));
    let reach = || {
        server.within(|| {
            let listener = other.within(|| TcpListener::bind("10.0.0.12:90"));
            let address: SocketAddr = "10.0.0.12:90".parse().unwrap();
            let reached = TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
            drop(listener);
            reached
        })
    };
    assert!(!reach());
    mend(server, "LVS-ARP-03", server);
    mend(server, "LVS-ARP-01", server);
    assert_eq!(faults(server), [""; 0]);
    assert!(reach());
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
    let json = run("--doctor --json");
    assert_eq!(json.code(), 1);
    assert!(json.text().contains("\"code\":\"LVS-SVC-01\""));
}
