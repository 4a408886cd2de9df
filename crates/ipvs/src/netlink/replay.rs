//! A kernel for tests: it answers with what a real one once said, as it was or edited, and keeps what it was asked.
//!
//! Splits messages and attributes by itself, so that it shares no mistake with the code under test.

use std::collections::VecDeque;
use std::{fs, io};

use super::Transport;

/// The length of a netlink message's header.
pub(super) const HEADER: usize = 16;

/// Gives its answers one after the other, whatever is asked. When none is left, receiving fails.
#[derive(Debug)]
pub(super) struct Replay {
    /// The datagrams that were sent.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) receive_limit: Option<usize>,
    answers: VecDeque<Vec<u8>>,
}

impl Replay {
    pub(super) fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { sent: Vec::new(), receive_limit: None, answers: answers.into_iter().collect() }
    }
}

impl Transport for Replay {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.sent.push(datagram.to_vec());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = self.answers.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(())
    }

    fn receive_limit(&self) -> io::Result<Option<usize>> {
        Ok(self.receive_limit)
    }
}

/// The bytes in `crates/ipvs-test/fixtures/NAME.hex`: one datagram, whose first line says how it came about.
pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../ipvs-test/fixtures/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect(&path);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let bytes = lines.flat_map(str::split_ascii_whitespace);
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// The messages in a datagram.
pub(super) fn messages(datagram: &[u8]) -> Vec<&[u8]> {
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

/// A datagram as the answer to the request with this number.
pub(super) fn answering(sequence: u32, datagram: &[u8]) -> Vec<u8> {
    let mut messages = messages(datagram).concat();
    let mut start = 0;
    while start < messages.len() {
        let length = u32::from_ne_bytes(*messages[start..].first_chunk().unwrap()) as usize;
        messages[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
        start += length;
    }
    messages
}

/// The attributes in each message of a fixture.
pub(super) fn payloads(name: &str) -> Vec<Vec<u8>> {
    const GENL_HEADER: usize = 4;
    let datagram = fixture(name);
    messages(&datagram).iter().map(|message| message[HEADER + GENL_HEADER..].to_vec()).collect()
}

/// The attributes within the one attribute of each message of a fixture: of `services` those of each service.
pub(super) fn nests(name: &str) -> Vec<Vec<u8>> {
    payloads(name).into_iter().map(|payload| payload[4..].to_vec()).collect()
}

/// Attributes without one, as a kernel sends them that does not have it yet.
pub(super) fn without(attributes: &[u8], kind: u16) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = attributes;
    while let Some(&[low, high, kind_low, kind_high]) = rest.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([low, high])).next_multiple_of(4);
        let (attribute, others) = rest.split_at(length.min(rest.len()));
        if u16::from_ne_bytes([kind_low, kind_high]) != kind {
            kept.extend_from_slice(attribute);
        }
        rest = others;
    }
    kept
}

/// Attributes with one added, or with another value for it.
pub(super) fn with(attributes: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
    let mut edited = without(attributes, kind);
    edited.extend_from_slice(&u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
    edited.extend_from_slice(&kind.to_ne_bytes());
    edited.extend_from_slice(value);
    edited.resize(edited.len().next_multiple_of(4), 0);
    edited
}
