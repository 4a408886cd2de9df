//! The model of the kernel, which tests without a kernel use, gives the same answers as a kernel. The test sends the
//! same random requests to both and compares the answers attribute by attribute.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use ipvs::model::Change;
use ipvs::netlink::{Client, KernelSocket, Transport};
use ipvs_test::kernel::Kernel;
use ipvs_test::messages::{GENERIC_HEADER, HEADER, attributes, messages};
use ipvs_test::values;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::network::fresh_namespace;

const HISTORIES: usize = 150;

const ERROR: u16 = 2;
const CONTROL_FAMILY: u16 = 16;

/// A transport that records every message that it receives.
struct Recorder<T> {
    transport: T,
    received: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl<T: Transport> Transport for Recorder<T> {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.transport.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.transport.receive(buffer)?;
        self.received.borrow_mut().extend(messages(buffer).into_iter().map(<[u8]>::to_vec));
        Ok(())
    }
}

/// A client of either kernel, and the messages that it has received.
struct Recorded<T> {
    client: Client<Recorder<T>>,
    received: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl<T: Transport> Recorded<T> {
    fn new(transport: T) -> Self {
        let received = Rc::default();
        let recorder = Recorder { transport, received: Rc::clone(&received) };
        let client = Client::new(recorder).unwrap();
        Self { client, received }
    }

    /// Makes a change, and returns every answer.
    fn answers(&mut self, change: &Change) -> Vec<String> {
        let _ = self.client.apply(change);
        self.take()
    }

    /// Sends all read requests, and returns every answer.
    fn listing(&mut self) -> Vec<String> {
        let client = &mut self.client;
        client.timeouts().unwrap();
        client.daemons().unwrap();
        client.info().unwrap();
        let mut seen = self.take();
        let services = self.client.services().unwrap();
        // The kernel lists services by a hash.
        let mut listed = self.take();
        listed.sort();
        seen.extend(listed);
        let mut keys: Vec<_> = services.iter().map(|state| state.service.key).collect();
        keys.sort();
        for key in keys {
            self.client.service(&key).unwrap();
            self.client.real_servers(&key).unwrap();
        }
        seen.extend(self.take());
        seen
    }

    fn take(&mut self) -> Vec<String> {
        self.received.take().iter().filter_map(|message| readable(message)).collect()
    }
}

/// A message without the numbers that differ between sockets: the port, the family, and the sequence number. Returns
/// `None` for an ACK, which the kernel omits for a daemon that stops before its thread has begun. It also returns
/// `None` for the answer about the family, in which the kernel lists commands.
fn readable(message: &[u8]) -> Option<String> {
    let kind = u16::from_ne_bytes([message[4], message[5]]);
    let flags = u16::from_ne_bytes([message[6], message[7]]);
    if kind == ERROR {
        let code = i32::from_ne_bytes(*message[HEADER..].first_chunk().unwrap());
        let quoted = &message[HEADER + 4 + HEADER..];
        return (code != 0).then(|| format!("errno {code} flags {flags} for {quoted:x?}"));
    }
    if kind == CONTROL_FAMILY {
        return None;
    }
    if kind < CONTROL_FAMILY {
        return Some(format!("type {kind} flags {flags} {:x?}", &message[HEADER..]));
    }
    let (generic, payload) = message[HEADER..].split_at(GENERIC_HEADER);
    let attributes: Vec<String> = attributes(payload).iter().map(|(k, v)| nest(*k, v, 0)).collect();
    Some(format!("command {} flags {flags} {}", generic[0], attributes.join(" ")))
}

/// At the top level attributes 1 to 3 are nested; in services and real servers attributes 10 and 12 are. Some
/// architectures pad the counters.
fn nest(kind: u16, value: &[u8], depth: usize) -> String {
    const STATS_ATTR_PAD: u16 = 11;
    let is_nest = match depth {
        0 => matches!(kind, 1..=3) && value.len() > 4,
        1 => matches!(kind, 10 | 12) && value.len() > 4,
        _ => false,
    };
    if !is_nest {
        return format!("{kind}={value:x?}");
    }
    let inside = attributes(value).into_iter().filter(|(k, _)| depth == 0 || *k != STATS_ATTR_PAD);
    let inside: Vec<String> = inside.map(|(k, v)| nest(k, v, depth + 1)).collect();
    format!("{kind}({})", inside.join(" "))
}

#[test]
fn random_requests_get_the_same_answers_from_the_model_and_from_the_kernel() {
    let mut runner = TestRunner::deterministic();
    let histories = values::history(1..40);
    let mut refused = 0;
    for number in 0..HISTORIES {
        let changes = histories.new_tree(&mut runner).unwrap().current();
        fresh_namespace();
        let mut kernel = Recorded::new(KernelSocket::open().unwrap());
        let mut model = Recorded::new(Kernel::new().socket());
        for (place, change) in changes.iter().enumerate() {
            let expected = kernel.answers(change);
            refused += expected.len();
            let before = &changes[..place];
            assert_eq!(model.answers(change), expected, "{change:#?} after {before:#?}");
        }
        assert_eq!(model.listing(), kernel.listing(), "history {number}: {changes:#?}");
    }
    assert!(refused > HISTORIES, "only {refused} refusals");
}
