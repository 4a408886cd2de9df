//! The commands of the family IPVS: the checks in the order of the kernel, the errno of each refusal, and the change.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;

use super::attributes::Attributes;
use super::constants::*;
use super::state::{Counters, Daemon, RealServer, Service, ServiceKey, State, put_u32};
use crate::messages::put;

/// The longest timeout in seconds: a number of jiffies is a signed number of 32 bits.
const MAX_TIMEOUT: u32 = i32::MAX as u32 / HZ;
const HZ: u32 = 100;

const MAX_WEIGHT: u32 = i32::MAX as u32;

/// The defaults of a sync daemon.
const SYNC_GROUP: [u8; 4] = [224, 0, 0, 81];
const SYNC_PORT: u16 = 8848;
const SYNC_TTL: u8 = 1;

/// The version of IPVS: 1.2.1.
const VERSION: u32 = 0x01_02_01;
const CONNECTION_TABLE_SIZE: u32 = 4096;

/// An answer: the number of its command, and its attributes.
pub(super) type Answer = (u8, Vec<u8>);

impl State {
    /// Performs a request that is not a dump. Commands that change something have no answer.
    pub(super) fn perform(&mut self, command: u8, payload: &[u8]) -> Result<Option<Answer>, Errno> {
        let request = Attributes::of(payload);
        match command {
            NEW_SERVICE..=DEL_SERVICE | NEW_DEST..=DEL_DEST | ZERO => {
                self.change(command, &request)?
            }
            FLUSH => self.services.clear(),
            SET_CONFIG => self.set_timeouts(&request)?,
            NEW_DAEMON => self.start_daemon(&request.nest(CMD_ATTR_DAEMON)?)?,
            DEL_DAEMON => self.stop_daemon(&request.nest(CMD_ATTR_DAEMON)?)?,
            GET_SERVICE => {
                let key = service_key(&request.nest(CMD_ATTR_SERVICE)?)?;
                let service = self.services.iter().find(|service| service.key == key);
                return Ok(Some(service_answer(service.ok_or(Errno::SRCH)?)));
            }
            GET_CONFIG => {
                let mut answer = Vec::new();
                for (kind, seconds) in CMD_ATTR_TIMEOUTS.into_iter().zip(self.timeouts) {
                    put_u32(&mut answer, kind, seconds);
                }
                return Ok(Some((SET_CONFIG, answer)));
            }
            GET_INFO => {
                let mut answer = Vec::new();
                put_u32(&mut answer, INFO_ATTR_VERSION, VERSION);
                put_u32(&mut answer, INFO_ATTR_CONN_TAB_SIZE, CONNECTION_TABLE_SIZE);
                return Ok(Some((SET_INFO, answer)));
            }
            _ => return Err(Errno::OPNOTSUPP),
        }
        Ok(None)
    }

    /// All answers of a dump as the state is now. Real servers of a service that is not there are an empty list.
    pub(super) fn dump(&self, command: u8, payload: &[u8]) -> Result<Vec<Answer>, Errno> {
        match command {
            GET_SERVICE => Ok(self.listed().map(service_answer).collect()),
            GET_DEST => {
                let request = Attributes::of(payload);
                let key = request.nest(CMD_ATTR_SERVICE).and_then(|nest| service_key(&nest)).ok();
                let service = self.services.iter().find(|service| Some(service.key) == key);
                let servers = service.map_or(&[][..], |service| &service.servers);
                let answer =
                    |server: &RealServer| (NEW_DEST, nested(CMD_ATTR_DEST, &server.attributes()));
                Ok(servers.iter().map(answer).collect())
            }
            GET_DAEMON => {
                let daemons = [(MASTER, &self.master), (BACKUP, &self.backup)];
                let running = daemons.into_iter().filter_map(|(state, daemon)| {
                    Some(nested(CMD_ATTR_DAEMON, &daemon.as_ref()?.attributes(state)))
                });
                Ok(running.map(|daemon| (NEW_DAEMON, daemon)).collect())
            }
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// Performs a command about one service or one of its real servers; `ZERO` without a service is about all.
    fn change(&mut self, command: u8, request: &Attributes<'_>) -> Result<(), Errno> {
        if command == ZERO && !request.has(CMD_ATTR_SERVICE) {
            self.services.iter_mut().for_each(zero);
            return Ok(());
        }
        let attributes = request.nest(CMD_ATTR_SERVICE)?;
        let key = service_key(&attributes)?;
        let place = self.services.iter().position(|service| service.key == key);
        let Some(place) = place else {
            if command != NEW_SERVICE {
                // An edit has its attributes checked first.
                if command == SET_SERVICE {
                    check_settings(&attributes)?;
                }
                return Err(Errno::SRCH);
            }
            check_settings(&attributes)?;
            let service = self.with_settings(Service::new(key), &attributes)?;
            self.services.insert(0, service);
            return Ok(());
        };
        match command {
            NEW_SERVICE => {
                check_settings(&attributes)?;
                return Err(Errno::EXIST);
            }
            SET_SERVICE => {
                check_settings(&attributes)?;
                self.services[place] =
                    self.with_settings(self.services[place].clone(), &attributes)?;
            }
            DEL_SERVICE => drop(self.services.remove(place)),
            ZERO => zero(&mut self.services[place]),
            _ => self.change_server(command, place, &request.nest(CMD_ATTR_DEST)?)?,
        }
        Ok(())
    }

    /// A service with the settings of a request.
    fn with_settings(
        &self,
        mut service: Service,
        attributes: &Attributes<'_>,
    ) -> Result<Service, Errno> {
        let scheduler = attributes.text(SVC_ATTR_SCHED_NAME)?;
        if scheduler != "none" && !self.modules.contains(&format!("ip_vs_{scheduler}")) {
            return Err(Errno::NOENT);
        }
        let engine = attributes.text(SVC_ATTR_PE_NAME).ok().filter(|name| !name.is_empty());
        let has_module = |engine: &String| self.modules.contains(&format!("ip_vs_pe_{engine}"));
        if !engine.iter().all(has_module) {
            return Err(Errno::NOENT);
        }
        let netmask = attributes.bytes(SVC_ATTR_NETMASK)?;
        if service.key.family == AF_INET6 && !(1..=128).contains(&u32::from_ne_bytes(netmask)) {
            return Err(Errno::INVAL);
        }
        let [a, b, c, d, mask @ ..] = attributes.bytes::<8>(SVC_ATTR_FLAGS)?;
        let (flags, mask) = (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes(mask));
        service.flags = service.flags & !mask | flags & mask | SVC_F_HASHED;
        service.timeout = attributes.u32(SVC_ATTR_TIMEOUT)?;
        Ok(Service { scheduler, engine, netmask, ..service })
    }

    fn change_server(
        &mut self,
        command: u8,
        place: usize,
        attributes: &Attributes<'_>,
    ) -> Result<(), Errno> {
        let family = self.services[place].key.family;
        let mut server = RealServer::new(attributes, family)?;
        if command != DEL_DEST {
            server.read_settings(attributes)?;
        }
        if !matches!(server.family, AF_INET | AF_INET6) {
            return Err(Errno::AFNOSUPPORT);
        }
        let is_mixed = server.family != family && command != DEL_DEST;
        // Neither the messages of sync daemons nor the other forwarding methods work between families.
        let has_daemon = self.master.is_some() || self.backup.is_some();
        if is_mixed && (has_daemon || server.method != CONN_F_TUNNEL) {
            return Err(Errno::INVAL);
        }
        if command != DEL_DEST {
            server.check_settings()?;
        }
        let servers = &mut self.services[place].servers;
        let known = servers.iter().position(|known| known.key() == server.key());
        match (command, known) {
            (NEW_DEST, Some(_)) => return Err(Errno::EXIST),
            (NEW_DEST, None) if !server.is_unicast() => return Err(Errno::INVAL),
            (NEW_DEST, None) => servers.insert(0, server),
            (_, None) => return Err(Errno::NOENT),
            (SET_DEST, Some(known)) => {
                let RealServer { connections, counters, .. } = servers[known];
                servers[known] = RealServer { connections, counters, ..server };
            }
            (_, Some(known)) => drop(servers.remove(known)),
        }
        Ok(())
    }

    /// Sets the timeouts that are not zero.
    fn set_timeouts(&mut self, request: &Attributes<'_>) -> Result<(), Errno> {
        let mut new = [0; 3];
        for (seconds, kind) in new.iter_mut().zip(CMD_ATTR_TIMEOUTS) {
            *seconds = request.u32(kind)?;
        }
        if new.iter().any(|&seconds| seconds > MAX_TIMEOUT) {
            return Err(Errno::INVAL);
        }
        for (old, new) in self.timeouts.iter_mut().zip(new).filter(|(_, new)| *new != 0) {
            *old = new;
        }
        Ok(())
    }

    fn start_daemon(&mut self, attributes: &Attributes<'_>) -> Result<(), Errno> {
        let state = attributes.u32(DAEMON_ATTR_STATE)?;
        let interface = attributes.text(DAEMON_ATTR_MCAST_IFN)?;
        let sync_id = attributes.u32(DAEMON_ATTR_SYNC_ID)?;
        let group = match attributes.find(DAEMON_ATTR_MCAST_GROUP) {
            Some(group) => group,
            None => attributes.find(DAEMON_ATTR_MCAST_GROUP6).unwrap_or(&SYNC_GROUP),
        };
        let is_multicast = match group.len() {
            4 => group[0] >> 4 == 0xe,
            _ => group[0] == 0xff,
        };
        let mut servers = self.services.iter().flat_map(|service| {
            service.servers.iter().map(|server| (service.key.family, server.family))
        });
        if !is_multicast || servers.any(|(service, server)| service != server) {
            return Err(Errno::INVAL);
        }
        let mtu = *self.interfaces.get(&interface).ok_or(Errno::NODEV)?;
        let (place, mtu, shortest) = match state {
            MASTER => (&mut self.master, 1500, 1),
            BACKUP => (&mut self.backup, mtu.clamp(1500, 65535), 1024),
            _ => return Err(Errno::INVAL),
        };
        if place.is_some() {
            return Err(Errno::EXIST);
        }
        // A master sends to the group, and a loopback interface has no route to IPv6 groups.
        if state == MASTER && interface == "lo" && group.len() != 4 {
            return Err(Errno::NETUNREACH);
        }
        // The headers of IP and UDP.
        let headers = if group.len() == 4 { 28 } else { 48 };
        let max_length = match attributes.u16(DAEMON_ATTR_SYNC_MAXLEN).unwrap_or(0) {
            0 => mtu - headers,
            length => u32::from(length).clamp(shortest, 65535 - headers),
        };
        *place = Some(Daemon {
            interface,
            sync_id,
            max_length: u16::try_from(max_length).unwrap(),
            group: group.to_vec(),
            port: attributes.u16(DAEMON_ATTR_MCAST_PORT).unwrap_or(SYNC_PORT),
            ttl: attributes.u8(DAEMON_ATTR_MCAST_TTL).unwrap_or(SYNC_TTL),
        });
        Ok(())
    }

    fn stop_daemon(&mut self, attributes: &Attributes<'_>) -> Result<(), Errno> {
        let daemon = match attributes.u32(DAEMON_ATTR_STATE)? {
            MASTER => &mut self.master,
            BACKUP => &mut self.backup,
            _ => return Err(Errno::INVAL),
        };
        daemon.take().map(drop).ok_or(Errno::SRCH)
    }
}

impl Service {
    fn new(key: ServiceKey) -> Self {
        Self {
            key,
            scheduler: String::new(),
            engine: None,
            flags: 0,
            timeout: 0,
            netmask: [0; 4],
            counters: Counters::default(),
            servers: Vec::new(),
        }
    }
}

impl RealServer {
    /// A real server without settings. Its family is that of the service unless the request names one.
    fn new(attributes: &Attributes<'_>, service_family: u16) -> Result<Self, Errno> {
        let address = attributes.bytes(DEST_ATTR_ADDR)?;
        let port = u16::from_be_bytes(attributes.bytes(DEST_ATTR_PORT)?);
        let family = match attributes.u16(DEST_ATTR_ADDR_FAMILY) {
            Ok(family) if family != 0 => family,
            _ => service_family,
        };
        Ok(Self {
            family,
            address: significant(address, family),
            port,
            method: 0,
            weight: 0,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel_type: 0,
            tunnel_port: 0,
            tunnel_flags: 0,
            connections: [0; 3],
            counters: Counters::default(),
        })
    }

    fn key(&self) -> (u16, [u8; 16], u16) {
        (self.family, self.address, self.port)
    }

    fn read_settings(&mut self, attributes: &Attributes<'_>) -> Result<(), Errno> {
        self.method = attributes.u32(DEST_ATTR_FWD_METHOD)? & CONN_F_FWD_MASK;
        self.weight = attributes.u32(DEST_ATTR_WEIGHT)?;
        self.upper_threshold = attributes.u32(DEST_ATTR_U_THRESH)?;
        self.lower_threshold = attributes.u32(DEST_ATTR_L_THRESH)?;
        self.tunnel_type = attributes.u8(DEST_ATTR_TUN_TYPE).unwrap_or(0);
        self.tunnel_port = attributes.bytes(DEST_ATTR_TUN_PORT).map_or(0, u16::from_be_bytes);
        self.tunnel_flags = attributes.u16(DEST_ATTR_TUN_FLAGS).unwrap_or(0);
        Ok(())
    }

    fn check_settings(&self) -> Result<(), Errno> {
        // The kernel's weight is a signed number, and this would be a negative one.
        if self.weight > MAX_WEIGHT || self.lower_threshold > self.upper_threshold {
            return Err(Errno::RANGE);
        }
        if self.tunnel_type == TUNNEL_TYPE_GUE && self.tunnel_port == 0 {
            return Err(Errno::INVAL);
        }
        Ok(())
    }

    /// True if the address can be a real server's, with a loopback interface that is up and no other.
    fn is_unicast(&self) -> bool {
        if self.family == AF_INET6 {
            let address = Ipv6Addr::from(self.address);
            let is_mapped = address.to_ipv4_mapped().is_some();
            let is_link_local = address.is_unicast_link_local();
            !(address.is_unspecified() || address.is_multicast() || is_mapped || is_link_local)
        } else {
            let address = Ipv4Addr::from(*self.address.first_chunk().unwrap());
            let is_broadcast =
                address.is_broadcast() || address == Ipv4Addr::new(127, 255, 255, 255);
            !(address.octets()[0] == 0 || address.is_multicast() || is_broadcast)
        }
    }
}

/// Decodes the attributes that identify a service.
fn service_key(attributes: &Attributes<'_>) -> Result<ServiceKey, Errno> {
    let family = attributes.u16(SVC_ATTR_AF)?;
    let has_address =
        [SVC_ATTR_PROTOCOL, SVC_ATTR_ADDR, SVC_ATTR_PORT].iter().all(|&kind| attributes.has(kind));
    if !attributes.has(SVC_ATTR_FWMARK) && !has_address {
        return Err(Errno::INVAL);
    }
    if !matches!(family, AF_INET | AF_INET6) {
        return Err(Errno::AFNOSUPPORT);
    }
    if attributes.has(SVC_ATTR_FWMARK) {
        let mark = attributes.u32(SVC_ATTR_FWMARK)?;
        return Ok(ServiceKey { family, protocol: 0, address: [0; 16], port: 0, mark });
    }
    Ok(ServiceKey {
        family,
        protocol: attributes.u16(SVC_ATTR_PROTOCOL)?,
        address: significant(attributes.bytes(SVC_ATTR_ADDR)?, family),
        port: u16::from_be_bytes(attributes.bytes(SVC_ATTR_PORT)?),
        mark: 0,
    })
}

/// An address without the bytes that its family makes no use of.
fn significant(mut address: [u8; 16], family: u16) -> [u8; 16] {
    if family == AF_INET {
        address[4..].fill(0);
    }
    address
}

/// Refuses a service that lacks a setting, whether or not the service is there.
fn check_settings(attributes: &Attributes<'_>) -> Result<(), Errno> {
    let needed = [SVC_ATTR_SCHED_NAME, SVC_ATTR_FLAGS, SVC_ATTR_TIMEOUT, SVC_ATTR_NETMASK];
    let has_all = needed.iter().all(|&kind| attributes.has(kind));
    if has_all { Ok(()) } else { Err(Errno::INVAL) }
}

fn zero(service: &mut Service) {
    service.counters = Counters::default();
    for server in &mut service.servers {
        server.counters = Counters::default();
    }
}

fn service_answer(service: &Service) -> Answer {
    (NEW_SERVICE, nested(CMD_ATTR_SERVICE, &service.attributes()))
}

fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    let mut nest = Vec::new();
    put(&mut nest, kind, attributes);
    nest
}
