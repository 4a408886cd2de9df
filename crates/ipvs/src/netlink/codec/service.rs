//! Virtual services (`IPVS_SVC_ATTR_*`).

use std::num::NonZeroU32;

use super::DecodeError;
use super::attribute::{attributes, put, put_address, put_nested, put_text, put_u32};
use super::stats::Stats;
use crate::model::{
    Configured, Family, Netmask, Persistence, Protocol, SchedulerFlags, ServiceKey, ServiceState,
    VirtualService,
};
use crate::netlink::uapi::*;

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
            put(buffer, IPVS_SVC_ATTR_PROTOCOL, &protocol.number().to_ne_bytes());
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
        Some(persistence) => (persistence.timeout(), persistence.netmask()),
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
            // The kernel reads the number by the service's family: 24 bits of IPv6 as the mask 24.0.0.0. Without the
            // attribute it refuses the service (EINVAL).
            _ if netmask.family() != service.key.family() => {}
            Netmask::Ipv4(mask) => put(buffer, IPVS_SVC_ATTR_NETMASK, &mask.octets()),
            Netmask::Ipv6(length) => put_u32(buffer, IPVS_SVC_ATTR_NETMASK, length.into()),
        }
    });
}

/// Decodes the inside of an `IPVS_CMD_ATTR_SERVICE`.
pub(in crate::netlink) fn decode_service(bytes: &[u8]) -> Result<ServiceState, DecodeError> {
    let (Configured { entry, unknown_attributes }, stats) = decode_attributes(bytes)?;
    let (counters, rates) = stats.decode()?;
    Ok(ServiceState { service: entry, counters, rates, unknown_attributes })
}

/// As [`decode_service`], without counters.
pub(in crate::netlink) fn decode_configured_service(
    bytes: &[u8],
) -> Result<Configured<VirtualService>, DecodeError> {
    decode_attributes(bytes).map(|(configured, _)| configured)
}

fn decode_attributes(bytes: &[u8]) -> Result<(Configured<VirtualService>, Stats<'_>), DecodeError> {
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
                protocol: Protocol::from_number(number),
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
        Some(Persistence::reported(timeout, netmask))
    } else {
        None
    };
    // The kernel keeps every flag that a program sets: without this one the service is another.
    if flags & !IP_VS_SVC_F_KNOWN != 0 {
        unknown_attributes.push(IPVS_SVC_ATTR_FLAGS);
    }
    let service = VirtualService {
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
    };
    Ok((Configured { entry: service, unknown_attributes }, stats))
}

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{nests, with, without};
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Counters, Rates};
    use crate::values;

    fn one_service() -> Vec<u8> {
        nests("service").remove(0)
    }

    fn added(protocol: Protocol, address: &str, port: u16, scheduler: &str) -> VirtualService {
        let key = ServiceKey::Address { protocol, address: address.parse().unwrap(), port };
        VirtualService { scheduler: scheduler.parse().unwrap(), ..VirtualService::new(key) }
    }

    fn marked(mark: u32, family: Family, scheduler: &str) -> VirtualService {
        let key = ServiceKey::Fwmark { mark: NonZeroU32::new(mark).unwrap(), family };
        VirtualService { scheduler: scheduler.parse().unwrap(), ..VirtualService::new(key) }
    }

    #[test]
    fn services_are_read_as_they_were_added() {
        let mut services: Vec<VirtualService> =
            nests("services").iter().map(|nest| decode_service(nest).unwrap().service).collect();
        services.sort_by_key(|service| service.key);
        let persistent = |timeout, netmask| Persistence::new(timeout, netmask).ok();
        let expected = [
            added(Protocol::Tcp, "10.0.0.1", 80, "rr"),
            VirtualService {
                persistence: persistent(60, Netmask::Ipv4([255, 255, 255, 0].into())),
                engine: Some("sip".parse().unwrap()),
                ..added(Protocol::Udp, "10.0.0.1", 5060, "wlc")
            },
            VirtualService { one_packet: true, ..added(Protocol::Udp, "10.0.0.3", 53, "sh") },
            VirtualService {
                scheduler_flags: SchedulerFlags::new([true, true, false]),
                ..added(Protocol::Sctp, "10.0.0.2", 9899, "mh")
            },
            VirtualService {
                persistence: persistent(300, Netmask::Ipv6(64)),
                ..added(Protocol::Tcp, "2001:db8::1", 443, "wrr")
            },
            marked(7, Family::Ipv4, "lc"),
            VirtualService {
                persistence: persistent(100, Netmask::host(Family::Ipv6)),
                ..marked(8, Family::Ipv6, "sed")
            },
            marked(u32::MAX, Family::Ipv4, "fo"),
        ];
        assert_eq!(services, expected);
    }

    #[test]
    fn fwmark_service_has_no_port_attribute() {
        let mut buffer = Vec::new();
        encode_service_key(&mut buffer, &marked(7, Family::Ipv6, "rr").key);
        let kinds: Vec<u16> =
            attributes(&buffer[4..]).map(|attribute| attribute.unwrap().kind).collect();
        assert_eq!(kinds, [IPVS_SVC_ATTR_AF, IPVS_SVC_ATTR_FWMARK]);
    }

    #[test]
    fn unknown_attribute_is_recorded_and_the_rest_is_read() {
        let known = decode_service(&one_service()).unwrap();
        assert!(known.unknown_attributes.is_empty());
        let newer = with(&with(&one_service(), 77, b"new"), 78, b"");
        let state = decode_service(&newer).unwrap();
        assert_eq!(state.unknown_attributes, [77, 78]);
        assert_eq!(state.service, known.service);
    }

    #[test]
    fn counters_of_32_bits_are_taken_where_there_are_no_others() {
        let newer = nests("services_after_traffic").remove(0);
        let state = decode_service(&newer).unwrap();
        assert_ne!(state.counters, Counters::default());
        assert_ne!(state.rates, Rates::default());
        assert_eq!(decode_service(&without(&newer, IPVS_SVC_ATTR_STATS)).unwrap(), state);
        let older = without(&newer, IPVS_SVC_ATTR_STATS64);
        assert_eq!(decode_service(&older).unwrap(), state);
        let neither = decode_service(&without(&older, IPVS_SVC_ATTR_STATS)).unwrap();
        assert_eq!(neither.counters, Counters::default());
    }

    #[test]
    fn service_without_what_identifies_it_names_what_is_missing() {
        for (kind, name) in [
            (IPVS_SVC_ATTR_AF, "IPVS_SVC_ATTR_AF"),
            (IPVS_SVC_ATTR_PROTOCOL, "IPVS_SVC_ATTR_PROTOCOL"),
            (IPVS_SVC_ATTR_ADDR, "IPVS_SVC_ATTR_ADDR"),
            (IPVS_SVC_ATTR_PORT, "IPVS_SVC_ATTR_PORT"),
            (IPVS_SVC_ATTR_SCHED_NAME, "IPVS_SVC_ATTR_SCHED_NAME"),
        ] {
            let error = decode_service(&without(&one_service(), kind)).unwrap_err();
            assert!(matches!(error, DecodeError::Missing(missing) if missing == name), "{error}");
        }
    }

    #[test]
    fn address_family_that_stands_for_nothing_is_named() {
        let edited = with(&one_service(), IPVS_SVC_ATTR_AF, &1_u16.to_ne_bytes());
        let error = decode_service(&edited).unwrap_err().to_string();
        assert!(error.starts_with("address family is 1"), "{error}");
    }

    #[test]
    fn service_of_a_protocol_that_no_option_is_for_is_read_and_written_with_its_number() {
        for number in [0, 1, 47, 0x106] {
            let edited = with(&one_service(), IPVS_SVC_ATTR_PROTOCOL, &u16::to_ne_bytes(number));
            let service = decode_service(&edited).unwrap().service;
            assert_eq!(service.key.protocol(), Some(Protocol::from_number(number)));
            let mut buffer = Vec::new();
            encode_service(&mut buffer, &service);
            assert_eq!(decode_service(&buffer[4..]).unwrap().service, service);
        }
    }

    #[test]
    fn value_that_is_too_short_is_an_error() {
        for kind in [IPVS_SVC_ATTR_AF, IPVS_SVC_ATTR_ADDR, IPVS_SVC_ATTR_FLAGS] {
            let error = decode_service(&with(&one_service(), kind, b"\n")).unwrap_err();
            assert!(matches!(error, DecodeError::TooShort { length: 1, .. }), "{error}");
        }
    }

    #[test]
    fn scheduler_that_is_no_text_is_an_error() {
        let edited = with(&one_service(), IPVS_SVC_ATTR_SCHED_NAME, b"\xff\0");
        assert!(matches!(decode_service(&edited), Err(DecodeError::NotText { kind: 6 })));
    }

    #[test]
    fn flag_that_this_version_does_not_know_is_recorded() {
        for (flags, unknown) in [(0x3f, vec![]), (0x47, vec![IPVS_SVC_ATTR_FLAGS])] {
            let value = [u32::to_ne_bytes(flags), u32::to_ne_bytes(u32::MAX)].concat();
            let state = decode_service(&with(&one_service(), IPVS_SVC_ATTR_FLAGS, &value)).unwrap();
            assert_eq!(state.unknown_attributes, unknown);
        }
    }

    #[test]
    fn mask_of_another_family_is_not_sent_for_the_kernel_to_misread() {
        for (address, netmask) in
            [("10.0.0.1", Netmask::Ipv6(24)), ("2001:db8::1", Netmask::host(Family::Ipv4))]
        {
            let service = VirtualService {
                persistence: Persistence::new(60, netmask).ok(),
                ..added(Protocol::Tcp, address, 80, "rr")
            };
            let mut buffer = Vec::new();
            encode_service(&mut buffer, &service);
            let mut sent = attributes(&buffer[4..]).map(Result::unwrap);
            assert!(sent.all(|attribute| attribute.kind != IPVS_SVC_ATTR_NETMASK), "{address}");
        }
    }

    #[test]
    fn mask_without_persistence_reaches_the_kernel() {
        let netmask = Netmask::Ipv4([255, 255, 0, 0].into());
        let service = added(Protocol::Tcp, "10.0.0.1", 80, "rr");
        let mut buffer = Vec::new();
        encode_service(
            &mut buffer,
            &VirtualService { unused_netmask: Some(netmask), ..service.clone() },
        );
        let sent = attributes(&buffer[4..]).map(Result::unwrap);
        let mask = sent.filter(|attribute| attribute.kind == IPVS_SVC_ATTR_NETMASK).last();
        assert_eq!(mask.unwrap().value, [255, 255, 0, 0]);
        assert_eq!(decode_service(&buffer[4..]).unwrap().service, service);
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn service_is_read_as_it_was_written(service in values::virtual_service()) {
            let mut buffer = Vec::new();
            encode_service(&mut buffer, &service);
            prop_assert_eq!(decode_service(&buffer[4..]).unwrap().service, service);
        }
    }
}
