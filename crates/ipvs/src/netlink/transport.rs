//! Datagrams to the kernel and back: the seam at which tests replay what a kernel once said.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

/// Carries datagrams between a [`Client`](super::Client) and the kernel.
pub trait Transport {
    /// Sends one datagram of one or more whole messages.
    ///
    /// # Errors
    /// What the socket says.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Puts the next datagram from the kernel into `buffer`, in place of what that held.
    ///
    /// # Errors
    /// What the socket says.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()>;

    /// How many bytes of answers, as the kernel counts them, can wait to be received, if there is a limit. What comes
    /// when they are reached is lost.
    ///
    /// # Errors
    /// What the socket says.
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
/// Nothing is ever cut: a datagram of a dump has at most as many bytes as recv(2) was offered, or as a page has, up to
/// 8 KiB, where that is more (`NLMSG_GOODSIZE`); every other answer has a few hundred.
///
/// Beyond that the number is about speed. The kernel allocates and clears what was offered and some bytes of its own,
/// rounded up to a power of two, but never more than 32 KiB; and that twice for each dump, of which a save takes one a
/// service (`netlink_dump`, Linux 6.1). An offer of 15 KiB makes 16, one of 16 KiB and more makes 32: `-Sn` of 10,000
/// services then executes 1,140 million instructions, and 710 million with 15 KiB. A smaller offer makes a dump of all
/// services slower, since it takes more datagrams and for each of them the kernel walks through its table to where it
/// was.
const RECEIVE_ROOM: usize = 15 * 1024;

impl KernelSocket {
    /// Opens the socket. The kernel gives it an address with the first message.
    ///
    /// # Errors
    /// What socket(2) says.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::new(NETLINK_GENERIC)?, kernel: SocketAddr::new(0, 0) })
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
