//! Datagrams to the kernel and back: the seam at which tests replay what a kernel once said.

use std::io;

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
}

/// A generic netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct KernelSocket {
    socket: Socket,
    kernel: SocketAddr,
}

/// The kernel makes no datagram of a dump larger than this or NLMSG_GOODSIZE, which is less, so nothing is ever
/// cut. It allocates as much as it was offered, clears it, and does so twice for each service (`netlink_dump`): with
/// 64 KiB, `-Sn` of 10,000 services takes 1,140 ms in instructions, with 16 KiB as much, since the kernel adds some
/// bytes of its own, which makes 32; with 15 KiB 710 (Linux 6.1). With less a dump of the services takes longer, for
/// the kernel walks through its table to where it was.
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
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
