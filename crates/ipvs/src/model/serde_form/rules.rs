//! The serde form of a service with its real servers. It is read strictly, since a member with a spelling mistake would
//! otherwise silently lose a setting.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::real_server::{ForwardingWord, RealServerForm};
use super::service::{FamilyWord, ProtocolWord, ServiceKeyForm};
use crate::model::{
    Persistence, PersistenceEngineName, RealServer, SchedulerFlags, SchedulerName, ServiceKey,
    ServiceWithServers, Tunnel, VirtualService,
};

/// A service and its real servers as one object.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    service: &'a VirtualService,
    real_servers: &'a [RealServer],
}

impl Serialize for ServiceWithServers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { service: &self.service, real_servers: &self.servers }.serialize(serializer)
    }
}

/// The members of a service that are read. The readings of the kernel are skipped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadService<'a> {
    protocol: Option<ProtocolWord>,
    protocol_number: Option<u16>,
    address: Option<IpAddr>,
    port: Option<u16>,
    fwmark: Option<NonZeroU32>,
    family: Option<FamilyWord>,
    #[serde(default)]
    scheduler: SchedulerName,
    #[serde(default, borrow)]
    scheduler_flags: Vec<Cow<'a, str>>,
    persistence: Option<Persistence>,
    persistence_engine: Option<PersistenceEngineName>,
    #[serde(default)]
    one_packet: bool,
    #[serde(default)]
    real_servers: Vec<Checked>,
    #[serde(rename = "counters")]
    _counters: Option<IgnoredAny>,
    #[serde(rename = "rates")]
    _rates: Option<IgnoredAny>,
}

/// The members of a real server that are read. The readings of the kernel are skipped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadServer {
    address: IpAddr,
    port: u16,
    #[serde(default = "direct_routing")]
    forwarding: ForwardingWord,
    forwarding_number: Option<u32>,
    tunnel: Option<Tunnel>,
    #[serde(default = "default_weight")]
    weight: u32,
    #[serde(default)]
    upper_threshold: u32,
    #[serde(default)]
    lower_threshold: u32,
    #[serde(rename = "active_connections")]
    _active_connections: Option<IgnoredAny>,
    #[serde(rename = "inactive_connections")]
    _inactive_connections: Option<IgnoredAny>,
    #[serde(rename = "persistent_connections")]
    _persistent_connections: Option<IgnoredAny>,
    #[serde(rename = "counters")]
    _counters: Option<IgnoredAny>,
    #[serde(rename = "rates")]
    _rates: Option<IgnoredAny>,
}

const fn direct_routing() -> ForwardingWord {
    ForwardingWord::DirectRouting
}

const fn default_weight() -> u32 {
    RealServer::DEFAULT_WEIGHT
}

impl<'de> Deserialize<'de> for ServiceWithServers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ReadService::deserialize(deserializer)?;
        let key = key(&form).map_err(D::Error::custom)?;
        let flags = SchedulerFlags::parse(&form.scheduler_flags.join(","), &form.scheduler);
        let service = VirtualService {
            scheduler: form.scheduler,
            scheduler_flags: flags.map_err(D::Error::custom)?,
            persistence: form.persistence,
            engine: form.persistence_engine,
            one_packet: form.one_packet,
            ..VirtualService::new(key)
        };
        let servers = form.real_servers.into_iter().map(|server| server.0).collect();
        Ok(Self { service, servers })
    }
}

fn key(form: &ReadService<'_>) -> Result<ServiceKey, String> {
    let has_protocol = form.protocol.is_some() || form.protocol_number.is_some();
    let key = match (form.address, form.fwmark) {
        (Some(address), None) if form.family.is_none() => ServiceKeyForm::Address {
            protocol: form.protocol.ok_or("missing field `protocol`")?,
            protocol_number: form.protocol_number,
            address,
            port: form.port.ok_or("missing field `port`")?,
        },
        (None, Some(fwmark)) if !has_protocol && form.port.is_none() => {
            ServiceKeyForm::Fwmark { fwmark, family: form.family.unwrap_or(FamilyWord::Ipv4) }
        }
        (None, None) => return Err("missing field `address` or `fwmark`".to_owned()),
        (Some(_), _) => return Err("`address` excludes `fwmark` and `family`".to_owned()),
        (None, Some(_)) => return Err("`fwmark` excludes `protocol` and `port`".to_owned()),
    };
    ServiceKey::try_from(key).map_err(|error| error.to_string())
}

/// A real server whose members are checked together, so that an error has the server's place.
struct Checked(RealServer);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ReadServer::deserialize(deserializer)?;
        let is_tunneled = matches!(form.forwarding, ForwardingWord::Tunneling);
        if form.tunnel.is_some() && !is_tunneled {
            return Err(D::Error::custom("`tunnel` needs the forwarding `tunneling`"));
        }
        let form = RealServerForm {
            address: form.address,
            port: form.port,
            forwarding: form.forwarding,
            forwarding_number: form.forwarding_number,
            tunnel: form.tunnel,
            weight: form.weight,
            upper_threshold: form.upper_threshold,
            lower_threshold: form.lower_threshold,
        };
        RealServer::try_from(form).map(Self).map_err(D::Error::custom)
    }
}
