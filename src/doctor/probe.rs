//! Opens a TCP connection to each real server and sends nothing on it: accepted, refused and silent servers differ.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::Answer;

/// The number of connections that are open at a time: most processes may open 1024 files.
const TOGETHER: usize = 500;

/// Probes addresses from the network namespace of the calling thread.
pub fn probe(addresses: &[SocketAddr], patience: Duration) -> BTreeMap<SocketAddr, Answer> {
    let mut answers = BTreeMap::new();
    for some in addresses.chunks(TOGETHER) {
        probe_some(some, patience, &mut answers);
    }
    answers
}

fn probe_some(
    addresses: &[SocketAddr],
    patience: Duration,
    answers: &mut BTreeMap<SocketAddr, Answer>,
) {
    let mut open: Vec<(SocketAddr, OwnedFd)> = Vec::new();
    for &address in addresses {
        match begin(&address) {
            Ok(Some(socket)) => open.push((address, socket)),
            Ok(None) => drop(answers.insert(address, Answer::Accepted)),
            Err(errno) => drop(answers.insert(address, answer(errno))),
        }
    }
    let end = Instant::now() + patience;
    while !open.is_empty() {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).ok();
        let mut polled: Vec<PollFd<'_>> =
            open.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::OUT)).collect();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(Errno::INVAL) => break,
            Ok(_) | Err(_) => {}
        }
        let ready: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        open.retain(|(address, socket)| {
            if ready.next() != Some(true) {
                return true;
            }
            let answer = match socket_error(socket) {
                Ok(Ok(())) => Answer::Accepted,
                Ok(Err(errno)) | Err(errno) => answer(errno),
            };
            answers.insert(*address, answer);
            false
        });
    }
    answers.extend(open.into_iter().map(|(address, _)| (address, Answer::Silent)));
}

/// Begins a connection. `None` if it is complete at once.
fn begin(address: &SocketAddr) -> Result<Option<OwnedFd>, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, address) {
        Ok(()) => Ok(None),
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
