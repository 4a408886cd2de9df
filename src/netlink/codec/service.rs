//! Virtual services (`IPVS_SVC_ATTR_*`).

use std::num::NonZeroU32;

use super::DecodeError;
use super::attribute::{attributes, put, put_address, put_nested, put_text, put_u32};
use super::stats::Stats;
use crate::model::{
    Family, Netmask, Persistence, Protocol, SchedulerFlags, ServiceKey, ServiceState,
    VirtualService,
};
use crate::netlink::kernel::*;

pub(super) fn family_number(family: Family) -> u16 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

pub(super) fn family_from_number(number: u16) -> Result<Family, DecodeError> {
    match number {
        AF_INET => Ok(Family::Ipv4),
        AF_INET6 => Ok(Family::Ipv6),
        other => Err(DecodeError::Unknown { attribute: "address family", value: other.into() }),
    }
}

fn put_key(buffer: &mut Vec<u8>, key: &ServiceKey) {
    put(buffer, IPVS_SVC_ATTR_AF, &family_number(key.family()).to_ne_bytes());
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = u16::from(protocol.number());
            put(buffer, IPVS_SVC_ATTR_PROTOCOL, &protocol.to_ne_bytes());
            put_address(buffer, IPVS_SVC_ATTR_ADDR, address);
            put(buffer, IPVS_SVC_ATTR_PORT, &port.to_be_bytes());
        }
        ServiceKey::Fwmark { mark, .. } => put_u32(buffer, IPVS_SVC_ATTR_FWMARK, mark.get()),
    }
}

pub(in crate::netlink) fn encode_service_key(buffer: &mut Vec<u8>, key: &ServiceKey) {
    put_nested(buffer, IPVS_CMD_ATTR_SERVICE, |buffer| put_key(buffer, key));
}

fn flags(service: &VirtualService) -> u32 {
    let [sched1, sched2, sched3] = service.scheduler_flags.get();
    [
        (service.persistence.is_some(), IP_VS_SVC_F_PERSISTENT),
        (service.one_packet, IP_VS_SVC_F_ONEPACKET),
        (sched1, IP_VS_SVC_F_SCHED1),
        (sched2, IP_VS_SVC_F_SCHED2),
        (sched3, IP_VS_SVC_F_SCHED3),
    ]
    .into_iter()
    .filter_map(|(is_set, flag)| is_set.then_some(flag))
    .fold(0, |flags, flag| flags | flag)
}

pub(super) fn encode_service(buffer: &mut Vec<u8>, service: &VirtualService) {
    let (timeout, netmask) = match service.persistence {
        Some(persistence) => (persistence.timeout, persistence.netmask),
        None => {
            let netmask = service.unused_netmask;
            (0, netmask.unwrap_or_else(|| Netmask::host(service.key.family())))
        }
    };
    put_nested(buffer, IPVS_CMD_ATTR_SERVICE, |buffer| {
        put_key(buffer, &service.key);
        put_text(buffer, IPVS_SVC_ATTR_SCHED_NAME, service.scheduler.as_str());
        if let Some(engine) = &service.engine {
            put_text(buffer, IPVS_SVC_ATTR_PE_NAME, engine.as_str());
        }
        // The second half is the mask of the flags to set: all of them.
        let [a, b, c, d] = flags(service).to_ne_bytes();
        put(buffer, IPVS_SVC_ATTR_FLAGS, &[a, b, c, d, 0xff, 0xff, 0xff, 0xff]);
        put_u32(buffer, IPVS_SVC_ATTR_TIMEOUT, timeout);
        match netmask {
            Netmask::Ipv4(mask) => put(buffer, IPVS_SVC_ATTR_NETMASK, &mask.octets()),
            Netmask::Ipv6(length) => put_u32(buffer, IPVS_SVC_ATTR_NETMASK, length.into()),
        }
    });
}

/// Reads the inside of an `IPVS_CMD_ATTR_SERVICE`.
pub(in crate::netlink) fn decode_service(bytes: &[u8]) -> Result<ServiceState, DecodeError> {
    let mut family = None;
    let mut protocol = None;
    let mut address = None;
    let mut port = None;
    let mut mark = None;
    let mut scheduler = None;
    let mut engine = None;
    let mut flags = 0;
    let mut timeout = 0;
    let mut netmask = None;
    let mut stats = Stats::default();
    let mut unknown_attributes = Vec::new();
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_SVC_ATTR_AF => family = Some(family_from_number(attribute.u16()?)?),
            IPVS_SVC_ATTR_PROTOCOL => protocol = Some(attribute.u16()?),
            IPVS_SVC_ATTR_ADDR => address = Some(attribute),
            IPVS_SVC_ATTR_PORT => port = Some(attribute.u16_network_order()?),
            IPVS_SVC_ATTR_FWMARK => mark = NonZeroU32::new(attribute.u32()?),
            IPVS_SVC_ATTR_SCHED_NAME => scheduler = Some(attribute.text()?.parse()?),
            IPVS_SVC_ATTR_PE_NAME => engine = Some(attribute.text()?.parse()?),
            IPVS_SVC_ATTR_FLAGS => flags = attribute.u32()?,
            IPVS_SVC_ATTR_TIMEOUT => timeout = attribute.u32()?,
            IPVS_SVC_ATTR_NETMASK => netmask = Some(attribute),
            IPVS_SVC_ATTR_STATS => stats.narrow = Some(attribute),
            IPVS_SVC_ATTR_STATS64 => stats.wide = Some(attribute),
            unknown => unknown_attributes.push(unknown),
        }
    }
    let family = family.ok_or(DecodeError::Missing("IPVS_SVC_ATTR_AF"))?;
    let key = match mark {
        Some(mark) => ServiceKey::Fwmark { mark, family },
        None => {
            let number = protocol.ok_or(DecodeError::Missing("IPVS_SVC_ATTR_PROTOCOL"))?;
            ServiceKey::Address {
                protocol: Protocol::from_number(number).ok_or(DecodeError::Unknown {
                    attribute: "IPVS_SVC_ATTR_PROTOCOL",
                    value: number.into(),
                })?,
                address: address
                    .ok_or(DecodeError::Missing("IPVS_SVC_ATTR_ADDR"))?
                    .address(family)?,
                port: port.ok_or(DecodeError::Missing("IPVS_SVC_ATTR_PORT"))?,
            }
        }
    };
    let has = |flag| flags & flag != 0;
    let persistence = if has(IP_VS_SVC_F_PERSISTENT) {
        let attribute = netmask.ok_or(DecodeError::Missing("IPVS_SVC_ATTR_NETMASK"))?;
        let netmask = match family {
            Family::Ipv4 => Netmask::Ipv4(attribute.ipv4_address()?),
            Family::Ipv6 => {
                let length = attribute.u32()?;
                Netmask::Ipv6(u8::try_from(length).map_err(|_| DecodeError::Unknown {
                    attribute: "IPVS_SVC_ATTR_NETMASK",
                    value: length,
                })?)
            }
        };
        Some(Persistence { timeout, netmask })
    } else {
        None
    };
    let (counters, rates) = stats.decode()?;
    Ok(ServiceState {
        service: VirtualService {
            key,
            scheduler: scheduler.ok_or(DecodeError::Missing("IPVS_SVC_ATTR_SCHED_NAME"))?,
            scheduler_flags: SchedulerFlags::new([
                has(IP_VS_SVC_F_SCHED1),
                has(IP_VS_SVC_F_SCHED2),
                has(IP_VS_SVC_F_SCHED3),
            ]),
            persistence,
            unused_netmask: None,
            engine,
            one_packet: has(IP_VS_SVC_F_ONEPACKET),
        },
        counters,
        rates,
        unknown_attributes,
    })
}
