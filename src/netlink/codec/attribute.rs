//! One netlink attribute, written and read. Knows lengths and byte orders, and nothing of IPVS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{Emitable, NLA_F_NESTED, Nla, NlaBuffer, NlasIterator};

use super::DecodeError;
use crate::model::Family;

/// An attribute on its way to the kernel.
struct Outgoing<'a> {
    kind: u16,
    value: &'a [u8],
}

impl Nla for Outgoing<'_> {
    fn value_len(&self) -> usize {
        self.value.len()
    }

    fn kind(&self) -> u16 {
        self.kind
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.value);
    }
}

/// Appends an attribute.
pub(super) fn put(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let attribute = Outgoing { kind, value };
    let start = buffer.len();
    buffer.resize(start + attribute.buffer_len(), 0);
    if let Some(room) = buffer.get_mut(start..) {
        attribute.emit(room);
    }
}

/// Appends an attribute in the CPU's byte order.
pub(super) fn put_u32(buffer: &mut Vec<u8>, kind: u16, value: u32) {
    put(buffer, kind, &value.to_ne_bytes());
}

/// Appends a text with the closing NUL that the kernel's policy asks for.
pub(super) fn put_text(buffer: &mut Vec<u8>, kind: u16, text: &str) {
    let mut value = Vec::with_capacity(text.len() + 1);
    value.extend_from_slice(text.as_bytes());
    value.push(0);
    put(buffer, kind, &value);
}

/// Appends an address in the 16 bytes that `union nf_inet_addr` has whatever the family.
pub(super) fn put_address(buffer: &mut Vec<u8>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            put(buffer, kind, &[a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        IpAddr::V6(address) => put(buffer, kind, &address.octets()),
    }
}

/// Appends an attribute that holds others.
pub(super) fn put_nested(buffer: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    put(buffer, kind | NLA_F_NESTED, &[]);
    fill(buffer);
    // Every nest of this family is far below 64 KiB: a fixed set of short attributes.
    let length = u16::try_from(buffer.len() - start).unwrap_or(u16::MAX);
    if let Some(header) = buffer.get_mut(start..) {
        NlaBuffer::new(header).set_length(length);
    }
}

/// An attribute from the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// The attributes in a payload or in a nest. Ends after the first that is cut short.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute?;
        let value = attribute
            .into_inner()
            .get(netlink_packet_core::NLA_HEADER_SIZE..usize::from(attribute.length()))
            .unwrap_or_default();
        Ok(Attribute { kind: attribute.kind(), value })
    })
}

impl<'a> Attribute<'a> {
    /// The first bytes of the value; what a newer kernel may add behind them is left alone.
    fn bytes<const N: usize>(self) -> Result<[u8; N], DecodeError> {
        self.value
            .first_chunk()
            .copied()
            .ok_or(DecodeError::TooShort { kind: self.kind, length: self.value.len() })
    }

    pub(super) fn u8(self) -> Result<u8, DecodeError> {
        self.bytes().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_ne_bytes)
    }

    pub(super) fn u16_network_order(self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_be_bytes)
    }

    pub(super) fn u32(self) -> Result<u32, DecodeError> {
        self.bytes().map(u32::from_ne_bytes)
    }

    /// A counter of 64 bits, or of 32 where the kernel is older.
    pub(super) fn counter(self) -> Result<u64, DecodeError> {
        match self.bytes() {
            Ok(bytes) => Ok(u64::from_ne_bytes(bytes)),
            Err(_) => self.u32().map(u64::from),
        }
    }

    /// A text up to its first NUL.
    pub(super) fn text(self) -> Result<&'a str, DecodeError> {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or_default();
        str::from_utf8(text).map_err(|_| DecodeError::NotText { kind: self.kind })
    }

    pub(super) fn ipv4_address(self) -> Result<Ipv4Addr, DecodeError> {
        self.bytes::<4>().map(Ipv4Addr::from)
    }

    pub(super) fn ipv6_address(self) -> Result<Ipv6Addr, DecodeError> {
        self.bytes::<16>().map(Ipv6Addr::from)
    }

    pub(super) fn address(self, family: Family) -> Result<IpAddr, DecodeError> {
        match family {
            Family::Ipv4 => self.ipv4_address().map(IpAddr::V4),
            Family::Ipv6 => self.ipv6_address().map(IpAddr::V6),
        }
    }
}
