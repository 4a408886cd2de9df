//! Words of a line of /proc: hexadecimal addresses and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
    }

    /// The next word as an address.
    #[inline]
    pub(super) fn next_address(&mut self) -> Option<IpAddr> {
        self.skip_blanks();
        // IPv4, nearly always: the word's end is known without a look.
        if let Some((&[a, b, c, d, e, f, g, h, b' '], rest)) = self.0.split_first_chunk() {
            if let Some(bits) = digits([a, b, c, d, e, f, g, h]) {
                self.0 = rest;
                return Some(IpAddr::V4(Ipv4Addr::from_bits(bits)));
            }
        }
        address(self.next()?)
    }

    /// The next word as `ADDRESS:PORT`.
    #[inline]
    pub(super) fn next_endpoint(&mut self) -> Option<(IpAddr, u16)> {
        if let Some(((address, port), rest)) = split_ipv4_endpoint(self.0, b':') {
            self.0 = rest;
            return Some((IpAddr::V4(address), port));
        }
        endpoint(self.next()?)
    }

    /// The next word as a port.
    #[inline]
    pub(super) fn next_port(&mut self) -> Option<u16> {
        self.skip_blanks();
        if let Some((&[a, b, c, d, b' '], rest)) = self.0.split_first_chunk() {
            if let Some(port) = port_digits([a, b, c, d]) {
                self.0 = rest;
                return Some(port);
            }
        }
        port(self.next()?)
    }
}

/// Takes an address and a port of IPv4 off, with the byte that stands between them and the blank behind them.
#[inline]
pub(super) fn split_ipv4_endpoint(text: &[u8], between: u8) -> Option<((Ipv4Addr, u16), &[u8])> {
    let (address, rest) = text.split_first_chunk()?;
    let ([found, port @ .., b' '], rest) = rest.split_first_chunk::<6>()? else { return None };
    if *found != between {
        return None;
    }
    Some(((Ipv4Addr::from_bits(digits(*address)?), port_digits(*port)?), rest))
}

/// A number in eight hexadecimal digits as the kernel writes them, with large letters. All eight are read at once: there
/// are three dozen digits in a connection's line.
#[inline]
fn digits(text: [u8; 8]) -> Option<u32> {
    /// A byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_be_bytes([byte; 8])
    }

    let text = u64::from_be_bytes(text);
    // Letters have this bit, and the low half of 'A' is 1.
    let are_letters = (text >> 6) & each(1);
    let values = (text & each(0x0f)) + 9 * are_letters;
    // What was read is what is there: each digit below 16, and written as it would be.
    let are_above_9 = ((values + each(6)) >> 4) & each(1);
    let written = values + each(b'0') + u64::from(b'A' - b'9' - 1) * are_above_9;
    if values & each(0xf0) != 0 || written != text {
        return None;
    }
    // Two digits to a byte, two bytes to a pair, two pairs to the number.
    let bytes = (values | (values >> 4)) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | (bytes >> 8)) & 0x0000_ffff_0000_ffff;
    u32::try_from((pairs | (pairs >> 16)) & 0xffff_ffff).ok()
}

/// A port in four hexadecimal digits.
#[inline]
fn port_digits([a, b, c, d]: [u8; 4]) -> Option<u16> {
    digits([b'0', b'0', b'0', b'0', a, b, c, d])?.try_into().ok()
}

/// A word as text. What stands in most lines is known to be text.
pub(super) fn text(word: &[u8]) -> Option<&str> {
    Some(match word {
        b"TCP" => "TCP",
        b"UDP" => "UDP",
        b"ESTABLISHED" => "ESTABLISHED",
        b"TIME_WAIT" => "TIME_WAIT",
        _ => std::str::from_utf8(word).ok()?,
    })
}

#[inline]
pub(super) fn decimal(word: &[u8]) -> Option<u32> {
    // What is longer is too large: the kernel puts no zeros in front.
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

/// A number of up to 32 bits in hexadecimal.
pub(super) fn hexadecimal(word: &[u8]) -> Option<u32> {
    if word.len() > 8 {
        return None;
    }
    word.iter().try_fold(0, |value: u32, &byte| Some((value << 4) | char::from(byte).to_digit(16)?))
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
                bits = (bits << 16) | u128::from(port(group)?);
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
    fn eight_digits_at_once_are_what_they_are_one_by_one() {
        assert_eq!(digits(*b"0A1F9CDE"), Some(0x0a1f_9cde));
        for (place, byte) in (0..8).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
            let mut text = *b"F0E9A73D";
            text[place] = byte;
            let number = hexadecimal(&text).filter(|_| !byte.is_ascii_lowercase());
            assert_eq!(digits(text), number, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn small_letters_are_read_too() {
        let mut words = words(b"0a00000f 1f90 0a000001:0050 ");
        assert_eq!(words.next_address(), Some("10.0.0.15".parse().unwrap()));
        assert_eq!(words.next_port(), Some(8080));
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
