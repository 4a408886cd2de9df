//! Real servers (`IPVS_DEST_ATTR_*`).

use super::DecodeError;
use super::attribute::{Attribute, InOrder, attributes, put, put_address, put_nested, put_u32};
use super::service::{family_from_number, family_number};
use super::stats::Stats;
use crate::model::{
    Configured, Family, Forwarding, OtherForwarding, OtherTunnel, RealServer, RealServerKey,
    RealServerState, Tunnel, TunnelChecksum,
};
use crate::netlink::uapi::*;

fn put_key(buffer: &mut Vec<u8>, key: &RealServerKey) {
    let family = family_number(Family::of(key.address));
    put(buffer, IPVS_DEST_ATTR_ADDR_FAMILY, &family.to_ne_bytes());
    put_address(buffer, IPVS_DEST_ATTR_ADDR, key.address);
    put(buffer, IPVS_DEST_ATTR_PORT, &key.port.to_be_bytes());
}

pub(super) fn encode_real_server_key(buffer: &mut Vec<u8>, key: &RealServerKey) {
    put_nested(buffer, IPVS_CMD_ATTR_DEST, |buffer| put_key(buffer, key));
}

fn put_tunnel(buffer: &mut Vec<u8>, tunnel: Tunnel) {
    let (kind, port, flags) = match tunnel {
        Tunnel::Ipip => (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, 0, IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM),
        Tunnel::Gue { port, checksum } => (IP_VS_CONN_F_TUNNEL_TYPE_GUE, port, checksum.number()),
        Tunnel::Gre { checksum } => (IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, checksum.number()),
        Tunnel::Other { kind, port, checksum } => (kind.number(), port, checksum.number()),
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
            Forwarding::LocalNode => IP_VS_CONN_F_LOCALNODE,
            Forwarding::Bypass => IP_VS_CONN_F_BYPASS,
            Forwarding::Other(other) => other.number(),
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

/// Fields that a type ignores are left out: a port and flags of IP in IP, a port of GRE.
fn decode_tunnel(kind: u8, port: u16, flags: u16) -> Tunnel {
    let checksum = TunnelChecksum::from_number(flags);
    match (kind, OtherTunnel::new(kind)) {
        (_, Some(kind)) => Tunnel::Other { kind, port, checksum },
        (IP_VS_CONN_F_TUNNEL_TYPE_GUE, None) => Tunnel::Gue { port, checksum },
        (IP_VS_CONN_F_TUNNEL_TYPE_GRE, None) => Tunnel::Gre { checksum },
        (_, None) => Tunnel::Ipip,
    }
}

/// Decodes the inside of an `IPVS_CMD_ATTR_DEST`. Kernels before 3.18 do not send the server's family: it is the
/// service's then.
pub(in crate::netlink) fn decode_real_server(
    bytes: &[u8],
    service_family: Family,
) -> Result<RealServerState, DecodeError> {
    Attributes::decode(bytes)?.state(service_family)
}

/// As [`decode_real_server`], without counters and numbers of connections.
pub(in crate::netlink) fn decode_configured_server(
    bytes: &[u8],
    service_family: Family,
) -> Result<Configured<RealServer>, DecodeError> {
    let attributes = Attributes::decode(bytes)?;
    let entry = attributes.server(service_family)?;
    Ok(Configured { entry, unknown_attributes: attributes.unknown })
}

/// The values of the attributes, which may come in any order.
#[derive(Default)]
struct Attributes<'a> {
    family: Option<Family>,
    address: Option<Attribute<'a>>,
    port: Option<u16>,
    method: Option<u32>,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    tunnel_kind: u8,
    tunnel_port: u16,
    tunnel_flags: u16,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    stats: Stats<'a>,
    unknown: Vec<u16>,
}

impl<'a> Attributes<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut values = Self::default();
        let rest = match values.set_in_order(bytes) {
            Some(rest) => rest,
            None => {
                values = Self::default();
                bytes
            }
        };
        values.set_any(rest)?;
        Ok(values)
    }

    /// Takes the attributes as kernels since 5.3 send them, in this order, and returns the rest. `None` if they differ.
    fn set_in_order(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (numbers, nests) = bytes.split_first_chunk::<IN_ORDER>()?;
        let mut next = InOrder(numbers);
        let address = next.value::<16>(IPVS_DEST_ATTR_ADDR)?;
        self.address = Some(Attribute { kind: IPVS_DEST_ATTR_ADDR, value: address });
        self.port = Some(u16::from_be_bytes(*next.value(IPVS_DEST_ATTR_PORT)?));
        self.method = Some(u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_FWD_METHOD)?));
        self.weight = u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_WEIGHT)?);
        self.tunnel_kind = u8::from_ne_bytes(*next.value(IPVS_DEST_ATTR_TUN_TYPE)?);
        self.tunnel_port = u16::from_be_bytes(*next.value(IPVS_DEST_ATTR_TUN_PORT)?);
        self.tunnel_flags = u16::from_ne_bytes(*next.value(IPVS_DEST_ATTR_TUN_FLAGS)?);
        self.upper_threshold = u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_U_THRESH)?);
        self.lower_threshold = u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_L_THRESH)?);
        self.active_connections = u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_ACTIVE_CONNS)?);
        self.inactive_connections = u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_INACT_CONNS)?);
        self.persistent_connections =
            u32::from_ne_bytes(*next.value(IPVS_DEST_ATTR_PERSIST_CONNS)?);
        let family = u16::from_ne_bytes(*next.value(IPVS_DEST_ATTR_ADDR_FAMILY)?);
        self.family = Some(family_from_number(family).ok()?);
        let mut next = InOrder(nests);
        self.stats.narrow = Some(next.attribute(IPVS_DEST_ATTR_STATS)?);
        self.stats.wide = Some(next.attribute(IPVS_DEST_ATTR_STATS64)?);
        Some(next.0)
    }

    /// Takes attributes in any order.
    fn set_any(&mut self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        attributes(bytes).try_for_each(|attribute| self.set(attribute?))
    }

    fn set(&mut self, attribute: Attribute<'a>) -> Result<(), DecodeError> {
        match attribute.kind {
            IPVS_DEST_ATTR_ADDR_FAMILY => self.family = Some(family_from_number(attribute.u16()?)?),
            IPVS_DEST_ATTR_ADDR => self.address = Some(attribute),
            IPVS_DEST_ATTR_PORT => self.port = Some(attribute.u16_network_order()?),
            IPVS_DEST_ATTR_FWD_METHOD => self.method = Some(attribute.u32()?),
            IPVS_DEST_ATTR_WEIGHT => self.weight = attribute.u32()?,
            IPVS_DEST_ATTR_U_THRESH => self.upper_threshold = attribute.u32()?,
            IPVS_DEST_ATTR_L_THRESH => self.lower_threshold = attribute.u32()?,
            IPVS_DEST_ATTR_ACTIVE_CONNS => self.active_connections = attribute.u32()?,
            IPVS_DEST_ATTR_INACT_CONNS => self.inactive_connections = attribute.u32()?,
            IPVS_DEST_ATTR_PERSIST_CONNS => self.persistent_connections = attribute.u32()?,
            IPVS_DEST_ATTR_STATS => self.stats.narrow = Some(attribute),
            IPVS_DEST_ATTR_STATS64 => self.stats.wide = Some(attribute),
            IPVS_DEST_ATTR_TUN_TYPE => self.tunnel_kind = attribute.u8()?,
            IPVS_DEST_ATTR_TUN_PORT => self.tunnel_port = attribute.u16_network_order()?,
            IPVS_DEST_ATTR_TUN_FLAGS => self.tunnel_flags = attribute.u16()?,
            unknown => self.unknown.push(unknown),
        }
        Ok(())
    }

    fn state(self, service_family: Family) -> Result<RealServerState, DecodeError> {
        let server = self.server(service_family)?;
        let (counters, rates) = self.stats.decode()?;
        Ok(RealServerState {
            server,
            active_connections: self.active_connections,
            inactive_connections: self.inactive_connections,
            persistent_connections: self.persistent_connections,
            counters,
            rates,
            unknown_attributes: self.unknown,
        })
    }

    fn server(&self, service_family: Family) -> Result<RealServer, DecodeError> {
        let method = self.method.ok_or(DecodeError::Missing("IPVS_DEST_ATTR_FWD_METHOD"))?;
        let method = method & IP_VS_CONN_F_FWD_MASK;
        let forwarding = match (method, OtherForwarding::new(method)) {
            (_, Some(other)) => Forwarding::Other(other),
            (IP_VS_CONN_F_DROUTE, None) => Forwarding::DirectRouting,
            (IP_VS_CONN_F_LOCALNODE, None) => Forwarding::LocalNode,
            (IP_VS_CONN_F_BYPASS, None) => Forwarding::Bypass,
            (IP_VS_CONN_F_TUNNEL, None) => {
                let Self { tunnel_kind, tunnel_port, tunnel_flags, .. } = *self;
                Forwarding::Tunneling(decode_tunnel(tunnel_kind, tunnel_port, tunnel_flags))
            }
            (_, None) => Forwarding::Masquerading,
        };
        let address = self.address.ok_or(DecodeError::Missing("IPVS_DEST_ATTR_ADDR"))?;
        let address = address.address(self.family.unwrap_or(service_family))?;
        let port = self.port.ok_or(DecodeError::Missing("IPVS_DEST_ATTR_PORT"))?;
        let Self { weight, upper_threshold, lower_threshold, .. } = *self;
        let key = RealServerKey { address, port };
        Ok(RealServer { key, forwarding, weight, upper_threshold, lower_threshold })
    }
}

/// The length of the attributes that [`Attributes::set_in_order`] finds before the counters: an address, and twelve
/// numbers with their padding.
const IN_ORDER: usize = 20 + 12 * 8;

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{nests, with, without};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::values;

    fn one_server() -> Vec<u8> {
        nests("destinations_after_traffic").remove(0)
    }

    fn servers(name: &str, family: Family) -> Vec<RealServer> {
        let nests = nests(name);
        let servers = nests.iter().map(|nest| decode_real_server(nest, family).unwrap().server);
        let mut servers: Vec<RealServer> = servers.collect();
        servers.sort_by_key(|server| server.key);
        servers
    }

    fn added(address: &str, port: u16, forwarding: Forwarding) -> RealServer {
        let key = RealServerKey { address: address.parse().unwrap(), port };
        RealServer { forwarding, ..RealServer::new(key) }
    }

    #[test]
    fn real_servers_are_read_as_they_were_added() {
        let gue = Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Remote };
        let gre = Tunnel::Gre { checksum: TunnelChecksum::Full };
        let expected = [
            added("10.1.0.1", 80, Forwarding::DirectRouting),
            RealServer {
                weight: 5,
                upper_threshold: 100,
                lower_threshold: 50,
                ..added("10.1.0.2", 8080, Forwarding::Masquerading)
            },
            RealServer { weight: 0, ..added("10.1.0.3", 80, Forwarding::Tunneling(Tunnel::Ipip)) },
            added("10.1.0.4", 80, Forwarding::Tunneling(gue)),
            added("10.1.0.5", 80, Forwarding::Tunneling(gre)),
            added("2001:db8::6", 80, Forwarding::Tunneling(Tunnel::Ipip)),
            RealServer { weight: 65535, ..added("127.0.0.1", 80, Forwarding::Masquerading) },
        ];
        assert_eq!(servers("destinations", Family::Ipv4), expected);
    }

    #[test]
    fn server_of_another_family_than_its_service_says_so_itself() {
        let expected = [
            added("10.0.0.2", 80, Forwarding::Tunneling(Tunnel::Ipip)),
            RealServer { weight: 3, ..added("2001:db8::10", 8080, Forwarding::Masquerading) },
        ];
        assert_eq!(servers("destinations6", Family::Ipv6), expected);
    }

    #[test]
    fn server_whose_family_is_not_said_has_that_of_its_service() {
        let older = without(&one_server(), IPVS_DEST_ATTR_ADDR_FAMILY);
        let address = |family| decode_real_server(&older, family).unwrap().server.key.address;
        assert_eq!(address(Family::Ipv4).to_string(), "10.0.0.1");
        assert_eq!(address(Family::Ipv6).to_string(), "a00:1::");
    }

    #[test]
    fn connections_are_counted_beside_the_totals() {
        let state = decode_real_server(&one_server(), Family::Ipv4).unwrap();
        let connections = (state.active_connections, state.inactive_connections);
        assert_eq!((connections, state.persistent_connections), ((3, 122), 0));
        assert_eq!(state.counters.connections, 95);
        assert_eq!(state.rates.outgoing_bytes, 33653);
    }

    #[test]
    fn counters_of_32_bits_are_taken_where_there_are_no_others() {
        let decoded = |nest: &[u8]| decode_real_server(nest, Family::Ipv4).unwrap();
        let state = decoded(&one_server());
        assert_eq!(decoded(&without(&one_server(), IPVS_DEST_ATTR_STATS64)), state);
        assert_eq!(decoded(&without(&one_server(), IPVS_DEST_ATTR_STATS)), state);
    }

    #[test]
    fn unknown_attribute_is_recorded_and_the_rest_is_read() {
        let known = decode_real_server(&one_server(), Family::Ipv4).unwrap();
        assert!(known.unknown_attributes.is_empty());
        let state = decode_real_server(&with(&one_server(), 99, b"new"), Family::Ipv4).unwrap();
        assert_eq!((state.unknown_attributes, state.server), (vec![99], known.server));
    }

    #[test]
    fn forwarding_method_is_three_bits_and_one_that_no_option_asks_for_is_kept() {
        let decoded = |method: u32| {
            let edited = with(&one_server(), IPVS_DEST_ATTR_FWD_METHOD, &method.to_ne_bytes());
            decode_real_server(&edited, Family::Ipv4).unwrap().server.forwarding
        };
        assert_eq!(decoded(1), Forwarding::LocalNode);
        assert_eq!(decoded(4), Forwarding::Bypass);
        assert_eq!(decoded(5), Forwarding::Other(OtherForwarding::new(5).unwrap()));
        // IP_VS_CONN_F_INACTIVE and others stand above them.
        assert_eq!(decoded(0x100 | 3), Forwarding::DirectRouting);
    }

    #[test]
    fn tunnel_that_no_option_asks_for_is_read_and_written_with_its_numbers() {
        let other = TunnelChecksum::from_number;
        let kind = |number| OtherTunnel::new(number).unwrap();
        for (kind, flags, tunnel) in [
            (1, 3, Tunnel::Gue { port: 6080, checksum: other(3) }),
            (2, 2, Tunnel::Gre { checksum: TunnelChecksum::Remote }),
            (2, 8, Tunnel::Gre { checksum: other(8) }),
            (3, 1, Tunnel::Other { kind: kind(3), port: 6080, checksum: TunnelChecksum::Full }),
            (255, 9, Tunnel::Other { kind: kind(255), port: 6080, checksum: other(9) }),
        ] {
            let edited = [
                (IPVS_DEST_ATTR_FWD_METHOD, 2_u32.to_ne_bytes().to_vec()),
                (IPVS_DEST_ATTR_TUN_TYPE, vec![kind]),
                (IPVS_DEST_ATTR_TUN_PORT, 6080_u16.to_be_bytes().to_vec()),
                (IPVS_DEST_ATTR_TUN_FLAGS, u16::to_ne_bytes(flags).to_vec()),
            ]
            .iter()
            .fold(one_server(), |nest, (kind, value)| with(&nest, *kind, value));
            let server = decode_real_server(&edited, Family::Ipv4).unwrap().server;
            assert_eq!(server.forwarding, Forwarding::Tunneling(tunnel));
            let mut buffer = Vec::new();
            encode_real_server(&mut buffer, &server);
            let written = decode_real_server(&buffer[4..], Family::Ipv4).unwrap().server;
            assert_eq!(written, server);
        }
    }

    #[test]
    fn tunnel_without_attributes_of_its_own_is_ip_in_ip() {
        let tunneled = with(&one_server(), IPVS_DEST_ATTR_FWD_METHOD, &2_u32.to_ne_bytes());
        let older = [IPVS_DEST_ATTR_TUN_TYPE, IPVS_DEST_ATTR_TUN_PORT, IPVS_DEST_ATTR_TUN_FLAGS]
            .iter()
            .fold(tunneled, |nest, &kind| without(&nest, kind));
        let state = decode_real_server(&older, Family::Ipv4).unwrap();
        assert_eq!(state.server.forwarding, Forwarding::Tunneling(Tunnel::Ipip));
    }

    #[test]
    fn server_without_what_identifies_it_names_what_is_missing() {
        for (kind, name) in [
            (IPVS_DEST_ATTR_ADDR, "IPVS_DEST_ATTR_ADDR"),
            (IPVS_DEST_ATTR_PORT, "IPVS_DEST_ATTR_PORT"),
            (IPVS_DEST_ATTR_FWD_METHOD, "IPVS_DEST_ATTR_FWD_METHOD"),
        ] {
            let nest = without(&one_server(), kind);
            let error = decode_real_server(&nest, Family::Ipv4).unwrap_err();
            assert!(matches!(error, DecodeError::Missing(missing) if missing == name), "{error}");
        }
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn real_server_is_read_as_it_was_written((service, server) in values::real_server()) {
            let mut buffer = Vec::new();
            encode_real_server(&mut buffer, &server);
            let read = decode_real_server(&buffer[4..], service.family()).unwrap();
            prop_assert_eq!(read.server, server);
        }

        #[test]
        fn order_of_the_kernel_is_read_as_any_order(place in any::<Index>(), byte in any::<u8>()) {
            let mut nest = one_server();
            prop_assert_eq!(Attributes::default().set_in_order(&nest), Some(&[][..]));
            *place.get_mut(&mut nest) = byte;
            let read = decode_real_server(&nest, Family::Ipv4);
            let mut attributes = Attributes::default();
            let any_order = attributes.set_any(&nest).and_then(|()| attributes.state(Family::Ipv4));
            prop_assert_eq!(format!("{read:?}"), format!("{any_order:?}"));
        }
    }
}
