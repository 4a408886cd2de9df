//! The serde form of virtual services.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{NoNumber, unknown};
use crate::model::{
    Counters, Family, Netmask, OtherProtocol, Persistence, PersistenceEngineName, Protocol, Rates,
    SchedulerFlagError, SchedulerFlags, SchedulerName, ServiceKey, ServiceState, VirtualService,
};

serde_by_form! {
    ServiceKey as ServiceKeyForm,
    VirtualService as VirtualServiceForm,
    Persistence as PersistenceForm,
    ServiceState as ServiceStateForm,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProtocolWord {
    Tcp,
    Udp,
    Sctp,
    Unknown,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FamilyWord {
    Ipv4,
    Ipv6,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ServiceKeyForm {
    Address {
        protocol: ProtocolWord,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol_number: Option<u16>,
        address: IpAddr,
        port: u16,
    },
    Fwmark {
        fwmark: NonZeroU32,
        family: FamilyWord,
    },
}

impl From<&ServiceKey> for ServiceKeyForm {
    fn from(key: &ServiceKey) -> Self {
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                let (protocol, protocol_number) = match protocol {
                    Protocol::Tcp => (ProtocolWord::Tcp, None),
                    Protocol::Udp => (ProtocolWord::Udp, None),
                    Protocol::Sctp => (ProtocolWord::Sctp, None),
                    Protocol::Other(other) => (ProtocolWord::Unknown, Some(other.number())),
                };
                Self::Address { protocol, protocol_number, address, port }
            }
            ServiceKey::Fwmark { mark, family } => {
                let family = match family {
                    Family::Ipv4 => FamilyWord::Ipv4,
                    Family::Ipv6 => FamilyWord::Ipv6,
                };
                Self::Fwmark { fwmark: mark, family }
            }
        }
    }
}

impl TryFrom<ServiceKeyForm> for ServiceKey {
    type Error = NoNumber;

    fn try_from(form: ServiceKeyForm) -> Result<Self, NoNumber> {
        Ok(match form {
            ServiceKeyForm::Address { protocol, protocol_number, address, port } => {
                let protocol = match protocol {
                    ProtocolWord::Tcp => Protocol::Tcp,
                    ProtocolWord::Udp => Protocol::Udp,
                    ProtocolWord::Sctp => Protocol::Sctp,
                    ProtocolWord::Unknown => Protocol::Other(unknown(
                        protocol_number,
                        OtherProtocol::new,
                        "protocol_number",
                    )?),
                };
                Self::Address { protocol, address, port }
            }
            ServiceKeyForm::Fwmark { fwmark, family } => {
                let family = match family {
                    FamilyWord::Ipv4 => Family::Ipv4,
                    FamilyWord::Ipv6 => Family::Ipv6,
                };
                Self::Fwmark { mark: fwmark, family }
            }
        })
    }
}

/// A service without the mask that the kernel keeps and never uses.
#[derive(Serialize, Deserialize)]
struct VirtualServiceForm {
    #[serde(flatten)]
    key: ServiceKey,
    scheduler: SchedulerName,
    scheduler_flags: Vec<Cow<'static, str>>,
    persistence: Option<Persistence>,
    persistence_engine: Option<PersistenceEngineName>,
    one_packet: bool,
}

impl From<&VirtualService> for VirtualServiceForm {
    fn from(service: &VirtualService) -> Self {
        let flags = service.scheduler_flags.names(&service.scheduler);
        Self {
            key: service.key,
            scheduler: service.scheduler,
            scheduler_flags: flags.map(Cow::Borrowed).collect(),
            persistence: service.persistence,
            persistence_engine: service.engine,
            one_packet: service.one_packet,
        }
    }
}

impl TryFrom<VirtualServiceForm> for VirtualService {
    type Error = SchedulerFlagError;

    fn try_from(form: VirtualServiceForm) -> Result<Self, Self::Error> {
        let flags = form.scheduler_flags.join(",");
        Ok(Self {
            scheduler: form.scheduler,
            scheduler_flags: SchedulerFlags::parse(&flags, &form.scheduler)?,
            persistence: form.persistence,
            engine: form.persistence_engine,
            one_packet: form.one_packet,
            ..Self::new(form.key)
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersistenceForm {
    timeout: u32,
    netmask: Netmask,
}

impl From<&Persistence> for PersistenceForm {
    fn from(persistence: &Persistence) -> Self {
        Self { timeout: persistence.timeout(), netmask: persistence.netmask() }
    }
}

/// A kernel may report values that [`Persistence::new`] rejects, so the form has them too.
impl From<PersistenceForm> for Persistence {
    fn from(form: PersistenceForm) -> Self {
        Self::reported(form.timeout, form.netmask)
    }
}

/// The state of a service without the numbers of unknown attributes.
#[derive(Serialize, Deserialize)]
struct ServiceStateForm<'a> {
    #[serde(flatten)]
    service: Cow<'a, VirtualService>,
    counters: Counters,
    rates: Rates,
}

impl<'a> From<&'a ServiceState> for ServiceStateForm<'a> {
    fn from(state: &'a ServiceState) -> Self {
        let service = Cow::Borrowed(&state.service);
        Self { service, counters: state.counters, rates: state.rates }
    }
}

impl From<ServiceStateForm<'_>> for ServiceState {
    fn from(form: ServiceStateForm<'_>) -> Self {
        Self {
            service: form.service.into_owned(),
            counters: form.counters,
            rates: form.rates,
            unknown_attributes: Vec::new(),
        }
    }
}
