//! Asks each real server for a sign of life: a TCP connection without a byte on it, or an empty UDP datagram.
//!
//! Accepted, refused and silent servers differ. UDP has no handshake, so only an ICMP error says something.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipvs::model::Protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
pub fn probe(ports: &[ProbedPort], patience: Duration) -> BTreeMap<ProbedPort, Answer> {
    let mut answers = BTreeMap::new();
    for some in ports.chunks(sockets_at_once(ports.len())) {
        probe_some(some, patience, &mut answers);
    }
    answers
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
) {
    let mut open: Vec<(ProbedPort, OwnedFd)> = Vec::new();
    for port in ports {
        match begin(port) {
            Ok(Some(socket)) => open.push((*port, socket)),
            Ok(None) => drop(answers.insert(*port, Answer::Accepted)),
            Err(errno) => drop(answers.insert(*port, answer(errno))),
        }
    }
    let end = Instant::now() + patience;
    while !open.is_empty() {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).ok();
        let mut polled: Vec<PollFd<'_>> = open
            .iter()
            .map(|((protocol, _), socket)| PollFd::new(socket, readiness(*protocol)))
            .collect();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(Errno::INVAL) => break,
            Ok(_) | Err(_) => {}
        }
        let ready: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        open.retain(|(port, socket)| {
            if ready.next() != Some(true) {
                return true;
            }
            let answer = match socket_error(socket) {
                Ok(Ok(())) => Answer::Accepted,
                Ok(Err(errno)) | Err(errno) => answer(errno),
            };
            answers.insert(*port, answer);
            false
        });
    }
    let silent = open.into_iter().filter(|((protocol, _), _)| *protocol == Protocol::Tcp);
    answers.extend(silent.map(|(port, _)| (port, Answer::Silent)));
}

/// The event after which a socket has an answer. Errors are always events.
fn readiness(protocol: Protocol) -> PollFlags {
    match protocol {
        Protocol::Tcp => PollFlags::OUT,
        _ => PollFlags::IN,
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
        let answers = probe(&ports, Duration::from_millis(200));
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
