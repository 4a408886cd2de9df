//! /proc/net/ip_vs: the virtual services and real servers of a network namespace, for everybody to read.
//!
//! It has no persistence engine, no scheduler flags, no thresholds, tunnels or counters, and does not say of
//! which family a firewall mark is: that is taken from its first real server.

use std::num::NonZeroU32;
use std::ops::Range;

use rustix::time::{ClockId, clock_getres};

use super::fields::{decimal, hexadecimal, text, words};
use super::lines::for_each_line;
use super::{Error, net_file};
use crate::model::{
    Family, Forwarding, Info, Netmask, Persistence, Protocol, RealServerKey, RealServerSummary,
    SchedulerFlags, ServiceKey, Tunnel, Version, VirtualService,
};

const PATH: &str = net_file!("ip_vs");

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What its first line says.
    pub info: Info,
    /// In the kernel's order.
    pub services: Vec<ListedService>,
    servers: Vec<RealServerSummary>,
}

/// A virtual service in a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedService {
    /// The service, as far as the file tells.
    pub service: VirtualService,
    servers: Range<usize>,
}

impl Table {
    /// The real servers of the service at a place of [`Table::services`], in the kernel's order.
    pub fn servers(&self, place: usize) -> &[RealServerSummary] {
        let range = self.services.get(place).map(|service| service.servers.clone());
        self.servers.get(range.unwrap_or_default()).unwrap_or_default()
    }

    /// As [`Table::servers`], to be put in another order.
    pub fn servers_mut(&mut self, place: usize) -> &mut [RealServerSummary] {
        let range = self.services.get(place).map(|service| service.servers.clone());
        self.servers.get_mut(range.unwrap_or_default()).unwrap_or_default()
    }
}

/// Reads the file.
///
/// # Errors
/// When it cannot be opened or read, or is not as the kernel writes it (`ip_vs_info_seq_show`).
pub fn read_table() -> Result<Table, Error> {
    let clock = clock_getres(ClockId::MonotonicCoarse);
    let mut reader = Reader::new(u64::try_from(clock.tv_nsec).unwrap_or(1));
    for_each_line(PATH, |line| {
        reader.line(line).ok_or_else(|| Error::Unexpected {
            path: PATH,
            line: String::from_utf8_lossy(line).into_owned(),
        })
    })?;
    reader.table.ok_or_else(|| Error::Unexpected { path: PATH, line: String::new() })
}

struct Reader {
    table: Option<Table>,
    /// The file counts persistence in the timer's ticks, this many nanoseconds each.
    tick: u64,
}

impl Reader {
    fn new(tick: u64) -> Self {
        Self { table: None, tick }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let tick = self.tick;
        let Some(table) = &mut self.table else {
            self.table =
                Some(Table { info: info(line)?, services: Vec::new(), servers: Vec::new() });
            return Some(());
        };
        if let Some(server) = line.strip_prefix(b"  -> ") {
            // The third heading looks like a real server.
            if !server.starts_with(b"RemoteAddress") {
                let server = real_server(server)?;
                let service = table.services.last_mut()?;
                if let ServiceKey::Fwmark { family, .. } = &mut service.service.key {
                    if service.servers.is_empty() {
                        *family = Family::of(server.key.address);
                    }
                }
                table.servers.push(server);
                service.servers.end = table.servers.len();
            }
        } else if !line.starts_with(b"Prot ") {
            let start = table.servers.len();
            table
                .services
                .push(ListedService { service: service(line, tick)?, servers: start..start });
        }
        Some(())
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
        b"IP" => Protocol::Other(0),
        b"ICMP" => Protocol::Other(1),
        b"ICMPv6" => Protocol::Other(58),
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
    let key = match protocol {
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
                let netmask = match key.family() {
                    Family::Ipv4 => Netmask::Ipv4(mask.into()),
                    // The kernel swaps the bytes of the length, as it does those of a mask.
                    Family::Ipv6 => Netmask::Ipv6(mask.swap_bytes().try_into().ok()?),
                };
                // To the nearest second: at 300 ticks a second a tick is no whole number of nanoseconds.
                let timeout = u32::try_from((ticks * tick + 500_000_000) / 1_000_000_000).ok()?;
                persistence = Some(Persistence { timeout, netmask });
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
            assert_eq!(service.persistence.unwrap().timeout, seconds, "{ticks} of {tick} ns");
        }
    }

    /// Linux 6.1 with HZ=100.
    const TABLE: &str = "\
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

    fn read(text: &str) -> Option<Table> {
        let mut reader = Reader::new(10_000_000);
        text.lines().try_for_each(|line| reader.line(line.as_bytes()))?;
        reader.table
    }

    #[test]
    fn table_has_services_with_their_servers() {
        let table = read(TABLE).unwrap();
        assert_eq!(table.info.table_size, 4096);
        let [tcp, sip, dns, mark] = table.services.as_slice() else { panic!("{table:?}") };
        assert_eq!(tcp.service.scheduler.as_str(), "rr");
        assert_eq!(table.servers(0).len(), 2);
        assert_eq!(table.servers(0)[0].inactive_connections, 2);
        let persistence = sip.service.persistence.unwrap();
        assert_eq!((persistence.timeout, persistence.netmask), (60, Netmask::Ipv6(128)));
        assert!(dns.service.one_packet);
        assert_eq!(
            dns.service.persistence.unwrap().netmask,
            Netmask::Ipv4([255, 255, 255, 0].into())
        );
        assert_eq!(mark.service.key.family(), Family::Ipv6);
        assert_eq!(table.servers(3).len(), 1);
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
    fn table_that_is_cut_short_anywhere_is_no_panic() {
        for end in 0..TABLE.len() {
            read(&TABLE[..end]);
        }
    }
}
