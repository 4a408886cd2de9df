//! Words of a line of `/proc`: hexadecimal addresses and ports, decimal numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The words of a line.
pub(super) fn words(line: &[u8]) -> Words<'_> {
    Words(line)
}

/// See [`words`].
pub(super) struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let end = self.0.iter().position(|&byte| byte == b' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

impl Words<'_> {
    fn skip_blanks(&mut self) {
        let blanks = self.0.iter().position(|&byte| byte != b' ').unwrap_or(self.0.len());
        self.0 = self.0.get(blanks..).unwrap_or_default();
    }

    /// The next two words as an address and a port.
    #[inline]
    pub(super) fn next_socket_address(&mut self) -> Option<SocketAddr> {
        self.skip_blanks();
        if let Some((endpoint, rest)) = split_ipv4_endpoint(self.0, b' ') {
            self.0 = rest;
            return Some(endpoint);
        }
        let address = address(self.next()?)?;
        Some(SocketAddr::new(address, port(self.next()?)?))
    }

    /// The next word as `ADDRESS:PORT`.
    #[inline]
    pub(super) fn next_endpoint(&mut self) -> Option<(IpAddr, u16)> {
        self.skip_blanks();
        if let Some((endpoint, rest)) = split_ipv4_endpoint(self.0, b':') {
            self.0 = rest;
            return Some((endpoint.ip(), endpoint.port()));
        }
        endpoint(self.next()?)
    }
}

/// Splits off an IPv4 address and a port, with the given byte between them and a blank behind them. Most endpoints have
/// this form, which needs no search for the ends of words: the benchmark of `-Lnc` shows the difference.
#[inline]
fn split_ipv4_endpoint(text: &[u8], separator: u8) -> Option<(SocketAddr, &[u8])> {
    let (address, rest) = text.split_first_chunk::<8>()?;
    let ([found, port @ .., b' '], rest) = rest.split_first_chunk::<6>()? else { return None };
    if *found != separator {
        return None;
    }
    let address = Ipv4Addr::from_bits(hexadecimal(address)?);
    Some((SocketAddr::new(address.into(), self::port(port)?), rest))
}

/// A word as text.
pub(super) fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

#[inline]
pub(super) fn decimal(word: &[u8]) -> Option<u32> {
    // The kernel writes no leading zeros, so a longer word is too large.
    if word.is_empty() || word.len() > 10 {
        return None;
    }
    let mut number = 0;
    for &byte in word {
        number = number * 10 + u64::from(digit(byte)?);
    }
    u32::try_from(number).ok()
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// The value of each byte as a hexadecimal digit, or [`NO_DIGIT`].
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it and would report it")]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

const NO_DIGIT: u8 = 0xff;

/// A number of up to 32 bits in hexadecimal. A connection's line has three dozen digits, so a table gives their values:
/// the benchmark of `-Lnc` shows the difference.
#[inline]
pub(super) fn hexadecimal(word: &[u8]) -> Option<u32> {
    if word.len() > 8 {
        return None;
    }
    let (mut number, mut all) = (0, 0);
    for &byte in word {
        let digit = DIGITS.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT);
        number = (number << 4) | u32::from(digit);
        all |= digit;
    }
    (all < 16).then_some(number)
}

/// A port in hexadecimal.
fn port(word: &[u8]) -> Option<u16> {
    hexadecimal(word)?.try_into().ok()
}

/// An address: 8 digits for IPv4, eight groups of 4 for IPv6.
fn address(word: &[u8]) -> Option<IpAddr> {
    match word.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from_bits(hexadecimal(word)?))),
        39 => {
            let mut bits = 0;
            for group in word.split(|&byte| byte == b':') {
                bits = bits << 16 | u128::from(port(group)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
        _ => None,
    }
}

/// `ADDRESS:PORT`, with an IPv6 address in brackets.
fn endpoint(word: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = word.iter().rposition(|&byte| byte == b':')?;
    let (host, rest) = word.split_at_checked(colon)?;
    let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    Some((address(host)?, port(rest.get(1..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_letters_are_read_too() {
        let mut words = words(b"0a00000f 1f90 0a000001:0050 ");
        assert_eq!(words.next_socket_address(), Some("10.0.0.15:8080".parse().unwrap()));
        assert_eq!(words.next_endpoint(), Some(("10.0.0.1".parse().unwrap(), 80)));
    }

    #[test]
    fn decimal_number_has_32_bits() {
        for (text, number) in [("0", 0), ("55", 55), ("4294967295", u32::MAX)] {
            assert_eq!(decimal(text.as_bytes()), Some(number));
        }
        for wrong in ["", "4294967296", "99999999999", "18446744073709551617", "-1", "+1", "1x"] {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn address_is_hexadecimal_of_either_family() {
        assert_eq!(endpoint(b"0A000001:0050"), Some(("10.0.0.1".parse().unwrap(), 80)));
        assert_eq!(
            endpoint(b"[2001:0db8:0000:0000:0000:0000:0000:0001]:1F90"),
            Some(("2001:db8::1".parse().unwrap(), 8080))
        );
        for wrong in [&b""[..], b"0A000001", b"0A0000:0050", b"0A00000g:0050", b"0A000001:10050"] {
            assert_eq!(endpoint(wrong), None);
        }
    }
}
