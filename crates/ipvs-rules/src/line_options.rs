//! Parses the values of a line from left to right into one field for each option or group of options.
//!
//! Values with names are kept aside until the names are looked up. Knows nothing of commands: the table lists the
//! options of each, and the parser makes commands of the fields.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::answers::Answers;
use crate::command::DigestedWeights;
use crate::connection_query::{ConnectionGrouping, parse_origin, parse_states};
use crate::error::{RuleError, ValueError};
use crate::option_groups::OptionGroups;
use crate::table::{OptionName, OptionSpec};
use crate::tunnel::TunnelOptions;
use crate::values::{Endpoint, firewall_mark, number};
use ipvs::model::{
    ConnectionOrigin, ConnectionState, Family, MulticastGroup, NameError, Netmask, Network,
    Persistence, PersistenceEngineName, Protocol, RealServerKey, SchedulerName, Scope, ServiceKey,
    SyncDaemon, WeightEdit,
};

/// The largest weight and threshold: the kernel and 1.31 use signed numbers.
const MAX_SIGNED: i64 = i32::MAX as i64;

/// The most seconds that the doctor waits.
const MAX_WAIT: i64 = 3600;

/// The most seconds that a change waits for a confirmation: a day.
const MAX_CONFIRMATION: i64 = 24 * 60 * 60;

/// The options of a line with their values.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// The values that wait for names, from left to right.
    pub(super) waiting: Vec<WaitingValue<'a>>,
    pub(super) groups: OptionGroups,
    pub(super) service: Option<ServiceKey>,
    pub(super) real_server: Option<RealServerKey>,
    /// The port of the real server is its own, not that of the service before it.
    pub(super) has_server_port: bool,
    pub(super) for_service: ServiceOptions<'a>,
    pub(super) for_server: ServerOptions<'a>,
    pub(super) is_numeric: bool,
    /// The seconds of `--confirm`.
    pub(super) confirmation: Option<u32>,
    /// The options that lines of rules lack. These lines are many, and would clear and copy the fields of each.
    pub(super) other: Option<Box<OtherOptions<'a>>>,
}

/// The options of the commands that read or that run once, and of sync daemons.
#[derive(Debug, Default)]
pub(super) struct OtherOptions<'a> {
    pub(super) listing: ListOptions,
    pub(super) for_save: SaveOptions,
    pub(super) for_daemon: DaemonOptions<'a>,
    pub(super) for_drain: DrainOptions,
    pub(super) for_doctor: DoctorOptions<'a>,
    pub(super) scopes: Vec<Scope>,
    /// The file of `--settings`, or standard output.
    pub(super) sysctls: Option<Option<PathBuf>>,
}

impl<'a> Options<'a> {
    pub(super) fn other(&mut self) -> &mut OtherOptions<'a> {
        self.other.get_or_insert_default()
    }

    pub(super) fn take_other(&mut self) -> OtherOptions<'a> {
        self.other.take().map(|other| *other).unwrap_or_default()
    }
}

/// A value that cannot be known before names are looked up.
#[derive(Debug)]
pub(super) struct WaitingValue<'a> {
    option: OptionName,
    text: &'a str,
    kind: WaitingKind<'a>,
}

/// A value that waits for a name, with the protocol, port and family that the line has up to there.
#[derive(Debug)]
enum WaitingKind<'a> {
    /// The service, with the protocol of its option.
    Service(Protocol, Endpoint<'a>),
    /// The real server, with the port that it has if it names none.
    RealServer(Endpoint<'a>, DefaultPort),
    /// The mask of a service that waits: its family is unknown so far.
    Netmask,
}

/// The port of a real server that names none.
#[derive(Clone, Copy, Debug)]
enum DefaultPort {
    Number(u16),
    /// The port of the service before it, which waits too.
    OfWaitingService,
}

impl<'a> WaitingValue<'a> {
    /// The host name in the value.
    pub(super) fn host_name(&self) -> Option<&'a str> {
        match &self.kind {
            WaitingKind::Service(_, endpoint) | WaitingKind::RealServer(endpoint, _) => {
                endpoint.host_name()
            }
            WaitingKind::Netmask => None,
        }
    }
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
pub(super) struct ServerOptions<'a> {
    pub(super) forwarding: Option<OptionName>,
    pub(super) weight: Option<WeightValue<'a>>,
    pub(super) upper_threshold: Option<u32>,
    pub(super) lower_threshold: Option<u32>,
    pub(super) has_own_port: bool,
    pub(super) tunnel: TunnelOptions,
}

/// A weight, which an edit that keeps settings may take as relative.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightValue<'a> {
    text: &'a str,
    /// The weight itself; `None` where the text can only be relative.
    pub(super) absolute: Option<u32>,
    pub(super) edit: WeightEdit,
    /// The number of values before it that wait for names.
    waiting: usize,
}

impl<'a> WeightValue<'a> {
    fn parse(text: &'a str, waiting: usize) -> Result<Self, ValueError> {
        let count = |digits: &str| match digits.starts_with(|first: char| first.is_ascii_digit()) {
            true => number::<u32>(digits, 0..=MAX_SIGNED).ok(),
            false => None,
        };
        let relative = match text.split_at_checked(1) {
            Some(("+", more)) => count(more).map(WeightEdit::Add),
            Some(("-", less)) => count(less).map(WeightEdit::Subtract),
            _ => {
                let percent = text.strip_suffix('%').and_then(count);
                percent.filter(|&percent| percent > 0).map(WeightEdit::Percent)
            }
        };
        let absolute = number(text, 0..=MAX_SIGNED);
        Ok(match (absolute, relative) {
            (Ok(weight), relative) => Self {
                text,
                absolute: Some(weight),
                edit: relative.unwrap_or(WeightEdit::To(weight)),
                waiting,
            },
            (Err(_), Some(edit)) => Self { text, absolute: None, edit, waiting },
            (Err(fault), None) => return Err(fault),
        })
    }

    fn fault(&self) -> RuleError {
        let reason = ValueError::RelativeWeight(self.text.to_owned());
        RuleError::BadValue { option: OptionName::Weight, value: self.text.to_owned(), reason }
    }
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
    pub(super) client: Option<Network>,
    pub(super) states: Vec<ConnectionState>,
    pub(super) origin: Option<ConnectionOrigin>,
    pub(super) is_count: bool,
    pub(super) grouping: Option<ConnectionGrouping>,
    pub(super) limit: Option<u32>,
    pub(super) has_no_header: bool,
    /// Seconds.
    pub(super) watch: Option<u32>,
    /// Seconds.
    pub(super) monitor: Option<u32>,
    /// The file of `--metrics`, or standard output.
    pub(super) metrics: Option<Option<PathBuf>>,
    pub(super) is_by_service: bool,
    pub(super) is_summary: bool,
}

#[derive(Debug, Default)]
pub(super) struct SaveOptions {
    pub(super) digest: Option<DigestedWeights>,
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

#[derive(Debug, Default)]
pub(super) struct DrainOptions {
    pub(super) limit: Option<u32>,
    pub(super) is_forced: bool,
}

#[derive(Debug, Default)]
pub(super) struct DoctorOptions<'a> {
    pub(super) probe: Option<u32>,
    pub(super) sample: Option<u32>,
    pub(super) against: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// Adds one option.
    pub(super) fn parse(
        &mut self,
        spec: &'static OptionSpec,
        value: Option<&'a str>,
    ) -> Result<(), RuleError> {
        use OptionName::*;

        let option = spec.option;
        // 1.31 accepts the first two any number of times.
        if !self.groups.insert(spec.group) && !matches!(option, Sort | Ipv6 | Within) {
            return Err(RuleError::Repeated(spec.title));
        }
        let text = value.unwrap_or_default();
        let bad = |reason| RuleError::BadValue { option, value: text.to_owned(), reason };
        match option {
            TcpService => self.parse_service(option, text, Protocol::Tcp).map_err(bad)?,
            UdpService => self.parse_service(option, text, Protocol::Udp).map_err(bad)?,
            SctpService => self.parse_service(option, text, Protocol::Sctp).map_err(bad)?,
            FwmarkService => {
                let mark = firewall_mark(text).map_err(bad)?;
                self.service = Some(ServiceKey::Fwmark { mark, family: Family::Ipv4 });
            }
            Ipv6 => match &mut self.service {
                Some(ServiceKey::Fwmark { family, .. }) => *family = Family::Ipv6,
                _ => return Err(RuleError::Ipv6BeforeMark),
            },
            // A script makes an empty name of an empty variable; 1.31 uses the default then.
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
            Netmask => self.parse_netmask(text).map_err(bad)?,
            Ops => self.for_service.is_one_packet = true,
            RealServer => self.parse_real_server(text).map_err(bad)?,
            Gatewaying | Ipip | Masquerading => self.for_server.forwarding = Some(option),
            Weight => {
                let place = self.waiting.len();
                self.for_server.weight = Some(WeightValue::parse(text, place).map_err(bad)?);
            }
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
            Connection => self.other().listing.connections = true,
            Timeout => self.other().listing.timeouts = true,
            Daemon => self.other().listing.daemons = true,
            Stats => self.other().listing.stats = true,
            Rate => self.other().listing.rate = true,
            Thresholds => self.other().listing.thresholds = true,
            PersistentConn => self.other().listing.persistent_connections = true,
            TunInfo => self.other().listing.tunnels = true,
            Nosort => self.other().listing.is_unsorted = true,
            Exact => self.other().listing.is_exact = true,
            Json => self.other().listing.is_json = true,
            Metrics if value == Some("") => return Err(bad(ValueError::NoFile)),
            Metrics => {
                self.other().listing.metrics =
                    Some(value.filter(|&file| file != "-").map(PathBuf::from))
            }
            Settings if value == Some("") => return Err(bad(ValueError::NoFile)),
            Settings => {
                self.other().sysctls = Some(value.filter(|&file| file != "-").map(PathBuf::from))
            }
            Summary => self.other().listing.is_summary = true,
            By if text != "service" => return Err(bad(ValueError::NotByService(text.to_owned()))),
            By => self.other().listing.is_by_service = true,
            Client => self.other().listing.client = Some(parsed(text).map_err(bad)?),
            State => {
                self.other().listing.states =
                    parse_states(text).map_err(|reason| bad(ValueError::State(reason)))?;
            }
            Origin => {
                let origin =
                    parse_origin(text).map_err(|reason| bad(ValueError::Origin(reason)))?;
                self.other().listing.origin = Some(origin);
            }
            Count => self.other().listing.is_count = true,
            CountBy => self.other().listing.grouping = Some(parsed(text).map_err(bad)?),
            Limit => self.other().listing.limit = Some(number(text, 1..=MAX_SIGNED).map_err(bad)?),
            NoHeader => self.other().listing.has_no_header = true,
            Watch => self.other().listing.watch = Some(interval(value).map_err(bad)?),
            Monitor => self.other().listing.monitor = Some(interval(value).map_err(bad)?),
            All => self.other().for_save.with_settings = true,
            AllowEmpty => self.other().for_save.may_be_empty = true,
            Digest => {
                self.other().for_save.digest = Some(match value {
                    Some(text) => parsed(text).map_err(bad)?,
                    None => DigestedWeights::Omitted,
                });
            }
            // The parser keeps the options of the program.
            Sort | Netns | Color => {}
            // The groups tell whether the line has them.
            Keep | IfExists | IfNotExists | Replace | DryRun => {}
            Drain => {
                let limit = value.map(|text| number(text, 0..=MAX_SIGNED).map_err(bad));
                self.other().for_drain.limit = limit.transpose()?;
            }
            Force => self.other().for_drain.is_forced = true,
            Confirm => self.confirmation = Some(number(text, 1..=MAX_CONFIRMATION).map_err(bad)?),
            Probe => {
                self.other().for_doctor.probe = Some(match value {
                    Some(text) => number(text, 1..=MAX_WAIT).map_err(bad)?,
                    None => 1,
                });
            }
            Sample => {
                self.other().for_doctor.sample = Some(number(text, 1..=MAX_WAIT).map_err(bad)?)
            }
            Against => self.other().for_doctor.against = Some(text),
            Numeric => self.is_numeric = true,
            McastInterface => self.other().for_daemon.interface = Some(text),
            SyncId => self.other().for_daemon.sync_id = Some(number(text, 0..=255).map_err(bad)?),
            Within => {
                self.other().scopes.push(text.parse::<Scope>().map_err(|error| bad(error.into()))?)
            }
            OwnPort => self.for_server.has_own_port = true,
            SyncMaxlen => {
                let range = 1..=SyncDaemon::MAX_LENGTH.into();
                self.other().for_daemon.max_length = Some(number(text, range).map_err(bad)?);
            }
            McastGroup => self.other().for_daemon.group = Some(multicast_group(text).map_err(bad)?),
            McastPort => self.other().for_daemon.port = Some(number(text, 1..=65535).map_err(bad)?),
            McastTtl => self.other().for_daemon.ttl = Some(number(text, 1..=255).map_err(bad)?),
        }
        Ok(())
    }

    /// The fault of a weight that is relative on a line without `--keep`. Values behind it no longer count.
    pub(super) fn relative_weight_fault(&mut self) -> Option<RuleError> {
        let weight = self.for_server.weight.filter(|weight| weight.absolute.is_none())?;
        if self.groups.contains(OptionName::Keep) {
            return None;
        }
        self.waiting.truncate(weight.waiting);
        Some(weight.fault())
    }

    fn parse_service(
        &mut self,
        option: OptionName,
        text: &'a str,
        protocol: Protocol,
    ) -> Result<(), ValueError> {
        match Endpoint::parse(text, Some(protocol))? {
            Endpoint::Numeric(address, port) => {
                self.service = Some(service_key(protocol, address, port));
            }
            endpoint => {
                let kind = WaitingKind::Service(protocol, endpoint);
                self.waiting.push(WaitingValue { option, text, kind });
            }
        }
        Ok(())
    }

    /// The protocol of a service that waits for names.
    fn waiting_protocol(&self) -> Option<Protocol> {
        self.waiting.iter().find_map(|value| match value.kind {
            WaitingKind::Service(protocol, _) => Some(protocol),
            _ => None,
        })
    }

    /// Parses a real server. A service that comes before it gives it the protocol of port names, and the port if it
    /// has none.
    fn parse_real_server(&mut self, text: &'a str) -> Result<(), ValueError> {
        let (protocol, default_port) = match (self.service, self.waiting_protocol()) {
            (Some(ServiceKey::Address { protocol, port, .. }), _) => {
                (Some(protocol), DefaultPort::Number(port))
            }
            (Some(ServiceKey::Fwmark { .. }), _) => (Some(Protocol::Tcp), DefaultPort::Number(0)),
            (None, Some(protocol)) => (Some(protocol), DefaultPort::OfWaitingService),
            (None, None) => (None, DefaultPort::Number(0)),
        };
        match (Endpoint::parse(text, protocol)?, default_port) {
            (Endpoint::Numeric(address, Some(port)), _) => {
                self.has_server_port = true;
                self.real_server = Some(RealServerKey { address, port });
            }
            (Endpoint::Numeric(address, None), DefaultPort::Number(port)) => {
                self.real_server = Some(RealServerKey { address, port });
            }
            (endpoint, default_port) => {
                let option = OptionName::RealServer;
                let kind = WaitingKind::RealServer(endpoint, default_port);
                self.waiting.push(WaitingValue { option, text, kind });
            }
        }
        Ok(())
    }

    /// Parses a mask for the family of the service before it.
    fn parse_netmask(&mut self, text: &'a str) -> Result<(), ValueError> {
        if self.waiting_protocol().is_some() {
            let value =
                WaitingValue { option: OptionName::Netmask, text, kind: WaitingKind::Netmask };
            self.waiting.push(value);
            return Ok(());
        }
        self.set_netmask(text)
    }

    fn set_netmask(&mut self, text: &str) -> Result<(), ValueError> {
        let family = self.service.map_or(Family::Ipv4, |service| service.family());
        let netmask = netmask(text, family);
        let not_a_mask = || ValueError::NotAMask { text: text.to_owned(), family };
        self.for_service.netmask = Some(netmask.ok_or_else(not_a_mask)?);
        Ok(())
    }

    /// Sets the field of a value that has waited. All values before it are set.
    pub(super) fn resolve(
        &mut self,
        value: WaitingValue<'a>,
        answers: &mut dyn Answers,
    ) -> Result<(), RuleError> {
        let WaitingValue { option, text, kind } = value;
        self.set(kind, text, answers).map_err(|reason| RuleError::BadValue {
            option,
            value: text.to_owned(),
            reason,
        })
    }

    fn set(
        &mut self,
        kind: WaitingKind<'a>,
        text: &str,
        answers: &mut dyn Answers,
    ) -> Result<(), ValueError> {
        match kind {
            WaitingKind::Service(protocol, endpoint) => {
                let (address, port) = endpoint.resolve(answers)?;
                self.service = Some(service_key(protocol, address, port));
            }
            WaitingKind::RealServer(endpoint, default_port) => {
                let (address, port) = endpoint.resolve(answers)?;
                let default_port = match (default_port, self.service) {
                    (DefaultPort::Number(port), _) => port,
                    (DefaultPort::OfWaitingService, Some(ServiceKey::Address { port, .. })) => port,
                    (DefaultPort::OfWaitingService, _) => 0,
                };
                self.has_server_port = port.is_some();
                self.real_server =
                    Some(RealServerKey { address, port: port.unwrap_or(default_port) });
            }
            WaitingKind::Netmask => self.set_netmask(text)?,
        }
        Ok(())
    }
}

/// The seconds between two looks at the kernel, unless the line has others.
const INTERVAL: u32 = 2;

fn interval(value: Option<&str>) -> Result<u32, ValueError> {
    value.map_or(Ok(INTERVAL), |text| number(text, 1..=MAX_SIGNED))
}

/// Parses a value whose type has the form of its text.
fn parsed<V: FromStr<Err: Into<ValueError>>>(text: &str) -> Result<V, ValueError> {
    text.parse().map_err(Into::into)
}

fn name<N: FromStr<Err = NameError>>(text: &str) -> Result<N, ValueError> {
    Ok(text.parse()?)
}

/// The key of a service; without a port it is that of all ports.
fn service_key(protocol: Protocol, address: IpAddr, port: Option<u16>) -> ServiceKey {
    ServiceKey::Address { protocol, address, port: port.unwrap_or_default() }
}

fn multicast_group(text: &str) -> Result<MulticastGroup, ValueError> {
    let address: IpAddr = text.parse().map_err(|_| ValueError::NotAnAddress(text.to_owned()))?;
    Ok(MulticastGroup::try_from(address)?)
}

/// Parses a dotted mask or a prefix length for IPv4, a prefix length for IPv6.
fn netmask(text: &str, family: Family) -> Option<Netmask> {
    match (number(text, 1..=family.bits().into()), family) {
        (Ok(length), _) => Netmask::of_length(length, family),
        (Err(_), Family::Ipv4) => text.parse().ok().map(Netmask::Ipv4),
        (Err(_), Family::Ipv6) => None,
    }
}
