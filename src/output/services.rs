//! The table of virtual services and real servers, in each of its formats.

use std::io::{self, Write};

use super::columns::{append, left, left_endpoint, left_number, pad};
use super::numbers::{Digits, number};
use crate::resolve::Labels;
use ipvs::model::{
    Counters, Family, Forwarding, Info, Netmask, Rates, RealServerKey, RealServerState,
    RealServerSummary, ServiceKey, ServiceState, Tunnel, TunnelChecksum, VirtualService,
};
use ipvs_rules::ListFormat;

/// The columns for an address and a port: an IPv4 address always fits.
const ENDPOINT: usize = 28;

/// Where a service's address begins, behind its protocol.
const ENDPOINT_START: usize = 5;

/// Writes the first line of a listing of the whole table.
///
/// # Errors
/// When it cannot be written.
pub fn write_info(out: &mut (impl Write + ?Sized), info: &Info) -> io::Result<()> {
    writeln!(out, "IP Virtual Server version {} (size={})", info.version, info.table_size)
}

/// Writes the table in one format, with names or numbers.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'a> {
    /// The columns.
    pub format: ListFormat,
    /// What addresses and ports are called.
    pub labels: &'a Labels,
}

impl TableView<'_> {
    /// Writes the two lines that name the columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_heading(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(match self.format {
            ListFormat::Plain => {
                b"Prot LocalAddress:Port Scheduler Flags\n  \
                -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            }
            ListFormat::Tunnels => {
                b"Prot LocalAddress:Port Scheduler Flags\n  \
                -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
            }
            ListFormat::Stats { .. } => {
                b"Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  \
                -> RemoteAddress:Port\n"
            }
            ListFormat::Rate { .. } => {
                b"Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  \
                -> RemoteAddress:Port\n"
            }
            ListFormat::Thresholds => {
                b"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  \
                -> RemoteAddress:Port\n"
            }
            ListFormat::PersistentConnections => {
                b"Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  \
                -> RemoteAddress:Port\n"
            }
        })
    }

    /// Appends the line of a virtual service.
    pub fn service(&self, out: &mut Vec<u8>, state: &ServiceState) {
        let start = out.len() + ENDPOINT_START;
        match self.format {
            ListFormat::Stats { is_exact } => {
                self.service_endpoint(out, &state.service.key);
                pad(out, start + ENDPOINT);
                counters(out, &state.counters, digits(is_exact));
                out.push(b'\n');
            }
            ListFormat::Rate { is_exact } => {
                self.service_endpoint(out, &state.service.key);
                pad(out, start + ENDPOINT);
                for rate in columns(&state.rates) {
                    number(out, rate, digits(is_exact));
                }
                out.push(b'\n');
            }
            ListFormat::Plain
            | ListFormat::Tunnels
            | ListFormat::Thresholds
            | ListFormat::PersistentConnections => self.service_summary(out, &state.service),
        }
    }

    /// Appends the line of a virtual service in the plain format, whatever this view's own.
    pub fn service_summary(&self, out: &mut Vec<u8>, service: &VirtualService) {
        self.service_endpoint(out, &service.key);
        scheduling(out, service);
        out.push(b'\n');
    }

    fn service_endpoint(&self, out: &mut Vec<u8>, key: &ServiceKey) {
        let name = match key {
            ServiceKey::Address { protocol, .. } => protocol.name(),
            ServiceKey::Fwmark { .. } => "FWM",
        };
        left(out, name, ENDPOINT_START - 1);
        out.push(b' ');
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                self.labels.endpoint(address, port, Some(protocol)).append_to(out);
            }
            ServiceKey::Fwmark { mark, family: Family::Ipv4 } => {
                append(out, format_args!("{mark}"))
            }
            ServiceKey::Fwmark { mark, family: Family::Ipv6 } => {
                append(out, format_args!("{mark} IPv6"));
            }
        }
    }

    fn server_endpoint(&self, out: &mut Vec<u8>, service: &ServiceKey, server: &RealServerKey) {
        out.extend_from_slice(b"  -> ");
        let endpoint = self.labels.endpoint(server.address, server.port, service.protocol());
        left_endpoint(out, &endpoint, ENDPOINT);
    }

    /// Appends the line of a real server in the plain format, whatever this view's own.
    pub fn server_summary(
        &self,
        out: &mut Vec<u8>,
        service: &ServiceKey,
        server: &RealServerSummary,
    ) {
        self.server_endpoint(out, service, &server.key);
        out.push(b' ');
        left(out, forwarding(server.forwarding), 7);
        out.push(b' ');
        left_number(out, server.weight, 6);
        trailing(out, [server.active_connections, server.inactive_connections]);
    }

    /// Appends the line of a real server.
    pub fn server(&self, out: &mut Vec<u8>, service: &ServiceKey, state: &RealServerState) {
        let server = &state.server;
        let connections = [state.active_connections, state.inactive_connections];
        match self.format {
            ListFormat::Plain => self.server_summary(out, service, &state.summary()),
            ListFormat::Tunnels => {
                self.server_endpoint(out, service, &server.key);
                out.push(b' ');
                left(out, forwarding(server.forwarding), 7);
                out.push(b' ');
                let start = out.len();
                tunnel(out, server.forwarding);
                pad(out, start + 13);
                out.push(b' ');
                left_number(out, server.weight, 6);
                trailing(out, connections);
            }
            ListFormat::Thresholds => {
                self.server_endpoint(out, service, &server.key);
                let [active, inactive] = connections;
                let (upper, lower) = (server.upper_threshold, server.lower_threshold);
                trailing(out, [upper, lower, active, inactive]);
            }
            ListFormat::PersistentConnections => {
                self.server_endpoint(out, service, &server.key);
                out.push(b' ');
                left_number(out, server.weight, 9);
                out.push(b' ');
                left_number(out, state.persistent_connections, 11);
                trailing(out, connections);
            }
            ListFormat::Stats { is_exact } => {
                self.server_endpoint(out, service, &server.key);
                counters(out, &state.counters, digits(is_exact));
                out.push(b'\n');
            }
            ListFormat::Rate { is_exact } => {
                self.server_endpoint(out, service, &server.key);
                let [connections, incoming, outgoing, incoming_bytes, outgoing_bytes] =
                    columns(&state.rates);
                // Of a real server only the bytes are ever shortened.
                for rate in [connections, incoming, outgoing] {
                    number(out, rate, Digits::All);
                }
                for rate in [incoming_bytes, outgoing_bytes] {
                    number(out, rate, digits(is_exact));
                }
                out.push(b'\n');
            }
        }
    }
}

fn digits(is_exact: bool) -> Digits {
    if is_exact { Digits::All } else { Digits::Shortened }
}

/// The last columns of a line and its end. The last one is padded too.
fn trailing<const N: usize>(out: &mut Vec<u8>, values: [u32; N]) {
    for value in values {
        out.push(b' ');
        left_number(out, value, 10);
    }
    out.push(b'\n');
}

fn counters(out: &mut Vec<u8>, counters: &Counters, digits: Digits) {
    let Counters {
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
    } = *counters;
    for count in [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes] {
        number(out, count, digits);
    }
}

fn columns(rates: &Rates) -> [u64; 5] {
    let Rates { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes } =
        *rates;
    [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes]
}

/// What stands behind a service's address: its scheduler and flags.
fn scheduling(out: &mut Vec<u8>, service: &VirtualService) {
    out.push(b' ');
    out.extend_from_slice(service.scheduler.as_str().as_bytes());
    if !service.scheduler_flags.is_empty() {
        // Of sh and mh 1.31 shows the two flags that have a name.
        let scheduler = service.scheduler.as_str();
        let has_own_names = matches!(scheduler, "sh" | "mh");
        let names = service.scheduler_flags.names(&service.scheduler);
        let names = names.filter(|&name| !(has_own_names && name == "flag-3"));
        out.extend_from_slice(b" (");
        for (place, name) in names.enumerate() {
            append(out, format_args!("{}{name}", if place == 0 { "" } else { "," }));
        }
        out.push(b')');
    }
    if let Some(persistence) = service.persistence {
        append(out, format_args!(" persistent {}", persistence.timeout()));
        if persistence.netmask() != Netmask::host(service.key.family()) {
            append(out, format_args!(" mask {}", persistence.netmask()));
        }
    }
    // Without persistence an engine does nothing, and 1.31 does not show it.
    if let (Some(_), Some(engine)) = (service.persistence, &service.engine) {
        append(out, format_args!(" pe {engine}"));
    }
    if service.one_packet {
        out.extend_from_slice(b" ops");
    }
}

fn forwarding(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerading => "Masq",
        Forwarding::DirectRouting => "Route",
        Forwarding::Tunneling(_) => "Tunnel",
        Forwarding::LocalNode => "Local",
        Forwarding::Bypass => "Bypass",
        // How the C library prints the name that 1.31 does not have for it.
        Forwarding::Other(_) => "(null)",
    }
}

fn tunnel(out: &mut Vec<u8>, forwarding: Forwarding) {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
        // Likewise: 1.31 has no name for 3, and reads past the end of its names for more.
        TunnelChecksum::Other(_) => "(null)",
    };
    match forwarding {
        Forwarding::Tunneling(Tunnel::Ipip) => out.extend_from_slice(b"ipip"),
        Forwarding::Tunneling(Tunnel::Gue { port, checksum: sum }) => {
            append(out, format_args!("gue:{port}:{}", checksum(sum)));
        }
        Forwarding::Tunneling(Tunnel::Gre { checksum: sum }) => {
            append(out, format_args!("gre:{}", checksum(sum)));
        }
        Forwarding::Tunneling(Tunnel::Other { .. })
        | Forwarding::Masquerading
        | Forwarding::DirectRouting
        | Forwarding::LocalNode
        | Forwarding::Bypass
        | Forwarding::Other(_) => out.extend_from_slice(b"n/a"),
    }
}

#[cfg(test)]
mod tests;
