//! Makes a command of tokens. The checks come in the order of ipvsadm 1.31, so that both report the same one of
//! several faults on a line: values from left to right, then unexpected arguments, then options that are missing or
//! that the command lacks, then combinations of values.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::answers::NamesRefused;
use crate::command::{Command, Doctor, Drain, Help, Lines, OutputFormat, ProgramOptions};
use crate::error::{OptionFirst, RuleError, ValueError};
use crate::line::{LineError, words};
use crate::line_options::{
    DaemonOptions, DoctorOptions, DrainOptions, Options, OtherOptions, ServerOptions,
    ServiceOptions,
};
use crate::saving::file;
use crate::table::{CommandName, CommandSpec, OptionName, OptionSpec};
use crate::tokens::{Token, TokenError, Tokens};
use crate::values::number;
use crate::waiting::{Parsed, WaitingCommand};
use ipvs::model::{
    Change, Entry, Family, Forwarding, InterfaceName, Netmask, Persistence, Protocol, RealServer,
    RealServerKey, Request, SchedulerFlags, SchedulerName, ServiceKey, SyncDaemon, SyncRole,
    Timeouts, VirtualService,
};
use ipvs::plan::DrainTarget;

/// Parses a line of a rules file. Returns `None` for a blank line and for a comment.
///
/// # Errors
/// The first fault of the line, unless a name that comes before it has to be looked up: see [`WaitingCommand`].
pub fn parse_line(line: &[u8]) -> Result<Option<Parsed<'_>>, LineError> {
    let words = words(line)?;
    if words.is_empty() {
        return Ok(None);
    }
    Ok(Some(parse_command(Tokens::new(words), None)?))
}

/// Parses a line like [`parse_line`]. Hosts and ports have to be numbers; a name is a fault.
///
/// # Errors
/// The first fault of the line.
pub fn parse_numeric_line(line: &[u8]) -> Result<Option<Command>, LineError> {
    let Some(parsed) = parse_line(line)? else { return Ok(None) };
    Ok(Some(parsed.resolve(&mut NamesRefused)?))
}

/// Parses a command line. Only a command without names is complete; no name is looked up. `program` gets the options of
/// the program that come before the first fault.
///
/// # Errors
/// The first fault, unless a name that comes before it has to be looked up.
pub fn parse_command_line<'a>(
    tokens: impl Iterator<Item = Result<Token<'a>, TokenError>>,
    program: &mut ProgramOptions<'a>,
) -> Result<Parsed<'a>, RuleError> {
    parse_command(tokens, Some(program))
}

/// Parses a command line, or a rule line if there is no place for the options of the program.
fn parse_command<'a>(
    mut tokens: impl Iterator<Item = Result<Token<'a>, TokenError>>,
    mut program: Option<&mut ProgramOptions<'a>>,
) -> Result<Parsed<'a>, RuleError> {
    let mut arguments = Vec::new();
    let (command, role, word) = loop {
        match tokens.next() {
            None => return Err(no_command(&arguments)),
            Some(Err(error)) => return Err(RuleError::BadStart(error)),
            Some(Ok(Token::Argument(word))) => arguments.push(word),
            Some(Ok(Token::Option { spec, value })) if spec.is_of_program() => {
                parse_program_option(spec, value, &mut program)?;
            }
            Some(Ok(Token::Option { spec, .. })) => {
                return Err(RuleError::OptionFirst(OptionFirst {
                    option: spec.long,
                    command: tokens.find_map(|token| match token {
                        Ok(Token::Command { spec, .. }) => Some(spec.command),
                        _ => None,
                    }),
                }));
            }
            Some(Ok(Token::Command { spec, value, word })) => break (spec, value, word),
        }
    };
    // These two run at once; the words behind them are ignored, but for the colours of the help.
    match command.command {
        CommandName::Help => {
            for token in tokens.map_while(Result::ok) {
                match token {
                    Token::Option { spec, value } if spec.is_of_program() => {
                        let _ = parse_program_option(spec, value, &mut program);
                    }
                    _ => {}
                }
            }
            let length = if word.starts_with("--") { Help::Full } else { Help::Short };
            return Ok(Parsed::Command(Command::Help(length)));
        }
        CommandName::Version => return Ok(Parsed::Command(Command::Version)),
        _ => {}
    }
    if let (Some(role), false) = (role, command.command == CommandName::Doctor) {
        parse_role(command.command, role)?;
    }
    let role = role.unwrap_or_default();
    let mut options = Options::default();
    let result = options.parse_all(command, tokens, &mut arguments, &mut program);
    if options.waiting.is_empty() {
        result?;
        return options.finish(command, role, &arguments).map(Parsed::Command);
    }
    let fault = result.err();
    Ok(Parsed::Waiting(Box::new(WaitingCommand { options, fault, command, role, arguments })))
}

/// Parses an option of the program.
fn parse_program_option<'a>(
    spec: &'static OptionSpec,
    value: Option<&'a str>,
    program: &mut Option<&mut ProgramOptions<'a>>,
) -> Result<(), RuleError> {
    let Some(program) = program else { return Err(RuleError::InRuleLine(spec.long)) };
    let text = value.unwrap_or_default();
    let is_repeated = match spec.option {
        OptionName::Color => {
            let choice = text.parse().map_err(|reason| RuleError::BadValue {
                option: spec.option,
                value: text.to_owned(),
                reason: ValueError::ColorChoice(reason),
            })?;
            program.color.replace(choice).is_some()
        }
        _ => program.namespace.replace(text).is_some(),
    };
    if is_repeated { Err(RuleError::Repeated(spec.title)) } else { Ok(()) }
}

/// The fault of a line without a command or an option. The first word may be an option with a typographic dash.
fn no_command(words: &[&OsStr]) -> RuleError {
    match unexpected(words.first().copied().unwrap_or_default(), None) {
        dash @ RuleError::TypographicDash { .. } => dash,
        _ => RuleError::NoCommand(words.join(OsStr::new(" ")).to_string_lossy().into_owned()),
    }
}

fn unexpected(word: &OsStr, missing: Option<OptionName>) -> RuleError {
    let word = word.to_string_lossy().into_owned();
    match word.chars().next() {
        // Hyphens, dashes and the minus sign, which editors and web pages put in the place of a plain dash.
        Some(dash @ ('\u{2010}'..='\u{2015}' | '\u{2212}')) => {
            RuleError::TypographicDash { word, dash }
        }
        _ => RuleError::UnexpectedArgument { word, missing },
    }
}

fn parse_role(command: CommandName, text: &str) -> Result<SyncRole, RuleError> {
    text.parse().map_err(|reason| RuleError::BadRole { command, reason })
}

impl<'a> Options<'a> {
    /// Parses all that follows a command, up to the first fault. A relative weight is a fault at its place unless
    /// `--keep` comes before or behind it.
    fn parse_all(
        &mut self,
        command: &'static CommandSpec,
        mut tokens: impl Iterator<Item = Result<Token<'a>, TokenError>>,
        arguments: &mut Vec<&'a OsStr>,
        program: &mut Option<&mut ProgramOptions<'a>>,
    ) -> Result<(), RuleError> {
        let result = self.parse_tokens(command, &mut tokens, arguments, program);
        let is_keep = |token| match token {
            Ok(Token::Option { spec, .. }) => spec.option == OptionName::Keep,
            _ => false,
        };
        if result.is_err() && tokens.any(is_keep) {
            return result;
        }
        self.relative_weight_fault().map_or(result, Err)
    }

    fn parse_tokens(
        &mut self,
        command: &'static CommandSpec,
        tokens: &mut impl Iterator<Item = Result<Token<'a>, TokenError>>,
        arguments: &mut Vec<&'a OsStr>,
        program: &mut Option<&mut ProgramOptions<'a>>,
    ) -> Result<(), RuleError> {
        for token in tokens {
            match token? {
                Token::Argument(word) => arguments.push(word),
                Token::Option { spec, value } if spec.is_of_program() => {
                    parse_program_option(spec, value, program)?;
                }
                Token::Option { spec, .. } if spec.is_of_command_line() && program.is_none() => {
                    return Err(RuleError::InRuleLine(spec.long));
                }
                Token::Option { spec, value } => self.parse(spec, value)?,
                Token::Command { word, .. } => {
                    let word = word.to_owned();
                    return Err(RuleError::SecondCommand { word, command: command.title });
                }
            }
        }
        Ok(())
    }

    /// Makes the command once all values are known.
    pub(super) fn finish(
        &mut self,
        command: &'static CommandSpec,
        role: &str,
        arguments: &[&OsStr],
    ) -> Result<Command, RuleError> {
        if command.command == CommandName::Set {
            parse_timeouts(arguments)?;
        }
        if let Some(word) = arguments.get(command.arguments.len()..).and_then(<[_]>::first) {
            let fault = self.groups.first_fault(command.command);
            let missing = fault.filter(|spec| !self.groups.contains(spec.group));
            return Err(unexpected(word, missing.map(|spec| spec.group)));
        }
        self.check_scheduler_flags()?;
        self.check_presence(command)?;
        if self.groups.contains(OptionName::Drain) {
            return Ok(Command::Drain(self.drain(command)?));
        }
        self.check_drain_options(command)?;
        let groups = self.groups;
        groups.check_addition(command)?;
        let manner = self.manner(command)?;
        let change = match command.command {
            CommandName::AddService => {
                let entry = Entry::Service(self.virtual_service(command)?);
                return Ok(manner.command(groups.addition(entry)));
            }
            CommandName::EditService if self.groups.contains(OptionName::Keep) => {
                let key = self.service_key(command)?;
                let flags = self.check_scheduler_flags()?;
                let request = Request::EditService(key, self.service_edit(key, flags)?);
                return Ok(manner.command(groups.if_exists(request)));
            }
            CommandName::EditService => Change::EditService(self.virtual_service(command)?),
            CommandName::DeleteService => Change::DeleteService(self.service_key(command)?),
            CommandName::AddServer => {
                let (service, server) = self.server(command)?;
                return Ok(manner.command(groups.addition(Entry::Server(service, server))));
            }
            CommandName::EditServer if self.groups.contains(OptionName::Keep) => {
                let service = self.service_key(command)?;
                let key = self.real_server_key(command)?;
                let (key, edit) = self.server_edit(service, key)?;
                let request = Request::EditServer(service, key, edit);
                return Ok(manner.command(groups.if_exists(request)));
            }
            CommandName::EditServer => {
                let (service, server) = self.server(command)?;
                Change::EditServer(service, server)
            }
            CommandName::DeleteServer => {
                Change::DeleteServer(self.service_key(command)?, self.real_server_key(command)?)
            }
            CommandName::Zero => Change::Zero(self.service),
            CommandName::Clear => match self.take_other().scopes {
                scopes if scopes.is_empty() => Change::Flush,
                scopes => return Ok(manner.clear_within(scopes)),
            },
            CommandName::Set => Change::SetTimeouts(parse_timeouts(arguments)?),
            CommandName::StartDaemon => {
                Change::StartDaemon(self.daemon(parse_role(command.command, role)?)?)
            }
            CommandName::StopDaemon => Change::StopDaemon(parse_role(command.command, role)?),
            CommandName::List => return Ok(Command::List(self.list()?)),
            CommandName::Save => match self.other().sysctls.take() {
                Some(replaced) => return self.save_sysctls(replaced, arguments),
                None => return Ok(Command::Save(self.save(arguments.first().copied())?)),
            },
            CommandName::Doctor => return Ok(Command::Doctor(self.doctor(role))),
            CommandName::Restore => {
                let is_dry_run = self.groups.contains(OptionName::DryRun);
                let file = arguments.first().copied().and_then(file);
                return Ok(Command::Restore(Lines { file, is_dry_run }));
            }
            CommandName::Help => return Ok(Command::Help(Help::Full)),
            CommandName::Version => return Ok(Command::Version),
        };
        Ok(manner.command(groups.if_exists(change.into())))
    }

    /// Checks the words of `-b`. 1.31 does so before it checks that the command accepts the option.
    fn check_scheduler_flags(&self) -> Result<SchedulerFlags, RuleError> {
        let ServiceOptions { scheduler, scheduler_flags, .. } = &self.for_service;
        let Some(flags) = scheduler_flags else { return Ok(SchedulerFlags::default()) };
        let default = SchedulerName::default();
        Ok(SchedulerFlags::parse(flags, scheduler.as_ref().unwrap_or(&default))?)
    }

    /// Checks that the command accepts all options of the line, and that none is missing.
    fn check_presence(&self, command: &'static CommandSpec) -> Result<(), RuleError> {
        match self.groups.first_fault(command.command) {
            None => Ok(()),
            Some(spec) if self.groups.contains(spec.group) => {
                Err(RuleError::Illegal { option: spec.title, command: command.title })
            }
            Some(spec) => Err(missing(spec.title, command)),
        }
    }

    /// Checks that a line without `--drain` has no option that only a drain has.
    fn check_drain_options(&self, command: &'static CommandSpec) -> Result<(), RuleError> {
        let drain_only = match command.command {
            CommandName::EditServer | CommandName::DeleteServer | CommandName::DeleteService => {
                [(OptionName::Force, "force"), (OptionName::Json, "json")]
            }
            _ => return Ok(()),
        };
        match drain_only.into_iter().find(|&(option, _)| self.groups.contains(option)) {
            None => Ok(()),
            Some((_, option)) => {
                Err(RuleError::Needed { needed: "drain", option, command: command.title })
            }
        }
    }

    fn drain(&mut self, command: &'static CommandSpec) -> Result<Drain, RuleError> {
        use OptionName::*;

        let allowed = [TcpService, RealServer, Ipv6, Drain, Force, Json, Sort];
        if let Some(spec) = self.groups.first_beside(&allowed) {
            let (option, other) = (spec.title, "drain");
            return Err(RuleError::Conflict { option, other, command: command.title });
        }
        let service = self.service_key(command)?;
        let target = match command.command {
            CommandName::DeleteService => DrainTarget::Service(service),
            _ => DrainTarget::Server(service, self.real_server_key(command)?),
        };
        let OtherOptions { for_drain, listing, .. } = self.take_other();
        let DrainOptions { limit, is_forced } = for_drain;
        let format = if listing.is_json { OutputFormat::Json } else { OutputFormat::Text };
        let deletes = command.command != CommandName::EditServer;
        Ok(crate::command::Drain { target, deletes, limit, is_forced, format })
    }

    fn service_key(&self, command: &'static CommandSpec) -> Result<ServiceKey, RuleError> {
        self.service.ok_or_else(|| missing("service-address", command))
    }

    fn real_server_key(&self, command: &'static CommandSpec) -> Result<RealServerKey, RuleError> {
        self.real_server.ok_or_else(|| missing("real-server", command))
    }

    fn virtual_service(&self, command: &'static CommandSpec) -> Result<VirtualService, RuleError> {
        let key = self.service_key(command)?;
        let scheduler_flags = self.check_scheduler_flags()?;
        let ServiceOptions { scheduler, timeout, netmask, engine, is_one_packet, .. } =
            self.for_service;
        if let ServiceKey::Address { protocol, address, port } = key {
            if port == 0 && timeout.is_none() {
                return Err(RuleError::ZeroPort(address));
            }
            if is_one_packet && protocol != Protocol::Udp {
                return Err(RuleError::OnePacketNotUdp);
            }
        }
        // Like 1.31, drop a mask that comes before the option that makes the service IPv6.
        let host = Netmask::host(key.family());
        let netmask = netmask.filter(|mask| mask.family() == key.family());
        // Both values have been read within the ranges that this checks.
        let persistence =
            timeout.and_then(|timeout| Persistence::new(timeout, netmask.unwrap_or(host)).ok());
        Ok(VirtualService::new(key)
            .scheduler(scheduler.unwrap_or_default())
            .scheduler_flags(scheduler_flags)
            .persistence(persistence)
            .unused_netmask(netmask.filter(|_| timeout.is_none()))
            .engine(engine)
            .one_packet(is_one_packet))
    }

    fn server(&self, command: &'static CommandSpec) -> Result<(ServiceKey, RealServer), RuleError> {
        let service = self.service_key(command)?;
        let mut key = self.real_server_key(command)?;
        let ServerOptions {
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
            ref tunnel,
            has_own_port,
        } = self.for_server;
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
        match service {
            ServiceKey::Address { port, .. } if !has_own_port && !forwarding.maps_ports() => {
                key.port = port;
            }
            _ => {}
        }
        let upper = upper_threshold.unwrap_or_default();
        let lower = lower_threshold.unwrap_or_default();
        if lower > upper {
            return Err(RuleError::ThresholdsCrossed { lower, upper });
        }
        let absolute = weight.and_then(|weight| weight.absolute);
        let server = RealServer::new(key)
            .forwarding(forwarding)
            .weight(absolute.unwrap_or(RealServer::DEFAULT_WEIGHT))
            .upper_threshold(upper)
            .lower_threshold(lower);
        Ok((service, server))
    }

    fn daemon(&mut self, role: SyncRole) -> Result<SyncDaemon, RuleError> {
        let DaemonOptions { interface, sync_id, max_length, group, port, ttl } =
            self.take_other().for_daemon;
        let interface = interface.map(str::parse::<InterfaceName>).transpose();
        let interface = interface.map_err(RuleError::BadInterface)?.unwrap_or_default();
        Ok(SyncDaemon::new(role, interface)
            .sync_id(sync_id.unwrap_or_default())
            .max_length(max_length)
            .group(group)
            .port(port)
            .ttl(ttl))
    }

    /// `code` is empty unless the command names one.
    fn doctor(&mut self, code: &str) -> Doctor {
        let OtherOptions { for_doctor, listing, .. } = self.take_other();
        let DoctorOptions { probe, sample, against } = for_doctor;
        Doctor {
            code: Some(code).filter(|code| !code.is_empty()).map(str::to_owned),
            service: self.service,
            probe,
            sample,
            against: against.map(PathBuf::from),
            format: if listing.is_json { OutputFormat::Json } else { OutputFormat::Text },
        }
    }

    /// `-S --settings`, which saves no rules.
    fn save_sysctls(
        &self,
        file: Option<PathBuf>,
        arguments: &[&OsStr],
    ) -> Result<Command, RuleError> {
        let (command, other) = ("save", "settings");
        let allowed = [OptionName::Settings, OptionName::Numeric, OptionName::Sort];
        if let Some(spec) = self.groups.first_beside(&allowed) {
            return Err(RuleError::Conflict { option: spec.title, other, command });
        }
        match arguments.first() {
            Some(word) => Err(unexpected(word, None)),
            None => Ok(Command::SaveSysctls(file)),
        }
    }
}

fn missing(option: &'static str, command: &'static CommandSpec) -> RuleError {
    RuleError::Missing { option, command: command.title }
}

fn parse_timeouts(words: &[&OsStr]) -> Result<Timeouts, RuleError> {
    let [tcp, tcp_fin, udp, ..] = words else {
        return Err(RuleError::TooFewTimeouts(words.len()));
    };
    let seconds = |word: &OsStr| {
        let text = word.to_string_lossy();
        number(&text, 0..=Persistence::MAX_TIMEOUT.into())
            .map_err(|reason| RuleError::BadTimeout { value: text.into_owned(), reason })
    };
    Ok(Timeouts::new(seconds(tcp)?, seconds(tcp_fin)?, seconds(udp)?))
}
