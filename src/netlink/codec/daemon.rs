//! Sync daemons (`IPVS_DAEMON_ATTR_*`).

use std::net::IpAddr;

use super::DecodeError;
use super::attribute::{Attribute, attributes, put, put_nested, put_text, put_u32};
use crate::model::{MulticastGroup, SyncDaemon, SyncRole};
use crate::netlink::kernel::*;

pub(super) fn encode_daemon_role(buffer: &mut Vec<u8>, role: SyncRole) {
    put_nested(buffer, IPVS_CMD_ATTR_DAEMON, |buffer| {
        put_u32(buffer, IPVS_DAEMON_ATTR_STATE, role.number());
    });
}

pub(super) fn encode_daemon(buffer: &mut Vec<u8>, daemon: &SyncDaemon) {
    put_nested(buffer, IPVS_CMD_ATTR_DAEMON, |buffer| {
        put_u32(buffer, IPVS_DAEMON_ATTR_STATE, daemon.role.number());
        put_text(buffer, IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface.as_str());
        put_u32(buffer, IPVS_DAEMON_ATTR_SYNC_ID, daemon.sync_id.into());
        if let Some(length) = daemon.max_length {
            put(buffer, IPVS_DAEMON_ATTR_SYNC_MAXLEN, &length.to_ne_bytes());
        }
        match daemon.group.map(MulticastGroup::address) {
            Some(IpAddr::V4(group)) => put(buffer, IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => put(buffer, IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets()),
            None => {}
        }
        if let Some(port) = daemon.port {
            put(buffer, IPVS_DAEMON_ATTR_MCAST_PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = daemon.ttl {
            put(buffer, IPVS_DAEMON_ATTR_MCAST_TTL, &[ttl]);
        }
    });
}

/// Reads the inside of an `IPVS_CMD_ATTR_DAEMON`.
pub(in crate::netlink) fn decode_daemon(bytes: &[u8]) -> Result<SyncDaemon, DecodeError> {
    let mut role = None;
    let mut interface = None;
    let mut sync_id = 0;
    let mut max_length = None;
    let mut group = None;
    let mut port = None;
    let mut ttl = None;
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_DAEMON_ATTR_STATE => role = Some(decode_role(attribute)?),
            IPVS_DAEMON_ATTR_MCAST_IFN => interface = Some(attribute.text()?.parse()?),
            IPVS_DAEMON_ATTR_SYNC_ID => sync_id = decode_sync_id(attribute)?,
            IPVS_DAEMON_ATTR_SYNC_MAXLEN => max_length = Some(attribute.u16()?),
            IPVS_DAEMON_ATTR_MCAST_GROUP => {
                group = MulticastGroup::try_from(IpAddr::V4(attribute.ipv4_address()?)).ok();
            }
            IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                group = MulticastGroup::try_from(IpAddr::V6(attribute.ipv6_address()?)).ok();
            }
            IPVS_DAEMON_ATTR_MCAST_PORT => port = Some(attribute.u16()?),
            IPVS_DAEMON_ATTR_MCAST_TTL => ttl = Some(attribute.u8()?),
            _ => {}
        }
    }
    Ok(SyncDaemon {
        role: role.ok_or(DecodeError::Missing("IPVS_DAEMON_ATTR_STATE"))?,
        interface: interface.ok_or(DecodeError::Missing("IPVS_DAEMON_ATTR_MCAST_IFN"))?,
        sync_id,
        max_length,
        group,
        port,
        ttl,
    })
}

fn decode_role(attribute: Attribute<'_>) -> Result<SyncRole, DecodeError> {
    let number = attribute.u32()?;
    SyncRole::from_number(number)
        .ok_or(DecodeError::Unknown { attribute: "IPVS_DAEMON_ATTR_STATE", value: number })
}

fn decode_sync_id(attribute: Attribute<'_>) -> Result<u8, DecodeError> {
    let number = attribute.u32()?;
    u8::try_from(number)
        .map_err(|_| DecodeError::Unknown { attribute: "IPVS_DAEMON_ATTR_SYNC_ID", value: number })
}
