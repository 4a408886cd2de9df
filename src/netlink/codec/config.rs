//! Timeouts and what the kernel says of itself: attributes without a nest.

use super::DecodeError;
use super::attribute::{attributes, put_u32};
use crate::model::{Info, Timeouts, Version};
use crate::netlink::kernel::*;

pub(super) fn encode_timeouts(buffer: &mut Vec<u8>, timeouts: &Timeouts) {
    put_u32(buffer, IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp);
    put_u32(buffer, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin);
    put_u32(buffer, IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp);
}

/// Reads the answer to `IPVS_CMD_GET_CONFIG`. A kernel without TCP or UDP balancing leaves theirs out.
pub(in crate::netlink) fn decode_timeouts(bytes: &[u8]) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts { tcp: 0, tcp_fin: 0, udp: 0 };
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_CMD_ATTR_TIMEOUT_TCP => timeouts.tcp = attribute.u32()?,
            IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => timeouts.tcp_fin = attribute.u32()?,
            IPVS_CMD_ATTR_TIMEOUT_UDP => timeouts.udp = attribute.u32()?,
            _ => {}
        }
    }
    Ok(timeouts)
}

/// Reads the answer to `IPVS_CMD_GET_INFO`.
pub(in crate::netlink) fn decode_info(bytes: &[u8]) -> Result<Info, DecodeError> {
    let mut version = None;
    let mut table_size = None;
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_INFO_ATTR_VERSION => version = Some(Version::from_number(attribute.u32()?)),
            IPVS_INFO_ATTR_CONN_TAB_SIZE => table_size = Some(attribute.u32()?),
            _ => {}
        }
    }
    Ok(Info {
        version: version.ok_or(DecodeError::Missing("IPVS_INFO_ATTR_VERSION"))?,
        table_size: table_size.ok_or(DecodeError::Missing("IPVS_INFO_ATTR_CONN_TAB_SIZE"))?,
    })
}
