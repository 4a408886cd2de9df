//! Netlink messages as bytes: messages that a kernel sent, and functions that split and edit messages.
//!
//! Knows no type of the library, so the functions share no mistake with the codec under test, and the unit tests of
//! the library can call them. All functions panic on malformed input, which fails the test.

use std::fs;

/// The length of a netlink message's header.
pub const HEADER: usize = 16;

/// The length of the header that follows in messages of a generic netlink family.
pub const GENERIC_HEADER: usize = 4;

/// The length of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;

/// `NLA_TYPE_MASK`: the number of an attribute without the flags in its upper bits.
const KIND_MASK: u16 = 0x3fff;

/// Reads `crates/ipvs-test/fixtures/NAME.hex`: one datagram. Its first line names the commands that caused it.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect(&path);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let bytes = lines.flat_map(str::split_ascii_whitespace);
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Splits a datagram into its messages.
pub fn messages(datagram: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = u32::from_ne_bytes(*rest.first_chunk().unwrap()) as usize;
        let (message, others) = rest.split_at(length);
        messages.push(message);
        rest = others;
    }
    messages
}

/// Changes the sequence number of every message: the datagram becomes the answer to that request.
pub fn answering(sequence: u32, datagram: &[u8]) -> Vec<u8> {
    let numbered = |message: &[u8]| {
        let mut message = message.to_vec();
        message[8..12].copy_from_slice(&sequence.to_ne_bytes());
        message
    };
    messages(datagram).into_iter().flat_map(numbered).collect()
}

/// Returns the attributes of each message of a fixture.
pub fn payloads(name: &str) -> Vec<Vec<u8>> {
    let datagram = fixture(name);
    let payload = |message: &&[u8]| message[HEADER + GENERIC_HEADER..].to_vec();
    messages(&datagram).iter().map(payload).collect()
}

/// Returns the attributes inside the only attribute of each message of a fixture: for `services`, those of each
/// service.
pub fn nests(name: &str) -> Vec<Vec<u8>> {
    payloads(name).into_iter().map(|payload| payload[ATTRIBUTE_HEADER..].to_vec()).collect()
}

/// Splits a payload or a nest into its attributes: the number and the value of each.
pub fn attributes(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut attributes = Vec::new();
    let mut rest = bytes;
    while let Some(&[low, high, kind_low, kind_high]) = rest.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let kind = u16::from_ne_bytes([kind_low, kind_high]) & KIND_MASK;
        attributes.push((kind, &rest[ATTRIBUTE_HEADER..length]));
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    attributes
}

/// Appends an attribute.
pub fn put(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap();
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(value);
    buffer.resize(buffer.len().next_multiple_of(4), 0);
}

/// Removes an attribute, as an older kernel lacks it.
pub fn without(bytes: &[u8], kind: u16) -> Vec<u8> {
    let mut kept = Vec::new();
    for (other, value) in attributes(bytes).into_iter().filter(|(other, _)| *other != kind) {
        put(&mut kept, other, value);
    }
    kept
}

/// Adds an attribute, or replaces its value.
pub fn with(bytes: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
    let mut edited = without(bytes, kind);
    put(&mut edited, kind, value);
    edited
}
