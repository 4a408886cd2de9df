//! Sync daemons (`IPVS_DAEMON_ATTR_*`).

use std::net::IpAddr;

use super::DecodeError;
use super::attribute::{Attribute, attributes, put, put_nested, put_text, put_u32};
use crate::model::{MulticastGroup, SyncDaemon, SyncRole};
use crate::netlink::uapi::*;

fn state_number(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => IP_VS_STATE_MASTER,
        SyncRole::Backup => IP_VS_STATE_BACKUP,
    }
}

pub(super) fn encode_daemon_role(buffer: &mut Vec<u8>, role: SyncRole) {
    put_nested(buffer, IPVS_CMD_ATTR_DAEMON, |buffer| {
        put_u32(buffer, IPVS_DAEMON_ATTR_STATE, state_number(role));
    });
}

pub(super) fn encode_daemon(buffer: &mut Vec<u8>, daemon: &SyncDaemon) {
    put_nested(buffer, IPVS_CMD_ATTR_DAEMON, |buffer| {
        put_u32(buffer, IPVS_DAEMON_ATTR_STATE, state_number(daemon.role));
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
    match attribute.u32()? {
        IP_VS_STATE_MASTER => Ok(SyncRole::Master),
        IP_VS_STATE_BACKUP => Ok(SyncRole::Backup),
        other => Err(DecodeError::Unknown { attribute: "IPVS_DAEMON_ATTR_STATE", value: other }),
    }
}

fn decode_sync_id(attribute: Attribute<'_>) -> Result<u8, DecodeError> {
    let number = attribute.u32()?;
    u8::try_from(number)
        .map_err(|_| DecodeError::Unknown { attribute: "IPVS_DAEMON_ATTR_SYNC_ID", value: number })
}

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{nests, with, without};
    use proptest::prelude::*;

    use super::*;
    use crate::values;

    #[test]
    fn daemons_are_read_as_they_were_started() {
        let group =
            |text: &str| Some(MulticastGroup::try_from(text.parse::<IpAddr>().unwrap()).unwrap());
        let daemons = nests("daemons");
        let daemons: Vec<SyncDaemon> =
            daemons.iter().map(|nest| decode_daemon(nest).unwrap()).collect();
        let expected = [
            SyncDaemon {
                role: SyncRole::Master,
                interface: "lo".parse().unwrap(),
                sync_id: 1,
                max_length: Some(1400),
                group: group("224.0.1.81"),
                port: Some(9000),
                ttl: Some(3),
            },
            // The kernel has filled in the values that were not given.
            SyncDaemon {
                role: SyncRole::Backup,
                interface: "lo".parse().unwrap(),
                sync_id: 2,
                max_length: Some(65487),
                group: group("ff02::81"),
                port: Some(8848),
                ttl: Some(1),
            },
        ];
        assert_eq!(daemons, expected);
    }

    #[test]
    fn daemon_of_an_older_kernel_has_no_group() {
        let older = [
            IPVS_DAEMON_ATTR_SYNC_MAXLEN,
            IPVS_DAEMON_ATTR_MCAST_GROUP,
            IPVS_DAEMON_ATTR_MCAST_PORT,
            IPVS_DAEMON_ATTR_MCAST_TTL,
        ]
        .iter()
        .fold(nests("daemons").remove(0), |nest, &kind| without(&nest, kind));
        let daemon = decode_daemon(&older).unwrap();
        assert_eq!((daemon.max_length, daemon.group), (None, None));
        assert_eq!((daemon.port, daemon.ttl), (None, None));
    }

    #[test]
    fn attribute_of_a_newer_kernel_is_left_alone() {
        let nest = nests("daemons").remove(0);
        let daemon = decode_daemon(&with(&nest, 99, b"new")).unwrap();
        assert_eq!(daemon, decode_daemon(&nest).unwrap());
    }

    #[test]
    fn daemon_that_is_neither_master_nor_backup_is_an_error() {
        let nest = nests("daemons").remove(0);
        let error = decode_daemon(&with(&nest, IPVS_DAEMON_ATTR_STATE, &3_u32.to_ne_bytes()));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("IPVS_DAEMON_ATTR_STATE is 3"), "{error}");
    }

    #[test]
    fn daemon_without_role_or_interface_is_an_error() {
        for kind in [IPVS_DAEMON_ATTR_STATE, IPVS_DAEMON_ATTR_MCAST_IFN] {
            let error = decode_daemon(&without(&nests("daemons").remove(0), kind)).unwrap_err();
            assert!(matches!(error, DecodeError::Missing(_)), "{error}");
        }
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn daemon_is_read_as_it_was_written(daemon in values::sync_daemon()) {
            let mut buffer = Vec::new();
            encode_daemon(&mut buffer, &daemon);
            prop_assert_eq!(decode_daemon(&buffer[4..]).unwrap(), daemon);
        }
    }
}
