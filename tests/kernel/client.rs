//! The library's client recovers from broken sockets: a dump that fails midway, and a module that was reloaded.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use ipvs::ErrorKind;
use ipvs::model::{Change, Protocol, ServiceKey, VirtualService};
use ipvs::netlink::{Client, KernelSocket, Transport};

use crate::network::fresh_namespace;
use crate::program::Program;

const SERVICES: u16 = 600;

/// A socket whose receive fails once, after a number of datagrams, as with a timeout.
struct Breaking {
    socket: KernelSocket,
    left: Rc<Cell<usize>>,
}

impl Transport for Breaking {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { self.socket.receive(buffer) }
    }
}

#[test]
fn a_dump_that_fails_at_any_datagram_makes_no_other_dump_fail() {
    fresh_namespace();
    let rules = (1..=SERVICES).map(|port| format!("-A -t 10.0.0.1:{port} -s rr\n"));
    Program::ours().feed(["-R"], rules.collect::<String>().as_bytes()).succeeded();
    let left = Rc::new(Cell::new(usize::MAX));
    let socket = KernelSocket::open().unwrap();
    let mut client = Client::new(Breaking { socket, left: Rc::clone(&left) }).unwrap();
    let mut broken = 0;
    for datagrams in 0.. {
        left.set(datagrams);
        let first = client.services();
        left.set(usize::MAX);
        match first {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Timeout => broken += 1,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(client.services().unwrap().len(), usize::from(SERVICES));
    }
    assert!(broken > 3, "the dump has only {broken} datagrams");
    client.apply(&Change::Flush).unwrap();
}

/// A socket whose first answer about the family has a number that no family has, as if the module had been reloaded.
struct Reloaded {
    socket: KernelSocket,
    is_first: bool,
}

impl Transport for Reloaded {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.socket.receive(buffer)?;
        if std::mem::take(&mut self.is_first) {
            // CTRL_ATTR_FAMILY_ID, a number of two bytes.
            let header = [6_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat();
            let place = buffer.windows(4).position(|bytes| bytes == header).unwrap();
            buffer[place + 4..place + 6].copy_from_slice(&999_u16.to_ne_bytes());
        }
        Ok(())
    }
}

#[test]
fn a_client_survives_a_reloaded_module() {
    fresh_namespace();
    let client = || {
        let socket = KernelSocket::open().unwrap();
        Client::new(Reloaded { socket, is_first: true }).unwrap()
    };
    let address = [10, 0, 0, 1].into();
    let key = ServiceKey::Address { protocol: Protocol::Tcp, address, port: 80 };
    let service = VirtualService::new(key);
    let changes = [Change::AddService(service.clone()), Change::Zero(Some(key))];
    assert!(client().apply_all(&changes).unwrap().is_complete());
    assert_eq!(client().services().unwrap().len(), 1);
    assert_eq!(client().service(&key).unwrap().service.key, key);
    client().timeouts().unwrap();
    // The kernel returns the same errno for a scheduler that it does not find.
    let missing = service.scheduler("nosuch".parse().unwrap());
    let error = client().apply(&Change::EditService(missing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoScheduler);
}
