//! The table of one network namespace, and how the kernel lists it.

use std::collections::{BTreeMap, BTreeSet};

use super::constants::*;
use crate::messages::put;

/// One network namespace. Tests may read and write every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The virtual services, newest first.
    pub services: Vec<Service>,
    /// Seconds: TCP, TCP after a FIN, UDP.
    pub timeouts: [u32; 3],
    /// The sync daemon that sends connections.
    pub master: Option<Daemon>,
    /// The sync daemon that receives connections.
    pub backup: Option<Daemon>,
    /// The modules that can be loaded: `ip_vs_rr` for the scheduler rr, `ip_vs_pe_sip` for the engine sip.
    pub modules: BTreeSet<String>,
    /// The network interfaces, with their MTU.
    pub interfaces: BTreeMap<String, u32>,
    /// The number of the generic netlink family; `None` while ip_vs is not loaded.
    pub family: Option<u16>,
}

/// The key of a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The number of the transport protocol; 0 for a firewall mark.
    pub protocol: u16,
    /// The virtual address; an IPv4 address has the first four bytes.
    pub address: [u8; 16],
    /// The port in host order.
    pub port: u16,
    /// The firewall mark, or 0.
    pub mark: u32,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its key.
    pub key: ServiceKey,
    /// The scheduler.
    pub scheduler: String,
    /// The persistence engine.
    pub engine: Option<String>,
    /// `IP_VS_SVC_F_*`.
    pub flags: u32,
    /// The persistence timeout in seconds.
    pub timeout: u32,
    /// The persistence mask as the request had it.
    pub netmask: [u8; 4],
    /// Totals and rates.
    pub counters: Counters,
    /// The real servers, newest first.
    pub servers: Vec<RealServer>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The address; an IPv4 address has the first four bytes.
    pub address: [u8; 16],
    /// The port in host order.
    pub port: u16,
    /// `IP_VS_CONN_F_*`, the three bits of the forwarding method.
    pub method: u32,
    /// The weight.
    pub weight: u32,
    /// The upper connection threshold.
    pub upper_threshold: u32,
    /// The lower connection threshold.
    pub lower_threshold: u32,
    /// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    pub tunnel_type: u8,
    /// The UDP port of a GUE tunnel in host order.
    pub tunnel_port: u16,
    /// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    pub tunnel_flags: u16,
    /// Active, inactive and persistent connections.
    pub connections: [u32; 3],
    /// Totals and rates.
    pub counters: Counters,
}

/// Connections, packets in and out, bytes in and out; then the rate of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub [u64; 10]);

/// A sync daemon, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The interface.
    pub interface: String,
    /// The number of the sync group.
    pub sync_id: u32,
    /// The longest message in bytes.
    pub max_length: u16,
    /// The multicast group: 4 bytes, or 16 for IPv6.
    pub group: Vec<u8>,
    /// The first UDP port in host order.
    pub port: u16,
    /// The time to live of the packets.
    pub ttl: u8,
}

impl Default for State {
    /// An empty table, the schedulers and the engine that Linux has, and a loopback interface that is up.
    fn default() -> Self {
        let modules = "rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh pe_sip";
        Self {
            services: Vec::new(),
            timeouts: [900, 120, 300],
            master: None,
            backup: None,
            modules: modules.split(' ').map(|name| format!("ip_vs_{name}")).collect(),
            interfaces: BTreeMap::from([("lo".to_owned(), 65536)]),
            family: Some(0x1c),
        }
    }
}

impl State {
    /// The services in the order of a dump: firewall marks come last.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Service> {
        let (marks, addresses): (Vec<_>, Vec<_>) =
            self.services.iter().partition(|service| service.key.mark != 0);
        addresses.into_iter().chain(marks)
    }
}

fn put_u16(buffer: &mut Vec<u8>, kind: u16, value: u16) {
    put(buffer, kind, &value.to_ne_bytes());
}

pub(super) fn put_u32(buffer: &mut Vec<u8>, kind: u16, value: u32) {
    put(buffer, kind, &value.to_ne_bytes());
}

fn put_text(buffer: &mut Vec<u8>, kind: u16, text: &str) {
    put(buffer, kind, format!("{text}\0").as_bytes());
}

impl Service {
    /// The attributes of `IPVS_CMD_ATTR_SERVICE`, in the order of the kernel.
    pub(super) fn attributes(&self) -> Vec<u8> {
        let ServiceKey { family, protocol, address, port, mark } = self.key;
        let mut buffer = Vec::new();
        put_u16(&mut buffer, SVC_ATTR_AF, family);
        if mark != 0 {
            put_u32(&mut buffer, SVC_ATTR_FWMARK, mark);
        } else {
            put_u16(&mut buffer, SVC_ATTR_PROTOCOL, protocol);
            put(&mut buffer, SVC_ATTR_ADDR, &address);
            put(&mut buffer, SVC_ATTR_PORT, &port.to_be_bytes());
        }
        put_text(&mut buffer, SVC_ATTR_SCHED_NAME, &self.scheduler);
        if let Some(engine) = &self.engine {
            put_text(&mut buffer, SVC_ATTR_PE_NAME, engine);
        }
        let flags = [self.flags.to_ne_bytes(), [0xff; 4]].concat();
        put(&mut buffer, SVC_ATTR_FLAGS, &flags);
        put_u32(&mut buffer, SVC_ATTR_TIMEOUT, self.timeout);
        put(&mut buffer, SVC_ATTR_NETMASK, &self.netmask);
        put(&mut buffer, SVC_ATTR_STATS, &self.counters.narrow());
        put(&mut buffer, SVC_ATTR_STATS64, &self.counters.wide());
        buffer
    }
}

impl RealServer {
    /// The attributes of `IPVS_CMD_ATTR_DEST`, in the order of the kernel.
    pub(super) fn attributes(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        put(&mut buffer, DEST_ATTR_ADDR, &self.address);
        put(&mut buffer, DEST_ATTR_PORT, &self.port.to_be_bytes());
        put_u32(&mut buffer, DEST_ATTR_FWD_METHOD, self.method);
        put_u32(&mut buffer, DEST_ATTR_WEIGHT, self.weight);
        put(&mut buffer, DEST_ATTR_TUN_TYPE, &[self.tunnel_type]);
        put(&mut buffer, DEST_ATTR_TUN_PORT, &self.tunnel_port.to_be_bytes());
        put_u16(&mut buffer, DEST_ATTR_TUN_FLAGS, self.tunnel_flags);
        put_u32(&mut buffer, DEST_ATTR_U_THRESH, self.upper_threshold);
        put_u32(&mut buffer, DEST_ATTR_L_THRESH, self.lower_threshold);
        for (kind, connections) in DEST_ATTR_CONNS.into_iter().zip(self.connections) {
            put_u32(&mut buffer, kind, connections);
        }
        put_u16(&mut buffer, DEST_ATTR_ADDR_FAMILY, self.family);
        put(&mut buffer, DEST_ATTR_STATS, &self.counters.narrow());
        put(&mut buffer, DEST_ATTR_STATS64, &self.counters.wide());
        buffer
    }
}

impl Counters {
    /// `IPVS_*_ATTR_STATS`: the two totals of bytes have 64 bits, all others 32.
    fn narrow(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        for (kind, &count) in (1..).zip(&self.0) {
            match kind {
                4 | 5 => put(&mut buffer, kind, &count.to_ne_bytes()),
                _ => put_u32(&mut buffer, kind, u32::try_from(count & 0xffff_ffff).unwrap()),
            }
        }
        buffer
    }

    /// `IPVS_*_ATTR_STATS64`.
    fn wide(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        for (kind, count) in (1..).zip(&self.0) {
            put(&mut buffer, kind, &count.to_ne_bytes());
        }
        buffer
    }
}

impl Daemon {
    /// The attributes of `IPVS_CMD_ATTR_DAEMON`, in the order of the kernel.
    pub(super) fn attributes(&self, state: u32) -> Vec<u8> {
        let mut buffer = Vec::new();
        put_u32(&mut buffer, DAEMON_ATTR_STATE, state);
        put_text(&mut buffer, DAEMON_ATTR_MCAST_IFN, &self.interface);
        put_u32(&mut buffer, DAEMON_ATTR_SYNC_ID, self.sync_id);
        put_u16(&mut buffer, DAEMON_ATTR_SYNC_MAXLEN, self.max_length);
        put_u16(&mut buffer, DAEMON_ATTR_MCAST_PORT, self.port);
        put(&mut buffer, DAEMON_ATTR_MCAST_TTL, &[self.ttl]);
        let kind = match self.group.len() {
            4 => DAEMON_ATTR_MCAST_GROUP,
            _ => DAEMON_ATTR_MCAST_GROUP6,
        };
        put(&mut buffer, kind, &self.group);
        buffer
    }
}
