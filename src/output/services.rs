//! Virtual services and their real servers, with each choice of columns.

use std::io::{self, Write};

use super::numbers::{Digits, number};
use super::padding::{append, left, left_endpoint, left_number, pad};
use super::rows::Rows;
use crate::resolve::Labels;
use ipvs::model::{
    Counters, Family, Forwarding, Info, Netmask, Rates, RealServerKey, RealServerState,
    RealServerSummary, ServiceKey, ServiceState, Tunnel, TunnelChecksum, VirtualService,
};
use ipvs::state::{ServiceSnapshot, ServiceSummary};
use ipvs_rules::ServiceColumns;

/// The columns for an address and a port: an IPv4 address always fits.
const ENDPOINT: usize = 28;

/// The column of a service's address, behind its protocol.
const ENDPOINT_START: usize = 5;

/// The services with their real servers for people, with names or numbers.
#[derive(Clone, Debug)]
pub struct ServicesText<'a> {
    columns: ServiceColumns,
    labels: &'a Labels,
    /// The first line. A listing of one service lacks it.
    info: Option<Info>,
    has_heading: bool,
}

impl<'a> ServicesText<'a> {
    /// A listing with these columns. A listing of the whole table begins with the version of IPVS.
    pub const fn new(columns: ServiceColumns, labels: &'a Labels, info: Option<Info>) -> Self {
        Self { columns, labels, info, has_heading: false }
    }
}

/// A listing that fails before its first service has no heading.
impl Rows<ServiceSnapshot> for ServicesText<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_info(out)
    }

    fn row(&mut self, out: &mut Vec<u8>, snapshot: &ServiceSnapshot) -> io::Result<()> {
        self.write_heading_once(out);
        self.service(out, &snapshot.service);
        for server in &snapshot.servers {
            self.server(out, &snapshot.service.service.key, server);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_heading_once(out);
        Ok(())
    }
}

impl Rows<ServiceSummary<'_>> for ServicesText<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_info(out)
    }

    fn row(&mut self, out: &mut Vec<u8>, summary: &ServiceSummary<'_>) -> io::Result<()> {
        self.write_heading_once(out);
        self.service_summary(out, summary.service);
        for server in summary.servers {
            self.server_summary(out, &summary.service.key, server);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_heading_once(out);
        Ok(())
    }
}

impl ServicesText<'_> {
    fn write_info(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(Info { version, table_size, .. }) = &self.info else { return Ok(()) };
        writeln!(out, "IP Virtual Server version {version} (size={table_size})")
    }

    fn write_heading_once(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_heading, true) {
            out.extend_from_slice(self.heading());
        }
    }

    /// The two lines that name the columns.
    const fn heading(&self) -> &'static [u8] {
        match self.columns {
            ServiceColumns::Plain => {
                b"Prot LocalAddress:Port Scheduler Flags\n  \
                -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            }
            ServiceColumns::Tunnels => {
                b"Prot LocalAddress:Port Scheduler Flags\n  \
                -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
            }
            ServiceColumns::Stats { .. } => {
                b"Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  \
                -> RemoteAddress:Port\n"
            }
            ServiceColumns::Rate { .. } => {
                b"Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  \
                -> RemoteAddress:Port\n"
            }
            ServiceColumns::Thresholds => {
                b"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  \
                -> RemoteAddress:Port\n"
            }
            ServiceColumns::PersistentConnections => {
                b"Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  \
                -> RemoteAddress:Port\n"
            }
        }
    }

    /// Appends the line of a virtual service.
    pub fn service(&self, out: &mut Vec<u8>, state: &ServiceState) {
        let start = out.len() + ENDPOINT_START;
        match self.columns {
            ServiceColumns::Stats { is_exact } => {
                self.service_endpoint(out, &state.service.key);
                pad(out, start + ENDPOINT);
                counters(out, &state.counters, digits(is_exact));
                out.push(b'\n');
            }
            ServiceColumns::Rate { is_exact } => {
                self.service_endpoint(out, &state.service.key);
                pad(out, start + ENDPOINT);
                for rate in columns(&state.rates) {
                    number(out, rate, digits(is_exact));
                }
                out.push(b'\n');
            }
            ServiceColumns::Plain
            | ServiceColumns::Tunnels
            | ServiceColumns::Thresholds
            | ServiceColumns::PersistentConnections => self.service_summary(out, &state.service),
        }
    }

    /// Appends the line of a virtual service in the plain format.
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

    /// Appends the line of a real server in the plain format.
    pub fn server_summary(
        &self,
        out: &mut Vec<u8>,
        service: &ServiceKey,
        server: &RealServerSummary,
    ) {
        self.server_endpoint(out, service, &server.key);
        out.push(b' ');
        left(out, forwarding_name(server.forwarding), 7);
        out.push(b' ');
        left_number(out, server.weight, 6);
        trailing(out, [server.active_connections, server.inactive_connections]);
    }

    /// Appends the line of a real server.
    pub fn server(&self, out: &mut Vec<u8>, service: &ServiceKey, state: &RealServerState) {
        let server = &state.server;
        let connections = [state.active_connections, state.inactive_connections];
        match self.columns {
            ServiceColumns::Plain => self.server_summary(out, service, &state.summary()),
            ServiceColumns::Tunnels => {
                self.server_endpoint(out, service, &server.key);
                out.push(b' ');
                left(out, forwarding_name(server.forwarding), 7);
                out.push(b' ');
                let start = out.len();
                tunnel(out, server.forwarding);
                pad(out, start + 13);
                out.push(b' ');
                left_number(out, server.weight, 6);
                trailing(out, connections);
            }
            ServiceColumns::Thresholds => {
                self.server_endpoint(out, service, &server.key);
                let [active, inactive] = connections;
                let (upper, lower) = (server.upper_threshold, server.lower_threshold);
                trailing(out, [upper, lower, active, inactive]);
            }
            ServiceColumns::PersistentConnections => {
                self.server_endpoint(out, service, &server.key);
                out.push(b' ');
                left_number(out, server.weight, 9);
                out.push(b' ');
                left_number(out, state.persistent_connections, 11);
                trailing(out, connections);
            }
            ServiceColumns::Stats { is_exact } => {
                self.server_endpoint(out, service, &server.key);
                counters(out, &state.counters, digits(is_exact));
                out.push(b'\n');
            }
            ServiceColumns::Rate { is_exact } => {
                self.server_endpoint(out, service, &server.key);
                let [connections, incoming, outgoing, incoming_bytes, outgoing_bytes] =
                    columns(&state.rates);
                // 1.31 shortens only the bytes of a real server.
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

/// Appends the last columns of a line and its end. The last column is padded too.
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
        ..
    } = *counters;
    for count in [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes] {
        number(out, count, digits);
    }
}

fn columns(rates: &Rates) -> [u64; 5] {
    let Rates {
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
        ..
    } = *rates;
    [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes]
}

/// Appends the columns behind a service's address: its scheduler and flags.
fn scheduling(out: &mut Vec<u8>, service: &VirtualService) {
    out.push(b' ');
    out.extend_from_slice(service.scheduler.as_str().as_bytes());
    if !service.scheduler_flags.is_empty() {
        // For sh and mh, 1.31 shows only the two flags that have a name.
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

/// A way of forwarding as listings print it.
pub fn forwarding_name(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerading => "Masq",
        Forwarding::DirectRouting => "Route",
        Forwarding::Tunneling(_) => "Tunnel",
        Forwarding::LocalNode => "Local",
        Forwarding::Bypass => "Bypass",
        // 1.31 has no name for it, and its C library prints this for a missing one.
        _ => "(null)",
    }
}

fn tunnel(out: &mut Vec<u8>, forwarding: Forwarding) {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
        // 1.31 has no name for 3 either, and reads past the end of its names for larger numbers.
        _ => "(null)",
    };
    match forwarding {
        Forwarding::Tunneling(Tunnel::Ipip) => out.extend_from_slice(b"ipip"),
        Forwarding::Tunneling(Tunnel::Gue { port, checksum: sum }) => {
            append(out, format_args!("gue:{port}:{}", checksum(sum)));
        }
        Forwarding::Tunneling(Tunnel::Gre { checksum: sum }) => {
            append(out, format_args!("gre:{}", checksum(sum)));
        }
        _ => out.extend_from_slice(b"n/a"),
    }
}

#[cfg(test)]
mod tests;
