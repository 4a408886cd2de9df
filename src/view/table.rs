//! The table of virtual services and real servers, in each of its formats.

use std::io::{self, Write};

use super::column::{append, left, left_endpoint, left_number, pad};
use super::numbers::{Digits, number};
use crate::model::{
    Counters, Family, Forwarding, Info, Netmask, Rates, RealServerKey, RealServerState,
    RealServerSummary, ServiceKey, ServiceState, Tunnel, TunnelChecksum, VirtualService,
};
use crate::names::Labels;
use crate::rules::ListFormat;

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
        append(out, format_args!(" persistent {}", persistence.timeout));
        if persistence.netmask != Netmask::host(service.key.family()) {
            append(out, format_args!(" mask {}", persistence.netmask));
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
        | Forwarding::Other(_) => out.extend_from_slice(b"n/a"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Protocol};
    use crate::names::Names;
    use crate::rules::{Command, read_line};

    const PLAIN: ListFormat = ListFormat::Plain;
    const STATS: ListFormat = ListFormat::Stats { is_exact: false };
    const EXACT_STATS: ListFormat = ListFormat::Stats { is_exact: true };
    const RATE: ListFormat = ListFormat::Rate { is_exact: false };
    const EXACT_RATE: ListFormat = ListFormat::Rate { is_exact: true };

    fn change(line: &str) -> Change {
        match read_line(line.as_bytes(), &mut Names::new()) {
            Ok(Some(Command::Change(change))) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// The service that a line adds, with counters that tell the columns apart.
    fn service(line: &str) -> ServiceState {
        let Change::AddService(service) = change(&format!("-A {line}")) else { panic!("{line}") };
        let (counters, rates) = counted();
        ServiceState { service, counters, rates, unknown_attributes: Vec::new() }
    }

    /// The real server that a line adds, likewise, with its service.
    fn server(line: &str) -> (ServiceKey, RealServerState) {
        let Change::AddServer(key, server) = change(&format!("-a {line}")) else {
            panic!("{line}")
        };
        let (counters, rates) = counted();
        let state = RealServerState {
            server,
            active_connections: 11,
            inactive_connections: 222,
            persistent_connections: 33,
            counters,
            rates,
            unknown_attributes: Vec::new(),
        };
        (key, state)
    }

    fn counted() -> (Counters, Rates) {
        let counters = Counters {
            connections: 1,
            incoming_packets: 20,
            outgoing_packets: 3_000,
            incoming_bytes: 99_999_999,
            outgoing_bytes: 150_070_000,
        };
        let rates = Rates {
            connections: 10,
            incoming_packets: 200,
            outgoing_packets: 123_456_789,
            incoming_bytes: 40_000,
            outgoing_bytes: 1_000_000_000,
        };
        (counters, rates)
    }

    fn shown(format: ListFormat, write: impl FnOnce(&TableView<'_>, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&TableView { format, labels: &Labels::numeric() }, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn service_line(format: ListFormat, line: &str) -> String {
        shown(format, |view, out| view.service(out, &service(line)))
    }

    fn server_line(format: ListFormat, line: &str) -> String {
        let (key, state) = server(line);
        shown(format, |view, out| view.server(out, &key, &state))
    }

    #[test]
    fn heading_names_the_columns_and_two_formats_have_a_blank_at_its_end() {
        for (format, heading) in [
            (
                PLAIN,
                "Prot LocalAddress:Port Scheduler Flags\n\
                 \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
            ),
            (
                ListFormat::Tunnels,
                "Prot LocalAddress:Port Scheduler Flags\n\
                 \x20 -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n",
            ),
            (
                STATS,
                "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n\
                 \x20 -> RemoteAddress:Port\n",
            ),
            (
                EXACT_RATE,
                "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n\
                 \x20 -> RemoteAddress:Port\n",
            ),
            (
                ListFormat::Thresholds,
                "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n\
                 \x20 -> RemoteAddress:Port\n",
            ),
            (
                ListFormat::PersistentConnections,
                "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n\
                 \x20 -> RemoteAddress:Port\n",
            ),
        ] {
            assert_eq!(shown(format, |view, out| view.write_heading(out).unwrap()), heading);
        }
    }

    #[test]
    fn service_is_shown_with_its_scheduler_and_what_it_is_told() {
        for (line, expected) in [
            ("-t 10.0.0.1:80", "TCP  10.0.0.1:80 wlc\n"),
            ("-t 10.0.0.1 -p -s rr", "TCP  10.0.0.1:0 rr persistent 360\n"),
            (
                "-u 10.0.0.1:5060 -s rr -b flag-1,flag-2,flag-3 -p 60 -M 16 --pe sip -o",
                "UDP  10.0.0.1:5060 rr (flag-1,flag-2,flag-3) persistent 60 mask 255.255.0.0 pe sip ops\n",
            ),
            (
                "--sctp-service [2001:db8::1]:9899 -s wrr -p 300 -M 64",
                "SCTP [2001:db8::1]:9899 wrr persistent 300 mask 64\n",
            ),
            ("-f 5 -6 -s rr -p 300 -M 128", "FWM  5 IPv6 rr persistent 300\n"),
            ("-u 10.0.0.1:5060 -s rr --pe sip -o", "UDP  10.0.0.1:5060 rr ops\n"),
            ("-f 4294967295 -s rr", "FWM  4294967295 rr\n"),
            ("-f 1 -s sh -b sh-fallback,sh-port,flag-3", "FWM  1 sh (sh-fallback,sh-port)\n"),
            ("-f 1 -s mh -b flag-3", "FWM  1 mh ()\n"),
        ] {
            let formats =
                [ListFormat::Tunnels, ListFormat::Thresholds, ListFormat::PersistentConnections];
            for format in formats.into_iter().chain([PLAIN]) {
                assert_eq!(service_line(format, line), expected);
            }
        }
    }

    #[test]
    fn service_is_shown_with_its_counters() {
        assert_eq!(
            service_line(STATS, "-t 10.0.0.1:80"),
            "TCP  10.0.0.1:80                         1       20     3000 99999999  150070K\n"
        );
        assert_eq!(
            service_line(EXACT_STATS, "-f 5 -6"),
            "FWM  5 IPv6                              1       20     3000 99999999 150070000\n"
        );
        assert_eq!(
            service_line(RATE, "-u 10.0.0.1:53"),
            "UDP  10.0.0.1:53                        10      200  123456K    40000    1000M\n"
        );
        assert_eq!(
            service_line(EXACT_RATE, "-t [2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
            "TCP  [2001:db8:1111:2222:3333:4444:5555:6666]:65535       10      200 123456789    40000 \
             1000000000\n"
        );
    }

    #[test]
    fn real_server_is_shown_with_blanks_behind_its_last_column() {
        for (line, expected) in [
            (
                "-t 10.0.0.1:80 -r 10.0.0.2",
                "  -> 10.0.0.2:80                  Route   1      11         222       \n",
            ),
            (
                "-t 10.0.0.1:80 -r 10.9.0.2:8080 -m -w 0",
                "  -> 10.9.0.2:8080                Masq    0      11         222       \n",
            ),
            (
                "-t 10.0.0.1:80 -r 10.9.0.2 -i -w 2147483647",
                "  -> 10.9.0.2:80                  Tunnel  2147483647 11         222       \n",
            ),
            (
                "-t 10.0.0.1:80 -r 2001:db8:1111:2222:3333:4444:5555:7777 -i",
                "  -> [2001:db8:1111:2222:3333:4444:5555:7777]:80 Tunnel  1      11         222       \n",
            ),
            (
                "-f 1 -r 10.0.0.2",
                "  -> 10.0.0.2:0                   Route   1      11         222       \n",
            ),
        ] {
            assert_eq!(server_line(PLAIN, line), expected);
        }
    }

    #[test]
    fn real_server_that_is_reached_as_no_option_asks_is_shown_as_1_31_does() {
        let (key, mut state) = server("-t 10.0.0.1:80 -r 10.0.0.2");
        for (forwarding, word) in
            [(Forwarding::LocalNode, "Local  "), (Forwarding::Other(4), "(null) ")]
        {
            state.server.forwarding = forwarding;
            let line = shown(PLAIN, |view, out| view.server(out, &key, &state));
            assert_eq!(
                line,
                format!("  -> 10.0.0.2:80                  {word} 1      11         222       \n")
            );
        }
    }

    #[test]
    fn tunnel_is_shown_with_its_port_and_checksum() {
        for (options, shown) in [
            ("-m", "Masq    n/a           1"),
            ("-i", "Tunnel  ipip          1"),
            ("-i --tun-type gre", "Tunnel  gre:-c        1"),
            ("-i --tun-type gre --tun-csum", "Tunnel  gre:+c        1"),
            ("-i --tun-type gue --tun-port 6080", "Tunnel  gue:6080:-c   1"),
            ("-i --tun-type gue --tun-port 65535 --tun-remcsum", "Tunnel  gue:65535:r+c 1"),
        ] {
            let line = format!("-t 10.0.0.1:80 -r 10.0.0.2 {options}");
            assert_eq!(
                server_line(ListFormat::Tunnels, &line),
                format!("  -> 10.0.0.2:80                  {shown}      11         222       \n")
            );
        }
    }

    #[test]
    fn tunnel_that_no_option_asks_for_is_shown_as_1_31_does() {
        let (key, mut state) = server("-t 10.0.0.1:80 -r 10.0.0.2");
        let other = TunnelChecksum::Other(3);
        for (tunnel, shown_as) in [
            (Tunnel::Gue { port: 6080, checksum: other }, "gue:6080:(null)"),
            (Tunnel::Gre { checksum: other }, "gre:(null)   "),
            (Tunnel::Gre { checksum: TunnelChecksum::Remote }, "gre:r+c      "),
            (Tunnel::Other { kind: 7, port: 9, checksum: other }, "n/a          "),
        ] {
            state.server.forwarding = Forwarding::Tunneling(tunnel);
            assert_eq!(
                shown(ListFormat::Tunnels, |view, out| view.server(out, &key, &state)),
                format!(
                    "  -> 10.0.0.2:80                  Tunnel  {shown_as} 1      11         222       \n"
                )
            );
        }
    }

    #[test]
    fn service_of_a_protocol_that_no_option_is_for_is_shown_as_1_31_does() {
        let mut state = service("-t 10.0.0.1:80");
        let ServiceKey::Address { protocol, .. } = &mut state.service.key else { panic!() };
        *protocol = Protocol::Other(47);
        assert_eq!(shown(PLAIN, |view, out| view.service(out, &state)), "?    10.0.0.1:80 wlc\n");
    }

    #[test]
    fn real_server_is_shown_with_its_thresholds() {
        assert_eq!(
            server_line(ListFormat::Thresholds, "-t 10.0.0.1:80 -r 10.0.0.2 -x 2147483647 -y 50"),
            "  -> 10.0.0.2:80                  2147483647 50         11         222       \n"
        );
    }

    #[test]
    fn real_server_is_shown_with_its_persistent_connections() {
        assert_eq!(
            server_line(ListFormat::PersistentConnections, "-t 10.0.0.1:80 -r 10.0.0.2 -w 7"),
            "  -> 10.0.0.2:80                  7         33          11         222       \n"
        );
    }

    #[test]
    fn real_server_is_shown_with_its_counters_and_of_its_rates_only_bytes_are_shortened() {
        let line = "-t 10.0.0.1:80 -r 10.0.0.2";
        assert_eq!(
            server_line(STATS, line),
            "  -> 10.0.0.2:80                         1       20     3000 99999999  150070K\n"
        );
        assert_eq!(
            server_line(EXACT_STATS, line),
            "  -> 10.0.0.2:80                         1       20     3000 99999999 150070000\n"
        );
        assert_eq!(
            server_line(RATE, line),
            "  -> 10.0.0.2:80                        10      200 123456789    40000    1000M\n"
        );
        assert_eq!(
            server_line(EXACT_RATE, line),
            "  -> 10.0.0.2:80                        10      200 123456789    40000 1000000000\n"
        );
    }

    #[test]
    fn first_line_has_the_version_and_the_size_of_the_connection_table() {
        let mut out = Vec::new();
        let version = crate::model::Version::from_number(0x0001_0201);
        write_info(&mut out, &Info { version, table_size: 4096 }).unwrap();
        assert_eq!(out, b"IP Virtual Server version 1.2.1 (size=4096)\n");
    }
}
