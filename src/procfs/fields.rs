//! Words of a line of /proc: hexadecimal addresses and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The words of a line.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

pub(super) fn text(word: &[u8]) -> Option<&str> {
    str::from_utf8(word).ok()
}

pub(super) fn decimal(word: &[u8]) -> Option<u32> {
    text(word)?.parse().ok()
}

fn hexadecimal_digits(word: &[u8]) -> Option<u128> {
    word.iter().try_fold(0, |value: u128, &byte| {
        Some(value << 4 | u128::from(char::from(byte).to_digit(16)?))
    })
}

/// A number of 32 bits in hexadecimal.
pub(super) fn hexadecimal(word: &[u8]) -> Option<u32> {
    hexadecimal_digits(word)?.try_into().ok()
}

/// A port in hexadecimal.
pub(super) fn port(word: &[u8]) -> Option<u16> {
    hexadecimal_digits(word)?.try_into().ok()
}

/// An address: 8 digits for IPv4, eight groups of 4 for IPv6.
pub(super) fn address(word: &[u8]) -> Option<IpAddr> {
    match word.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from_bits(hexadecimal(word)?))),
        39 => {
            let mut bits = 0;
            for group in word.split(|&byte| byte == b':') {
                bits = bits << 16 | hexadecimal_digits(group)?;
            }
            Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
        _ => None,
    }
}

/// `ADDRESS:PORT`, with an IPv6 address in brackets.
pub(super) fn endpoint(word: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = word.iter().rposition(|&byte| byte == b':')?;
    let (host, rest) = word.split_at_checked(colon)?;
    let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    Some((address(host)?, port(rest.get(1..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
