//! Datagrams to the kernel and back: the seam at which tests replay what a kernel once said.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// Carries datagrams between a [`Client`](super::Client) and the kernel.
pub trait Transport {
    /// Sends one datagram of one or more whole messages.
    ///
    /// # Errors
    /// The error of the socket.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Puts the next datagram from the kernel into `buffer`, in place of what that held.
    ///
    /// # Errors
    /// The error of the socket.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()>;

    /// The most bytes of answers that can wait to be received, as the kernel counts them, if there is a limit. The kernel
    /// drops the answers beyond it.
    ///
    /// # Errors
    /// The error of the socket.
    fn receive_limit(&self) -> io::Result<Option<usize>> {
        Ok(None)
    }
}

/// A generic netlink socket in the network namespace of the thread that opened it. As a file it can be waited for, and
/// its options set.
#[derive(Debug)]
pub struct KernelSocket {
    socket: Socket,
    kernel: SocketAddr,
}

/// How many bytes recv(2) is offered for a datagram.
///
/// A datagram of a dump has at most as many bytes as the largest offer so far, or `NLMSG_GOODSIZE` where that is more.
/// This is 3,776 with pages of 4 KiB, and 7,872 with larger pages: the kernel would cut the datagrams of a dump for a
/// smaller offer. Every other answer has a few hundred bytes.
///
/// Above that, the number decides about speed alone. For each part of a dump, and twice for each dump, the kernel
/// allocates and clears a buffer (`netlink_dump`). Its size is the offered one and some hundred bytes, rounded up to a
/// power of two. A save and a restore take one dump for each service, so a small offer makes them cheaper. The dump of
/// all services then has more parts, and for each of them the kernel walks through its table to where it was. 7,872
/// bytes are 8 KiB with the kernel's: the benchmark's `-Sn` and restores gain more by it than `-Ln` of 10,000 services
/// loses.
/// BENCHMARKS.md has the figures.
const RECEIVE_ROOM: usize = 7872;

impl KernelSocket {
    /// Opens the socket. The kernel gives it an address with the first message.
    ///
    /// # Errors
    /// The error of socket(2).
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::new(NETLINK_GENERIC)?, kernel: SocketAddr::new(0, 0) })
    }
}

impl KernelSocket {
    /// Limits the time that receiving waits. With `None`, there is no limit.
    ///
    /// # Errors
    /// `InvalidInput` for a limit of zero, otherwise the error of setsockopt(2).
    pub fn set_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        Ok(set_socket_timeout(&self.socket, Timeout::Recv, limit)?)
    }
}

impl Transport for KernelSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        // A netlink datagram goes out whole or not at all.
        retry_interrupted(|| self.socket.send_to(datagram, &self.kernel, 0)).map(|_| ())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.reserve(RECEIVE_ROOM.saturating_sub(buffer.len()));
        loop {
            buffer.clear();
            let (_, sender) = retry_interrupted(|| self.socket.recv_from(buffer, 0))?;
            // Any process may send to a netlink socket; only the kernel is port 0.
            if sender.port_number() == 0 {
                return Ok(());
            }
        }
    }

    fn receive_limit(&self) -> io::Result<Option<usize>> {
        self.socket.get_rx_buf_sz().map(Some)
    }
}

impl AsFd for KernelSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
