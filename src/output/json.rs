//! What the kernel knows as JSON, for programs: numbers only, nothing shortened, everything there.
//!
//! Each list has one entry a line, so that a large one can be read as a stream.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use ipvs::model::{
    Connection, ConnectionTarget, Counters, Family, Forwarding, Info, MulticastGroup, Netmask,
    Protocol, Rates, RealServerState, ServiceKey, ServiceState, SyncDaemon, Timeouts, Tunnel,
    TunnelChecksum,
};

#[derive(Serialize)]
struct JsonService<'a> {
    #[serde(flatten)]
    key: JsonKey,
    scheduler: &'a str,
    scheduler_flags: Vec<&'static str>,
    persistence: Option<JsonPersistence>,
    persistence_engine: Option<&'a str>,
    one_packet: bool,
    counters: JsonCounters,
    rates: JsonCounters,
    real_servers: Vec<JsonServer>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonKey {
    Address {
        protocol: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        protocol_number: Option<u16>,
        address: IpAddr,
        port: u16,
    },
    Fwmark {
        fwmark: u32,
        family: &'static str,
    },
}

#[derive(Serialize)]
struct JsonPersistence {
    timeout: u32,
    netmask: String,
}

#[derive(Serialize)]
struct JsonServer {
    address: IpAddr,
    port: u16,
    forwarding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<JsonTunnel>,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    counters: JsonCounters,
    rates: JsonCounters,
}

#[derive(Serialize)]
struct JsonTunnel {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_number: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum_number: Option<u16>,
}

/// Totals, or the same a second.
#[derive(Serialize)]
struct JsonCounters {
    connections: u64,
    incoming_packets: u64,
    outgoing_packets: u64,
    incoming_bytes: u64,
    outgoing_bytes: u64,
}

#[derive(Serialize)]
struct JsonConnection<'a> {
    protocol: String,
    client: JsonEndpoint,
    service: JsonTarget,
    real_server: JsonEndpoint,
    state: &'a str,
    expires: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence_engine: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine_data: Option<Cow<'a, str>>,
}

/// What a client has connected to.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonTarget {
    Endpoint(JsonEndpoint),
    Fwmark { fwmark: u32 },
}

#[derive(Serialize)]
struct JsonEndpoint {
    address: IpAddr,
    port: u16,
}

#[derive(Serialize)]
struct JsonTimeouts {
    tcp: u32,
    tcp_fin: u32,
    udp: u32,
}

#[derive(Serialize)]
struct JsonDaemon<'a> {
    role: String,
    interface: &'a str,
    sync_id: u8,
    sync_maxlen: Option<u16>,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
}

/// A list that is written entry by entry.
#[derive(Debug)]
pub struct JsonList {
    is_empty: bool,
}

impl JsonList {
    /// Begins the table of virtual services.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn of_services(out: &mut (impl Write + ?Sized), info: &Info) -> io::Result<Self> {
        let Info { version, table_size } = info;
        write!(
            out,
            "{{\"version\":\"{version}\",\"connection_table_size\":{table_size},\"services\":["
        )?;
        Ok(Self { is_empty: true })
    }

    /// Begins the list of connections.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn of_connections(out: &mut (impl Write + ?Sized)) -> io::Result<Self> {
        out.write_all(b"{\"connections\":[")?;
        Ok(Self { is_empty: true })
    }

    fn entry(&mut self, out: &mut (impl Write + ?Sized), entry: &impl Serialize) -> io::Result<()> {
        out.write_all(if self.is_empty { b"\n" } else { b",\n" })?;
        self.is_empty = false;
        Ok(serde_json::to_writer(&mut *out, entry)?)
    }

    /// Writes a virtual service with its real servers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn service(
        &mut self,
        out: &mut (impl Write + ?Sized),
        state: &ServiceState,
        servers: &[RealServerState],
    ) -> io::Result<()> {
        let service = &state.service;
        let entry = JsonService {
            key: key(&service.key),
            scheduler: service.scheduler.as_str(),
            scheduler_flags: service.scheduler_flags.names(&service.scheduler).collect(),
            persistence: service.persistence.map(|persistence| JsonPersistence {
                timeout: persistence.timeout(),
                netmask: match persistence.netmask() {
                    Netmask::Ipv4(mask) => mask.to_string(),
                    Netmask::Ipv6(length) => format!("/{length}"),
                },
            }),
            persistence_engine: service.engine.as_ref().map(|engine| engine.as_str()),
            one_packet: service.one_packet,
            counters: counters(&state.counters),
            rates: rates(&state.rates),
            real_servers: servers.iter().map(server).collect(),
        };
        self.entry(out, &entry)
    }

    /// Writes a connection.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn connection(
        &mut self,
        out: &mut (impl Write + ?Sized),
        connection: &Connection,
    ) -> io::Result<()> {
        let endpoint = |end: SocketAddr| JsonEndpoint { address: end.ip(), port: end.port() };
        let engine = connection.engine.as_deref();
        let entry = JsonConnection {
            // In lower case, as the listing of services has it.
            protocol: connection.protocol.as_str().to_ascii_lowercase(),
            client: endpoint(connection.client),
            service: match connection.target {
                ConnectionTarget::Fwmark(fwmark) => JsonTarget::Fwmark { fwmark },
                ConnectionTarget::Address(address) => JsonTarget::Endpoint(endpoint(address)),
            },
            real_server: endpoint(connection.server),
            state: connection.state.as_str(),
            expires: connection.expires,
            persistence_engine: engine.map(|engine| engine.engine.as_str()),
            // JSON is UTF-8: other bytes become replacement characters.
            engine_data: engine.map(|engine| String::from_utf8_lossy(&engine.data)),
        };
        self.entry(out, &entry)
    }

    /// Ends the list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(if self.is_empty { b"]}\n" } else { b"\n]}\n" })
    }
}

/// Writes the timeouts.
///
/// # Errors
/// When they cannot be written.
pub fn write_json_timeouts(out: &mut (impl Write + ?Sized), timeouts: &Timeouts) -> io::Result<()> {
    let Timeouts { tcp, tcp_fin, udp } = *timeouts;
    serde_json::to_writer(&mut *out, &JsonTimeouts { tcp, tcp_fin, udp })?;
    out.write_all(b"\n")
}

/// Writes the sync daemons.
///
/// # Errors
/// When they cannot be written.
pub fn write_json_daemons(
    out: &mut (impl Write + ?Sized),
    daemons: &[SyncDaemon],
) -> io::Result<()> {
    out.write_all(b"{\"daemons\":[")?;
    let mut list = JsonList { is_empty: true };
    for daemon in daemons {
        let SyncDaemon { role, interface, sync_id, max_length, group, port, ttl } = daemon;
        let entry = JsonDaemon {
            role: role.to_string(),
            interface: interface.as_str(),
            sync_id: *sync_id,
            sync_maxlen: *max_length,
            group: group.map(MulticastGroup::address),
            port: *port,
            ttl: *ttl,
        };
        list.entry(out, &entry)?;
    }
    list.end(out)
}

/// What no option has a name for; its number stands beside it.
const UNKNOWN: &str = "unknown";

fn key(key: &ServiceKey) -> JsonKey {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let (protocol, protocol_number) = match protocol {
                Protocol::Tcp => ("tcp", None),
                Protocol::Udp => ("udp", None),
                Protocol::Sctp => ("sctp", None),
                Protocol::Other(other) => (UNKNOWN, Some(other.number())),
            };
            JsonKey::Address { protocol, protocol_number, address, port }
        }
        ServiceKey::Fwmark { mark, family } => {
            let family = match family {
                Family::Ipv4 => "ipv4",
                Family::Ipv6 => "ipv6",
            };
            JsonKey::Fwmark { fwmark: mark.get(), family }
        }
    }
}

fn server(state: &RealServerState) -> JsonServer {
    let server = &state.server;
    let (forwarding, forwarding_number, tunnel) = match server.forwarding {
        Forwarding::Masquerading => ("masquerading", None, None),
        Forwarding::DirectRouting => ("direct_routing", None, None),
        Forwarding::Tunneling(kind) => ("tunneling", None, Some(tunnel(kind))),
        Forwarding::LocalNode => ("local", None, None),
        Forwarding::Bypass => ("bypass", None, None),
        Forwarding::Other(other) => (UNKNOWN, Some(other.number()), None),
    };
    JsonServer {
        address: server.key.address,
        port: server.key.port,
        forwarding,
        forwarding_number,
        tunnel,
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        active_connections: state.active_connections,
        inactive_connections: state.inactive_connections,
        persistent_connections: state.persistent_connections,
        counters: counters(&state.counters),
        rates: rates(&state.rates),
    }
}

fn tunnel(tunnel: Tunnel) -> JsonTunnel {
    let (r#type, type_number, port, checksum) = match tunnel {
        Tunnel::Ipip => ("ipip", None, None, None),
        Tunnel::Gue { port, checksum } => ("gue", None, Some(port), Some(checksum)),
        Tunnel::Gre { checksum } => ("gre", None, None, Some(checksum)),
        Tunnel::Other { kind, port, checksum } => {
            (UNKNOWN, Some(kind.number()), Some(port), Some(checksum))
        }
    };
    let (checksum, checksum_number) = match checksum {
        None => (None, None),
        Some(TunnelChecksum::None) => (Some("none"), None),
        Some(TunnelChecksum::Full) => (Some("full"), None),
        Some(TunnelChecksum::Remote) => (Some("remote"), None),
        Some(TunnelChecksum::Other(other)) => (Some(UNKNOWN), Some(other.number())),
    };
    JsonTunnel { r#type, type_number, port, checksum, checksum_number }
}

fn counters(counters: &Counters) -> JsonCounters {
    let Counters {
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
    } = *counters;
    JsonCounters { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
}

fn rates(rates: &Rates) -> JsonCounters {
    let Rates { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes } =
        *rates;
    JsonCounters { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::model::{RealServer, RealServerKey, Version, VirtualService};

    #[test]
    fn service_is_one_line_with_its_real_servers() {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "2001:db8::1".parse().unwrap(),
            port: 80,
        };
        let state = ServiceState {
            service: VirtualService::new(key),
            counters: Counters { connections: 5_000_000_000, ..Counters::default() },
            rates: Rates::default(),
            unknown_attributes: Vec::new(),
        };
        let server = RealServerState {
            server: RealServer {
                forwarding: Forwarding::Tunneling(Tunnel::Gue {
                    port: 6080,
                    checksum: TunnelChecksum::Full,
                }),
                ..RealServer::new(RealServerKey { address: "10.0.0.2".parse().unwrap(), port: 80 })
            },
            active_connections: 1,
            inactive_connections: 2,
            persistent_connections: 3,
            counters: Counters::default(),
            rates: Rates::default(),
            unknown_attributes: Vec::new(),
        };
        let info = Info { version: Version { major: 1, minor: 2, patch: 1 }, table_size: 4096 };
        let mut out = Vec::new();
        let mut list = JsonList::of_services(&mut out, &info).unwrap();
        list.service(&mut out, &state, &[server]).unwrap();
        list.service(&mut out, &state, &[]).unwrap();
        list.end(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let service = &json["services"][0];
        assert_eq!(service["address"], "2001:db8::1");
        assert_eq!(service["counters"]["connections"], 5_000_000_000_u64);
        assert_eq!(service["real_servers"][0]["tunnel"]["checksum"], "full");
        assert_eq!(service["persistence"], serde_json::Value::Null);
    }
}
