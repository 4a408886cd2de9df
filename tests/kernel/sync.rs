//! The sync daemons of two directors, with IPv4 and IPv6: the tests check the effect of each option on the packets, and
//! the connections that arrive.

use std::collections::BTreeSet;
use std::fs;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, bind,
    recvmsg, setsockopt, socket, sockopt,
};

use crate::network::Host;
use crate::one_machine::{UdpServers, VIRTUAL, furnish, list, service, wait_for_listing};
use crate::program::Program;
use crate::table::{Daemon, Kernel};
use crate::wait::{PATIENCE, wait_until};

const MASTER: u32 = 1;
const CONNECTIONS: usize = 30;

/// A message of the master: its size in bytes, its syncid, its number of connections, and its time to live.
#[derive(Debug)]
struct Message {
    length: usize,
    sync_id: u8,
    connections: u8,
    ttl: i32,
}

/// A second listener beside a backup daemon.
struct Observer(UdpSocket);

impl Observer {
    fn new(group: IpAddr, port: u16) -> Observer {
        let family = if group.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(group, port))).unwrap();
        match group {
            IpAddr::V4(_) => setsockopt(&fd, sockopt::Ipv4RecvTtl, &true).unwrap(),
            IpAddr::V6(_) => setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true).unwrap(),
        }
        let socket = UdpSocket::from(fd);
        match group {
            IpAddr::V4(group) => {
                socket.join_multicast_v4(&group, &"172.16.0.2".parse().unwrap()).unwrap();
            }
            IpAddr::V6(group) => {
                socket.join_multicast_v6(&group, if_nametoindex("sync0").unwrap()).unwrap();
            }
        }
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Observer(socket)
    }

    fn message(&self) -> Message {
        let mut buffer = [0; 2048];
        let mut room = nix::cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received =
            recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty())
                .expect("a message from the master");
        let ttl = received.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => Some(ttl),
            _ => None,
        });
        let (length, ttl) = (received.bytes, ttl.unwrap());
        // The header since Linux 2.6.39: a zero, the syncid, the size in two bytes, and the number of connections.
        assert_eq!(usize::from(u16::from_be_bytes([buffer[2], buffer[3]])), length);
        Message { length, sync_id: buffer[1], connections: buffer[4], ttl }
    }

    /// Receives messages until they contain `count` connections.
    fn messages(&self, connections: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.iter().map(|m: &Message| usize::from(m.connections)).sum::<usize>()
            < connections
        {
            messages.push(self.message());
        }
        messages
    }
}

/// Makes connections of five packets each, from port number `first` on. The third packet makes the master send the
/// connection.
fn connections(director: &Host, servers: &UdpServers, first: usize) -> Vec<usize> {
    let ports: Vec<usize> = (first..first + CONNECTIONS).collect();
    director.within(|| {
        for port in &ports {
            let client = UdpSocket::bind(format!("10.0.0.1:{port}")).unwrap();
            for _ in 0..5 {
                servers.takes(&client, VIRTUAL);
            }
        }
    });
    ports
}

/// The connections of a listing, without states and timeouts.
fn ends(listing: &str) -> BTreeSet<Vec<String>> {
    let rows = listing.lines().skip(2).map(|line| line.split_whitespace().skip(3));
    rows.map(|words| words.map(str::to_owned).collect()).collect()
}

/// Waits until the kernel takes IPv6 multicast packets from the cable: it adds their route some time after the other end
/// is up, and drops what arrives before.
fn wait_for_multicast_route(host: &Host) {
    let has_route = || {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
        routes.lines().any(|route| route.starts_with("ff00") && route.ends_with("sync0"))
    };
    wait_until("the route for IPv6 multicast", || host.within(has_route));
}

fn connections_travel_in_packets_as_asked_for(group: &str, other_group: &str) {
    let (sender, receiver) = (Host::new(), Host::new());
    for host in [&sender, &receiver] {
        // Otherwise the link's IPv6 addresses would be unusable for two seconds.
        host.sysctl("ipv6/conf/default/accept_dad", "0");
    }
    sender.join("sync0", "172.16.0.1/24", &receiver, "sync0", "172.16.0.2/24");
    for host in [&sender, &receiver] {
        wait_for_multicast_route(host);
    }
    let rules = service("-u", "-s rr", &[1, 1]);
    sender.within(|| furnish(&rules));
    receiver.within(|| furnish(&rules));
    let servers = sender.within(|| UdpServers::new(2));
    let start = |host: &Host, role: &str, options: &str| {
        let line = format!("--start-daemon {role} --mcast-interface sync0 {options}");
        host.within(|| Program::ours().line(&line)).succeeded();
    };
    let options = format!(
        "--syncid 7 --sync-maxlen 600 --mcast-group {group} --mcast-port 9999 --mcast-ttl 3"
    );
    start(&sender, "master", &options);

    let daemon = Daemon {
        state: MASTER,
        interface: "sync0".to_owned(),
        sync_id: 7,
        maxlen: 600,
        group: Some(group.parse().unwrap()),
        port: 9999,
        ttl: 3,
    };
    assert_eq!(sender.within(|| Kernel::open().table()).daemons, [daemon]);
    assert_eq!(
        sender.within(|| list("-L --daemon")),
        format!(
            "master sync daemon (mcast=sync0, syncid=7, maxlen=600, group={group}, port=9999, ttl=3)\n"
        )
    );

    // A backup with another syncid, group or port receives nothing.
    let observer = receiver.within(|| Observer::new(group.parse().unwrap(), 9999));
    let mut first_port = 20_000;
    for wrong in [
        format!("--syncid 8 --mcast-group {group} --mcast-port 9999"),
        format!("--syncid 7 --mcast-group {other_group} --mcast-port 9999"),
        format!("--syncid 7 --mcast-group {group} --mcast-port 9998"),
    ] {
        start(&receiver, "backup", &wrong);
        // The master sends an incomplete message after a second, so a message is full only if connections come fast enough.
        wait_until("a full message", || {
            connections(&sender, &servers, first_port);
            first_port += CONNECTIONS;
            let messages = observer.messages(CONNECTIONS);
            assert!(messages.iter().all(|message| message.length <= 600), "{messages:?}");
            assert!(messages.iter().all(|message| message.sync_id == 7), "{messages:?}");
            assert!(messages.iter().all(|message| message.ttl == 3), "{messages:?}");
            messages.iter().any(|message| message.length >= 500)
        });
        assert_eq!(ends(&receiver.within(|| list("-L -n -c"))), BTreeSet::new(), "{wrong}");
        receiver.within(|| Program::ours().line("--stop-daemon backup")).succeeded();
    }
    start(&receiver, "backup", &options);
    let ports = connections(&sender, &servers, first_port);
    let all =
        |listing: &str| ports.iter().all(|port| listing.contains(&format!("10.0.0.1:{port} ")));
    let arrived = ends(&receiver.within(|| wait_for_listing("-L -n -c", all)));
    assert_eq!(arrived.len(), CONNECTIONS);
    let told = ends(&sender.within(|| list("-L -n -c")));
    assert!(arrived.is_subset(&told), "{arrived:?} and {told:?}");

    sender.within(|| Program::ours().line("--stop-daemon master")).succeeded();
    receiver.within(|| Program::ours().line("--stop-daemon backup")).succeeded();
    for host in [&sender, &receiver] {
        assert_eq!(host.within(|| list("-L --daemon")), "");
    }
}

#[test]
fn connections_travel_by_ipv4_in_packets_as_asked_for() {
    connections_travel_in_packets_as_asked_for("239.1.2.3", "239.1.2.4");
}

#[test]
fn connections_travel_by_ipv6_in_packets_as_asked_for() {
    connections_travel_in_packets_as_asked_for("ff05::81", "ff05::82");
}
