//! One netlink attribute, written and read. Knows lengths and byte orders, and nothing of IPVS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLA_ALIGNTO, NLA_F_NESTED, NLA_HEADER_SIZE, NLA_TYPE_MASK, NlaBuffer};

use super::DecodeError;
use crate::model::Family;

/// Appends an attribute.
#[inline]
pub(super) fn put(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    put_header(buffer, kind, value.len());
    buffer.extend_from_slice(value);
    let padding = padded(value.len()) - value.len();
    buffer.extend_from_slice([0; NLA_ALIGNTO].get(..padding).unwrap_or_default());
}

#[inline]
fn put_header(buffer: &mut Vec<u8>, kind: u16, length: usize) {
    // Every attribute of this family is far below 64 KiB: numbers, addresses and short names.
    let length = u16::try_from(NLA_HEADER_SIZE + length).unwrap_or(u16::MAX);
    buffer.extend_from_slice(&bytes_of_header(length, kind));
}

const fn bytes_of_header(length: u16, kind: u16) -> [u8; NLA_HEADER_SIZE] {
    let ([a, b], [c, d]) = (length.to_ne_bytes(), kind.to_ne_bytes());
    [a, b, c, d]
}

/// Appends an attribute in the CPU's byte order.
pub(super) fn put_u32(buffer: &mut Vec<u8>, kind: u16, value: u32) {
    put(buffer, kind, &value.to_ne_bytes());
}

/// Appends a text with the closing NUL that the kernel's policy asks for.
pub(super) fn put_text(buffer: &mut Vec<u8>, kind: u16, text: &str) {
    let length = text.len() + 1;
    put_header(buffer, kind, length);
    buffer.extend_from_slice(text.as_bytes());
    // The NUL is followed by the padding, which is zeros too.
    buffer.resize(buffer.len() + 1 + (padded(length) - length), 0);
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
    put_header(buffer, kind | NLA_F_NESTED, 0);
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
    let mut rest = bytes;
    std::iter::from_fn(move || match split_first(rest) {
        Some((attribute, after)) => {
            rest = after;
            Some(Ok(attribute))
        }
        None => fault(std::mem::take(&mut rest)).map(Err),
    })
}

/// The first attribute and what comes after it. `NlasIterator` checks each length several times, which a listing of a
/// large table shows.
#[inline(always)]
fn split_first(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let &[length, length_high, kind, kind_high] = bytes.first_chunk()?;
    let length = usize::from(u16::from_ne_bytes([length, length_high]));
    let value = bytes.get(NLA_HEADER_SIZE..length)?;
    let kind = u16::from_ne_bytes([kind, kind_high]) & NLA_TYPE_MASK;
    let after = bytes.get(padded(length)..).unwrap_or_default();
    Some((Attribute { kind, value }, after))
}

/// Takes attributes in an expected order. The kernel sends the attributes of an entry in one order, and the comparison with
/// an expected header costs a few instructions. Everything else is left to [`attributes`].
pub(super) struct InOrder<'a>(pub(super) &'a [u8]);

impl<'a> InOrder<'a> {
    /// The value of the next attribute, if the attribute has this kind and as many bytes as the value.
    #[inline(always)]
    pub(super) fn value<const N: usize>(&mut self, kind: u16) -> Option<&'a [u8; N]> {
        let (header, rest) = self.0.split_first_chunk()?;
        let length = u16::try_from(NLA_HEADER_SIZE + N).ok()?;
        if *header != bytes_of_header(length, kind) {
            return None;
        }
        let value = rest.first_chunk()?;
        self.0 = rest.get(padded(N)..)?;
        Some(value)
    }

    /// The next attribute, if it has this kind.
    #[inline(always)]
    pub(super) fn attribute(&mut self, kind: u16) -> Option<Attribute<'a>> {
        let (attribute, rest) = split_first(self.0)?;
        self.0 = rest;
        (attribute.kind == kind).then_some(attribute)
    }
}

/// A length with the padding behind it.
const fn padded(length: usize) -> usize {
    (length + NLA_ALIGNTO - 1) & !(NLA_ALIGNTO - 1)
}

/// The error in bytes that do not begin with an attribute. `None` for no bytes.
#[cold]
fn fault(bytes: &[u8]) -> Option<DecodeError> {
    if bytes.is_empty() {
        return None;
    }
    Some(match NlaBuffer::new_checked(bytes) {
        Err(error) => error.into(),
        Ok(_) => DecodeError::Missing("attribute"),
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

    pub(super) fn u16(self) -> Result<u16, DecodeError> {
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
        match self.value.first_chunk() {
            Some(bytes) => Ok(u64::from_ne_bytes(*bytes)),
            None => self.u32().map(u64::from),
        }
    }

    /// A text up to its first NUL.
    pub(super) fn text(self) -> Result<&'a str, DecodeError> {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| DecodeError::NotText { kind: self.kind })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn values(bytes: &[u8]) -> Vec<Result<&[u8], DecodeError>> {
        attributes(bytes).map(|attribute| attribute.map(|attribute| attribute.value)).collect()
    }

    #[test]
    fn attribute_is_padded_to_four_bytes_and_its_padding_is_no_part_of_it() {
        let mut buffer = Vec::new();
        put(&mut buffer, 1, b"abcde");
        put_text(&mut buffer, 2, "rr");
        assert_eq!(buffer.len(), 12 + 8);
        let values: Vec<&[u8]> = values(&buffer).into_iter().map(Result::unwrap).collect();
        assert_eq!(values, [&b"abcde"[..], b"rr\0"]);
    }

    #[test]
    fn nest_is_as_long_as_what_is_in_it_and_says_that_it_is_one() {
        let mut buffer = Vec::new();
        put_nested(&mut buffer, 7, |buffer| put_u32(buffer, 1, 5));
        assert_eq!(buffer[..4], [12_u16.to_ne_bytes(), (7 | NLA_F_NESTED).to_ne_bytes()].concat());
        let nest = attributes(&buffer).next().unwrap().unwrap();
        assert_eq!((nest.kind, nest.value.len()), (7, 8));
    }

    #[test]
    fn attributes_that_are_cut_short_end_with_an_error() {
        let mut buffer = Vec::new();
        put_u32(&mut buffer, 1, 5);
        put_u32(&mut buffer, 2, 6);
        for end in 1..buffer.len() {
            let values = values(&buffer[..end]);
            assert_eq!(values.last().unwrap().is_err(), end != 8, "{end}");
        }
        // An attribute longer than the bytes that follow, and an attribute shorter than its own header.
        for length in [100, 3, 0] {
            buffer[..2].copy_from_slice(&u16::to_ne_bytes(length));
            assert!(matches!(values(&buffer)[..], [Err(_)]), "{length}");
        }
    }

    #[test]
    fn text_ends_at_its_first_nul_or_with_the_attribute() {
        for value in [&b"rr"[..], b"rr\0", b"rr\0junk"] {
            assert_eq!(Attribute { kind: 6, value }.text().unwrap(), "rr");
        }
        assert!(Attribute { kind: 6, value: b"\xff" }.text().is_err());
    }

    #[test]
    fn value_that_a_newer_kernel_made_longer_is_read_from_its_beginning() {
        let value = [0x1f, 0x90, 1, 2];
        assert_eq!(Attribute { kind: 1, value: &value }.u16_network_order().unwrap(), 8080);
        assert!(Attribute { kind: 1, value: &value[..1] }.u16_network_order().is_err());
    }
}
