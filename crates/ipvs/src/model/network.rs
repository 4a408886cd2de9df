//! A range of IP addresses that share their leading bits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::Family;

/// A text that is not an IP network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is not a network such as `10.0.0.0/8' or `2001:db8::/32'")]
pub struct InvalidNetwork(String);

/// An IP network, such as `10.0.0.0/8`.
///
/// ```
/// use ipvs::model::Network;
///
/// let network: Network = "10.0.0.0/8".parse().unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("192.0.2.1".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// The bits behind the prefix are zero.
    address: IpAddr,
    length: u8,
}

impl Network {
    /// The network of an address: the addresses with the same leading bits. Returns `None` if `length` exceeds the
    /// bits of the address.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > Family::of(address).bits() {
            return None;
        }
        Some(Self { address: masked(address, length), length })
    }

    /// The network of one address.
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: Family::of(address).bits() }
    }

    /// The first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of leading bits that all addresses share.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Returns true for an address in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == Family::of(self.address)
            && masked(address, self.length) == self.address
    }
}

/// An address of which only the leading bits are kept.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// Parses `ADDRESS/LENGTH`, or an address for the network of this address alone.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let network = match text.split_once('/') {
            None => text.parse().ok().map(Self::host),
            Some((address, length)) => {
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                let length = length.parse().ok().filter(|_| digits);
                address.parse().ok().zip(length).and_then(|(ip, length)| Self::new(ip, length))
            }
        };
        network.ok_or_else(|| InvalidNetwork(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_contains_the_addresses_of_its_prefix_and_family() {
        for (network, inside, outside) in [
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("::/0", "2001:db8::1", "0.0.0.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn text_without_an_address_or_with_too_many_bits_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
