//! Virtual services: what clients connect to.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use thiserror::Error;

use super::{PersistenceEngineName, SchedulerName};

/// A transport protocol that IPVS balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// Any other number. The kernel keeps a service of it and schedules no packet to it.
    Other(OtherProtocol),
}

unnamed_number! {
    /// The number of a protocol that [`Protocol`] has no name for.
    OtherProtocol(u16), but for 6 | 17 | 132
}

impl Protocol {
    /// The protocol's number in the IP header.
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Other(other) => other.number(),
        }
    }

    /// The protocol with this number.
    pub const fn from_number(number: u16) -> Self {
        match (number, OtherProtocol::new(number)) {
            (_, Some(other)) => Self::Other(other),
            (17, None) => Self::Udp,
            (132, None) => Self::Sctp,
            (_, None) => Self::Tcp,
        }
    }

    /// The name in listings: `TCP`, `UDP`, `SCTP`, and `?` for any other.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Other(_) => "?",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The bits of an address: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// The key of a virtual service in the kernel.
///
/// The order is that of listings: addresses before firewall marks; addresses by family (IPv4 first), protocol
/// (its number: TCP, UDP, SCTP), address and port; marks by number, then family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKey {
    /// A protocol, a virtual address and a port; port 0 means all ports, with persistence only.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port in host order.
        port: u16,
    },
    /// The packets that a firewall rule marked, whatever their address and port.
    Fwmark {
        /// The mark; the kernel takes 0 for "no mark".
        mark: NonZeroU32,
        /// The IP version of the packets and of the real servers.
        family: Family,
    },
}

/// Each entry of a connection table is looked up by its key, so a key of IPv4 is hashed as one number.
impl Hash for ServiceKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match *self {
            Self::Address { protocol, address, port } => {
                let end = u64::from(protocol.number()) << 16 | u64::from(port);
                match address {
                    IpAddr::V4(address) => {
                        state.write_u64(end << 32 | u64::from(address.to_bits()))
                    }
                    IpAddr::V6(address) => {
                        state.write_u64(end);
                        state.write_u128(address.to_bits());
                    }
                }
            }
            Self::Fwmark { mark, family } => {
                state.write_u64(u64::from(mark.get()) << 1 | u64::from(family == Family::Ipv6));
            }
        }
    }
}

impl ServiceKey {
    /// The IP version of the service.
    pub const fn family(&self) -> Family {
        match *self {
            Self::Address { address, .. } => Family::of(address),
            Self::Fwmark { family, .. } => family,
        }
    }

    /// The virtual address, if there is only one: packets with a firewall mark may go to any.
    pub const fn address(&self) -> Option<IpAddr> {
        match *self {
            Self::Address { address, .. } => Some(address),
            Self::Fwmark { .. } => None,
        }
    }

    /// The protocol, if there is only one: packets with a firewall mark may be of any.
    pub const fn protocol(&self) -> Option<Protocol> {
        match *self {
            Self::Address { protocol, .. } => Some(protocol),
            Self::Fwmark { .. } => None,
        }
    }
}

impl Ord for ServiceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Most keys have this form: reading a file of 10,000 services takes a tenth less.
            (
                &Self::Address { protocol, address: IpAddr::V4(address), port },
                &Self::Address { protocol: same, address: IpAddr::V4(other), port: other_port },
            ) if protocol == same => (address.to_bits(), port).cmp(&(other.to_bits(), other_port)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl ServiceKey {
    /// Numbers in the order of the keys. A quarter of the time of a long listing was their comparison field by field.
    fn rank(&self) -> (u32, u128, u16) {
        match *self {
            Self::Address { protocol, address: IpAddr::V4(address), port } => {
                (protocol.number().into(), address.to_bits().into(), port)
            }
            Self::Address { protocol, address: IpAddr::V6(address), port } => {
                (0x1_0000 | u32::from(protocol.number()), address.to_bits(), port)
            }
            Self::Fwmark { mark, family } => (0x2_0000, mark.get().into(), family as u16),
        }
    }
}

impl PartialOrd for ServiceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which clients count as one for persistence: those whose addresses are equal under the mask.
///
/// It has to be of the service's family; the kernel reads it by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Netmask {
    /// A dotted mask; the kernel takes masks with gaps too.
    Ipv4(Ipv4Addr),
    /// A prefix length, from 1 to 128.
    Ipv6(u8),
}

impl Netmask {
    /// The mask that tells every single address of a family from the others: /32 or /128.
    pub const fn host(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Ipv4(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Self::Ipv6(128),
        }
    }

    /// The mask with this number of leading bits, from 1 to the length of the family's addresses.
    pub fn of_length(length: u8, family: Family) -> Option<Self> {
        match family {
            _ if length == 0 => None,
            Family::Ipv4 => {
                let host_bits = 32_u32.checked_sub(length.into())?;
                Some(Self::Ipv4(Ipv4Addr::from_bits(u32::MAX << host_bits)))
            }
            Family::Ipv6 => (length <= 128).then_some(Self::Ipv6(length)),
        }
    }

    /// The family of services that it is for.
    pub const fn family(self) -> Family {
        match self {
            Self::Ipv4(_) => Family::Ipv4,
            Self::Ipv6(_) => Family::Ipv6,
        }
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(mask) => mask.fmt(f),
            Self::Ipv6(length) => length.fmt(f),
        }
    }
}

/// Connections of one client, or of one client network, stay with one real server for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Persistence {
    timeout: u32,
    netmask: Netmask,
}

/// The fault of a persistence setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PersistenceError {
    /// The kernel multiplies the seconds by its clock rate, and longer timeouts overflow.
    #[error("a persistence timeout of {0} seconds is not from 1 to {max}", max = Persistence::MAX_TIMEOUT)]
    Timeout(u32),
    /// No address is that long, or the prefix tells no clients apart.
    #[error("a prefix length of {0} bits is not from 1 to 128")]
    PrefixLength(u8),
}

impl Persistence {
    /// The usual timeout in seconds.
    pub const DEFAULT_TIMEOUT: u32 = 360;
    /// The longest timeout, 31 days in seconds.
    pub const MAX_TIMEOUT: u32 = 31 * 24 * 60 * 60;

    /// Persistence for a timeout in seconds, of clients that are equal under the mask.
    ///
    /// # Errors
    /// When the kernel would misread the timeout or refuse the mask.
    pub const fn new(timeout: u32, netmask: Netmask) -> Result<Self, PersistenceError> {
        match netmask {
            _ if timeout == 0 || timeout > Self::MAX_TIMEOUT => {
                Err(PersistenceError::Timeout(timeout))
            }
            Netmask::Ipv6(length @ (0 | 129..)) => Err(PersistenceError::PrefixLength(length)),
            netmask => Ok(Self { timeout, netmask }),
        }
    }

    /// Persistence as the kernel reports it. Other programs can set values that [`Persistence::new`] rejects.
    /// Sent back to that kernel, it is the same again.
    #[doc(hidden)]
    pub const fn reported(timeout: u32, netmask: Netmask) -> Self {
        Self { timeout, netmask }
    }

    /// Seconds since the client's last connection ended.
    pub const fn timeout(self) -> u32 {
        self.timeout
    }

    /// Which clients count as one.
    pub const fn netmask(self) -> Netmask {
        self.netmask
    }
}

/// Switches whose meaning is up to the scheduler (`IP_VS_SVC_F_SCHED1` to `3`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchedulerFlags([bool; 3]);

/// The fault of a list of scheduler flags.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchedulerFlagError {
    /// A word that no scheduler has.
    #[error("invalid scheduler flag `{0}'")]
    Unknown(String),
    /// A word that another scheduler has.
    #[error("incompatible scheduler flag `{0}'")]
    Incompatible(String),
    /// Commas and nothing between them.
    #[error("invalid scheduler flag `{0}'")]
    NoWords(String),
}

impl SchedulerFlags {
    /// The flags by number, 1 to 3 at index 0 to 2.
    pub const fn new(flags: [bool; 3]) -> Self {
        Self(flags)
    }

    /// True if flags 1, 2 and 3 are set.
    pub const fn get(self) -> [bool; 3] {
        self.0
    }

    /// True if no flag is set.
    pub const fn is_empty(self) -> bool {
        matches!(self.0, [false, false, false])
    }

    /// Reads a comma-separated list such as `sh-port,sh-fallback` or `flag-1` for a scheduler. Empty words
    /// are skipped, but for a list of nothing else; an empty text sets no flag.
    ///
    /// # Errors
    /// The first word that the scheduler does not have.
    pub fn parse(text: &str, scheduler: &SchedulerName) -> Result<Self, SchedulerFlagError> {
        let mut flags = Self::default();
        let mut words = text.split(',').filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() && !text.is_empty() {
            return Err(SchedulerFlagError::NoWords(text.to_owned()));
        }
        for word in words {
            let (owner, index) = match word {
                "flag-1" => (None, 0),
                "flag-2" => (None, 1),
                "flag-3" => (None, 2),
                "sh-fallback" => (Some("sh"), 0),
                "sh-port" => (Some("sh"), 1),
                "mh-fallback" => (Some("mh"), 0),
                "mh-port" => (Some("mh"), 1),
                _ => return Err(SchedulerFlagError::Unknown(word.to_owned())),
            };
            if owner.is_some_and(|owner| owner != scheduler.as_str()) {
                return Err(SchedulerFlagError::Incompatible(word.to_owned()));
            }
            if let Some(flag) = flags.0.get_mut(index) {
                *flag = true;
            }
        }
        Ok(flags)
    }

    /// The names of the flags that are set, as the scheduler calls them.
    pub fn names(self, scheduler: &SchedulerName) -> impl Iterator<Item = &'static str> {
        let names = match scheduler.as_str() {
            "sh" => ["sh-fallback", "sh-port", "flag-3"],
            "mh" => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        self.0.into_iter().zip(names).filter_map(|(is_set, name)| is_set.then_some(name))
    }
}

/// A virtual service and how its connections are given to real servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VirtualService {
    /// Its key.
    pub key: ServiceKey,
    /// Who picks the real server for a new connection.
    pub scheduler: SchedulerName,
    /// Flags for the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// True if a client stays with its real server.
    pub persistence: Option<Persistence>,
    /// A mask that was given without persistence: the kernel keeps it and makes no use of it. It is never
    /// read back, and [`VirtualService::serves_as`] ignores it.
    pub unused_netmask: Option<Netmask>,
    /// The engine that recognizes clients by other data than their address.
    pub engine: Option<PersistenceEngineName>,
    /// One-packet scheduling: every packet of a UDP service is a connection of its own.
    pub one_packet: bool,
}

impl VirtualService {
    /// A service with the scheduler `wlc`, not persistent.
    pub fn new(key: ServiceKey) -> Self {
        Self {
            key,
            scheduler: SchedulerName::default(),
            scheduler_flags: SchedulerFlags::default(),
            persistence: None,
            unused_netmask: None,
            engine: None,
            one_packet: false,
        }
    }

    /// True if this service, as the kernel lists it, meets the wanted settings.
    pub fn serves_as(&self, wanted: &Self) -> bool {
        let Self {
            key,
            scheduler,
            scheduler_flags,
            persistence,
            unused_netmask: _,
            engine,
            one_packet,
        } = wanted;
        self.key == *key
            && self.scheduler == *scheduler
            && self.scheduler_flags == *scheduler_flags
            && self.persistence == *persistence
            && self.engine == *engine
            && self.one_packet == *one_packet
    }
}

setters! {
    VirtualService:
    key: ServiceKey,
    scheduler: SchedulerName,
    scheduler_flags: SchedulerFlags,
    persistence: Option<Persistence>,
    unused_netmask: Option<Netmask>,
    engine: Option<PersistenceEngineName>,
    one_packet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netmask_of_a_length_is_of_its_family_and_no_longer_than_an_address() {
        let mask = Netmask::of_length;
        let class_c = Ipv4Addr::new(255, 255, 255, 0);
        assert_eq!(mask(24, Family::Ipv4), Some(Netmask::Ipv4(class_c)));
        assert_eq!(mask(64, Family::Ipv6), Some(Netmask::Ipv6(64)));
        for (length, family) in [(0, Family::Ipv4), (33, Family::Ipv4), (129, Family::Ipv6)] {
            assert_eq!(mask(length, family), None);
        }
    }

    #[test]
    fn protocols_are_equal_exactly_when_their_numbers_and_their_order_are() {
        let numbers = || 0..=300_u16;
        let key = |number| ServiceKey::Address {
            protocol: Protocol::from_number(number),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 80,
        };
        for number in numbers() {
            assert_eq!(Protocol::from_number(number).number(), number);
            for other in numbers() {
                assert_eq!(key(number).cmp(&key(other)), number.cmp(&other));
                assert_eq!(key(number) == key(other), number == other);
            }
        }
        assert_eq!([6, 17, 132].map(OtherProtocol::new), [None; 3]);
    }

    #[test]
    fn persistence_is_what_the_kernel_reads_as_it_was_meant() {
        let host = Netmask::host(Family::Ipv4);
        for timeout in [0, Persistence::MAX_TIMEOUT + 1, u32::MAX] {
            assert_eq!(Persistence::new(timeout, host), Err(PersistenceError::Timeout(timeout)));
        }
        for length in [0, 129, 255] {
            let error = PersistenceError::PrefixLength(length);
            assert_eq!(Persistence::new(60, Netmask::Ipv6(length)), Err(error));
        }
        assert!(Persistence::new(Persistence::MAX_TIMEOUT, host).is_ok());
    }

    #[test]
    fn services_sort_by_family_protocol_address_and_port_and_marks_come_last() {
        let address = |protocol, text: &str, port| ServiceKey::Address {
            protocol,
            address: text.parse().unwrap(),
            port,
        };
        let fwmark =
            |mark, family| ServiceKey::Fwmark { mark: NonZeroU32::new(mark).unwrap(), family };
        let sorted = [
            address(Protocol::Tcp, "10.0.0.1", 80),
            address(Protocol::Tcp, "10.0.0.1", 443),
            address(Protocol::Tcp, "192.168.0.1", 80),
            address(Protocol::Udp, "10.0.0.1", 53),
            address(Protocol::from_number(47), "10.0.0.1", 53),
            address(Protocol::Sctp, "10.0.0.1", 53),
            address(Protocol::from_number(u16::MAX), "10.0.0.1", 53),
            address(Protocol::Tcp, "2001:db8::1", 80),
            address(Protocol::Tcp, "fe80::1", 80),
            fwmark(7, Family::Ipv4),
            fwmark(7, Family::Ipv6),
            fwmark(u32::MAX, Family::Ipv4),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn scheduler_flags_have_the_names_of_their_scheduler() {
        let names = |scheduler: &str, text| {
            let scheduler = scheduler.parse().unwrap();
            let flags = SchedulerFlags::parse(text, &scheduler).unwrap();
            flags.names(&scheduler).collect::<Vec<_>>()
        };
        assert_eq!(names("sh", "sh-port,,flag-1,"), ["sh-fallback", "sh-port"]);
        assert_eq!(names("mh", "mh-port"), ["mh-port"]);
        assert_eq!(names("rr", "flag-3,flag-1"), ["flag-1", "flag-3"]);
        assert_eq!(names("rr", ""), [""; 0]);
    }

    #[test]
    fn scheduler_flag_of_another_scheduler_is_refused() {
        let parse = |text| SchedulerFlags::parse(text, &"rr".parse().unwrap());
        assert_eq!(parse("sh-port"), Err(SchedulerFlagError::Incompatible("sh-port".into())));
        assert_eq!(parse("flag-1,bogus"), Err(SchedulerFlagError::Unknown("bogus".into())));
        assert_eq!(parse(","), Err(SchedulerFlagError::NoWords(",".into())));
    }
}
