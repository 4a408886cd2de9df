//! A socket of the model carries the datagrams of a client.
//!
//! The unit tests of the library include this file, since their [`Transport`] is another than that of the library that
//! this crate is linked to.

use std::io;

use ipvs::netlink::Transport;
use ipvs_test::kernel::Socket;

impl Transport for Socket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.handle(datagram);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = self.take()?;
        Ok(())
    }
}
