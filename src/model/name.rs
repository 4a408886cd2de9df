//! Checked names that the kernel looks up: schedulers, persistence engines and network interfaces.
//!
//! The sets are open, since modules may be out of tree: a name is checked for its form alone, and only the
//! kernel knows whether it exists.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest name in bytes: `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and `IP_VS_IFNAME_MAXLEN` of
/// linux/ip_vs.h are all 16, with the closing NUL.
const MAX_LENGTH: usize = 15;

/// Why a text cannot be the name of a scheduler, persistence engine or interface.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
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

fn checked(text: &str) -> Result<Box<str>, NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > MAX_LENGTH {
        Err(NameError::TooLong(text.to_owned()))
    } else if text.contains('\0') {
        Err(NameError::Nul(text.to_owned()))
    } else {
        Ok(text.into())
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

checked_name! {
    /// The name of a scheduler, as in `-s wrr`: 1 to 15 bytes; the kernel loads the module `ip_vs_NAME`.
    SchedulerName
}

checked_name! {
    /// The name of a persistence engine, as in `--pe sip`: 1 to 15 bytes; the kernel loads the module
    /// `ip_vs_pe_NAME`.
    PersistenceEngineName
}

checked_name! {
    /// The name of a network interface, as in `--mcast-interface eth0`: 1 to 15 bytes.
    InterfaceName
}

impl Default for SchedulerName {
    /// `wlc`, which ipvsadm takes when no scheduler is given.
    fn default() -> Self {
        Self("wlc".into())
    }
}

impl Default for InterfaceName {
    /// `eth0`, which ipvsadm takes when no interface is given for a sync daemon.
    fn default() -> Self {
        Self("eth0".into())
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
    fn name_of_nothing_or_with_a_nul_is_refused() {
        assert_eq!("".parse::<SchedulerName>(), Err(NameError::Empty));
        assert_eq!("r\0r".parse::<SchedulerName>(), Err(NameError::Nul("r\0r".into())));
    }
}
