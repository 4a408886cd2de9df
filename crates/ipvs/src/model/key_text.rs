//! Keys as text: `tcp 10.0.0.1:80`, `fwmark 7`, `fwmark 7 ipv6` for services, `10.1.0.1:80` for real servers.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;

use super::{Family, Protocol, RealServerKey, ServiceKey};

/// A text that is not a service key or a real server key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}' is not {expected}")]
pub struct InvalidKey {
    text: String,
    expected: &'static str,
}

impl ServiceKey {
    const FORM: &'static str = "a service such as `tcp 10.0.0.1:80', `fwmark 7' or `fwmark 7 ipv6'";

    /// The service of a protocol at an address and port.
    pub const fn new(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Address { protocol, address: address.ip(), port: address.port() }
    }

    /// The TCP service at an address and port.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::new(Protocol::Tcp, address)
    }

    /// The UDP service at an address and port.
    pub const fn udp(address: SocketAddr) -> Self {
        Self::new(Protocol::Udp, address)
    }

    /// The SCTP service at an address and port.
    pub const fn sctp(address: SocketAddr) -> Self {
        Self::new(Protocol::Sctp, address)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address { protocol, address, port } => {
                write!(f, "{} {}", protocol.keyword(), SocketAddr::new(address, port))
            }
            Self::Fwmark { mark, family: Family::Ipv4 } => write!(f, "fwmark {mark}"),
            Self::Fwmark { mark, family: Family::Ipv6 } => write!(f, "fwmark {mark} ipv6"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut words = text.split_ascii_whitespace();
        let key = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("fwmark"), Some(mark), family, None) => {
                let family = match family {
                    None => Some(Family::Ipv4),
                    Some("ipv6") => Some(Family::Ipv6),
                    Some(_) => None,
                };
                let mark = mark.parse::<NonZeroU32>().ok();
                mark.zip(family).map(|(mark, family)| Self::Fwmark { mark, family })
            }
            (Some(protocol), Some(address), None, None) => {
                let protocol = Protocol::from_keyword(protocol);
                let address = address.parse().ok();
                protocol.zip(address).map(|(protocol, address)| Self::new(protocol, address))
            }
            _ => None,
        };
        key.ok_or_else(|| InvalidKey { text: text.to_owned(), expected: Self::FORM })
    }
}

impl From<SocketAddr> for RealServerKey {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl fmt::Display for RealServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

impl FromStr for RealServerKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let expected = "an address and port such as `10.1.0.1:80' or `[2001:db8::1]:80'";
        let address = text.parse::<SocketAddr>();
        address.map(Self::from).map_err(|_| InvalidKey { text: text.to_owned(), expected })
    }
}

impl Protocol {
    /// The name in lower case: `tcp`, `udp`, `sctp`, and `protocol-47` for any other.
    pub fn keyword(self) -> String {
        match self {
            Self::Tcp | Self::Udp | Self::Sctp => self.name().to_ascii_lowercase(),
            Self::Other(_) => format!("protocol-{}", self.number()),
        }
    }

    /// The protocol with this keyword.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let named = [Self::Tcp, Self::Udp, Self::Sctp];
        let named =
            named.into_iter().find(|protocol| keyword.eq_ignore_ascii_case(protocol.name()));
        named.or_else(|| Some(Self::from_number(keyword.strip_prefix("protocol-")?.parse().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ipvs::values;

    #[test]
    fn keys_have_a_text_that_people_read() {
        for text in ["tcp 10.0.0.1:80", "udp [2001:db8::1]:53", "fwmark 7", "fwmark 7 ipv6"] {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
        }
        for wrong in ["", "tcp", "tcp 10.0.0.1", "fwmark 0", "fwmark 7 ipv4", "icmp 10.0.0.1:80"] {
            assert!(wrong.parse::<ServiceKey>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(values::cases(300))]

        #[test]
        fn keys_are_parsed_as_they_were_printed((service, server) in values::real_server()) {
            prop_assert_eq!(service.to_string().parse(), Ok(service));
            prop_assert_eq!(server.key.to_string().parse(), Ok(server.key));
        }
    }
}
