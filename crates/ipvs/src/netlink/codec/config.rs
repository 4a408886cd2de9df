//! Timeouts, and the kernel's version and table size: attributes without a nest.

use super::DecodeError;
use super::attribute::{attributes, put_u32};
use crate::model::{Info, Timeouts, Version};
use crate::netlink::uapi::*;

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

/// Reads the answer to `CTRL_CMD_GETFAMILY` of linux/genetlink.h: the number that messages of the family have.
pub(in crate::netlink) fn decode_family(bytes: &[u8]) -> Result<u16, DecodeError> {
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        if attribute.kind == CTRL_ATTR_FAMILY_ID {
            return attribute.u16();
        }
    }
    Err(DecodeError::Missing("CTRL_ATTR_FAMILY_ID"))
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

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{payloads, with, without};
    use proptest::prelude::*;

    use super::*;
    use crate::values;

    #[test]
    fn timeouts_are_read_as_they_were_set() {
        let timeouts = decode_timeouts(&payloads("config").remove(0)).unwrap();
        assert_eq!(timeouts, Timeouts { tcp: 901, tcp_fin: 121, udp: 301 });
    }

    #[test]
    fn timeouts_of_a_kernel_without_udp_balancing_have_none_for_it() {
        let config = without(&payloads("config").remove(0), IPVS_CMD_ATTR_TIMEOUT_UDP);
        let timeouts = decode_timeouts(&with(&config, 99, b"new")).unwrap();
        assert_eq!(timeouts, Timeouts { tcp: 901, tcp_fin: 121, udp: 0 });
    }

    #[test]
    fn info_is_the_version_and_the_size_of_the_connection_table() {
        let info = decode_info(&payloads("info").remove(0)).unwrap();
        assert_eq!((info.version.to_string().as_str(), info.table_size), ("1.2.1", 4096));
    }

    #[test]
    fn info_without_version_or_size_is_an_error() {
        for kind in [IPVS_INFO_ATTR_VERSION, IPVS_INFO_ATTR_CONN_TAB_SIZE] {
            let error = decode_info(&without(&payloads("info").remove(0), kind)).unwrap_err();
            assert!(matches!(error, DecodeError::Missing(_)), "{error}");
        }
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn timeouts_are_read_as_they_were_written(timeouts in values::timeouts()) {
            let mut buffer = Vec::new();
            encode_timeouts(&mut buffer, &timeouts);
            prop_assert_eq!(decode_timeouts(&buffer).unwrap(), timeouts);
        }
    }
}
