//! Real servers (`IPVS_DEST_ATTR_*`).

use super::DecodeError;
use super::attribute::{attributes, put, put_address, put_nested, put_u32};
use super::service::{family_from_number, family_number};
use super::stats::Stats;
use crate::model::{
    Family, Forwarding, RealServer, RealServerKey, RealServerState, Tunnel, TunnelChecksum,
};
use crate::netlink::kernel::*;

fn put_key(buffer: &mut Vec<u8>, key: &RealServerKey) {
    let family = family_number(Family::of(key.address));
    put(buffer, IPVS_DEST_ATTR_ADDR_FAMILY, &family.to_ne_bytes());
    put_address(buffer, IPVS_DEST_ATTR_ADDR, key.address);
    put(buffer, IPVS_DEST_ATTR_PORT, &key.port.to_be_bytes());
}

pub(super) fn encode_real_server_key(buffer: &mut Vec<u8>, key: &RealServerKey) {
    put_nested(buffer, IPVS_CMD_ATTR_DEST, |buffer| put_key(buffer, key));
}

fn checksum_flag(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM,
        TunnelChecksum::Full => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
        TunnelChecksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
    }
}

fn put_tunnel(buffer: &mut Vec<u8>, tunnel: Tunnel) {
    let (kind, port, flags) = match tunnel {
        Tunnel::Ipip => (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, 0, IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM),
        Tunnel::Gue { port, checksum } => {
            (IP_VS_CONN_F_TUNNEL_TYPE_GUE, port, checksum_flag(checksum))
        }
        Tunnel::Gre { checksum } => (IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, checksum_flag(checksum)),
    };
    put(buffer, IPVS_DEST_ATTR_TUN_TYPE, &[kind]);
    put(buffer, IPVS_DEST_ATTR_TUN_PORT, &port.to_be_bytes());
    put(buffer, IPVS_DEST_ATTR_TUN_FLAGS, &flags.to_ne_bytes());
}

pub(super) fn encode_real_server(buffer: &mut Vec<u8>, server: &RealServer) {
    put_nested(buffer, IPVS_CMD_ATTR_DEST, |buffer| {
        put_key(buffer, &server.key);
        let forwarding = match server.forwarding {
            Forwarding::Masquerading => IP_VS_CONN_F_MASQ,
            Forwarding::DirectRouting => IP_VS_CONN_F_DROUTE,
            Forwarding::Tunneling(_) => IP_VS_CONN_F_TUNNEL,
            Forwarding::Other(number) => number,
        };
        put_u32(buffer, IPVS_DEST_ATTR_FWD_METHOD, forwarding);
        put_u32(buffer, IPVS_DEST_ATTR_WEIGHT, server.weight);
        put_u32(buffer, IPVS_DEST_ATTR_U_THRESH, server.upper_threshold);
        put_u32(buffer, IPVS_DEST_ATTR_L_THRESH, server.lower_threshold);
        // Without them the kernel takes IP in IP.
        if let Forwarding::Tunneling(tunnel) = server.forwarding {
            put_tunnel(buffer, tunnel);
        }
    });
}

fn decode_checksum(flags: u16) -> Result<TunnelChecksum, DecodeError> {
    match flags {
        IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM => Ok(TunnelChecksum::None),
        IP_VS_TUNNEL_ENCAP_FLAG_CSUM => Ok(TunnelChecksum::Full),
        IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM => Ok(TunnelChecksum::Remote),
        other => {
            Err(DecodeError::Unknown { attribute: "IPVS_DEST_ATTR_TUN_FLAGS", value: other.into() })
        }
    }
}

fn decode_tunnel(kind: u8, port: u16, flags: u16) -> Result<Tunnel, DecodeError> {
    match kind {
        IP_VS_CONN_F_TUNNEL_TYPE_IPIP => Ok(Tunnel::Ipip),
        IP_VS_CONN_F_TUNNEL_TYPE_GUE => Ok(Tunnel::Gue { port, checksum: decode_checksum(flags)? }),
        IP_VS_CONN_F_TUNNEL_TYPE_GRE => Ok(Tunnel::Gre { checksum: decode_checksum(flags)? }),
        other => {
            Err(DecodeError::Unknown { attribute: "IPVS_DEST_ATTR_TUN_TYPE", value: other.into() })
        }
    }
}

/// Reads the inside of an `IPVS_CMD_ATTR_DEST`. Kernels before 3.18 do not say the server's family: it is
/// the service's then.
pub(in crate::netlink) fn decode_real_server(
    bytes: &[u8],
    service_family: Family,
) -> Result<RealServerState, DecodeError> {
    let mut family = service_family;
    let mut address = None;
    let mut port = None;
    let mut method = None;
    let (mut tunnel_kind, mut tunnel_port, mut tunnel_flags) = (0, 0, 0);
    let (mut weight, mut upper_threshold, mut lower_threshold) = (0, 0, 0);
    let (mut active_connections, mut inactive_connections, mut persistent_connections) = (0, 0, 0);
    let mut stats = Stats::default();
    let mut unknown_attributes = Vec::new();
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_DEST_ATTR_ADDR_FAMILY => family = family_from_number(attribute.u16()?)?,
            IPVS_DEST_ATTR_ADDR => address = Some(attribute),
            IPVS_DEST_ATTR_PORT => port = Some(attribute.u16_network_order()?),
            IPVS_DEST_ATTR_FWD_METHOD => method = Some(attribute.u32()? & IP_VS_CONN_F_FWD_MASK),
            IPVS_DEST_ATTR_WEIGHT => weight = attribute.u32()?,
            IPVS_DEST_ATTR_U_THRESH => upper_threshold = attribute.u32()?,
            IPVS_DEST_ATTR_L_THRESH => lower_threshold = attribute.u32()?,
            IPVS_DEST_ATTR_ACTIVE_CONNS => active_connections = attribute.u32()?,
            IPVS_DEST_ATTR_INACT_CONNS => inactive_connections = attribute.u32()?,
            IPVS_DEST_ATTR_PERSIST_CONNS => persistent_connections = attribute.u32()?,
            IPVS_DEST_ATTR_STATS => stats.narrow = Some(attribute),
            IPVS_DEST_ATTR_STATS64 => stats.wide = Some(attribute),
            IPVS_DEST_ATTR_TUN_TYPE => tunnel_kind = attribute.u8()?,
            IPVS_DEST_ATTR_TUN_PORT => tunnel_port = attribute.u16_network_order()?,
            IPVS_DEST_ATTR_TUN_FLAGS => tunnel_flags = attribute.u16()?,
            unknown => unknown_attributes.push(unknown),
        }
    }
    let forwarding = match method.ok_or(DecodeError::Missing("IPVS_DEST_ATTR_FWD_METHOD"))? {
        IP_VS_CONN_F_MASQ => Forwarding::Masquerading,
        IP_VS_CONN_F_DROUTE => Forwarding::DirectRouting,
        IP_VS_CONN_F_TUNNEL => {
            Forwarding::Tunneling(decode_tunnel(tunnel_kind, tunnel_port, tunnel_flags)?)
        }
        other => Forwarding::Other(other),
    };
    let (counters, rates) = stats.decode()?;
    Ok(RealServerState {
        server: RealServer {
            key: RealServerKey {
                address: address
                    .ok_or(DecodeError::Missing("IPVS_DEST_ATTR_ADDR"))?
                    .address(family)?,
                port: port.ok_or(DecodeError::Missing("IPVS_DEST_ATTR_PORT"))?,
            },
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
        },
        active_connections,
        inactive_connections,
        persistent_connections,
        counters,
        rates,
        unknown_attributes,
    })
}
