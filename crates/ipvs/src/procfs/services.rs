//! `/proc/net/ip_vs`: the virtual services and real servers of a network namespace.
//!
//! The file lacks persistence engines, scheduler flags, thresholds, tunnels and counters. It lacks the family of a
//! firewall mark too, which the reader infers from the mark's real servers.

use std::io::Read;
use std::num::NonZeroU32;
use std::ops::Range;

use rustix::time::{ClockId, clock_getres};

use super::NetFile;
use super::fields::{decimal, hexadecimal, text, words};
use super::lines::Lines;
use crate::error::Error;
use crate::model::{
    Family, Forwarding, Info, Netmask, Persistence, Protocol, RealServerKey, RealServerSummary,
    SchedulerFlags, ServiceKey, Tunnel, Version, VirtualService,
};

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicesFile {
    /// The first line: the version and the size of the connection table.
    pub info: Info,
    /// In the kernel's order.
    pub services: Vec<ListedService>,
    servers: Vec<RealServerSummary>,
}

/// A virtual service in a [`ServicesFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedService {
    /// The service, without the settings that the file lacks.
    pub service: VirtualService,
    servers: Range<usize>,
}

impl ServicesFile {
    /// Reads the file of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the file cannot be opened or read, or differs from the kernel's format (`ip_vs_info_seq_show`).
    pub fn read() -> Result<Self, Error> {
        Self::from_reader(NetFile::Services.open()?)
    }

    /// Reads services in the format of `/proc/net/ip_vs`, such as a copy of the file from the same machine: the file has
    /// timeouts in ticks of the kernel's clock.
    ///
    /// # Errors
    /// As [`ServicesFile::read`].
    pub fn from_reader(reader: impl Read) -> Result<Self, Error> {
        let clock = clock_getres(ClockId::MonotonicCoarse);
        let mut parser = Parser::new(u64::try_from(clock.tv_nsec).unwrap_or(1));
        let mut lines = Lines::new(NetFile::Services, reader);
        while let Some(line) = lines.next()? {
            parser.line(line).ok_or_else(|| NetFile::Services.unexpected(line))?;
        }
        parser.content.ok_or_else(|| NetFile::Services.unexpected(b""))
    }

    /// The real servers of the service at an index of [`ServicesFile::services`], in the kernel's order.
    pub fn servers(&self, place: usize) -> &[RealServerSummary] {
        let range = self.services.get(place).map(|service| service.servers.clone());
        self.servers.get(range.unwrap_or_default()).unwrap_or_default()
    }

    /// As [`ServicesFile::servers`], for sorting.
    pub fn servers_mut(&mut self, place: usize) -> &mut [RealServerSummary] {
        let range = self.services.get(place).map(|service| service.servers.clone());
        self.servers.get_mut(range.unwrap_or_default()).unwrap_or_default()
    }
}

struct Parser {
    content: Option<ServicesFile>,
    /// The file counts persistence in timer ticks. A tick has this many nanoseconds.
    tick: u64,
}

impl Parser {
    fn new(tick: u64) -> Self {
        Self { content: None, tick }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let tick = self.tick;
        let Some(content) = &mut self.content else {
            self.content =
                Some(ServicesFile { info: info(line)?, services: Vec::new(), servers: Vec::new() });
            return Some(());
        };
        if let Some(server) = line.strip_prefix(b"  -> ") {
            // The third heading looks like a real server.
            if !server.starts_with(b"RemoteAddress") {
                let server = real_server(server)?;
                let service = content.services.last_mut()?;
                decide_family(&mut service.service, &server, service.servers.is_empty());
                content.servers.push(server);
                service.servers.end = content.servers.len();
            }
        } else if !line.starts_with(b"Prot ") {
            let start = content.servers.len();
            content
                .services
                .push(ListedService { service: service(line, tick)?, servers: start..start });
        }
        Some(())
    }
}

/// An IPv6 mask of 128 bits, as the kernel writes it. An IPv4 mask of one bit looks the same.
const WHOLE_IPV6_MASK: u32 = 128_u32.swap_bytes();

/// Decides the family of a firewall mark, which the file lacks, by a real server. A tunneled server may have the other
/// family, so it decides only as the first. The mask of persistent clients has decided before, unless it is
/// [`WHOLE_IPV6_MASK`]: IPv4 services seldom have such a mask.
fn decide_family(service: &mut VirtualService, server: &RealServerSummary, is_first: bool) {
    let ServiceKey::Fwmark { family, .. } = &mut service.key else { return };
    let of_server = Family::of(server.key.address);
    let is_sure = !matches!(server.forwarding, Forwarding::Tunneling(_));
    match &mut service.persistence {
        None if is_first || is_sure => *family = of_server,
        Some(persistence)
            if persistence.netmask() == Netmask::Ipv6(128)
                && of_server == Family::Ipv4
                && is_sure =>
        {
            *family = Family::Ipv4;
            let netmask = Netmask::Ipv4(WHOLE_IPV6_MASK.into());
            *persistence = Persistence::reported(persistence.timeout(), netmask);
        }
        _ => {}
    }
}

/// `IP Virtual Server version 1.2.1 (size=4096)`
fn info(line: &[u8]) -> Option<Info> {
    let rest = text(line)?.strip_prefix("IP Virtual Server version ")?;
    let (version, size) = rest.split_once(" (size=")?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some(Info {
        version: Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? },
        table_size: size.strip_suffix(')')?.parse().ok()?,
    })
}

/// A protocol as the kernel calls it (`ip_vs_proto_name`): other programs can add services of any.
fn protocol(name: &[u8]) -> Option<Protocol> {
    Some(match name {
        b"TCP" => Protocol::Tcp,
        b"UDP" => Protocol::Udp,
        b"SCTP" => Protocol::Sctp,
        b"IP" => Protocol::from_number(0),
        b"ICMP" => Protocol::from_number(1),
        b"ICMPv6" => Protocol::from_number(58),
        _ => Protocol::from_number(decimal(name.strip_prefix(b"IP_")?)?.try_into().ok()?),
    })
}

/// A number of 32 bits that the kernel writes as if one of them were a sign.
fn signed(word: &[u8]) -> Option<u32> {
    match word.strip_prefix(b"-") {
        Some(word) => decimal(word).map(u32::wrapping_neg),
        None => decimal(word),
    }
}

/// `TCP  0A000001:0050 rr ops persistent 36000 FFFFFFFF` or `FWM  00000005 rr`
fn service(line: &[u8], tick: u64) -> Option<VirtualService> {
    let mut words = words(line);
    let protocol = words.next()?;
    let mut key = match protocol {
        b"FWM" => ServiceKey::Fwmark {
            mark: NonZeroU32::new(hexadecimal(words.next()?)?)?,
            family: Family::Ipv4,
        },
        _ => {
            let (address, port) = words.next_endpoint()?;
            ServiceKey::Address { protocol: self::protocol(protocol)?, address, port }
        }
    };
    let scheduler = text(words.next()?)?.parse().ok()?;
    let mut one_packet = false;
    let mut persistence = None;
    while let Some(word) = words.next() {
        match word {
            b"ops" => one_packet = true,
            b"persistent" => {
                let ticks = u64::from(signed(words.next()?)?);
                let mask = hexadecimal(words.next()?)?;
                // The kernel swaps the bytes of an IPv6 length, as it does those of an IPv4 mask.
                let length = u8::try_from(mask.swap_bytes()).ok();
                if let ServiceKey::Fwmark { family, .. } = &mut key {
                    if length.is_some_and(|length| (1..=128).contains(&length)) {
                        *family = Family::Ipv6;
                    }
                }
                let netmask = match key.family() {
                    Family::Ipv4 => Netmask::Ipv4(mask.into()),
                    Family::Ipv6 => Netmask::Ipv6(length?),
                };
                // To the nearest second: at 300 ticks a second, a tick is a fraction of nanoseconds too.
                let timeout = u32::try_from((ticks * tick + 500_000_000) / 1_000_000_000).ok()?;
                persistence = Some(Persistence::reported(timeout, netmask));
            }
            _ => return None,
        }
    }
    Some(VirtualService {
        key,
        scheduler,
        scheduler_flags: SchedulerFlags::default(),
        persistence,
        unused_netmask: None,
        engine: None,
        one_packet,
    })
}

/// `0A000002:0050      Masq    1      0          0         `
fn real_server(line: &[u8]) -> Option<RealServerSummary> {
    let mut words = words(line);
    let (address, port) = words.next_endpoint()?;
    let forwarding = match words.next()? {
        b"Masq" => Forwarding::Masquerading,
        b"Tunnel" => Forwarding::Tunneling(Tunnel::Ipip),
        b"Route" => Forwarding::DirectRouting,
        b"Local" => Forwarding::LocalNode,
        _ => return None,
    };
    Some(RealServerSummary {
        key: RealServerKey { address, port },
        forwarding,
        weight: decimal(words.next()?)?,
        active_connections: decimal(words.next()?)?,
        inactive_connections: decimal(words.next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persistence_is_in_whole_seconds_whatever_the_timer() {
        for (tick, ticks, seconds) in [
            (10_000_000, "36000", 360),
            (4_000_000, "90000", 360),
            // HZ=300, where a tick is rounded.
            (3_333_333, "108000", 360),
            (3_333_333, "300", 1),
            (3_333_333, "803520000", 2_678_400),
            // HZ=1000, and more than fits into a signed number.
            (1_000_000, "-1616567296", 2_678_400),
        ] {
            let line = format!("TCP  0A000001:0050 rr persistent {ticks} FFFFFFFF");
            let service = service(line.as_bytes(), tick).unwrap();
            assert_eq!(service.persistence.unwrap().timeout(), seconds, "{ticks} of {tick} ns");
        }
    }

    /// Linux 6.1 with HZ=100.
    const FILE: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A000001:0050 rr  
  -> 0A090002:1F90      Masq    1      1          2         
  -> [2001:0db8:0009:0000:0000:0000:0000:0002]:0050      Tunnel  3      0          0         
UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:13C4 rr persistent 6000 80000000
UDP  0A000002:0035 wlc ops persistent 30000 FFFFFF00
FWM  00000006 rr 
  -> [2001:0db8:0009:0000:0000:0000:0000:0003]:0000      Route   1      1          0         
";

    fn read(text: &str) -> Option<ServicesFile> {
        let mut parser = Parser::new(10_000_000);
        text.lines().try_for_each(|line| parser.line(line.as_bytes()))?;
        parser.content
    }

    #[test]
    fn file_has_services_with_their_servers() {
        let content = read(FILE).unwrap();
        assert_eq!(content.info.table_size, 4096);
        let [tcp, sip, dns, mark] = content.services.as_slice() else { panic!("{content:?}") };
        assert_eq!(tcp.service.scheduler.as_str(), "rr");
        assert_eq!(content.servers(0).len(), 2);
        assert_eq!(content.servers(0)[0].inactive_connections, 2);
        let persistence = sip.service.persistence.unwrap();
        assert_eq!((persistence.timeout(), persistence.netmask()), (60, Netmask::Ipv6(128)));
        assert!(dns.service.one_packet);
        assert_eq!(
            dns.service.persistence.unwrap().netmask(),
            Netmask::Ipv4([255, 255, 255, 0].into())
        );
        assert_eq!(mark.service.key.family(), Family::Ipv6);
        assert_eq!(content.servers(3).len(), 1);
    }

    #[test]
    fn family_of_a_mark_is_that_of_its_mask_or_its_servers() {
        let ipv4 = "0A090002:0000      Masq    1      0          0         ";
        let ipv6 =
            "[2001:0db8:0009:0000:0000:0000:0000:0003]:0000      Masq    1      0          0";
        let tunneled = "0A090002:0000      Tunnel  1      0          0         ";
        let then = |first: &str, second: &str| format!("{first}\n  -> {second}");
        let head = FILE.split_inclusive('\n').take(3).collect::<String>();
        for (mask, server, family, netmask) in [
            ("", ipv6, Family::Ipv6, None),
            ("", ipv4, Family::Ipv4, None),
            ("", tunneled, Family::Ipv4, None),
            ("", &then(tunneled, ipv6), Family::Ipv6, None),
            ("", &then(ipv6, tunneled), Family::Ipv6, None),
            ("persistent 6000 80000000", ipv6, Family::Ipv6, Some(Netmask::Ipv6(128))),
            ("persistent 6000 80000000", tunneled, Family::Ipv6, Some(Netmask::Ipv6(128))),
            (
                "persistent 6000 80000000",
                ipv4,
                Family::Ipv4,
                Some(Netmask::Ipv4([128, 0, 0, 0].into())),
            ),
            ("persistent 6000 40000000", tunneled, Family::Ipv6, Some(Netmask::Ipv6(64))),
            ("persistent 6000 FFFFFFFF", ipv6, Family::Ipv4, Some(Netmask::Ipv4([255; 4].into()))),
        ] {
            let content = read(&format!("{head}FWM  00000006 rr {mask}\n  -> {server}\n")).unwrap();
            let service = &content.services[0].service;
            let found = service.persistence.map(Persistence::netmask);
            assert_eq!((service.key.family(), found), (family, netmask), "{mask} {server}");
        }
        let alone = read(&format!("{head}FWM  00000006 rr persistent 6000 80000000\n")).unwrap();
        assert_eq!(alone.services[0].service.key.family(), Family::Ipv6);
    }

    #[test]
    fn protocol_that_has_no_name_is_known_by_its_number() {
        for (name, number) in
            [("TCP", 6), ("IP", 0), ("ICMP", 1), ("ICMPv6", 58), ("IP_47", 47), ("IP_65535", 65535)]
        {
            assert_eq!(protocol(name.as_bytes()), Some(Protocol::from_number(number)), "{name}");
        }
        for wrong in ["", "IP_", "IP_65536", "IP_x", "ip"] {
            assert_eq!(protocol(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn file_that_is_cut_short_anywhere_is_no_panic() {
        for end in 0..FILE.len() {
            read(&FILE[..end]);
        }
    }
}
