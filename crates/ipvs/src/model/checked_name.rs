//! Checked names that the kernel looks up: schedulers, persistence engines and network interfaces.
//!
//! The sets are open, since modules may be out of tree: a name is checked for its form alone, and only the
//! kernel knows whether it exists.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use thiserror::Error;

/// The longest name in bytes: `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and `IP_VS_IFNAME_MAXLEN` of
/// linux/ip_vs.h are all 16, with the closing NUL.
const MAX_LENGTH: usize = 15;

/// The fault of a name of a scheduler, persistence engine or interface.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing at all.
    #[error("an empty name")]
    Empty,
    /// More than 15 bytes.
    #[error("`{0}' is longer than {MAX_LENGTH} bytes")]
    TooLong(String),
    /// A NUL, which ends a name in the kernel.
    #[error("a NUL in `{}'", .0.escape_debug())]
    Nul(String),
}

/// A name in place: every service has one, and in a table of thousands each would be a piece of memory of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    /// The text, and zeros, which no name has: in this order names are sorted as texts are.
    bytes: [u8; MAX_LENGTH],
    length: NonZeroU8,
}

impl Name {
    /// A name of at most 15 bytes, unchecked.
    const fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_LENGTH];
        let Some((mut room, _)) = bytes.split_at_mut_checked(text.len()) else { return None };
        // Slices can copy themselves in a constant from Rust 1.87 on.
        let mut rest = text;
        while let ([byte, others @ ..], [place, places @ ..]) = (rest, room) {
            *place = *byte;
            (rest, room) = (others, places);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it has fitted into 15 bytes")]
        match NonZeroU8::new(text.len() as u8) {
            Some(length) => Some(Self { bytes, length }),
            None => None,
        }
    }

    fn checked(text: &str) -> Result<Self, NameError> {
        match Self::new(text.as_bytes()) {
            _ if text.contains('\0') => Err(NameError::Nul(text.to_owned())),
            Some(name) => Ok(name),
            None if text.is_empty() => Err(NameError::Empty),
            None => Err(NameError::TooLong(text.to_owned())),
        }
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length.get().into());
        // It was made of text.
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Name);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Name::checked(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

checked_name! {
    /// The name of a scheduler, such as `wrr`: 1 to 15 bytes; the kernel loads the module `ip_vs_NAME`.
    SchedulerName
}

checked_name! {
    /// The name of a persistence engine, such as `sip`: 1 to 15 bytes; the kernel loads the module `ip_vs_pe_NAME`.
    PersistenceEngineName
}

checked_name! {
    /// The name of a network interface, such as `eth0`: 1 to 15 bytes.
    InterfaceName
}

impl Default for SchedulerName {
    /// `wlc`, the weighted least-connection scheduler.
    fn default() -> Self {
        const WLC: Name = Name::new(b"wlc").unwrap();
        Self(WLC)
    }
}

impl Default for InterfaceName {
    /// `eth0`.
    fn default() -> Self {
        const ETH0: Name = Name::new(b"eth0").unwrap();
        Self(ETH0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_fifteen_bytes_fits_and_sixteen_do_not() {
        assert!("abcdefghijklmno".parse::<SchedulerName>().is_ok());
        assert_eq!(
            "abcdefghijklmnop".parse::<SchedulerName>(),
            Err(NameError::TooLong("abcdefghijklmnop".into()))
        );
    }

    #[test]
    fn names_take_no_more_room_than_their_bytes_and_are_in_the_order_of_texts() {
        assert_eq!(size_of::<Option<SchedulerName>>(), 16);
        let mut names =
            ["wrr", "r", "wlc", "rr"].map(|name| name.parse::<SchedulerName>().unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["r", "rr", "wlc", "wrr"]);
    }

    #[test]
    fn name_of_nothing_or_with_a_nul_is_refused() {
        assert_eq!("".parse::<SchedulerName>(), Err(NameError::Empty));
        assert_eq!("r\0r".parse::<SchedulerName>(), Err(NameError::Nul("r\0r".into())));
    }
}
