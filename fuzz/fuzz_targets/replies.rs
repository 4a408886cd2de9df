//! Netlink replies of every kind, over the transport: the input is the datagrams that a kernel sends, each after its
//! length in two bytes. No reply makes the client panic or wait for a datagram that does not come.

#![no_main]

use std::io;

use ipvs::model::Change;
use ipvs::netlink::{Client, Transport};
use libfuzzer_sys::fuzz_target;

/// The answer to the request for the family, which lets the client connect.
const FAMILY: &str = include_str!("../../crates/ipvs-test/fixtures/family.hex");

fn family() -> impl Iterator<Item = u8> {
    let bytes = FAMILY.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' '));
    bytes.filter_map(|byte| u8::from_str_radix(byte, 16).ok())
}

struct Replies<'a> {
    is_connected: bool,
    sequence: u32,
    rest: &'a [u8],
}

impl Transport for Replies<'_> {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        if let Some(sequence) = datagram.get(8..12).and_then(|bytes| bytes.try_into().ok()) {
            self.sequence = u32::from_ne_bytes(sequence);
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        if std::mem::replace(&mut self.is_connected, true) {
            let Some((&[low, high], rest)) = self.rest.split_first_chunk() else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
            let (datagram, rest) = rest.split_at(length);
            self.rest = rest;
            buffer.extend_from_slice(datagram);
        } else {
            buffer.extend(family());
        }
        // The input's first message answers the last request, whichever number that had.
        if let Some(place) = buffer.get_mut(8..12) {
            place.copy_from_slice(&self.sequence.to_ne_bytes());
        }
        Ok(())
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, replies) = input;
    let transport = Replies { is_connected: false, sequence: 0, rest: replies };
    let Ok(mut client) = Client::new(transport) else { return };
    let key = match kind & 1 {
        0 => "tcp 10.0.0.1:80".parse(),
        _ => "fwmark 1 ipv6".parse(),
    };
    let Ok(key) = key else { return };
    match kind >> 1 {
        0 => drop(client.services()),
        1 => drop(client.service(&key)),
        2 => drop(client.real_servers(&key)),
        3 => drop(client.timeouts()),
        4 => drop(client.daemons()),
        5 => drop(client.info()),
        6 => drop(client.apply_all(&[Change::Flush, Change::DeleteService(key)])),
        _ => drop(ipvs::Snapshot::read(&mut client)),
    }
});
