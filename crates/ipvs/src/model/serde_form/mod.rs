//! The serde form of the vocabulary: one flat JSON object for each entry, with lower-case names.
//!
//! A value that this version has no name for is the word `unknown`, with its number in a field beside it. The forms
//! exist apart from the types, so that a type can change its fields and keep its form.

/// Serializes and deserializes types by way of their forms.
macro_rules! serde_by_form {
    ($($type:ident as $form:ident),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&$form::from(self), serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let form: $form = serde::Deserialize::deserialize(deserializer)?;
                form.try_into().map_err(<D::Error as serde::de::Error>::custom)
            }
        }
    )+};
}

mod connection;
mod real_server;
mod rules;
mod service;

use std::borrow::Cow;
use std::net::IpAddr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    ConnectionOrigin, Counters, Info, InterfaceName, MulticastGroup, Netmask, NotMulticast,
    PersistenceEngineName, Rates, SchedulerName, SyncDaemon, SyncRole, Timeouts, Version,
};

pub(crate) use serde_by_form;

serde_by_form! {
    Counters as CountersForm,
    Rates as CountersForm,
    Timeouts as TimeoutsForm,
    SyncDaemon as SyncDaemonForm,
    Info as InfoForm,
}

/// Serializes types as text, and parses them from text.
macro_rules! serde_by_text {
    ($($type:ident: $write:expr, $parse:expr;)+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&$write(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text: Cow<'de, str> = Deserialize::deserialize(deserializer)?;
                $parse(&text).map_err(D::Error::custom)
            }
        }
    )+};
}

serde_by_text! {
    Netmask: netmask_text, parse_netmask;
    Version: Version::to_string, parse_version;
    SyncRole: SyncRole::to_string, |text: &str| text.parse::<SyncRole>();
    ConnectionOrigin: |origin: &ConnectionOrigin| origin.name(), parse_origin;
}

/// Serializes checked names as text.
macro_rules! serde_name {
    ($($type:ident),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text: Cow<'de, str> = Deserialize::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

serde_name!(SchedulerName, PersistenceEngineName, InterfaceName);

fn netmask_text(netmask: &Netmask) -> String {
    match netmask {
        Netmask::Ipv4(mask) => mask.to_string(),
        Netmask::Ipv6(length) => format!("/{length}"),
    }
}

fn parse_netmask(text: &str) -> Result<Netmask, String> {
    let netmask = match text.strip_prefix('/') {
        Some(length) => length.parse().ok().map(Netmask::Ipv6),
        None => text.parse().ok().map(Netmask::Ipv4),
    };
    netmask
        .ok_or_else(|| format!("`{text}' is neither an IPv4 mask nor a prefix length such as /64"))
}

fn parse_version(text: &str) -> Result<Version, String> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None] => {
            Ok(Version { major, minor, patch })
        }
        _ => Err(format!("`{text}' is not a version such as 1.2.1")),
    }
}

fn parse_origin(text: &str) -> Result<ConnectionOrigin, String> {
    let origins = [ConnectionOrigin::Local, ConnectionOrigin::Synced];
    let origin = origins.into_iter().find(|origin| origin.name() == text);
    origin.ok_or_else(|| format!("`{text}' is neither local nor synced"))
}

/// A number is missing beside the word `unknown`, or it is the number of a named value.
#[derive(Debug, thiserror::Error)]
#[error("`unknown' needs a number in {0} that has no name")]
pub(in crate::model) struct NoNumber(&'static str);

fn unknown<N, T>(
    number: Option<N>,
    new: impl FnOnce(N) -> Option<T>,
    field: &'static str,
) -> Result<T, NoNumber> {
    number.and_then(new).ok_or(NoNumber(field))
}

/// Totals or rates.
#[derive(Serialize, Deserialize)]
struct CountersForm {
    connections: u64,
    incoming_packets: u64,
    outgoing_packets: u64,
    incoming_bytes: u64,
    outgoing_bytes: u64,
}

macro_rules! as_counters {
    ($($type:ident),+) => {$(
        impl From<&$type> for CountersForm {
            fn from(counts: &$type) -> Self {
                let $type {
                    connections,
                    incoming_packets,
                    outgoing_packets,
                    incoming_bytes,
                    outgoing_bytes,
                } = *counts;
                Self { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
            }
        }

        impl From<CountersForm> for $type {
            fn from(form: CountersForm) -> Self {
                let CountersForm {
                    connections,
                    incoming_packets,
                    outgoing_packets,
                    incoming_bytes,
                    outgoing_bytes,
                } = form;
                Self { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
            }
        }
    )+};
}

as_counters!(Counters, Rates);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeoutsForm {
    tcp: u32,
    tcp_fin: u32,
    udp: u32,
}

impl From<&Timeouts> for TimeoutsForm {
    fn from(timeouts: &Timeouts) -> Self {
        let Timeouts { tcp, tcp_fin, udp } = *timeouts;
        Self { tcp, tcp_fin, udp }
    }
}

impl From<TimeoutsForm> for Timeouts {
    fn from(form: TimeoutsForm) -> Self {
        let TimeoutsForm { tcp, tcp_fin, udp } = form;
        Self { tcp, tcp_fin, udp }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncDaemonForm {
    role: SyncRole,
    interface: InterfaceName,
    sync_id: u8,
    sync_maxlen: Option<u16>,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
}

impl From<&SyncDaemon> for SyncDaemonForm {
    fn from(daemon: &SyncDaemon) -> Self {
        Self {
            role: daemon.role,
            interface: daemon.interface,
            sync_id: daemon.sync_id,
            sync_maxlen: daemon.max_length,
            group: daemon.group.map(MulticastGroup::address),
            port: daemon.port,
            ttl: daemon.ttl,
        }
    }
}

impl TryFrom<SyncDaemonForm> for SyncDaemon {
    type Error = NotMulticast;

    fn try_from(form: SyncDaemonForm) -> Result<Self, Self::Error> {
        Ok(Self {
            role: form.role,
            interface: form.interface,
            sync_id: form.sync_id,
            max_length: form.sync_maxlen,
            group: form.group.map(MulticastGroup::try_from).transpose()?,
            port: form.port,
            ttl: form.ttl,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct InfoForm {
    version: Version,
    connection_table_size: u32,
}

impl From<&Info> for InfoForm {
    fn from(info: &Info) -> Self {
        Self { version: info.version, connection_table_size: info.table_size }
    }
}

impl From<InfoForm> for Info {
    fn from(form: InfoForm) -> Self {
        Self { version: form.version, table_size: form.connection_table_size }
    }
}

#[cfg(test)]
pub(crate) mod tests;
