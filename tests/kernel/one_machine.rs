//! One network namespace that is director, client and real server: all of 10.0.0.0/8 and 2001:db8::/32 is on loopback.
//! Every packet passes IPVS and arrives at a socket of the test, without further processes.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, setsockopt,
    socket, sockopt,
};

use crate::network::{fresh_namespace, ip};
use crate::program::Program;
use crate::wait::{PATIENCE, wait_for};

/// The service that the tests balance, unless they need several.
pub(crate) const VIRTUAL: &str = "10.1.0.100:80";

/// Gives the calling thread such a machine, with these rules.
pub(crate) fn machine(rules: &str) {
    fresh_namespace();
    furnish(rules);
}

/// Turns the calling thread's machine into such a machine.
pub(crate) fn furnish(rules: &str) {
    ip("address add 10.0.0.1/8 dev lo");
    ip("-6 route add local 2001:db8::/32 dev lo");
    // Otherwise a socket cannot bind an IPv6 address that is only routed here.
    std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
    apply(rules);
}

/// Changes the rules with our program, one command on each line.
pub(crate) fn apply(rules: &str) {
    Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
}

/// Returns our listing for one line of arguments.
pub(crate) fn list(arguments: &str) -> String {
    Program::ours().line(arguments).succeeded().to_owned()
}

/// The address of real server `n`.
pub(crate) fn real(n: usize) -> String {
    format!("10.2.0.{}:80", n + 1)
}

/// A service on [`VIRTUAL`], by `-t` or `-u` and more options, and a masqueraded real server for each weight.
pub(crate) fn service(kind: &str, options: &str, weights: &[u32]) -> String {
    let servers = weights.iter().enumerate();
    let servers = servers.map(|(n, w)| format!("-a {kind} {VIRTUAL} -r {} -m -w {w}\n", real(n)));
    format!("-A {kind} {VIRTUAL} {options}\n{}", servers.collect::<String>())
}

/// Waits until a listing is as expected.
#[track_caller]
pub(crate) fn wait_for_listing(arguments: &str, wanted: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let listing = list(arguments);
        if wanted(&listing) {
            return listing;
        }
        assert!(start.elapsed() < PATIENCE, "{arguments} stayed\n{listing}");
        sleep(Duration::from_millis(50));
    }
}

/// A socket at an address and at a port that no earlier socket had; with a used port, IPVS would find the earlier
/// connection. The system reuses ports after a few dozen sockets.
pub(crate) fn client(address: &str) -> UdpSocket {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    UdpSocket::bind(format!("{address}:{}", NEXT.fetch_add(1, Ordering::Relaxed))).unwrap()
}

/// Real servers for UDP.
pub(crate) struct UdpServers(Vec<UdpSocket>);

impl UdpServers {
    pub(crate) fn new(count: usize) -> UdpServers {
        let addresses: Vec<String> = (0..count).map(real).collect();
        UdpServers::at(&addresses)
    }

    pub(crate) fn at(addresses: &[String]) -> UdpServers {
        let bound = addresses.iter().map(|address| {
            let socket = UdpSocket::bind(address).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        UdpServers(bound.collect())
    }

    /// Sends a datagram, and returns the server that received it.
    #[track_caller]
    pub(crate) fn takes(&self, client: &UdpSocket, to: &str) -> usize {
        client.send_to(b"question", to).unwrap();
        wait_for("a datagram", || {
            self.0.iter().position(|server| match server.recv(&mut [0; 16]) {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    false
                }
            })
        })
    }

    /// Sends a datagram from a new client, which is a new connection.
    #[track_caller]
    pub(crate) fn takes_from(&self, address: &str) -> usize {
        self.takes(&client(address), VIRTUAL)
    }
}

/// Real servers for TCP, which keep every connection open.
pub(crate) struct TcpServers(Vec<TcpListener>);

/// An open connection: the client's end, the server's, and which server.
pub(crate) struct Connection {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
    pub(crate) taker: usize,
}

impl TcpServers {
    pub(crate) fn new(count: usize) -> TcpServers {
        let bound = (0..count).map(|n| {
            let listener = TcpListener::bind(real(n)).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        });
        TcpServers(bound.collect())
    }

    /// Opens a connection.
    #[track_caller]
    pub(crate) fn connect(&self, client: TcpStream) -> Connection {
        let (server, taker) = wait_for("a connection", || {
            self.0.iter().enumerate().find_map(|(n, listener)| match listener.accept() {
                Ok((stream, _)) => Some((stream, n)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    None
                }
            })
        });
        server.set_nonblocking(false).unwrap();
        Connection { client, server, taker }
    }

    /// Opens one to [`VIRTUAL`].
    #[track_caller]
    pub(crate) fn open(&self) -> Connection {
        self.connect(TcpStream::connect(VIRTUAL).unwrap())
    }
}

/// Connects a stream of any stream protocol, optionally from an address and with a firewall mark.
pub(crate) fn stream(protocol: SockProtocol, from: Option<&str>, mark: u32, to: &str) -> TcpStream {
    let address = |text: &str| SockaddrStorage::from(text.parse::<SocketAddr>().unwrap());
    let family = if to.starts_with('[') { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket: OwnedFd =
        socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    setsockopt(&socket, sockopt::Mark, &mark).unwrap();
    if let Some(from) = from {
        bind(socket.as_raw_fd(), &address(from)).unwrap();
    }
    connect(socket.as_raw_fd(), &address(to)).unwrap();
    socket.into()
}
