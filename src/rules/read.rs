//! Tokens to a command. The order of the checks is that of ipvsadm 1.31, so that of several faults on a line
//! the same one is named: values from left to right, then what is left over, then which options the command
//! has, then what they mean together.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use super::command::{Command, JsonSubject, List, ListFormat, Save};
use super::table::{CommandName, CommandSpec, OPTIONS, OptionName, OptionSpec, Presence};
use super::tokens::{Token, Tokens};
use super::values::{endpoint, number};
use super::{RuleError, ValueError};
use crate::model::{
    Change, Family, Forwarding, InterfaceName, MulticastGroup, NameError, Netmask, Persistence,
    PersistenceEngineName, Protocol, RealServer, RealServerKey, SchedulerFlags, SchedulerName,
    ServiceKey, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelChecksum, VirtualService,
};
use crate::names::Names;

/// The largest weight and threshold: the kernel and 1.31 take them for signed numbers.
const MAX_SIGNED: i64 = i32::MAX as i64;

/// Reads a command.
///
/// # Errors
/// What is wrong with it.
pub fn read_command(tokens: Tokens<'_>, names: &mut Names) -> Result<Command, RuleError> {
    let mut tokens = tokens;
    let mut arguments = Vec::new();
    let (command, role) = loop {
        match tokens.next() {
            None => return Err(arguments.first().map_or(RuleError::NoCommand, no_command)),
            Some(Err(error)) => return Err(RuleError::BadStart(error)),
            Some(Ok(Token::Argument(word))) => arguments.push(word),
            Some(Ok(Token::Option { spec, .. })) => return Err(RuleError::OptionFirst(spec.long)),
            Some(Ok(Token::Command { spec, value, .. })) => break (spec, value),
        }
    };
    // These two act at once, whatever stands behind them.
    match command.command {
        CommandName::Help => return Ok(Command::Help),
        CommandName::Version => return Ok(Command::Version),
        _ => {}
    }
    if let Some(role) = role {
        read_role(command.command, role)?;
    }
    let mut options = Options::default();
    for token in tokens {
        match token? {
            Token::Argument(word) => arguments.push(word),
            Token::Option { spec, value } => options.read(spec, value, names)?,
            Token::Command { word, .. } => {
                let word = word.to_owned();
                return Err(RuleError::SecondCommand { word, command: command.title });
            }
        }
    }
    options.finish(command, role.unwrap_or_default(), &arguments)
}

/// A line of arguments alone. One of them may be an option whose dash was lost.
fn no_command(word: &&str) -> RuleError {
    match unexpected(word) {
        dash @ RuleError::TypographicDash { .. } => dash,
        _ => RuleError::NoCommand,
    }
}

fn unexpected(word: &str) -> RuleError {
    let word = word.to_owned();
    match word.chars().next() {
        // Hyphens, dashes and the minus sign that editors and web pages put for a plain one.
        Some(dash @ ('\u{2010}'..='\u{2015}' | '\u{2212}')) => {
            RuleError::TypographicDash { word, dash }
        }
        _ => RuleError::UnexpectedArgument(word),
    }
}

fn read_role(command: CommandName, text: &str) -> Result<SyncRole, RuleError> {
    text.parse().map_err(|reason| RuleError::BadRole { command, reason })
}

/// The values of a line, one field an option or group of options. Which command has which is not known here;
/// the table says it, and the commands below take them apart field by field.
#[derive(Debug, Default)]
struct Options<'a> {
    given: Given,
    service: Option<ServiceKey>,
    real_server: Option<RealServerKey>,
    for_service: ServiceOptions<'a>,
    for_server: ServerOptions,
    listing: ListOptions,
    for_save: SaveOptions,
    for_daemon: DaemonOptions<'a>,
    is_numeric: bool,
}

#[derive(Debug, Default)]
struct ServiceOptions<'a> {
    scheduler: Option<SchedulerName>,
    scheduler_flags: Option<&'a str>,
    timeout: Option<u32>,
    netmask: Option<Netmask>,
    engine: Option<PersistenceEngineName>,
    is_one_packet: bool,
}

#[derive(Debug, Default)]
struct ServerOptions {
    forwarding: Option<OptionName>,
    weight: Option<u32>,
    upper_threshold: Option<u32>,
    lower_threshold: Option<u32>,
    tunnel: TunnelOptions,
}

#[derive(Debug, Default)]
struct TunnelOptions {
    kind: Option<TunnelKind>,
    port: Option<u16>,
    has_no_checksum: bool,
    has_checksum: bool,
    has_remote_checksum: bool,
}

#[derive(Clone, Copy, Debug)]
enum TunnelKind {
    Ipip,
    Gue,
    Gre,
}

#[derive(Debug, Default)]
struct ListOptions {
    connections: bool,
    timeouts: bool,
    daemons: bool,
    stats: bool,
    rate: bool,
    thresholds: bool,
    persistent_connections: bool,
    tunnels: bool,
    is_unsorted: bool,
    is_exact: bool,
    is_json: bool,
}

#[derive(Debug, Default)]
struct SaveOptions {
    with_settings: bool,
    may_be_empty: bool,
}

#[derive(Debug, Default)]
struct DaemonOptions<'a> {
    interface: Option<&'a str>,
    sync_id: Option<u8>,
    max_length: Option<u16>,
    group: Option<MulticastGroup>,
    port: Option<u16>,
    ttl: Option<u8>,
}

/// Which groups of options were given.
#[derive(Clone, Copy, Debug, Default)]
struct Given(u64);

impl Given {
    fn has(self, group: OptionName) -> bool {
        self.0 & (1 << group as u8) != 0
    }

    fn add(&mut self, group: OptionName) {
        self.0 |= 1 << group as u8;
    }
}

impl<'a> Options<'a> {
    /// Takes one option in.
    fn read(
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
                    .ok_or_else(|| bad(ValueError::NotAMask { bits: family.bits() }))?;
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
                self.for_server.tunnel.kind = Some(match text {
                    "ipip" => TunnelKind::Ipip,
                    "gue" => TunnelKind::Gue,
                    "gre" => TunnelKind::Gre,
                    _ => return Err(bad(ValueError::NotATunnel(text.to_owned()))),
                });
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

    /// All is read: what do the options make together?
    fn finish(
        self,
        command: &'static CommandSpec,
        role: &str,
        arguments: &[&str],
    ) -> Result<Command, RuleError> {
        if command.command == CommandName::Set {
            read_timeouts(arguments)?;
        }
        if let Some(word) = arguments.get(command.arguments.len()..).and_then(<[_]>::first) {
            return Err(unexpected(word));
        }
        self.check_scheduler_flags()?;
        self.check_presence(command)?;
        Ok(Command::Change(match command.command {
            CommandName::AddService => Change::AddService(self.virtual_service(command)?),
            CommandName::EditService => Change::EditService(self.virtual_service(command)?),
            CommandName::DeleteService => Change::DeleteService(self.service_key(command)?),
            CommandName::AddServer => {
                let (service, server) = self.server(command)?;
                Change::AddServer(service, server)
            }
            CommandName::EditServer => {
                let (service, server) = self.server(command)?;
                Change::EditServer(service, server)
            }
            CommandName::DeleteServer => {
                Change::DeleteServer(self.service_key(command)?, self.real_server_key(command)?)
            }
            CommandName::Zero => Change::Zero(self.service),
            CommandName::Clear => Change::Flush,
            CommandName::Set => Change::SetTimeouts(read_timeouts(arguments)?),
            CommandName::StartDaemon => {
                Change::StartDaemon(self.daemon(read_role(command.command, role)?)?)
            }
            CommandName::StopDaemon => Change::StopDaemon(read_role(command.command, role)?),
            CommandName::List => return Ok(Command::List(self.list()?)),
            CommandName::Save => return Ok(Command::Save(self.save(file(arguments)))),
            CommandName::Restore => return Ok(Command::Restore(file(arguments))),
            CommandName::Help => return Ok(Command::Help),
            CommandName::Version => return Ok(Command::Version),
        }))
    }

    /// 1.31 looks at the words of `-b` before it asks whether the command has that option.
    fn check_scheduler_flags(&self) -> Result<SchedulerFlags, RuleError> {
        let ServiceOptions { scheduler, scheduler_flags, .. } = &self.for_service;
        let default = SchedulerName::default();
        let scheduler = scheduler.as_ref().unwrap_or(&default);
        Ok(SchedulerFlags::parse(scheduler_flags.unwrap_or_default(), scheduler)?)
    }

    /// Whether the command has what was given, and was given what it needs.
    fn check_presence(&self, command: &'static CommandSpec) -> Result<(), RuleError> {
        for spec in OPTIONS.iter().filter(|spec| spec.option == spec.group) {
            match (spec.presence_with(command.command), self.given.has(spec.group)) {
                (Presence::Required, false) => return Err(missing(spec.title, command)),
                (Presence::Refused, true) => {
                    return Err(RuleError::Illegal { option: spec.title, command: command.title });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn service_key(&self, command: &'static CommandSpec) -> Result<ServiceKey, RuleError> {
        self.service.ok_or_else(|| missing("service-address", command))
    }

    fn real_server_key(&self, command: &'static CommandSpec) -> Result<RealServerKey, RuleError> {
        self.real_server.ok_or_else(|| missing("real-server", command))
    }

    fn virtual_service(self, command: &'static CommandSpec) -> Result<VirtualService, RuleError> {
        let key = self.service_key(command)?;
        let scheduler_flags = self.check_scheduler_flags()?;
        let Options {
            given: _,
            service: _,
            real_server: _,
            for_service:
                ServiceOptions {
                    scheduler,
                    scheduler_flags: _,
                    timeout,
                    netmask,
                    engine,
                    is_one_packet,
                },
            for_server: _,
            listing: _,
            for_save: _,
            for_daemon: _,
            is_numeric: _,
        } = self;
        if let ServiceKey::Address { protocol, port, .. } = key {
            if port == 0 && timeout.is_none() {
                return Err(RuleError::ZeroPort);
            }
            if is_one_packet && protocol != Protocol::Udp {
                return Err(RuleError::OnePacketNotUdp);
            }
        }
        // A mask that was read before the service was known to be IPv6 is lost, as with 1.31.
        let host = Netmask::host(key.family());
        let netmask = netmask.filter(|mask| mask.family() == key.family());
        Ok(VirtualService {
            key,
            scheduler: scheduler.unwrap_or_default(),
            scheduler_flags,
            persistence: timeout
                .map(|timeout| Persistence { timeout, netmask: netmask.unwrap_or(host) }),
            unused_netmask: netmask.filter(|_| timeout.is_none()),
            engine,
            one_packet: is_one_packet,
        })
    }

    fn server(self, command: &'static CommandSpec) -> Result<(ServiceKey, RealServer), RuleError> {
        let service = self.service_key(command)?;
        let mut key = self.real_server_key(command)?;
        let Options {
            given: _,
            service: _,
            real_server: _,
            for_service: _,
            for_server:
                ServerOptions { forwarding, weight, upper_threshold, lower_threshold, tunnel },
            listing: _,
            for_save: _,
            for_daemon: _,
            is_numeric: _,
        } = self;
        let is_tunneled = forwarding == Some(OptionName::Ipip);
        if Family::of(key.address) != service.family() && !is_tunneled {
            return Err(RuleError::FamilyMismatch);
        }
        if tunnel.is_given() && !is_tunneled {
            return Err(RuleError::TunnelWithoutIpip);
        }
        let forwarding = match forwarding {
            Some(OptionName::Masquerading) => Forwarding::Masquerading,
            Some(OptionName::Ipip) => Forwarding::Tunneling(tunnel.tunnel()?),
            _ => Forwarding::DirectRouting,
        };
        if let ServiceKey::Address { port, .. } = service
            && !forwarding.maps_ports()
        {
            key.port = port;
        }
        let upper = upper_threshold.unwrap_or_default();
        let lower = lower_threshold.unwrap_or_default();
        if lower > upper {
            return Err(RuleError::ThresholdsCrossed { lower, upper });
        }
        let server = RealServer {
            key,
            forwarding,
            weight: weight.unwrap_or(RealServer::DEFAULT_WEIGHT),
            upper_threshold: upper,
            lower_threshold: lower,
        };
        Ok((service, server))
    }

    fn daemon(self, role: SyncRole) -> Result<SyncDaemon, RuleError> {
        let Options {
            given: _,
            service: _,
            real_server: _,
            for_service: _,
            for_server: _,
            listing: _,
            for_save: _,
            for_daemon: DaemonOptions { interface, sync_id, max_length, group, port, ttl },
            is_numeric: _,
        } = self;
        let interface = interface.map(str::parse::<InterfaceName>).transpose();
        Ok(SyncDaemon {
            role,
            interface: interface.map_err(RuleError::BadInterface)?.unwrap_or_default(),
            sync_id: sync_id.unwrap_or_default(),
            max_length,
            group,
            port,
            ttl,
        })
    }

    fn save(self, file: Option<PathBuf>) -> Save {
        let Options {
            given: _,
            service,
            real_server: _,
            for_service: _,
            for_server: _,
            listing: _,
            for_save: SaveOptions { with_settings, may_be_empty },
            for_daemon: _,
            is_numeric,
        } = self;
        Save { is_numeric, service, with_settings, file, may_be_empty }
    }

    fn list(self) -> Result<List, RuleError> {
        let Options {
            given: _,
            service,
            real_server: _,
            for_service: _,
            for_server: _,
            listing,
            for_save: _,
            for_daemon: _,
            is_numeric,
        } = self;
        let ListOptions {
            connections,
            timeouts,
            daemons,
            stats,
            rate,
            thresholds,
            persistent_connections,
            tunnels,
            is_unsorted,
            is_exact,
            is_json,
        } = listing;
        let mut subjects = [
            (connections, "connection"),
            (service.is_some(), "service-address"),
            (timeouts, "timeout"),
            (daemons, "daemon"),
        ]
        .into_iter()
        .filter_map(|(is_given, title)| is_given.then_some(title));
        if let (Some(earlier), Some(later)) = (subjects.next(), subjects.next()) {
            return Err(RuleError::ListConflict { later, earlier });
        }
        let format = [
            (stats, "stats"),
            (rate, "rate"),
            (thresholds, "thresholds"),
            // With the connections it asks for two more columns.
            (persistent_connections && !connections, "persistent-conn"),
        ]
        .into_iter()
        .find_map(|(is_given, title)| is_given.then_some(title));
        if let Some(format) = format
            && (connections || timeouts || daemons)
        {
            return Err(RuleError::ListFormatConflict { format });
        }
        if is_json {
            return Ok(List::Json(if connections {
                JsonSubject::Connections
            } else if timeouts {
                JsonSubject::Timeouts
            } else if daemons {
                JsonSubject::Daemons
            } else {
                JsonSubject::Table(service)
            }));
        }
        Ok(if connections {
            List::Connections { is_numeric, with_engine_data: persistent_connections }
        } else if timeouts {
            List::Timeouts
        } else if daemons {
            List::Daemons
        } else {
            let format = match format {
                Some("stats") => ListFormat::Stats { is_exact },
                Some("rate") => ListFormat::Rate { is_exact },
                Some("thresholds") => ListFormat::Thresholds,
                Some(_) => ListFormat::PersistentConnections,
                None if tunnels => ListFormat::Tunnels,
                None => ListFormat::Plain,
            };
            List::Table { service, format, is_numeric, is_sorted: !is_unsorted }
        })
    }
}

/// The file of a `-S` or `-R`; a lone dash is the standard stream.
fn file(arguments: &[&str]) -> Option<PathBuf> {
    arguments.first().filter(|&&word| word != "-").map(PathBuf::from)
}

fn missing(option: &'static str, command: &'static CommandSpec) -> RuleError {
    RuleError::Missing { option, command: command.title }
}

impl TunnelOptions {
    fn is_given(&self) -> bool {
        let Self { kind, port, has_no_checksum, has_checksum, has_remote_checksum } = self;
        kind.is_some()
            || port.is_some()
            || *has_no_checksum
            || *has_checksum
            || *has_remote_checksum
    }

    /// Each type of tunnel takes the options that it has, in the order in which 1.31 looks at them.
    fn tunnel(self) -> Result<Tunnel, RuleError> {
        let Self { kind, port, has_no_checksum, has_checksum, has_remote_checksum } = self;
        let (tunnel, has_port, has_checksums, has_remote) = match kind {
            None | Some(TunnelKind::Ipip) => ("ipip", false, false, false),
            Some(TunnelKind::Gue) => ("gue", true, true, true),
            Some(TunnelKind::Gre) => ("gre", false, true, false),
        };
        let illegal = |option| Err(RuleError::TunnelIllegal { option, tunnel });
        let conflict = |later, earlier| Err(RuleError::TunnelConflict { later, earlier, tunnel });
        if has_port && port.is_none() {
            return Err(RuleError::TunnelMissing { option: "tun-port", tunnel });
        }
        if !has_port && port.is_some() {
            return illegal("tun-port");
        }
        if has_no_checksum && !has_checksums {
            return illegal("tun-nocsum");
        }
        if has_checksum && !has_checksums {
            return illegal("tun-csum");
        }
        if has_checksum && has_no_checksum {
            return conflict("tun-csum", "tun-nocsum");
        }
        if has_remote_checksum && !has_remote {
            return illegal("tun-remcsum");
        }
        if has_remote_checksum && has_no_checksum {
            return conflict("tun-remcsum", "tun-nocsum");
        }
        if has_remote_checksum && has_checksum {
            return conflict("tun-remcsum", "tun-csum");
        }
        let checksum = match (has_checksum, has_remote_checksum) {
            (true, _) => TunnelChecksum::Full,
            (_, true) => TunnelChecksum::Remote,
            _ => TunnelChecksum::None,
        };
        Ok(match (kind, port) {
            (Some(TunnelKind::Gue), Some(port)) => Tunnel::Gue { port, checksum },
            (Some(TunnelKind::Gre), _) => Tunnel::Gre { checksum },
            _ => Tunnel::Ipip,
        })
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

fn read_timeouts(words: &[&str]) -> Result<Timeouts, RuleError> {
    let [tcp, tcp_fin, udp, ..] = words else {
        return Err(RuleError::TooFewTimeouts(words.len()));
    };
    let seconds = |text: &&str| {
        number(text, 0..=Persistence::MAX_TIMEOUT.into())
            .map_err(|reason| RuleError::BadTimeout { value: (*text).to_owned(), reason })
    };
    Ok(Timeouts { tcp: seconds(tcp)?, tcp_fin: seconds(tcp_fin)?, udp: seconds(udp)? })
}
