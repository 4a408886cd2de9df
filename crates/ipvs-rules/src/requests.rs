//! Makes requests of lines with `--keep`, `--if-exists`, `--if-not-exists` or `--replace`, and commands of lines with
//! `--dry-run` or `--confirm`.

use crate::command::{Command, TableChange};
use crate::error::RuleError;
use crate::line_options::Options;
use crate::option_groups::OptionGroups;
use crate::table::{CommandName, CommandSpec, OptionName};
use ipvs::model::{
    Change, Entry, Family, Forwarding, ForwardingEdit, Netmask, Persistence, Protocol,
    RealServerKey, Request, SchedulerFlags, Scope, ServerEdit, ServiceEdit, ServiceKey,
};

impl OptionGroups {
    /// Refuses two options that say different things about an entry that exists.
    pub(super) fn check_addition(self, command: &'static CommandSpec) -> Result<(), RuleError> {
        let is_add = matches!(command.command, CommandName::AddService | CommandName::AddServer);
        let has_both = self.contains(OptionName::IfNotExists) && self.contains(OptionName::Replace);
        match is_add && has_both {
            false => Ok(()),
            true => Err(RuleError::Conflict {
                option: "replace",
                other: "if-not-exists",
                command: command.title,
            }),
        }
    }

    /// The request that adds an entry, with what the line says about one that exists.
    pub(super) fn addition(self, entry: Entry) -> Request {
        if self.contains(OptionName::IfNotExists) {
            Request::AddIfMissing(entry)
        } else if self.contains(OptionName::Replace) {
            Request::Replace(entry)
        } else {
            match entry {
                Entry::Service(service) => Change::AddService(service).into(),
                Entry::Server(key, server) => Change::AddServer(key, server).into(),
            }
        }
    }

    /// A request, with what the line says about an entry that is missing.
    pub(super) fn if_exists(self, request: Request) -> Request {
        match self.contains(OptionName::IfExists) {
            true => Request::IfExists(Box::new(request)),
            false => request,
        }
    }
}

/// The way in which a change is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    Plain,
    /// Only show it.
    DryRun,
    /// Undo it unless somebody confirms it within this many seconds.
    Confirm(u32),
}

impl Manner {
    /// The command that makes a request.
    pub(super) fn command(self, request: Request) -> Command {
        match self {
            Self::Plain => Command::Request(request),
            Self::DryRun => Command::DryRun(TableChange::Request(request)),
            Self::Confirm(seconds) => Command::Confirm(TableChange::Request(request), seconds),
        }
    }

    /// The command that deletes the services inside scopes.
    pub(super) fn clear_within(self, scopes: Vec<Scope>) -> Command {
        match self {
            Self::Plain => Command::ClearWithin(scopes),
            Self::DryRun => Command::DryRun(TableChange::ClearWithin(scopes)),
            Self::Confirm(seconds) => Command::Confirm(TableChange::ClearWithin(scopes), seconds),
        }
    }
}

impl Options<'_> {
    /// The way in which the line makes its change.
    ///
    /// # Errors
    /// When the line has two.
    pub(super) fn manner(&self, command: &'static CommandSpec) -> Result<Manner, RuleError> {
        let is_dry_run = self.groups.contains(OptionName::DryRun);
        match self.confirmation {
            Some(_) if is_dry_run => Err(RuleError::Conflict {
                option: "confirm",
                other: "dry-run",
                command: command.title,
            }),
            Some(seconds) => Ok(Manner::Confirm(seconds)),
            None if is_dry_run => Ok(Manner::DryRun),
            None => Ok(Manner::Plain),
        }
    }

    /// The edit of the settings of a service that the line has.
    pub(super) fn service_edit(
        &self,
        key: ServiceKey,
        scheduler_flags: SchedulerFlags,
    ) -> Result<ServiceEdit, RuleError> {
        let has_flags = self.for_service.scheduler_flags.is_some_and(|flags| !flags.is_empty());
        let options = &self.for_service;
        let is_udp = key.protocol().is_none_or(|protocol| protocol == Protocol::Udp);
        if options.is_one_packet && !is_udp {
            return Err(RuleError::OnePacketNotUdp);
        }
        let netmask = options.netmask.filter(|mask| mask.family() == key.family());
        let mask_or_host = netmask.unwrap_or(Netmask::host(key.family()));
        // The timeout has been read within the range that this checks.
        let persistence =
            options.timeout.and_then(|timeout| Persistence::new(timeout, mask_or_host).ok());
        Ok(ServiceEdit {
            scheduler: options.scheduler,
            scheduler_flags: has_flags.then_some(scheduler_flags),
            persistence: persistence.map(Some),
            keeps_netmask: netmask.is_none(),
            netmask,
            engine: options.engine.map(Some),
            one_packet: options.is_one_packet.then_some(true),
        })
    }

    /// The edit of the settings of a real server that the line has, and the server's key.
    pub(super) fn server_edit(
        &self,
        service: ServiceKey,
        mut key: RealServerKey,
    ) -> Result<(RealServerKey, ServerEdit), RuleError> {
        let options = &self.for_server;
        let is_tunneled = options.forwarding == Some(OptionName::Ipip);
        // Without a forwarding method, the server is tunneled or does not exist.
        let is_known = options.forwarding.is_some();
        if is_known && !is_tunneled && Family::of(key.address) != service.family() {
            return Err(RuleError::FamilyMismatch);
        }
        let has_tunnel = options.tunnel.is_given();
        if has_tunnel && !is_tunneled {
            return Err(RuleError::TunnelWithoutIpip);
        }
        let forwarding = match options.forwarding {
            None => None,
            Some(OptionName::Masquerading) => Some(ForwardingEdit::To(Forwarding::Masquerading)),
            Some(OptionName::Ipip) if has_tunnel => {
                let tunnel = options.tunnel.tunnel()?;
                Some(ForwardingEdit::To(Forwarding::Tunneling(tunnel)))
            }
            Some(OptionName::Ipip) => Some(ForwardingEdit::Tunneling),
            Some(_) => Some(ForwardingEdit::To(Forwarding::DirectRouting)),
        };
        let maps_ports = forwarding == Some(ForwardingEdit::To(Forwarding::Masquerading));
        match service {
            // As without --keep. A line that names no method finds a server by its own port.
            ServiceKey::Address { port, .. }
                if is_known && !maps_ports && !options.has_own_port =>
            {
                key.port = port;
            }
            _ => {}
        }
        match (options.lower_threshold, options.upper_threshold) {
            (Some(lower), Some(upper)) if lower > upper => {
                return Err(RuleError::ThresholdsCrossed { lower, upper });
            }
            _ => {}
        }
        let edit = ServerEdit {
            forwarding,
            weight: options.weight.map(|weight| weight.edit),
            upper_threshold: options.upper_threshold,
            lower_threshold: options.lower_threshold,
        };
        Ok((key, edit))
    }
}
