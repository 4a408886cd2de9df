//! The values of options: text to numbers, addresses and names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::ValueError;
use crate::model::Protocol;
use crate::names::{Names, is_host_name};

/// Reads a number as strtol(3) does with base 10, the whole text: blanks and a sign may come before it.
pub(super) fn number<T: TryFrom<i64>>(
    text: &str,
    range: RangeInclusive<i64>,
) -> Result<T, ValueError> {
    let out_of_range = || {
        let (first, last) = (*range.start(), *range.end());
        ValueError::NotInRange { text: text.to_owned(), first, last }
    };
    let without_blanks = || text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let number: i64 =
        text.parse().or_else(|_| without_blanks().parse()).map_err(|_| out_of_range())?;
    if !range.contains(&number) {
        return Err(out_of_range());
    }
    T::try_from(number).map_err(|_| out_of_range())
}

/// Reads a port: a number, or a name that the services file has for the protocol.
fn port(text: &str, protocol: Option<Protocol>, names: &mut Names) -> Result<u16, ValueError> {
    if let Ok(port) = number(text, 0..=65535) {
        return Ok(port);
    }
    let protocol = protocol.ok_or_else(|| ValueError::PortName(text.to_owned()))?;
    names
        .port(text, protocol)
        .ok_or_else(|| ValueError::UnknownPort { name: text.to_owned(), protocol })
}

/// Reads a host: an address, or a name that leads to one.
fn host(text: &str, names: &mut Names) -> Result<IpAddr, ValueError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if !is_host_name(text) || looks_like_a_number(text) {
        return Err(ValueError::NotAnAddress(text.to_owned()));
    }
    let addresses = names.addresses(text).map_err(ValueError::Unresolved)?;
    addresses.first().copied().ok_or_else(|| ValueError::NotAnAddress(text.to_owned()))
}

/// Whether a resolver would take a text for an address though it is not written as one: `10.1`, `12345`,
/// `0x0a000001`, `010.0.0.1`. No top-level domain is a number, so the last label tells.
fn looks_like_a_number(text: &str) -> bool {
    let label = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Reads `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Without a port it is `None`.
pub(super) fn endpoint(
    text: &str,
    protocol: Option<Protocol>,
    names: &mut Names,
) -> Result<(IpAddr, Option<u16>), ValueError> {
    // By bytes: to look for a character takes longer.
    let colon = text.bytes().position(|byte| byte == b':');
    let parts = colon.and_then(|colon| Some((text.get(..colon)?, text.get(colon + 1..)?)));
    // Nearly all are this.
    if let Some((before, after)) = parts {
        if let Ok(address) = before.parse::<Ipv4Addr>() {
            return Ok((address.into(), Some(port(after, protocol, names)?)));
        }
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok((address.into(), None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) =
            rest.split_once(']').ok_or_else(|| ValueError::NotAnAddress(text.to_owned()))?;
        let after = after
            .strip_prefix(':')
            .filter(|port| !port.is_empty())
            .ok_or_else(|| ValueError::NoPortBehindBracket(text.to_owned()))?;
        return match inside.parse::<Ipv6Addr>() {
            Ok(address) => Ok((address.into(), Some(port(after, protocol, names)?))),
            Err(_) => match host(inside, names)? {
                // 1.31 takes what is no IPv6 address in brackets for one of IPv4 without its port.
                address @ IpAddr::V4(_) => Ok((address, None)),
                address @ IpAddr::V6(_) => Ok((address, Some(port(after, protocol, names)?))),
            },
        };
    }
    match parts {
        None => Ok((host(text, names)?, None)),
        Some((before, after)) => Ok((host(before, names)?, Some(port(after, protocol, names)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_decimal_and_all_of_the_text() {
        for (text, value) in [("5", 5), ("007", 7), ("+5", 5), (" 5", 5), ("-0", 0)] {
            assert_eq!(number::<u32>(text, 0..=10).unwrap(), value, "{text}");
        }
        for wrong in ["", "0x5", "5x", "5 ", "abc", "11", "-1", "99999999999999999999"] {
            assert!(number::<u32>(wrong, 0..=10).is_err(), "{wrong}");
        }
    }

    #[test]
    fn endpoint_is_an_address_with_or_without_a_port() {
        let read = |text| endpoint(text, Some(Protocol::Tcp), &mut Names::new()).unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(read("10.0.0.1:80"), (address("10.0.0.1"), Some(80)));
        assert_eq!(read("10.0.0.1"), (address("10.0.0.1"), None));
        assert_eq!(read("[2001:db8::1]:80"), (address("2001:db8::1"), Some(80)));
        assert_eq!(read("2001:db8::1:80"), (address("2001:db8::1:80"), None));
        assert_eq!(read("::"), (address("::"), None));
        assert_eq!(read("[10.0.0.1]:80"), (address("10.0.0.1"), None));
    }

    #[test]
    fn what_only_looks_like_an_address_is_refused_and_never_looked_up() {
        for wrong in [
            "",
            ":80",
            "10.0.0.1:",
            "10.0.0.1:99999",
            "10.0.0.1:-1",
            "10.0.0:80",
            "12345:80",
            "0x0a000001:80",
            "010.0.0.1:80",
            "256.0.0.1:80",
            "10.0.0.1:80:90",
            "[2001:db8::1]",
            "[2001:db8::1]80",
            "[2001:db8::1",
            "[]:80",
            "2001:db8:0:0:0:0:0:1:80",
            "fe80::1%lo",
            "*:80",
            "10.0.0.1/24:80",
            "bogus..:80",
        ] {
            assert!(endpoint(wrong, Some(Protocol::Tcp), &mut Names::new()).is_err(), "{wrong}");
        }
    }
}
