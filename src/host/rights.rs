//! The rights of this process: its effective capabilities, and its user namespace.

use std::fs;
use std::io;

/// A capability of capabilities(7), with its number in linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// CAP_NET_ADMIN
    NetAdmin = 12,
    /// CAP_SYS_MODULE
    SysModule = 16,
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The effective capabilities of this process.
    ///
    /// # Errors
    /// If `/proc/self/status` cannot be read or lacks them.
    pub fn effective() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        Self::from_status(&status).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "no CapEff in /proc/self/status")
        })
    }

    fn from_status(status: &str) -> Option<Self> {
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(Self)
    }

    /// Tests whether the set has a capability.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }
}

/// Tests whether this process is in the initial user namespace: only there, user_namespaces(7) maps each number to itself.
///
/// # Errors
/// If `/proc/self/uid_map` cannot be read.
pub fn is_initial_user_namespace() -> io::Result<bool> {
    Ok(maps_each_to_itself(&fs::read_to_string("/proc/self/uid_map")?))
}

fn maps_each_to_itself(map: &str) -> bool {
    let fields: Vec<&str> = map.split_ascii_whitespace().collect();
    fields == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bits_of_a_hexadecimal_number() {
        let status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000001000\n";
        let capabilities = Capabilities::from_status(status).unwrap();
        assert!(capabilities.contains(Capability::NetAdmin));
        assert!(!capabilities.contains(Capability::SysModule));
        assert_eq!(Capabilities::from_status("Name:\tx\n"), None);
    }

    #[test]
    fn initial_user_namespace_maps_each_number_to_itself() {
        assert!(maps_each_to_itself("         0          0 4294967295\n"));
        assert!(!maps_each_to_itself("         0       1000          1\n"));
        assert!(!maps_each_to_itself(""));
    }
}
