//! The model answers with the bytes of a real kernel: the attributes that the kernel listed are sent to the model as the
//! settings of new entries, and the model lists the same attributes.

use ipvs_test::kernel::{Counters, Kernel};
use ipvs_test::messages::{HEADER, attributes, fixture, messages, payloads, put};

const REQUEST: u16 = 0x001;
const ACK: u16 = 0x004;
const DUMP: u16 = 0x300;
const DONE: u16 = 3;

const NEW_SERVICE: u8 = 1;
const GET_SERVICE: u8 = 4;
const NEW_DEST: u8 = 5;
const GET_DEST: u8 = 8;
const NEW_DAEMON: u8 = 9;
const GET_DAEMON: u8 = 11;
const SET_CONFIG: u8 = 12;
const GET_CONFIG: u8 = 13;
const GET_INFO: u8 = 15;

/// Encodes a request.
fn request(kernel: &Kernel, flags: u16, command: u8, payload: &[u8]) -> Vec<u8> {
    let family = kernel.state().family.unwrap();
    let length = u32::try_from(HEADER + 4 + payload.len()).unwrap();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([family.to_ne_bytes(), (REQUEST | flags).to_ne_bytes()].concat());
    message.extend([[7, 0, 0, 0], [0; 4], [command, 1, 0, 0]].concat());
    message.extend_from_slice(payload);
    message
}

/// Sends a request and returns the messages of the answer after their netlink header.
fn ask(kernel: &Kernel, flags: u16, command: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let mut socket = kernel.socket();
    socket.handle(&request(kernel, flags, command, payload));
    let mut answers = Vec::new();
    while let Ok(datagram) = socket.take() {
        let is_end = |message: &&[u8]| message[4..6] == DONE.to_ne_bytes();
        let received = messages(&datagram).into_iter().filter(|message| !is_end(message));
        answers.extend(received.map(|message| message[HEADER..].to_vec()));
    }
    answers
}

/// Adds an entry and demands an ACK.
fn add(kernel: &Kernel, command: u8, payload: &[u8]) {
    let answers = ask(kernel, ACK, command, payload);
    assert_eq!(answers[0][..4], [0; 4], "command {command} is refused: {answers:x?}");
}

/// The attributes of answers, without the padding in counters: whether a kernel adds it depends on the processor.
fn unpadded(answers: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const STATS_ATTR_PAD: u16 = 11;
    let without_padding = |payload: &Vec<u8>| {
        let (kind, nest) = attributes(payload)[0];
        let mut kept = Vec::new();
        for (kind, value) in attributes(nest) {
            match kind {
                10 | 12 => {
                    let counters = attributes(value);
                    let counters = counters.iter().filter(|(kind, _)| *kind != STATS_ATTR_PAD);
                    let mut nest = Vec::new();
                    counters.for_each(|(kind, value)| put(&mut nest, *kind, value));
                    put(&mut kept, kind, &nest);
                }
                _ => put(&mut kept, kind, value),
            }
        }
        let mut payload = Vec::new();
        put(&mut payload, kind, &kept);
        payload
    };
    answers.iter().map(without_padding).collect()
}

/// The same of answers that still have their generic header.
fn unpadded_answers(answers: &[Vec<u8>]) -> Vec<Vec<u8>> {
    unpadded(&answers.iter().map(|answer| answer[4..].to_vec()).collect::<Vec<_>>())
}

#[test]
fn services_are_listed_as_the_kernel_listed_them() {
    let captured = payloads("services");
    let kernel = Kernel::new();
    for service in &captured {
        add(&kernel, NEW_SERVICE, service);
    }
    let mut listed = unpadded_answers(&ask(&kernel, DUMP, GET_SERVICE, &[]));
    let mut expected = unpadded(&captured);
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn real_servers_are_listed_as_the_kernel_listed_them() {
    for (name, family) in [("destinations", 2), ("destinations6", 10)] {
        let kernel = Kernel::new();
        // Only the family of the service matters, which is its first attribute.
        let services = payloads("services");
        let mut services = services.iter();
        let service = services.find(|payload| payload[8..10] == u16::to_ne_bytes(family)).unwrap();
        add(&kernel, NEW_SERVICE, service);
        let captured = payloads(name);
        for server in captured.iter().rev() {
            add(&kernel, NEW_DEST, &[&service[..], server].concat());
        }
        let listed = ask(&kernel, DUMP, GET_DEST, service);
        assert_eq!(unpadded_answers(&listed), unpadded(&captured));
    }
}

#[test]
fn counters_are_listed_as_the_kernel_listed_them() {
    let service = payloads("services_after_traffic").remove(0);
    let server = payloads("destinations_after_traffic").remove(0);
    let kernel = Kernel::new();
    add(&kernel, NEW_SERVICE, &service);
    add(&kernel, NEW_DEST, &[&service[..], &server].concat());
    let counters = Counters([95, 564, 377, 125_088, 305_364, 10, 62, 42, 13_789, 33_653]);
    kernel.state().services[0].counters = counters;
    kernel.state().services[0].servers[0].counters = counters;
    kernel.state().services[0].servers[0].connections = [3, 122, 0];
    let listed = ask(&kernel, DUMP, GET_SERVICE, &[]);
    assert_eq!(unpadded_answers(&listed), unpadded(std::slice::from_ref(&service)));
    let listed = ask(&kernel, DUMP, GET_DEST, &service);
    assert_eq!(unpadded_answers(&listed), unpadded(&[server]));
}

#[test]
fn daemons_timeouts_and_version_are_those_of_the_kernel() {
    let kernel = Kernel::new();
    let daemons = payloads("daemons");
    for daemon in &daemons {
        add(&kernel, NEW_DAEMON, daemon);
    }
    assert_eq!(unpadded_answers(&ask(&kernel, DUMP, GET_DAEMON, &[])), unpadded(&daemons));
    let timeouts = payloads("config").remove(0);
    add(&kernel, SET_CONFIG, &timeouts);
    assert_eq!(ask(&kernel, 0, GET_CONFIG, &[]), [fixture("config")[HEADER..].to_vec()]);
    assert_eq!(ask(&kernel, 0, GET_INFO, &[]), [fixture("info")[HEADER..].to_vec()]);
}

#[test]
fn refusals_are_those_of_the_kernel() {
    let kernel = Kernel::new();
    for name in ["error_exists", "error_missing"] {
        let refusal = fixture(name);
        // The errno comes first, then the request.
        let mut request = refusal[HEADER + 4..].to_vec();
        request[4..6].copy_from_slice(&kernel.state().family.unwrap().to_ne_bytes());
        let mut socket = kernel.socket();
        // The first of two equal additions succeeds.
        socket.handle(&request);
        socket.handle(&request);
        let answers: Vec<Vec<u8>> = std::iter::from_fn(|| socket.take().ok()).collect();
        assert_eq!(answers.last().unwrap()[HEADER..HEADER + 4], refusal[HEADER..HEADER + 4]);
        assert_eq!(answers.last().unwrap()[HEADER + 4..], request);
    }
}

/// Seen on Linux 6.1: EBUSY until the dump has been read to its last entry.
#[test]
fn dump_is_refused_while_an_abandoned_one_has_entries_left() {
    const EBUSY: i32 = 16;
    let kernel = Kernel::new();
    for service in &payloads("services") {
        add(&kernel, NEW_SERVICE, service);
    }
    let mut socket = kernel.socket();
    let dump = request(&kernel, DUMP, GET_SERVICE, &[]);
    socket.handle(&dump);
    socket.handle(&dump);
    socket.take().unwrap();
    let refusal = socket.take().unwrap();
    assert_eq!(refusal[HEADER..HEADER + 4], (-EBUSY).to_ne_bytes());
    while socket.take().is_ok() {}
    socket.handle(&dump);
    assert!(messages(&socket.take().unwrap()).len() > 1);
}
