//! A part of the table: the services of a network, or those of a range of firewall marks.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

use super::{Network, ServiceKey};

/// A part of the table, such as that of one tool among several.
///
/// ```
/// use ipvs::model::Scope;
///
/// let network: Scope = "192.0.2.0/24".parse().unwrap();
/// assert!(network.contains(&"tcp 192.0.2.1:80".parse().unwrap()));
/// let marks: Scope = "fwmark:1-9".parse().unwrap();
/// assert!(marks.contains(&"fwmark 7 ipv6".parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The services whose address is in a network.
    Network(Network),
    /// The services of the firewall marks in a range, for IPv4 and for IPv6.
    Fwmarks(RangeInclusive<u32>),
}

/// A text that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is neither a network such as 192.0.2.0/24 nor firewall marks such as fwmark:1-99")]
pub struct InvalidScope(String);

impl Scope {
    /// Returns true for a service inside the scope.
    pub fn contains(&self, key: &ServiceKey) -> bool {
        match (self, *key) {
            (Self::Network(network), ServiceKey::Address { address, .. }) => {
                network.contains(address)
            }
            (Self::Fwmarks(marks), ServiceKey::Fwmark { mark, .. }) => marks.contains(&mark.get()),
            _ => false,
        }
    }

    /// Returns true for a service inside any of the scopes, and for every service if there is none.
    pub fn any_contains(scopes: &[Self], key: &ServiceKey) -> bool {
        scopes.is_empty() || scopes.iter().any(|scope| scope.contains(key))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "{network}"),
            Self::Fwmarks(marks) if marks.start() == marks.end() => {
                write!(f, "fwmark:{}", marks.start())
            }
            Self::Fwmarks(marks) => write!(f, "fwmark:{}-{}", marks.start(), marks.end()),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// Parses a [`Network`], `fwmark:MARK` or `fwmark:LOW-HIGH`. Marks are decimal, or hexadecimal after `0x`.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let scope = match text.strip_prefix("fwmark:") {
            None => text.parse().ok().map(Self::Network),
            Some(marks) => {
                let (low, high) = marks.split_once('-').unwrap_or((marks, marks));
                let range = mark(low).zip(mark(high)).filter(|(low, high)| low <= high);
                range.map(|(low, high)| Self::Fwmarks(low..=high))
            }
        };
        scope.ok_or_else(|| InvalidScope(text.to_owned()))
    }
}

fn mark(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // The standard library accepts a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|&mark| is_number && mark > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_contains_its_network_or_its_marks() {
        for (scope, inside, outside) in [
            ("10.0.0.0/8", "udp 10.9.9.9:53", "tcp 192.0.2.1:80"),
            ("10.0.0.1", "tcp 10.0.0.1:80", "tcp 10.0.0.2:80"),
            ("0.0.0.0/0", "tcp 10.0.0.1:80", "tcp [::1]:80"),
            ("2001:db8::/32", "tcp [2001:db8::1]:80", "fwmark 1"),
            ("fwmark:7", "fwmark 7 ipv6", "fwmark 8"),
            ("fwmark:7-0xff", "fwmark 255", "fwmark 256"),
            ("fwmark:1-4294967295", "fwmark 4294967295", "tcp 0.0.0.1:80"),
        ] {
            let scope: Scope = scope.parse().unwrap();
            assert!(scope.contains(&inside.parse().unwrap()), "{scope}");
            assert!(!scope.contains(&outside.parse().unwrap()), "{scope}");
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }

    #[test]
    fn text_that_is_neither_a_network_nor_marks_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1:80",
            "host",
            "fwmark:",
            "fwmark:0",
            "fwmark:9-7",
            "fwmark:-7",
            "fwmark:7-",
            "fwmark:+7",
            "fwmark:0x",
            "fwmark:1-2-3",
            "fwmark:4294967296",
            "fwmark 7",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
