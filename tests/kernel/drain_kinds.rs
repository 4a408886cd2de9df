//! Drains of each kind of service: the schedulers that keep clients to a server, persistence, UDP, SCTP and firewall
//! marks. Each refusal is mended by the command that its message names.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::drain::Draining;
use crate::one_machine::{
    TcpServers, UdpServers, VIRTUAL, apply, client, list, machine, real, service, stream,
};
use crate::program::Program;
use crate::table::Kernel;

/// A drain of the first real server.
const DRAIN: &str = "-e -t 10.1.0.100:80 -r 10.2.0.1:80 --drain";

/// The weights of the only service's real servers, in the order of their addresses.
fn weights() -> Vec<u32> {
    let mut servers = Kernel::open().table().services.swap_remove(0).destinations;
    servers.sort_by_key(|server| server.address);
    servers.iter().map(|server| server.weight).collect()
}

/// Connects from an address. `None` if the connection is refused, or if nobody answers within a second.
fn try_stream(from: &str, mark: u32, to: &str) -> Option<TcpStream> {
    let end = |text: &str| SockaddrStorage::from(text.parse::<SocketAddr>().unwrap());
    let socket: OwnedFd =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp)
            .unwrap();
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(1)).unwrap();
    setsockopt(&socket, sockopt::Mark, &mark).unwrap();
    bind(socket.as_raw_fd(), &end(from)).unwrap();
    connect(socket.as_raw_fd(), &end(to)).ok()?;
    Some(socket.into())
}

/// The number of 16 clients that get a connection.
fn served() -> usize {
    (1..=16).filter(|n| try_stream(&format!("10.9.0.{n}:0"), 0, VIRTUAL).is_some()).count()
}

/// The number of 16 destinations, all of firewall mark 1, that a client can connect to.
fn served_destinations() -> usize {
    (1..=16).filter(|n| try_stream("10.0.0.1:0", 1, &format!("10.5.0.{n}:80")).is_some()).count()
}

/// The arguments of the command that a message names between a backquote and a quote.
fn way_out(message: &str) -> String {
    let (_, rest) = message.split_once("`ipvsadm ").unwrap_or_else(|| panic!("{message}"));
    rest.split_once('\'').unwrap().0.to_owned()
}

#[test]
fn a_scheduler_that_would_refuse_clients_is_changed_as_the_message_says() {
    for (options, end) in [
        ("-s sh", "-s sh -b sh-fallback"),
        ("-s sh -b sh-port -p 300", "-s sh -p 300 -b sh-fallback,sh-port"),
        ("-s mh", "-s mh -b mh-fallback"),
        ("-s dh", "-s wlc"),
        ("-s lblc", "-s wlc"),
        ("-s lblcr", "-s wlc"),
    ] {
        machine(&service("-t", options, &[1, 1]));
        let _servers = TcpServers::new(2);
        let refused = Program::ours().line(DRAIN);
        let message = refused.refused(255);
        assert!(
            message.starts_with("cannot drain 10.2.0.1:80 of tcp 10.1.0.100:80: "),
            "{message}"
        );
        assert_eq!(weights(), [1, 1], "{options}");
        let command = way_out(message);
        assert!(command.ends_with(end), "{command}");
        Program::ours().line(&command).succeeded();
        Program::ours().line(DRAIN).succeeded();
        assert_eq!((weights(), served()), (vec![0, 1], 16), "{options}");
    }
}

/// Linux 6.1 loses nothing with lblc and lblcr, which drop the assignment to a server of weight 0. They are refused all
/// the same, because other kernels may keep it.
#[test]
fn weight_0_loses_new_connections_of_sh_mh_and_dh() {
    for (options, loses) in [
        ("-s sh", true),
        ("-s mh", true),
        ("-s sh -b sh-fallback", false),
        ("-s mh -b mh-fallback", false),
        ("-s wlc", false),
    ] {
        machine(&service("-t", options, &[1, 1]));
        let _servers = TcpServers::new(2);
        assert_eq!(served(), 16, "{options}");
        Program::ours().line(&format!("{DRAIN} --force")).succeeded();
        let served = served();
        assert_eq!(served < 16, loses, "{options}: {served} of 16 clients are served");
    }
    for (scheduler, loses) in [("dh", true), ("lblc", false), ("lblcr", false), ("rr", false)] {
        machine(&format!(
            "-A -f 1 -s {scheduler}\n-a -f 1 -r 10.2.0.1 -m\n-a -f 1 -r 10.2.0.2 -m\n"
        ));
        let _servers = TcpServers::new(2);
        assert_eq!(served_destinations(), 16, "{scheduler}");
        Program::ours().line("-e -f 1 -r 10.2.0.1 --drain --force").succeeded();
        let served = served_destinations();
        assert_eq!(served < 16, loses, "{scheduler}: {served} of 16 destinations are served");
    }
}

#[test]
fn the_last_server_with_a_weight_is_drained_with_its_service_or_after_another_was_added() {
    for weights_before in [&[3][..], &[3, 0]] {
        machine(&service("-t", "-s rr", weights_before));
        let refused = Program::ours().line(DRAIN);
        let message = refused.refused(255);
        assert!(message.contains("no other real server of the service has a weight"), "{message}");
        assert_eq!(weights(), weights_before);
        let command = way_out(message);
        assert_eq!(command, "-D -t 10.1.0.100:80 --drain");
        Program::ours().line(&command).succeeded();
        assert_eq!(Kernel::open().table().services, []);
    }
    machine(&service("-t", "-s rr", &[3]));
    Program::ours().line(DRAIN).refused(255);
    apply(&format!("-a -t {VIRTUAL} -r {} -m", real(1)));
    Program::ours().line(DRAIN).succeeded();
    assert_eq!(weights(), [0, 1]);
    // A server that has weight 0 already can be drained, and force drains any.
    Program::ours().line(DRAIN).succeeded();
    let last = DRAIN.replace("10.2.0.1", "10.2.0.2");
    Program::ours().line(&last).refused(255);
    Program::ours().line(&format!("{last} --force")).succeeded();
    assert_eq!(weights(), [0, 0]);
}

/// Runs our program at a terminal, and returns its status and the output.
fn at_a_terminal_with_status(arguments: &str) -> (Option<i32>, String) {
    let line = format!("{} {arguments}", Program::ours().name());
    let mut script = Command::new("script");
    let output = script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn terminal_shows_the_fate_of_connections_that_are_left() {
    machine(&service("-t", "-s rr", &[1, 1]));
    let servers = TcpServers::new(2);
    let connections = [servers.open(), servers.open()];
    let drain = |n, more: &str| {
        at_a_terminal_with_status(&format!("-d -t {VIRTUAL} -r {} --drain=0{more}", real(n)))
    };
    let (status, shown) = drain(0, "");
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("1 active connection left after 0 s; the weight stays 0"), "{shown}");
    assert!(shown.contains("are dropped, without an answer to the client"), "{shown}");
    let (_, setting) = shown.split_once("sysctl -w ").unwrap();
    let (name, value) = setting.lines().next().unwrap().trim().split_once('=').unwrap();
    fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value).unwrap();
    let (status, shown) = drain(0, " --force");
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("1 active connection left after 0 s"), "{shown}");
    assert!(shown.contains("ends at its next packet"), "{shown}");
    drop(connections);
}

/// Runs our program at a terminal, and returns the output.
fn at_a_terminal(arguments: &str) -> String {
    let (status, shown) = at_a_terminal_with_status(arguments);
    assert_eq!(status, Some(0), "{shown}");
    shown
}

#[test]
fn known_clients_of_a_persistent_service_leave_after_the_setting_of_the_note() {
    machine(&service("-t", "-s rr -p 600", &[1, 1]));
    let servers = TcpServers::new(2);
    let first = servers.open();
    let server = real(first.taker);
    let taker = first.taker;
    drop(first);
    let drain = format!("-e -t {VIRTUAL} -r {server} --drain");
    // The template of the client does not count.
    let shown = at_a_terminal(&drain);
    assert!(shown.contains("its known clients keep coming"), "{shown}");
    let persistent = list("-L -n --persistent-conn");
    assert!(
        persistent.lines().any(|line| line.contains(&server) && line.contains(" 1 ")),
        "{persistent}"
    );
    assert_eq!(servers.open().taker, taker, "a known client comes back");
    let (_, setting) = shown.split_once("sysctl -w ").unwrap();
    let (name, value) = setting.lines().next().unwrap().trim().split_once('=').unwrap();
    fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value).unwrap();
    assert_eq!(servers.open().taker, 1 - taker, "the client gets the other server");
    assert!(!at_a_terminal(&drain).contains("known clients"));
    // Its template, now dead, does not count either.
    Program::ours().line(&format!("-d -t {VIRTUAL} -r {server} --drain")).succeeded();
}

#[test]
fn entries_of_udp_keep_a_server_until_they_expire() {
    machine(&service("-u", "-s rr", &[1, 1]));
    let servers = UdpServers::new(2);
    let clients: Vec<_> = (0..4).map(|_| client("10.0.0.1")).collect();
    let takers: Vec<_> = clients.iter().map(|client| servers.takes(client, VIRTUAL)).collect();
    let left = takers.iter().filter(|&&taker| taker == 0).count();
    let mut draining = Draining::start("-d -u 10.1.0.100:80 -r 10.2.0.1:80 --drain");
    draining.step("begun");
    let waiting = draining.next().unwrap();
    assert_eq!(waiting["active_connections"], 0, "{waiting}");
    assert_eq!((&waiting["udp_entries"], &waiting["open_connections"]), (&left.into(), &0.into()));
    // Entries get the new timeout with their next packet.
    apply("--set 0 0 1");
    for (client, taker) in clients.iter().zip(takers) {
        assert_eq!(servers.takes(client, VIRTUAL), taker, "an entry keeps its server");
    }
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    // One-packet scheduling has no entries.
    machine(&service("-u", "-s rr -o", &[1, 1]));
    let _servers = UdpServers::new(2);
    client("10.0.0.1").send_to(b"question", VIRTUAL).unwrap();
    Program::ours().line("-d -u 10.1.0.100:80 -r 10.2.0.1:80 --drain=0").succeeded();
}

#[test]
fn an_sctp_association_keeps_a_server_until_it_ends() {
    let rules = service("--sctp-service", "-s rr", &[1]);
    machine(&format!("{rules}-a --sctp-service {VIRTUAL} -r {} -m\n", real(1)));
    let listeners = [0, 1].map(|n| crate::conduct::sctp_listener(&real(n)));
    let clients: Vec<_> = (0..2)
        .map(|n| {
            let from = format!("10.0.0.1:{}", 7000 + n);
            stream(SockProtocol::Sctp, Some(&from), 0, VIRTUAL)
        })
        .collect();
    let served: Vec<_> = listeners.iter().map(|listener| listener.accept().unwrap()).collect();
    let mut draining = Draining::start("-d --sctp-service 10.1.0.100:80 -r 10.2.0.1:80 --drain");
    assert_eq!(draining.step("waiting")["active_connections"], 1);
    drop((clients, served));
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
}

#[test]
fn connections_of_a_mark_are_those_of_its_server_unless_another_mark_shares_it() {
    const MARKS: &str = "\
-A -f 1 -s rr
-a -f 1 -r 10.2.0.1 -m
-a -f 1 -r 10.2.0.2 -m
-A -f 2 -s rr
-a -f 2 -r 10.2.0.1 -m
";
    machine(MARKS);
    let servers = UdpServers::new(2);
    let of_mark_2 = client("10.0.0.1");
    setsockopt(&of_mark_2, sockopt::Mark, &2).unwrap();
    assert_eq!(servers.takes(&of_mark_2, "10.5.0.1:80"), 0);
    // /proc has no marks: the entry may be of either.
    let refused = Program::ours().line("-d -f 1 -r 10.2.0.1 --drain=0");
    assert_eq!(
        refused.refused(1),
        "cannot drain 10.2.0.1:0 of fwmark 1: 1 UDP entry (1 of an unknown service) left after 0 s; \
         the weight stays 0"
    );
    let mut draining = Draining::start("-d -f 1 -r 10.2.0.1 --drain");
    assert_eq!(draining.step("waiting")["udp_entries"], 1);
    // The entry gets the new timeout with its next packet.
    apply("--set 0 0 1");
    assert_eq!(servers.takes(&of_mark_2, "10.5.0.1:80"), 0);
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));

    // TCP, and an entry that can only be of this mark.
    machine(MARKS);
    let servers = TcpServers::new(2);
    let mut connection = loop {
        let connection = servers.connect(stream(SockProtocol::Tcp, None, 1, "10.5.0.1:80"));
        if connection.taker == 1 {
            break connection;
        }
    };
    connection.client.write_all(b"held").unwrap();
    let mut draining = Draining::start("-d -f 1 -r 10.2.0.2 --drain");
    assert_eq!(draining.step("waiting")["active_connections"], 1);
    drop(connection);
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
}
