//! Asks each real server for a sign of life: a TCP connection without a byte on it, or an empty UDP datagram.
//!
//! Accepted, refused and silent servers differ. UDP has no handshake, so only an ICMP error says something.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipvs::model::Protocol;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, connect, send, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Answer;

/// A port of a real server.
pub type ProbedPort = (Protocol, SocketAddr);

/// The descriptors that the rest of the program needs.
const RESERVED: u64 = 64;

/// Probes ports from the network namespace of the calling thread. All probes begin at once, as far as this process may
/// open files. A port without an answer that says something is missing in the result: UDP has such ports.
///
/// # Errors
/// The errors of epoll.
pub fn probe(ports: &[ProbedPort], patience: Duration) -> io::Result<BTreeMap<ProbedPort, Answer>> {
    let mut answers = BTreeMap::new();
    for some in ports.chunks(sockets_at_once(ports.len())) {
        probe_some(some, patience, &mut answers)?;
    }
    Ok(answers)
}

/// Raises the limit of open files as far as this process may, and returns the number of sockets that fit.
fn sockets_at_once(wanted: usize) -> usize {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(RESERVED);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut limit = current.unwrap_or(needed);
    if limit < needed {
        let raised = maximum.unwrap_or(needed).min(needed);
        let asked = Rlimit { current: Some(raised), maximum };
        if setrlimit(Resource::Nofile, asked).is_ok() {
            limit = raised;
        }
    }
    usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(1)
}

fn probe_some(
    ports: &[ProbedPort],
    patience: Duration,
    answers: &mut BTreeMap<ProbedPort, Answer>,
) -> io::Result<()> {
    let poller = epoll::create(CreateFlags::CLOEXEC)?;
    let mut open: BTreeMap<u64, (ProbedPort, OwnedFd)> = BTreeMap::new();
    for (number, port) in (0..).zip(ports) {
        match begin(port) {
            Ok(Some(socket)) => {
                epoll::add(&poller, &socket, EventData::new_u64(number), readiness(port.0))?;
                open.insert(number, (*port, socket));
            }
            Ok(None) => drop(answers.insert(*port, Answer::Accepted)),
            Err(errno) => drop(answers.insert(*port, answer(errno))),
        }
    }
    let end = Instant::now() + patience;
    let mut events = Vec::with_capacity(256);
    while !open.is_empty() {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).ok();
        match epoll::wait(&poller, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in events.drain(..) {
            // The kernel forgets a socket that is closed.
            let Some((port, socket)) = open.remove(&event.data.u64()) else { continue };
            let answer = match socket_error(&socket) {
                Ok(Ok(())) => Answer::Accepted,
                Ok(Err(errno)) | Err(errno) => answer(errno),
            };
            answers.insert(port, answer);
        }
    }
    let silent = open.into_values().filter(|((protocol, _), _)| *protocol == Protocol::Tcp);
    answers.extend(silent.map(|(port, _)| (port, Answer::Silent)));
    Ok(())
}

/// The event after which a socket has an answer. Errors are always events.
fn readiness(protocol: Protocol) -> EventFlags {
    match protocol {
        Protocol::Tcp => EventFlags::OUT,
        _ => EventFlags::IN,
    }
}

/// Begins a connection, or sends a datagram. `None` if a connection is complete at once.
fn begin((protocol, address): &ProbedPort) -> Result<Option<OwnedFd>, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let is_tcp = *protocol == Protocol::Tcp;
    let kind = if is_tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    match connect(&socket, address) {
        Ok(()) if is_tcp => Ok(None),
        Ok(()) => send(&socket, &[], SendFlags::empty()).map(|_| Some(socket)),
        Err(Errno::INPROGRESS) => Ok(Some(socket)),
        Err(errno) => Err(errno),
    }
}

fn answer(errno: Errno) -> Answer {
    match errno {
        Errno::CONNREFUSED => Answer::Refused,
        Errno::TIMEDOUT => Answer::Silent,
        _ => Answer::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn ports_of_this_machine_accept_refuse_or_say_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let unused = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = (Protocol::Tcp, listener.local_addr().unwrap());
        let quiet = (Protocol::Udp, silent.local_addr().unwrap());
        let ports = [open, quiet, (Protocol::Tcp, closed), (Protocol::Udp, unused)];
        let answers = probe(&ports, Duration::from_millis(200)).unwrap();
        assert_eq!(answers.get(&open), Some(&Answer::Accepted));
        assert_eq!(answers.get(&quiet), None);
        assert_eq!(answers.get(&(Protocol::Tcp, closed)), Some(&Answer::Refused));
        assert_eq!(answers.get(&(Protocol::Udp, unused)), Some(&Answer::Refused));
    }

    #[test]
    fn thousand_probes_begin_at_once() {
        assert!(sockets_at_once(100) >= 100);
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        if most >= 1000 + RESERVED {
            assert!(sockets_at_once(1000) >= 1000);
        }
    }
}
