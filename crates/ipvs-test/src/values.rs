//! Random values for property tests: all that a rule can say, and nothing that it cannot.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;

use proptest::collection::{SizeRange, vec};
use proptest::prelude::*;
use proptest::sample::select;

use ipvs::model::*;

/// Weights and thresholds are not negative in the kernel's signed numbers.
const MAX_SIGNED: u32 = i32::MAX as u32;

/// The number of cases; one that fails is printed and not kept, so that tests leave the sources as they are.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::Ipv6 => any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed(),
    }
}

/// A name that is one word, among them some that a rule line loses unless they are glued to their option.
fn name<N: FromStr<Err = NameError> + fmt::Debug>() -> impl Strategy<Value = N> {
    let names = prop_oneof![
        8 => "[a-z0-9_.:#=-]{1,15}",
        1 => Just("ipvsadm".to_owned()),
        1 => "#[a-z]{0,3}",
    ];
    names.prop_map(|name| name.parse().unwrap())
}

/// The key of any service that a rule can name.
pub fn service_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let port = prop_oneof![4 => any::<u16>(), 1 => Just(0)];
    prop_oneof![
        (protocol, family().prop_flat_map(address), port)
            .prop_map(|(protocol, address, port)| ServiceKey::Address { protocol, address, port }),
        (any::<NonZeroU32>(), family())
            .prop_map(|(mark, family)| ServiceKey::Fwmark { mark, family }),
    ]
}

fn persistence(family: Family) -> impl Strategy<Value = Persistence> {
    let netmask = match family {
        Family::Ipv4 => any::<Ipv4Addr>().prop_map(Netmask::Ipv4).boxed(),
        Family::Ipv6 => (1..=128_u8).prop_map(Netmask::Ipv6).boxed(),
    };
    (1..=Persistence::MAX_TIMEOUT, prop_oneof![Just(Netmask::host(family)), netmask])
        .prop_map(|(timeout, netmask)| Persistence::new(timeout, netmask).unwrap())
}

fn service_of(key: ServiceKey) -> impl Strategy<Value = VirtualService> {
    let scheduler = prop_oneof![
        Just(SchedulerName::default()),
        Just("sh".parse().unwrap()),
        Just("mh".parse().unwrap()),
        name(),
    ];
    // A service of all ports has to be persistent.
    let persistence = match key {
        ServiceKey::Address { port: 0, .. } => persistence(key.family()).prop_map(Some).boxed(),
        _ => proptest::option::of(persistence(key.family())).boxed(),
    };
    let may_be_one_packet = !matches!(key.protocol(), Some(Protocol::Tcp | Protocol::Sctp));
    (scheduler, any::<[bool; 3]>(), persistence, proptest::option::of(name()), any::<bool>())
        .prop_map(move |(scheduler, flags, persistence, engine, one_packet)| {
            VirtualService::new(key)
                .scheduler(scheduler)
                .scheduler_flags(SchedulerFlags::new(flags))
                .persistence(persistence)
                .engine(engine)
                .one_packet(one_packet && may_be_one_packet)
        })
}

/// A virtual service that the kernel accepts.
pub fn virtual_service() -> impl Strategy<Value = VirtualService> {
    service_key().prop_flat_map(service_of)
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    use TunnelChecksum::{Full, None, Remote};

    let gue = (1..=u16::MAX, prop_oneof![Just(None), Just(Full), Just(Remote)]);
    let gre = prop_oneof![Just(None), Just(Full)];
    let tunnel = prop_oneof![
        Just(Tunnel::Ipip),
        gue.prop_map(|(port, checksum)| Tunnel::Gue { port, checksum }),
        gre.prop_map(|checksum| Tunnel::Gre { checksum }),
    ];
    prop_oneof![
        Just(Forwarding::Masquerading),
        Just(Forwarding::DirectRouting),
        tunnel.prop_map(Forwarding::Tunneling),
    ]
}

/// A real server that the service can have: of its family where the forwarding method demands it.
fn server_of(service: ServiceKey) -> impl Strategy<Value = RealServer> {
    let thresholds = (0..=MAX_SIGNED).prop_flat_map(|upper| (Just(upper), 0..=upper));
    (forwarding(), family(), any::<u16>(), 0..=MAX_SIGNED, thresholds).prop_flat_map(
        move |(forwarding, family, port, weight, (upper_threshold, lower_threshold))| {
            let is_tunneled = matches!(forwarding, Forwarding::Tunneling(_));
            address(if is_tunneled { family } else { service.family() }).prop_map(move |address| {
                let key = RealServerKey { address, port };
                RealServer::new(key)
                    .forwarding(forwarding)
                    .weight(weight)
                    .upper_threshold(upper_threshold)
                    .lower_threshold(lower_threshold)
            })
        },
    )
}

/// A real server with a service that can have it.
pub fn real_server() -> impl Strategy<Value = (ServiceKey, RealServer)> {
    service_key().prop_flat_map(|service| (Just(service), server_of(service)))
}

fn role() -> impl Strategy<Value = SyncRole> {
    prop_oneof![Just(SyncRole::Master), Just(SyncRole::Backup)]
}

/// A sync daemon with any of its settings.
pub fn sync_daemon() -> impl Strategy<Value = SyncDaemon> {
    let group = family().prop_flat_map(address).prop_map(|address| match address {
        IpAddr::V4(address) => {
            IpAddr::V4(Ipv4Addr::from_bits((address.to_bits() >> 4) | (0xe << 28)))
        }
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | (0xff << 120))),
    });
    let group = group.prop_map(|address| MulticastGroup::try_from(address).unwrap());
    (
        (role(), name(), any::<u8>()),
        proptest::option::of(1..=65507_u16),
        proptest::option::of(group),
        proptest::option::of(1..=u16::MAX),
        proptest::option::of(1..=u8::MAX),
    )
        .prop_map(|((role, interface, sync_id), max_length, group, port, ttl)| {
            SyncDaemon::new(role, interface)
                .sync_id(sync_id)
                .max_length(max_length)
                .group(group)
                .port(port)
                .ttl(ttl)
        })
}

/// Timeouts up to the longest that the kernel takes, in seconds.
pub fn timeouts() -> impl Strategy<Value = Timeouts> {
    let seconds = || 0..=Persistence::MAX_TIMEOUT;
    (seconds(), seconds(), seconds())
        .prop_map(|(tcp, tcp_fin, udp)| Timeouts::new(tcp, tcp_fin, udp))
}

/// Any change.
pub fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        virtual_service().prop_map(Change::AddService),
        virtual_service().prop_map(Change::EditService),
        service_key().prop_map(Change::DeleteService),
        real_server().prop_map(|(service, server)| Change::AddServer(service, server)),
        real_server().prop_map(|(service, server)| Change::EditServer(service, server)),
        real_server().prop_map(|(service, server)| Change::DeleteServer(service, server.key)),
        proptest::option::of(service_key()).prop_map(Change::Zero),
        Just(Change::Flush),
        timeouts().prop_map(Change::SetTimeouts),
        sync_daemon().prop_map(Change::StartDaemon),
        role().prop_map(Change::StopDaemon),
    ]
}

/// A change in which each value is whatever the kernel keeps for programs that ask by netlink.
pub fn reported_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => reported_service().prop_map(Change::AddService),
        4 => reported_server().prop_map(|(service, server)| Change::AddServer(service, server)),
        1 => any::<[u32; 3]>().prop_map(|[tcp, tcp_fin, udp]| {
            Change::SetTimeouts(Timeouts::new(tcp, tcp_fin, udp))
        }),
        1 => (sync_daemon(), any::<u16>(), any::<u16>(), any::<u8>(), any_name()).prop_map(
            |(daemon, max_length, port, ttl, interface)| Change::StartDaemon(daemon.max_length(Some(max_length)).port(Some(port)).ttl(Some(ttl)).interface(interface))
        ),
        2 => change(),
    ]
}

/// A name with any character that is not a NUL; a character takes up to four bytes, and names have room for 15.
fn any_name<N: FromStr<Err = NameError> + fmt::Debug>() -> impl Strategy<Value = N> {
    prop_oneof![name(), "[^\0]{1,3}".prop_map(|name| name.parse().unwrap())]
}

/// The numbers from 0 on that have a meaning, and any other.
fn number<T: Arbitrary + From<u8> + fmt::Debug + 'static>() -> impl Strategy<Value = T> {
    prop_oneof![(0..=9_u8).prop_map(T::from), any::<T>()]
}

fn reported_key() -> impl Strategy<Value = ServiceKey> {
    prop_oneof![
        3 => service_key(),
        1 => (number::<u16>(), family().prop_flat_map(address), number::<u16>()).prop_map(
            |(protocol, address, port)| {
                let protocol = Protocol::from_number(protocol);
                ServiceKey::Address { protocol, address, port }
            }
        ),
    ]
}

fn reported_service() -> impl Strategy<Value = VirtualService> {
    let persistence = proptest::option::of((number::<u32>(), any::<Ipv4Addr>(), 1..=128_u8));
    (reported_key(), any_name(), any::<[bool; 3]>(), persistence, any::<bool>()).prop_flat_map(
        |(key, scheduler, flags, persistence, one_packet)| {
            let persistence = persistence.map(|(timeout, mask, length)| {
                let netmask = match key.family() {
                    Family::Ipv4 => Netmask::Ipv4(mask),
                    Family::Ipv6 => Netmask::Ipv6(length),
                };
                Persistence::reported(timeout, netmask)
            });
            proptest::option::of(any_name()).prop_map(move |engine| {
                VirtualService::new(key)
                    .scheduler(scheduler)
                    .scheduler_flags(SchedulerFlags::new(flags))
                    .persistence(persistence)
                    .engine(engine)
                    .one_packet(one_packet)
            })
        },
    )
}

/// A service and a real server in which each value is whatever the kernel keeps for programs that ask by netlink.
pub fn reported_server() -> impl Strategy<Value = (ServiceKey, RealServer)> {
    let tunnel =
        (number::<u8>(), number::<u16>(), number::<u16>()).prop_map(|(kind, port, sum)| {
            let checksum = TunnelChecksum::from_number(sum);
            match OtherTunnel::new(kind) {
                Some(kind) => Tunnel::Other { kind, port, checksum },
                None if kind == 1 => Tunnel::Gue { port, checksum },
                None if kind == 2 => Tunnel::Gre { checksum },
                None => Tunnel::Ipip,
            }
        });
    let forwarding = prop_oneof![
        forwarding(),
        tunnel.prop_map(Forwarding::Tunneling),
        Just(Forwarding::LocalNode),
        Just(Forwarding::Bypass),
        (5..=7_u32).prop_map(|method| Forwarding::Other(OtherForwarding::new(method).unwrap())),
    ];
    let address = family().prop_flat_map(address);
    let numbers = (number::<u16>(), number::<u32>(), number::<u32>(), number::<u32>());
    (reported_key(), forwarding, address, numbers).prop_map(
        |(service, forwarding, address, (port, weight, upper_threshold, lower_threshold))| {
            let key = RealServerKey { address, port };
            let server = RealServer::new(key)
                .forwarding(forwarding)
                .weight(weight)
                .upper_threshold(upper_threshold)
                .lower_threshold(lower_threshold);
            (service, server)
        },
    )
}

/// Changes of a few services and real servers, so that many of them find an entry that an earlier change left. Names are
/// mostly those of schedulers, engines and interfaces that a kernel has.
pub fn history(length: impl Into<SizeRange> + Clone) -> impl Strategy<Value = Vec<Change>> {
    let servers = vec(real_server().prop_map(|(_, server)| server.key), 1..=4);
    (vec(service_key(), 1..=3), servers).prop_flat_map(move |(services, servers)| {
        vec(change_among(services, servers), length.clone())
    })
}

fn change_among(
    services: Vec<ServiceKey>,
    servers: Vec<RealServerKey>,
) -> impl Strategy<Value = Change> {
    let key = select(services);
    const SCHEDULERS: &[&str] = &["rr", "wrr", "wlc", "sed", "sh", "mh", "none", "nosuch"];
    const ENGINES: &[Option<&str>] = &[None, None, None, Some("sip"), Some("nosuch")];
    let service = (key.clone().prop_flat_map(service_of), select(SCHEDULERS), select(ENGINES));
    let service = service.prop_map(|(service, scheduler, engine)| {
        service
            .scheduler(scheduler.parse().unwrap())
            .engine(engine.map(|name| name.parse().unwrap()))
    });
    let server_key = select(servers);
    let server = key.clone().prop_flat_map(|key| (Just(key), server_of(key)));
    let server = (server, proptest::option::weighted(0.8, server_key.clone()))
        .prop_map(|((service, server), key)| (service, server.key(key.unwrap_or(server.key))));
    let daemon = (sync_daemon(), select(&["lo", "lo", "lo", "nosuch"]));
    let daemon =
        daemon.prop_map(|(daemon, interface)| daemon.interface(interface.parse().unwrap()));
    prop_oneof![
        6 => service.clone().prop_map(Change::AddService),
        3 => service.prop_map(Change::EditService),
        1 => key.clone().prop_map(Change::DeleteService),
        12 => server.clone().prop_map(|(service, server)| Change::AddServer(service, server)),
        6 => server.prop_map(|(service, server)| Change::EditServer(service, server)),
        3 => (key.clone(), server_key).prop_map(|(service, key)| Change::DeleteServer(service, key)),
        1 => proptest::option::of(key).prop_map(Change::Zero),
        1 => timeouts().prop_map(Change::SetTimeouts),
        1 => daemon.prop_map(Change::StartDaemon),
        1 => role().prop_map(Change::StopDaemon),
    ]
}
