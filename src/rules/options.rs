//! The values of a line, read from left to right, one field an option or group of options.
//!
//! Which command has which is not known here: the table says it, and the commands take them apart field by
//! field.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::table::{COMMANDS, CommandName, OPTIONS, OptionName, OptionSpec, Presence};
use super::tunnel::TunnelOptions;
use super::values::{endpoint, number};
use super::{RuleError, ValueError};
use crate::model::{
    Family, MulticastGroup, NameError, Netmask, Persistence, PersistenceEngineName, Protocol,
    RealServerKey, SchedulerName, ServiceKey,
};
use crate::names::Names;

/// The largest weight and threshold: the kernel and 1.31 take them for signed numbers.
const MAX_SIGNED: i64 = i32::MAX as i64;

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) given: Given,
    pub(super) service: Option<ServiceKey>,
    pub(super) real_server: Option<RealServerKey>,
    pub(super) for_service: ServiceOptions<'a>,
    pub(super) for_server: ServerOptions,
    pub(super) listing: ListOptions,
    pub(super) for_save: SaveOptions,
    pub(super) for_daemon: DaemonOptions<'a>,
    pub(super) is_numeric: bool,
}

#[derive(Debug, Default)]
pub(super) struct ServiceOptions<'a> {
    pub(super) scheduler: Option<SchedulerName>,
    pub(super) scheduler_flags: Option<&'a str>,
    pub(super) timeout: Option<u32>,
    pub(super) netmask: Option<Netmask>,
    pub(super) engine: Option<PersistenceEngineName>,
    pub(super) is_one_packet: bool,
}

#[derive(Debug, Default)]
pub(super) struct ServerOptions {
    pub(super) forwarding: Option<OptionName>,
    pub(super) weight: Option<u32>,
    pub(super) upper_threshold: Option<u32>,
    pub(super) lower_threshold: Option<u32>,
    pub(super) tunnel: TunnelOptions,
}

#[derive(Debug, Default)]
pub(super) struct ListOptions {
    pub(super) connections: bool,
    pub(super) timeouts: bool,
    pub(super) daemons: bool,
    pub(super) stats: bool,
    pub(super) rate: bool,
    pub(super) thresholds: bool,
    pub(super) persistent_connections: bool,
    pub(super) tunnels: bool,
    pub(super) is_unsorted: bool,
    pub(super) is_exact: bool,
    pub(super) is_json: bool,
}

#[derive(Debug, Default)]
pub(super) struct SaveOptions {
    pub(super) with_settings: bool,
    pub(super) may_be_empty: bool,
}

#[derive(Debug, Default)]
pub(super) struct DaemonOptions<'a> {
    pub(super) interface: Option<&'a str>,
    pub(super) sync_id: Option<u8>,
    pub(super) max_length: Option<u16>,
    pub(super) group: Option<MulticastGroup>,
    pub(super) port: Option<u16>,
    pub(super) ttl: Option<u8>,
}

/// Which groups of options were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given(u64);

impl Given {
    pub(super) fn has(self, group: OptionName) -> bool {
        self.0 & (1 << group as u8) != 0
    }

    fn add(&mut self, group: OptionName) {
        self.0 |= 1 << group as u8;
    }

    /// The first option in the table that a command has to have and that is not here, or that is and must not be.
    pub(super) fn first_fault(self, command: CommandName) -> Option<&'static OptionSpec> {
        let Demands { required, refused } = DEMANDS.get(command as usize)?;
        let faults = (required & !self.0) | (refused & self.0);
        // A group's bit is the place of its first option in the table. No bit is place 64, where nothing stands.
        OPTIONS.get(usize::try_from(faults.trailing_zeros()).ok()?)
    }
}

/// What a command asks of its options, a bit for each group.
#[derive(Clone, Copy)]
struct Demands {
    required: u64,
    refused: u64,
}

impl Demands {
    const fn of(command: CommandName) -> Self {
        let mut demands = Self { required: 0, refused: 0 };
        let mut rest = OPTIONS;
        while let [spec, after @ ..] = rest {
            let bit = 1 << spec.group as u8;
            match spec.presence_with(command) {
                Presence::Required => demands.required |= bit,
                Presence::Refused => demands.refused |= bit,
                Presence::Allowed => {}
            }
            rest = after;
        }
        demands
    }
}

/// By [`CommandName`], worked out by the compiler: every rule line is checked.
#[expect(clippy::indexing_slicing, reason = "the compiler works it out, and would say so")]
static DEMANDS: [Demands; COMMANDS.len()] = {
    let mut all = [Demands { required: 0, refused: 0 }; COMMANDS.len()];
    let mut rest = COMMANDS;
    while let [spec, after @ ..] = rest {
        all[spec.command as usize] = Demands::of(spec.command);
        rest = after;
    }
    all
};

impl<'a> Options<'a> {
    /// Takes one option in.
    pub(super) fn read(
        &mut self,
        spec: &'static OptionSpec,
        value: Option<&'a str>,
        names: &mut Names,
    ) -> Result<(), RuleError> {
        use OptionName::*;

        let option = spec.option;
        // 1.31 takes these two any number of times.
        if self.given.has(spec.group) && !matches!(option, Sort | Ipv6) {
            return Err(RuleError::Repeated(spec.title));
        }
        self.given.add(spec.group);
        let text = value.unwrap_or_default();
        let bad = |reason| RuleError::BadValue { option, value: text.to_owned(), reason };
        match option {
            TcpService => {
                self.service = Some(service_key(text, Protocol::Tcp, names).map_err(bad)?)
            }
            UdpService => {
                self.service = Some(service_key(text, Protocol::Udp, names).map_err(bad)?)
            }
            SctpService => {
                self.service = Some(service_key(text, Protocol::Sctp, names).map_err(bad)?);
            }
            FwmarkService => {
                let mark = number::<u32>(text, 1..=u32::MAX.into()).map_err(bad)?;
                let mark = NonZeroU32::new(mark).unwrap_or(NonZeroU32::MIN);
                self.service = Some(ServiceKey::Fwmark { mark, family: Family::Ipv4 });
            }
            Ipv6 => match &mut self.service {
                Some(ServiceKey::Fwmark { family, .. }) => *family = Family::Ipv6,
                _ => return Err(RuleError::Ipv6BeforeMark),
            },
            // An empty name is what a script makes of an empty variable; 1.31 takes the default then.
            Scheduler | Engine if text.is_empty() => {}
            Scheduler => self.for_service.scheduler = Some(name(text).map_err(bad)?),
            Engine => self.for_service.engine = Some(name(text).map_err(bad)?),
            SchedulerFlags => self.for_service.scheduler_flags = Some(text),
            Persistent => {
                self.for_service.timeout = Some(match value {
                    Some(text) => number(text, 1..=Persistence::MAX_TIMEOUT.into()).map_err(bad)?,
                    None => Persistence::DEFAULT_TIMEOUT,
                });
            }
            Netmask => {
                let family = self.service.map_or(Family::Ipv4, |service| service.family());
                let netmask = netmask(text, family)
                    .ok_or_else(|| ValueError::NotAMask { text: text.to_owned(), family })
                    .map_err(bad)?;
                self.for_service.netmask = Some(netmask);
            }
            Ops => self.for_service.is_one_packet = true,
            RealServer => self.real_server = Some(self.server_key(text, names).map_err(bad)?),
            Gatewaying | Ipip | Masquerading => self.for_server.forwarding = Some(option),
            Weight => self.for_server.weight = Some(number(text, 0..=MAX_SIGNED).map_err(bad)?),
            UpperThreshold => {
                self.for_server.upper_threshold = Some(number(text, 0..=MAX_SIGNED).map_err(bad)?);
            }
            LowerThreshold => {
                self.for_server.lower_threshold = Some(number(text, 0..=MAX_SIGNED).map_err(bad)?);
            }
            TunType => {
                self.for_server.tunnel.kind = Some(text.parse().map_err(bad)?);
            }
            TunPort => self.for_server.tunnel.port = Some(number(text, 1..=65535).map_err(bad)?),
            TunNocsum => self.for_server.tunnel.has_no_checksum = true,
            TunCsum => self.for_server.tunnel.has_checksum = true,
            TunRemcsum => self.for_server.tunnel.has_remote_checksum = true,
            Connection => self.listing.connections = true,
            Timeout => self.listing.timeouts = true,
            Daemon => self.listing.daemons = true,
            Stats => self.listing.stats = true,
            Rate => self.listing.rate = true,
            Thresholds => self.listing.thresholds = true,
            PersistentConn => self.listing.persistent_connections = true,
            TunInfo => self.listing.tunnels = true,
            Nosort => self.listing.is_unsorted = true,
            Exact => self.listing.is_exact = true,
            Json => self.listing.is_json = true,
            All => self.for_save.with_settings = true,
            AllowEmpty => self.for_save.may_be_empty = true,
            Sort => {}
            Numeric => self.is_numeric = true,
            McastInterface => self.for_daemon.interface = Some(text),
            SyncId => self.for_daemon.sync_id = Some(number(text, 0..=255).map_err(bad)?),
            SyncMaxlen => self.for_daemon.max_length = Some(number(text, 1..=65507).map_err(bad)?),
            McastGroup => self.for_daemon.group = Some(multicast_group(text).map_err(bad)?),
            McastPort => self.for_daemon.port = Some(number(text, 1..=65535).map_err(bad)?),
            McastTtl => self.for_daemon.ttl = Some(number(text, 1..=255).map_err(bad)?),
        }
        Ok(())
    }

    /// Reads a real server. What it leaves open comes from the service, if that stands before it: the port,
    /// and whose port names count.
    fn server_key(&self, text: &str, names: &mut Names) -> Result<RealServerKey, ValueError> {
        let (protocol, default_port) = match self.service {
            Some(ServiceKey::Address { protocol, port, .. }) => (Some(protocol), port),
            Some(ServiceKey::Fwmark { .. }) => (Some(Protocol::Tcp), 0),
            None => (None, 0),
        };
        let (address, port) = endpoint(text, protocol, names)?;
        Ok(RealServerKey { address, port: port.unwrap_or(default_port) })
    }
}

fn name<N: FromStr<Err = NameError>>(text: &str) -> Result<N, ValueError> {
    Ok(text.parse()?)
}

fn service_key(
    text: &str,
    protocol: Protocol,
    names: &mut Names,
) -> Result<ServiceKey, ValueError> {
    let (address, port) = endpoint(text, Some(protocol), names)?;
    Ok(ServiceKey::Address { protocol, address, port: port.unwrap_or_default() })
}

fn multicast_group(text: &str) -> Result<MulticastGroup, ValueError> {
    let address: IpAddr = text.parse().map_err(|_| ValueError::NotAnAddress(text.to_owned()))?;
    Ok(MulticastGroup::try_from(address)?)
}

/// Reads a dotted mask or a prefix length for IPv4, a prefix length for IPv6.
fn netmask(text: &str, family: Family) -> Option<Netmask> {
    match (number(text, 1..=family.bits().into()), family) {
        (Ok(length), _) => Netmask::of_length(length, family),
        (Err(_), Family::Ipv4) => text.parse().ok().map(Netmask::Ipv4),
        (Err(_), Family::Ipv6) => None,
    }
}
