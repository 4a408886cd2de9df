//! Lines of listings held against what ipvsadm 1.31 printed.

use super::*;
use ipvs::model::{Change, OtherForwarding, OtherTunnel, Protocol, Request};
use ipvs_rules::{Command, parse_numeric_line};

const PLAIN: ServiceColumns = ServiceColumns::Plain;
const STATS: ServiceColumns = ServiceColumns::Stats { is_exact: false };
const EXACT_STATS: ServiceColumns = ServiceColumns::Stats { is_exact: true };
const RATE: ServiceColumns = ServiceColumns::Rate { is_exact: false };
const EXACT_RATE: ServiceColumns = ServiceColumns::Rate { is_exact: true };

fn change(line: &str) -> Change {
    match parse_numeric_line(line.as_bytes()) {
        Ok(Some(Command::Request(Request::Change(change)))) => change,
        other => panic!("{line}: {other:?}"),
    }
}

/// The service that a line adds, with counters that tell the columns apart.
fn service(line: &str) -> ServiceState {
    let Change::AddService(service) = change(&format!("-A {line}")) else { panic!("{line}") };
    let (counters, rates) = counted();
    let mut state = ServiceState::new(service);
    (state.counters, state.rates) = (counters, rates);
    state
}

/// The real server that a line adds, likewise, with its service.
fn server(line: &str) -> (ServiceKey, RealServerState) {
    let Change::AddServer(key, server) = change(&format!("-a {line}")) else { panic!("{line}") };
    let (counters, rates) = counted();
    let mut state = RealServerState::new(server);
    state.active_connections = 11;
    state.inactive_connections = 222;
    state.persistent_connections = 33;
    (state.counters, state.rates) = (counters, rates);
    (key, state)
}

fn counted() -> (Counters, Rates) {
    let mut counters = Counters::default();
    counters.connections = 1;
    counters.incoming_packets = 20;
    counters.outgoing_packets = 3_000;
    counters.incoming_bytes = 99_999_999;
    counters.outgoing_bytes = 150_070_000;
    let mut rates = Rates::default();
    rates.connections = 10;
    rates.incoming_packets = 200;
    rates.outgoing_packets = 123_456_789;
    rates.incoming_bytes = 40_000;
    rates.outgoing_bytes = 1_000_000_000;
    (counters, rates)
}

fn shown(format: ServiceColumns, write: impl FnOnce(&ServicesText<'_>, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&ServicesText::new(format, &Labels::numeric(), None), &mut out);
    String::from_utf8(out).unwrap()
}

fn service_line(format: ServiceColumns, line: &str) -> String {
    shown(format, |view, out| view.service(out, &service(line)))
}

fn server_line(format: ServiceColumns, line: &str) -> String {
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
            ServiceColumns::Tunnels,
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
            ServiceColumns::Thresholds,
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n\
             \x20 -> RemoteAddress:Port\n",
        ),
        (
            ServiceColumns::PersistentConnections,
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n\
             \x20 -> RemoteAddress:Port\n",
        ),
    ] {
        assert_eq!(shown(format, |view, out| out.extend_from_slice(view.heading())), heading);
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
        let formats = [
            ServiceColumns::Tunnels,
            ServiceColumns::Thresholds,
            ServiceColumns::PersistentConnections,
        ];
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
fn real_server_that_is_reached_as_no_option_asks_is_named() {
    let (key, mut state) = server("-t 10.0.0.1:80 -r 10.0.0.2");
    let other = Forwarding::Other(OtherForwarding::new(5).unwrap());
    for (forwarding, word) in [
        (Forwarding::LocalNode, "Local  "),
        (Forwarding::Bypass, "Bypass "),
        // As 1.31 shows it.
        (other, "(null) "),
    ] {
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
            server_line(ServiceColumns::Tunnels, &line),
            format!("  -> 10.0.0.2:80                  {shown}      11         222       \n")
        );
    }
}

#[test]
fn tunnel_that_no_option_asks_for_is_shown_as_1_31_does() {
    let (key, mut state) = server("-t 10.0.0.1:80 -r 10.0.0.2");
    let other = TunnelChecksum::from_number(3);
    for (tunnel, shown_as) in [
        (Tunnel::Gue { port: 6080, checksum: other }, "gue:6080:(null)"),
        (Tunnel::Gre { checksum: other }, "gre:(null)   "),
        (Tunnel::Gre { checksum: TunnelChecksum::Remote }, "gre:r+c      "),
        (
            Tunnel::Other { kind: OtherTunnel::new(7).unwrap(), port: 9, checksum: other },
            "n/a          ",
        ),
    ] {
        state.server.forwarding = Forwarding::Tunneling(tunnel);
        assert_eq!(
            shown(ServiceColumns::Tunnels, |view, out| view.server(out, &key, &state)),
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
    *protocol = Protocol::from_number(47);
    assert_eq!(shown(PLAIN, |view, out| view.service(out, &state)), "?    10.0.0.1:80 wlc\n");
}

#[test]
fn real_server_is_shown_with_its_thresholds() {
    assert_eq!(
        server_line(ServiceColumns::Thresholds, "-t 10.0.0.1:80 -r 10.0.0.2 -x 2147483647 -y 50"),
        "  -> 10.0.0.2:80                  2147483647 50         11         222       \n"
    );
}

#[test]
fn real_server_is_shown_with_its_persistent_connections() {
    assert_eq!(
        server_line(ServiceColumns::PersistentConnections, "-t 10.0.0.1:80 -r 10.0.0.2 -w 7"),
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
    let version = ipvs::model::Version::from_number(0x0001_0201);
    let info = Info::new(version, 4096);
    let mut out = Vec::new();
    ServicesText::new(PLAIN, &Labels::numeric(), Some(info)).write_info(&mut out).unwrap();
    assert_eq!(out, b"IP Virtual Server version 1.2.1 (size=4096)\n");
}
