//! Parses the values of options: numbers, hosts and ports. A name stays a name; nothing is looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::slice;

use crate::answers::Answers;
use crate::error::ValueError;
use ipvs::model::Protocol;

/// Parses the whole text as a number the way strtol(3) does with base 10: blanks and a sign may come before it.
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

/// Parses a firewall mark: a decimal number like all others, or a hexadecimal one (`0x7`), as nft, iptables and ip print
/// marks. A leading zero alone does not make a number octal.
pub(super) fn firewall_mark(text: &str) -> Result<NonZeroU32, ValueError> {
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    let hexadecimal = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let mark = match hexadecimal {
        Some(mark) => mark,
        None => number(text, 1..=u32::MAX.into())?,
    };
    let not_in_range =
        || ValueError::NotInRange { text: text.to_owned(), first: 1, last: u32::MAX.into() };
    NonZeroU32::new(mark).ok_or_else(not_in_range)
}

/// A host as it is written.
#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// A port as it is written.
#[derive(Clone, Copy, Debug)]
enum Port<'a> {
    Number(u16),
    Name(&'a str),
}

/// `HOST`, `HOST:PORT` or `[IPV6]:PORT`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Endpoint<'a> {
    /// Numbers. `None` means that the text lacks a port.
    Numeric(IpAddr, Option<u16>),
    /// A host name, a port name or both.
    Named(NamedEndpoint<'a>),
}

/// An endpoint with a name in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedEndpoint<'a> {
    host: Host<'a>,
    port: Option<Port<'a>>,
    /// The host is in brackets, as an IPv6 address is.
    is_bracketed: bool,
    /// The protocol of port names; `None` where no port name is allowed.
    protocol: Option<Protocol>,
}

impl<'a> Endpoint<'a> {
    /// Parses an endpoint. `protocol` is that of port names, if it is known at this place of the line.
    pub(super) fn parse(text: &'a str, protocol: Option<Protocol>) -> Result<Self, ValueError> {
        // Most endpoints have this form.
        if let Some((address, port)) = ipv4_endpoint(text.as_bytes()) {
            return Ok(Self::Numeric(address.into(), Some(port)));
        }
        let parts = text.split_once(':');
        if let Some((before, after)) = parts {
            if let Ok(address) = before.parse::<Ipv4Addr>() {
                return Self::new(Host::Address(address.into()), Some(parse_port(after)), protocol);
            }
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self::Numeric(address.into(), None));
        }
        if let Some(rest) = text.strip_prefix('[') {
            return Self::parse_bracketed(text, rest, protocol);
        }
        match parts {
            None => Self::new(parse_host(text)?, None, protocol),
            // An IPv6 address with a mistake in it or a URL, and not a host name with a port.
            Some((_, after)) if after.contains(':') || after.starts_with("//") => {
                Err(ValueError::NotAnAddress(text.to_owned()))
            }
            Some((before, after)) => {
                Self::new(parse_host(before)?, Some(parse_port(after)), protocol)
            }
        }
    }

    /// Parses `rest`, which is `text` without its opening bracket.
    fn parse_bracketed(
        text: &str,
        rest: &'a str,
        protocol: Option<Protocol>,
    ) -> Result<Self, ValueError> {
        let (inside, after) =
            rest.split_once(']').ok_or_else(|| ValueError::NotAnAddress(text.to_owned()))?;
        let port = match after.strip_prefix(':') {
            None if after.is_empty() => None,
            Some(port) if !port.is_empty() => Some(parse_port(port)),
            _ => return Err(ValueError::NotAnAddress(text.to_owned())),
        };
        if let Ok(address) = inside.parse::<Ipv6Addr>() {
            return Self::new(Host::Address(address.into()), port, protocol);
        }
        Ok(match parse_host(inside)? {
            // 1.31 skips the port of an IPv4 address in brackets.
            Host::Address(address) => Self::Numeric(address, None),
            host @ Host::Name(_) => {
                Self::Named(NamedEndpoint { host, port, is_bracketed: true, protocol })
            }
        })
    }

    fn new(
        host: Host<'a>,
        port: Option<Port<'a>>,
        protocol: Option<Protocol>,
    ) -> Result<Self, ValueError> {
        match (host, port) {
            (Host::Address(address), None) => Ok(Self::Numeric(address, None)),
            (Host::Address(address), Some(Port::Number(port))) => {
                Ok(Self::Numeric(address, Some(port)))
            }
            (Host::Address(_), Some(Port::Name(name))) if protocol.is_none() => {
                Err(ValueError::PortName(name.to_owned()))
            }
            (host, port) => {
                Ok(Self::Named(NamedEndpoint { host, port, is_bracketed: false, protocol }))
            }
        }
    }

    /// The host name, if the host is not an address.
    pub(super) fn host_name(&self) -> Option<&'a str> {
        match self {
            Self::Named(NamedEndpoint { host: Host::Name(name), .. }) => Some(name),
            _ => None,
        }
    }

    /// The address, and the port if the text has one. A fault of the host comes before one of the port.
    pub(super) fn resolve(
        self,
        answers: &mut dyn Answers,
    ) -> Result<(IpAddr, Option<u16>), ValueError> {
        let NamedEndpoint { host, port, is_bracketed, protocol } = match self {
            Self::Numeric(address, port) => return Ok((address, port)),
            Self::Named(endpoint) => endpoint,
        };
        let address = match host {
            Host::Address(address) => address,
            Host::Name(name) => answers
                .address(name)
                .map_err(|reason| ValueError::Unresolved { host: name.to_owned(), reason })?,
        };
        let port = match port {
            // As for an IPv4 address in brackets.
            Some(_) if is_bracketed && address.is_ipv4() => None,
            None => None,
            Some(Port::Number(port)) => Some(port),
            Some(Port::Name(name)) => {
                let protocol = protocol.ok_or_else(|| ValueError::PortName(name.to_owned()))?;
                let port = answers.port(name, protocol);
                let unknown = || ValueError::UnknownPort { name: name.to_owned(), protocol };
                Some(port.ok_or_else(unknown)?)
            }
        };
        Ok((address, port))
    }
}

/// Parses `1.2.3.4:5` in one pass. Leaves every other form to the parsers of its parts.
fn ipv4_endpoint(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let mut bytes = text.iter();
    let mut address = 0;
    for separator in *b"...:" {
        let (octet, end) = next_number(&mut bytes, u8::MAX.into())?;
        if end != Some(separator) {
            return None;
        }
        address = address << 8 | octet;
    }
    let (port, end) = next_number(&mut bytes, u16::MAX.into())?;
    end.is_none().then_some((address.into(), u16::try_from(port).ok()?))
}

/// Reads a number without a leading zero, and the byte that ends it.
fn next_number(bytes: &mut slice::Iter<'_, u8>, most: u32) -> Option<(u32, Option<u8>)> {
    let digit = |byte: u8| u32::from(byte.wrapping_sub(b'0'));
    let mut number = digit(*bytes.next()?);
    if number > 9 {
        return None;
    }
    for &byte in bytes {
        if digit(byte) > 9 {
            return Some((number, Some(byte)));
        }
        if number == 0 {
            return None;
        }
        number = number * 10 + digit(byte);
        if number > most {
            return None;
        }
    }
    Some((number, None))
}

/// Parses a port: a number, or else a name that the services file may have.
fn parse_port(text: &str) -> Port<'_> {
    match number(text, 0..=65535) {
        Ok(port) => Port::Number(port),
        Err(_) => Port::Name(text),
    }
}

/// Parses a host: an address, or a name that may lead to one.
fn parse_host(text: &str) -> Result<Host<'_>, ValueError> {
    match text.parse() {
        Ok(address) => Ok(Host::Address(address)),
        Err(_) if is_host_name(text) && !looks_like_a_number(text) => Ok(Host::Name(text)),
        Err(_) => Err(ValueError::NotAnAddress(text.to_owned())),
    }
}

/// True if a text is worth asking a name server for, and can be written before a port.
pub fn is_host_name(text: &str) -> bool {
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || !byte.is_ascii();
    text.strip_suffix('.')
        .unwrap_or(text)
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_host_byte))
}

/// True if a resolver would take a text for an address although it is not written as one: `10.1`, `12345`,
/// `0x0a000001`, `010.0.0.1`. No top-level domain is a number, so the last label tells.
pub fn looks_like_a_number(text: &str) -> bool {
    let label = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use ipvs_test::values::cases;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::answers::NamesRefused;

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
    fn firewall_mark_is_decimal_or_hexadecimal() {
        for (text, mark) in
            [("7", 7), ("010", 10), ("0x7", 7), ("0xfF", 255), ("0xffffffff", u32::MAX)]
        {
            assert_eq!(firewall_mark(text).unwrap().get(), mark, "{text}");
        }
        for wrong in ["0", "0x0", "0x", "0x+7", "x7", "0xg", "0x100000000", "-1", "7/0xff"] {
            assert!(firewall_mark(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(cases(500))]

        #[test]
        fn endpoint_of_ipv4_is_parsed_in_one_pass_as_by_its_parts(
            address in any::<[u8; 4]>(),
            port in any::<u16>(),
            place in any::<Index>(),
            other in select(b"0123456789.: x-+".to_vec()),
        ) {
            let address = Ipv4Addr::from(address);
            let mut text = SocketAddrV4::new(address, port).to_string().into_bytes();
            prop_assert_eq!(ipv4_endpoint(&text), Some((address, port)));
            *place.get_mut(&mut text) = other;
            if let Some((address, port)) = ipv4_endpoint(&text) {
                let text = String::from_utf8(text).unwrap();
                let (before, after) = text.split_once(':').unwrap();
                prop_assert_eq!(before.parse::<Ipv4Addr>(), Ok(address));
                prop_assert_eq!(after.parse::<u16>(), Ok(port));
            }
        }
    }

    #[test]
    fn endpoint_is_an_address_with_or_without_a_port() {
        let read = |text| match Endpoint::parse(text, Some(Protocol::Tcp)).unwrap() {
            Endpoint::Numeric(address, port) => (address, port),
            Endpoint::Named(endpoint) => panic!("{text}: {endpoint:?}"),
        };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(read("10.0.0.1:80"), (address("10.0.0.1"), Some(80)));
        assert_eq!(read("10.0.0.1"), (address("10.0.0.1"), None));
        assert_eq!(read("[2001:db8::1]:80"), (address("2001:db8::1"), Some(80)));
        assert_eq!(read("2001:db8::1:80"), (address("2001:db8::1:80"), None));
        assert_eq!(read("::"), (address("::"), None));
        assert_eq!(read("[2001:db8::1]"), (address("2001:db8::1"), None));
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
            "http://10.0.0.1:80/",
            "http://10.0.0.1",
            "[2001:db8::1]80",
            "[2001:db8::1",
            "[]:80",
            "2001:db8:0:0:0:0:0:1:80",
            "fe80::1%lo",
            "*:80",
            "10.0.0.1/24:80",
            "bogus..:80",
        ] {
            let error = Endpoint::parse(wrong, Some(Protocol::Tcp))
                .and_then(|endpoint| endpoint.resolve(&mut NamesRefused))
                .expect_err(wrong);
            assert!(!matches!(error, ValueError::Unresolved { .. }), "{wrong}: {error}");
        }
    }

    #[test]
    fn host_name_has_labels_of_letters_digits_dashes_and_underscores() {
        for name in ["vip", "vip.example.", "under_score", "-x", "b\u{fc}ro"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in ["", "a:b", "[a]", "#a", "a..b", "a/24", "a%b"] {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn host_is_resolved_before_its_port() {
        let both = Endpoint::parse("nowhere:nothing", Some(Protocol::Tcp)).unwrap();
        assert!(matches!(both.resolve(&mut NamesRefused), Err(ValueError::Unresolved { .. })));
        let port = Endpoint::parse("10.0.0.1:nothing", Some(Protocol::Tcp)).unwrap();
        assert!(matches!(port.resolve(&mut NamesRefused), Err(ValueError::UnknownPort { .. })));
        // Before a service, a port name is a fault at once, but for a host name before it.
        assert!(matches!(Endpoint::parse("10.0.0.1:http", None), Err(ValueError::PortName(_))));
        let both = Endpoint::parse("nowhere:http", None).unwrap();
        assert!(matches!(both.resolve(&mut NamesRefused), Err(ValueError::Unresolved { .. })));
    }
}
