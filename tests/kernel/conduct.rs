//! Effects of settings on connections: weight 0, thresholds, persistence, one-packet scheduling, SCTP, and timeouts.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, listen, socket,
};

use crate::one_machine::{
    TcpServers, UdpServers, VIRTUAL, apply, client, list, machine, real, service, stream,
    wait_for_listing,
};

/// The rows of a listing that name this real server, as words.
fn row<'a>(listing: &'a str, server: &str) -> Vec<&'a str> {
    let line = listing.lines().find(|line| line.contains(&format!("-> {server} ")));
    line.unwrap_or_else(|| panic!("no {server} in\n{listing}")).split_whitespace().collect()
}

/// State and seconds to live of the connection from this client.
fn entry(from: &str) -> (String, u32) {
    let listing = list("-L -n -c");
    let words = listing.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let found: Vec<Vec<&str>> =
        words.filter(|words| words.get(3).is_some_and(|source| *source == from)).collect();
    assert_eq!(found.len(), 1, "{from} in\n{listing}");
    let (minutes, seconds) = found[0][1].split_once(':').unwrap();
    let left = minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap();
    (found[0][2].to_owned(), left)
}

#[test]
fn weight_0_gets_no_new_connections_and_keeps_open_ones() {
    machine(&service("-t", "-s rr", &[1, 1]));
    let servers = TcpServers::new(2);
    let mut open = [servers.open(), servers.open()];
    let leaving = open[0].taker;
    apply(&format!("-e -t {VIRTUAL} -r {} -m -w 0", real(leaving)));
    let next = [servers.open(), servers.open(), servers.open()];
    assert!(next.iter().all(|connection| connection.taker != leaving));

    let listing = list("-L -n");
    assert_eq!(row(&listing, &real(leaving))[3..], ["0", "1", "0"], "{listing}");
    let connection = &mut open[0];
    let mut buffer = [0; 8];
    connection.client.write_all(b"question").unwrap();
    connection.server.read_exact(&mut buffer).unwrap();
    connection.server.write_all(b"answered").unwrap();
    connection.client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"answered");
}

#[test]
fn a_full_server_is_passed_over_until_it_has_fewer_than_its_lower_threshold() {
    machine(&service("-u", "-s rr", &[1, 1]));
    apply(&format!("-e -u {VIRTUAL} -r {} -m -x 3 -y 2", real(0)));
    let servers = UdpServers::new(2);
    let clients: Vec<UdpSocket> = (0..12).map(|_| client("10.0.0.1")).collect();
    let takers: Vec<usize> = clients.iter().map(|client| servers.takes(client, VIRTUAL)).collect();
    assert_eq!(takers.iter().filter(|taker| **taker == 0).count(), 3, "{takers:?}");
    let full = list("-L -n --thresholds");
    assert_eq!(row(&full, &real(0))[2..], ["3", "2", "0", "3"], "{full}");

    // Entries get the new timeout with their next packet.
    apply("--set 0 0 1");
    for (client, taker) in clients.iter().zip(takers) {
        assert_eq!(servers.takes(client, VIRTUAL), taker, "an entry keeps its server");
    }
    wait_for_listing("-L -n", |listing| row(listing, &real(0))[5] == "0");
    let takers = [servers.takes_from("10.0.0.1"), servers.takes_from("10.0.0.1")];
    assert!(takers.contains(&0), "it has not recovered");
}

#[test]
fn a_service_whose_servers_are_all_full_refuses() {
    machine(&service("-u", "-s rr", &[1]));
    apply(&format!("-e -u {VIRTUAL} -r {} -m -x 2", real(0)));
    let servers = UdpServers::new(1);
    for _ in 0..2 {
        assert_eq!(servers.takes_from("10.0.0.1"), 0);
    }
    // A remote machine would get an ICMP error. Here the sender's own kernel refuses to send.
    let error = client("10.0.0.1").send_to(b"question", VIRTUAL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    apply(&format!("-e -u {VIRTUAL} -r {} -m -x 0", real(0)));
    assert_eq!(servers.takes_from("10.0.0.1"), 0);
}

#[test]
fn persistence_holds_networks_together_by_its_mask() {
    machine(&service("-u", "-s rr -p 300 -M 255.255.255.0", &[1, 1]));
    let servers = UdpServers::new(2);
    let mut of_networks = Vec::new();
    for network in 0..4 {
        let clients = [1, 2, 77, 254].map(|host| format!("10.9.{network}.{host}"));
        let takers = clients.map(|client| servers.takes_from(&client));
        assert_eq!(takers, [takers[0]; 4], "10.9.{network}.0/24");
        of_networks.push(takers[0]);
        let template = format!("10.9.{network}.0:0");
        let left = entry(&template).1;
        assert!((200..=300).contains(&left), "{template}: {left}");
    }
    assert_eq!(of_networks.iter().sum::<usize>(), 2, "{of_networks:?}: the networks take turns");
    let listing = list("-L -n --persistent-conn");
    assert_eq!([0, 1].map(|n| row(&listing, &real(n))[3].to_owned()), ["2", "2"], "{listing}");
}

#[test]
fn persistence_holds_ipv6_networks_together_by_their_prefix() {
    machine(
        "-A -u [2001:db8:1::1]:80 -s rr -p 300 -M 64\n\
         -a -u [2001:db8:1::1]:80 -r [2001:db8:2::1]:80 -m\n\
         -a -u [2001:db8:1::1]:80 -r [2001:db8:2::2]:80 -m\n",
    );
    let servers = UdpServers::at(&["[2001:db8:2::1]:80".into(), "[2001:db8:2::2]:80".into()]);
    let takes = |from: &str| servers.takes(&client(from), "[2001:db8:1::1]:80");
    let first = takes("[2001:db8:9:1::1]");
    assert_eq!(takes("[2001:db8:9:1:ffff::2]"), first);
    assert_eq!(takes("[2001:db8:9:2::1]"), 1 - first);
    assert_eq!(takes("[2001:db8:9:1::3]"), first);
}

#[test]
fn one_packet_scheduling_sends_every_datagram_by_itself() {
    for (options, wanted) in [("-s rr", vec![0, 10]), ("-s rr -o", vec![5])] {
        machine(&service("-u", options, &[1, 1]));
        let servers = UdpServers::new(2);
        let client = client("10.0.0.1");
        let first = (0..10).filter(|_| servers.takes(&client, VIRTUAL) == 0).count();
        assert!(wanted.contains(&first), "{options}: {first} of 10");
        // One-packet scheduling leaves no connection entry.
        let entries = list("-L -n -c").lines().count() - 2;
        assert_eq!(entries, usize::from(wanted.contains(&10)), "{options}");
    }
}

pub(crate) fn sctp_listener(address: &str) -> TcpListener {
    let server =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Sctp)
            .expect("SCTP, which this kernel should have as a module");
    let address = SockaddrStorage::from(address.parse::<SocketAddr>().unwrap());
    bind(server.as_raw_fd(), &address).unwrap();
    listen(&server, Backlog::new(4).unwrap()).unwrap();
    server.into()
}

#[test]
fn sctp_associations_are_balanced_and_listed_until_they_end() {
    machine(
        "-A --sctp-service 10.1.0.100:80 -s rr\n\
         -a --sctp-service 10.1.0.100:80 -r 10.2.0.1:80 -m\n",
    );
    let server = sctp_listener("10.2.0.1:80");
    let mut client = stream(SockProtocol::Sctp, Some("10.0.0.1:7000"), 0, VIRTUAL);
    let mut accepted = server.accept().unwrap().0;
    client.write_all(b"question").unwrap();
    let mut buffer = [0; 8];
    accepted.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"question");
    assert_eq!(entry("10.0.0.1:7000").0, "ESTABLISHED");
    let listing = list("-L -n");
    assert!(listing.contains("SCTP 10.1.0.100:80 rr"), "{listing}");
    assert_eq!(row(&listing, "10.2.0.1:80")[3..], ["1", "1", "0"], "{listing}");
    drop(accepted);
    drop(client);
    wait_for_listing("-L -n -c", |listing| {
        listing.contains(" CLOSED ") || !listing.contains("SCTP")
    });
}

#[test]
fn timeouts_that_are_set_apply_to_connections() {
    machine(&service("-t", "-s rr", &[1]));
    apply(&service("-u", "-s rr", &[1]));
    // Even a slow machine ends the test long before the shortest of them.
    apply("--set 5000 4000 2000");
    assert_eq!(list("-L --timeout"), "Timeout (tcp tcpfin udp): 5000 4000 2000\n");
    let tcp = TcpServers::new(1);
    let udp = UdpServers::new(1);
    let again = || udp.takes(&UdpSocket::bind("10.0.0.1:7002").unwrap(), VIRTUAL);
    let connection = tcp.connect(stream(SockProtocol::Tcp, Some("10.0.0.1:7001"), 0, VIRTUAL));
    again();
    let close = |text: &str, wanted: &str, limit: u32| {
        let (state, left) = entry(text);
        assert_eq!(state, wanted);
        assert!((limit - 500..=limit).contains(&left), "{state}: {left} of {limit}");
    };
    close("10.0.0.1:7001", "ESTABLISHED", 5000);
    close("10.0.0.1:7002", "UDP", 2000);
    connection.server.shutdown(Shutdown::Write).unwrap();
    wait_for_listing("-L -n -c", |listing| listing.contains(" FIN_WAIT "));
    close("10.0.0.1:7001", "FIN_WAIT", 4000);

    // A zero leaves a timeout unchanged; entries get the new timeout with their next packet.
    apply("--set 0 0 3000");
    assert_eq!(list("-L --timeout"), "Timeout (tcp tcpfin udp): 5000 4000 3000\n");
    close("10.0.0.1:7002", "UDP", 2000);
    again();
    close("10.0.0.1:7002", "UDP", 3000);
}
