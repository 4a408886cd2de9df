//! Endpoints as text: `HOST:PORT` with numbers, or with the names that a caller has for them.

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::model::Protocol;

/// The names of hosts and ports in the written text. The writer prints a number for an entry without a name.
pub trait EndpointNames {
    /// The name of an address.
    fn host(&self, _address: IpAddr) -> Option<&str> {
        None
    }

    /// The name of a protocol's port.
    fn port(&self, _port: u16, _protocol: Protocol) -> Option<&str> {
        None
    }
}

/// Numbers alone, as with `-n`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numeric;

impl EndpointNames for Numeric {}

/// An address with its port as listings and rules show it: `address:port`, with an IPv6 address or its name in brackets.
#[derive(Clone, Copy, Debug)]
pub struct EndpointText<'a> {
    address: IpAddr,
    host: Option<&'a str>,
    port: u16,
    service: Option<&'a str>,
}

impl<'a> EndpointText<'a> {
    /// An endpoint with the names that there are for it. Without a protocol the port is a number.
    #[inline]
    pub fn new(
        address: IpAddr,
        port: u16,
        protocol: Option<Protocol>,
        names: &'a (impl EndpointNames + ?Sized),
    ) -> Self {
        let host = names.host(address);
        // Port 0 means every port and has no name.
        let protocol = protocol.filter(|_| port != 0);
        let service = protocol.and_then(|protocol| names.port(port, protocol));
        Self { address, host, port, service }
    }

    /// The text of numeric IPv4 endpoints in an array, padded with blanks, and its length. Most rows of a listing have
    /// these. An array of a fixed size is copied without a call: `cargo bench --bench parts`.
    #[inline]
    pub fn numbers(&self) -> Option<([u8; 24], usize)> {
        match *self {
            Self { address: IpAddr::V4(address), host: None, port, service: None } => {
                Some(numbers(address, port))
            }
            _ => None,
        }
    }

    /// Appends the text.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if let Some((text, length)) = self.numbers() {
            let end = out.len() + length;
            out.extend_from_slice(&text);
            return out.truncate(end);
        }
        match (self.address, self.host) {
            (IpAddr::V4(address), None) => append(out, format_args!("{address}")),
            (IpAddr::V6(address), None) => match ipv4_compatible(address) {
                Some(inside) => append(out, format_args!("[::{inside}]")),
                None => append(out, format_args!("[{address}]")),
            },
            (IpAddr::V4(_), Some(host)) => out.extend_from_slice(host.as_bytes()),
            (IpAddr::V6(_), Some(host)) => append(out, format_args!("[{host}]")),
        }
        out.push(b':');
        match self.service {
            Some(service) => out.extend_from_slice(service.as_bytes()),
            None => out.extend_from_slice(itoa::Buffer::new().format(self.port).as_bytes()),
        }
    }
}

/// Appends an address without a port and without brackets.
pub fn append_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let (text, length) = numbers(address, 0);
            let end = out.len() + length;
            out.extend_from_slice(&text);
            out.truncate(end - ":0".len());
        }
        IpAddr::V6(address) => append(out, format_args!("{address}")),
    }
}

fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // A vector takes all bytes.
    let _ = out.write_fmt(text);
}

impl fmt::Display for EndpointText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.append_to(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// The IPv4 address that inet_ntop(3) shows at the end of an IPv6 address with 96 leading zero bits.
fn ipv4_compatible(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => address.to_ipv4(),
        _ => None,
    }
}

/// The digits of each byte with a dot behind them, and their number with the dot.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it and would report it")]
const OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [(*b"0.  ", 2); 256];
    let mut octet = 0_u8;
    while octet < u8::MAX {
        octet += 1;
        let [hundreds, tens, ones] =
            [octet / 100 + b'0', octet / 10 % 10 + b'0', octet % 10 + b'0'];
        octets[octet as usize] = match octet {
            100.. => ([hundreds, tens, ones, b'.'], 4),
            10.. => ([tens, ones, b'.', b' '], 3),
            _ => ([ones, b'.', b' ', b' '], 2),
        };
    }
    octets
};

/// `1.2.3.4:5` for [`EndpointText::numbers`].
#[inline]
fn numbers(address: Ipv4Addr, port: u16) -> ([u8; 24], usize) {
    let mut text = [b' '; 24];
    let mut used = 0;
    for octet in address.octets() {
        let (digits, length) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
        if let Some(room) = text.get_mut(used..used + digits.len()) {
            room.copy_from_slice(&digits);
        }
        used += length;
    }
    if let Some(last_dot) = text.get_mut(used - 1) {
        *last_dot = b':';
    }
    let (digits, length) = port_digits(port);
    if let Some(room) = text.get_mut(used..used + digits.len()) {
        room.copy_from_slice(&digits);
    }
    (text, used + length)
}

/// The two digits of each number below a hundred.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it and would report it")]
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0_u8;
    while number < 100 {
        pairs[number as usize] = [number / 10 + b'0', number % 10 + b'0'];
        number += 1;
    }
    pairs
};

/// The digits of a port, padded with blanks, and their number.
#[inline]
fn port_digits(port: u16) -> ([u8; 8], usize) {
    let pair = |number: u16| PAIRS.get(usize::from(number)).copied().unwrap_or_default();
    let [a, b] = pair(port / 10_000);
    let ([c, d], [e, f]) = (pair(port / 100 % 100), pair(port % 100));
    let length = match port {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..10_000 => 4,
        _ => 5,
    };
    // Shift the leading zeros out, and fill the other end with blanks.
    let text = u64::from_le_bytes([a, b, c, d, e, f, b' ', b' ']) >> (8 * (6 - length));
    ((text | u64::from_ne_bytes([b' '; 8])).to_le_bytes(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_and_port_has_its_own_digits() {
        for port in 0..=u16::MAX {
            let [high, low] = port.to_be_bytes();
            let address = Ipv4Addr::new(low, high, 0, low);
            let endpoint = EndpointText::new(address.into(), port, None, &Numeric);
            assert_eq!(endpoint.to_string(), format!("{address}:{port}"));
        }
    }

    #[test]
    fn endpoint_is_numbers_where_nothing_has_a_name() {
        let shown = |address: &str| {
            let address = address.parse().unwrap();
            EndpointText::new(address, 80, Some(Protocol::Tcp), &Numeric).to_string()
        };
        assert_eq!(shown("10.0.0.1"), "10.0.0.1:80");
        assert_eq!(shown("2001:db8::1"), "[2001:db8::1]:80");
        assert_eq!(shown("::10.0.0.1"), "[::10.0.0.1]:80");
        assert_eq!(shown("::ffff:10.0.0.1"), "[::ffff:10.0.0.1]:80");
        assert_eq!(shown("::1"), "[::1]:80");
    }
}
