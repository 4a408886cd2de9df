//! The writer: changes as rule lines, in the form of `ipvsadm -S`.

use std::io::{self, Write};
use std::net::IpAddr;

use ipvs::model::{
    Change, Family, Forwarding, Netmask, Protocol, RealServer, RealServerKey, ServiceKey,
    SyncDaemon, Tunnel, TunnelChecksum, VirtualService,
};

use crate::endpoint::{EndpointNames, EndpointText};

/// True if a line can express a change. Other programs can set values in the kernel for which there is no option.
pub fn has_line(change: &Change) -> bool {
    let is_named = |key: &ServiceKey| !matches!(key.protocol(), Some(Protocol::Other(_)));
    match change {
        Change::AddService(service) | Change::EditService(service) => is_named(&service.key),
        Change::DeleteService(key) | Change::DeleteServer(key, _) | Change::Zero(Some(key)) => {
            is_named(key)
        }
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            is_named(key) && has_options(server.forwarding)
        }
        Change::Zero(None)
        | Change::Flush
        | Change::SetTimeouts(_)
        | Change::StartDaemon(_)
        | Change::StopDaemon(_) => true,
    }
}

/// True if there are options for a forwarding method.
fn has_options(forwarding: Forwarding) -> bool {
    match forwarding {
        Forwarding::Masquerading
        | Forwarding::DirectRouting
        | Forwarding::Tunneling(Tunnel::Ipip) => true,
        Forwarding::Tunneling(Tunnel::Gue { checksum, .. }) => {
            !matches!(checksum, TunnelChecksum::Other(_))
        }
        Forwarding::Tunneling(Tunnel::Gre { checksum }) => {
            matches!(checksum, TunnelChecksum::None | TunnelChecksum::Full)
        }
        Forwarding::Tunneling(Tunnel::Other { .. })
        | Forwarding::LocalNode
        | Forwarding::Other(_) => false,
    }
}

/// Writes a change as a line for `-R`, without the newline. A change that no line can express ([`has_line`]) becomes a
/// comment, with the values that lack an option in angle brackets.
///
/// # Errors
/// When writing to `out` fails.
pub fn write_change(
    out: &mut (impl Write + ?Sized),
    change: &Change,
    names: &dyn EndpointNames,
) -> io::Result<()> {
    let line = Line { names };
    if !has_line(change) {
        out.write_all(b"# ")?;
    }
    match change {
        Change::AddService(service) => line.service(out, "-A", service),
        Change::EditService(service) => line.service(out, "-E", service),
        Change::DeleteService(key) => line.service_key(out, "-D", key),
        Change::AddServer(key, server) => line.server(out, "-a", key, server),
        Change::EditServer(key, server) => line.server(out, "-e", key, server),
        Change::DeleteServer(key, server) => line.server_key(out, "-d", key, server),
        Change::Zero(Some(key)) => line.service_key(out, "-Z", key),
        Change::Zero(None) => out.write_all(b"-Z"),
        Change::Flush => out.write_all(b"-C"),
        Change::SetTimeouts(timeouts) => {
            write!(out, "--set {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
        }
        Change::StartDaemon(daemon) => start_daemon(out, daemon),
        Change::StopDaemon(role) => write!(out, "--stop-daemon {role}"),
    }
}

struct Line<'a> {
    names: &'a dyn EndpointNames,
}

impl Line<'_> {
    fn service_key(
        &self,
        out: &mut (impl Write + ?Sized),
        command: &str,
        key: &ServiceKey,
    ) -> io::Result<()> {
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                let option = match protocol {
                    Protocol::Tcp => b" -t ".as_slice(),
                    Protocol::Udp => b" -u ",
                    Protocol::Sctp => b" --sctp-service ",
                    Protocol::Other(number) => {
                        write!(out, "{command} <protocol number {number}> ")?;
                        return self.endpoint(out, address, port, Some(protocol));
                    }
                };
                out.write_all(command.as_bytes())?;
                out.write_all(option)?;
                self.endpoint(out, address, port, Some(protocol))
            }
            ServiceKey::Fwmark { mark, family: Family::Ipv4 } => write!(out, "{command} -f {mark}"),
            ServiceKey::Fwmark { mark, family: Family::Ipv6 } => {
                write!(out, "{command} -f {mark} -6")
            }
        }
    }

    fn server_key(
        &self,
        out: &mut (impl Write + ?Sized),
        command: &str,
        key: &ServiceKey,
        server: &RealServerKey,
    ) -> io::Result<()> {
        self.service_key(out, command, key)?;
        out.write_all(b" -r ")?;
        self.endpoint(out, server.address, server.port, key.protocol())
    }

    fn endpoint(
        &self,
        out: &mut (impl Write + ?Sized),
        address: IpAddr,
        port: u16,
        protocol: Option<Protocol>,
    ) -> io::Result<()> {
        let endpoint = EndpointText::new(address, port, protocol, self.names);
        match endpoint.numbers() {
            Some((text, length)) => out.write_all(text.get(..length).unwrap_or_default()),
            None => write!(out, "{endpoint}"),
        }
    }

    fn service(
        &self,
        out: &mut (impl Write + ?Sized),
        command: &str,
        service: &VirtualService,
    ) -> io::Result<()> {
        self.service_key(out, command, &service.key)?;
        write!(out, " -s {}", service.scheduler)?;
        if let Some(persistence) = service.persistence {
            write!(out, " -p {}", persistence.timeout)?;
            if persistence.netmask != Netmask::host(service.key.family()) {
                write!(out, " -M {}", persistence.netmask)?;
            }
        }
        if let Some(engine) = &service.engine {
            write!(out, " --pe {engine}")?;
        }
        if service.one_packet {
            write!(out, " -o")?;
        }
        for (place, flag) in service.scheduler_flags.names(&service.scheduler).enumerate() {
            write!(out, "{}{flag}", if place == 0 { " -b " } else { "," })?;
        }
        Ok(())
    }

    fn server(
        &self,
        out: &mut (impl Write + ?Sized),
        command: &str,
        key: &ServiceKey,
        server: &RealServer,
    ) -> io::Result<()> {
        self.server_key(out, command, key, &server.key)?;
        match server.forwarding {
            Forwarding::Masquerading => out.write_all(b" -m -w ")?,
            Forwarding::Tunneling(_) => out.write_all(b" -i -w ")?,
            Forwarding::DirectRouting => out.write_all(b" -g -w ")?,
            Forwarding::LocalNode => out.write_all(b" <forwarding method local node> -w ")?,
            Forwarding::Other(number) => write!(out, " <forwarding method number {number}> -w ")?,
        }
        out.write_all(itoa::Buffer::new().format(server.weight).as_bytes())?;
        if server.upper_threshold != 0 {
            write!(out, " -x {}", server.upper_threshold)?;
        }
        if server.lower_threshold != 0 {
            write!(out, " -y {}", server.lower_threshold)?;
        }
        match server.forwarding {
            Forwarding::Tunneling(Tunnel::Ipip) => write!(out, " --tun-type ipip"),
            Forwarding::Tunneling(Tunnel::Gue { port, checksum }) => {
                write!(out, " --tun-type gue --tun-port {port}")?;
                write_checksum(out, checksum)
            }
            Forwarding::Tunneling(Tunnel::Gre { checksum: TunnelChecksum::Remote }) => {
                write!(out, " --tun-type gre <remote checksum>")
            }
            Forwarding::Tunneling(Tunnel::Gre { checksum }) => {
                write!(out, " --tun-type gre")?;
                write_checksum(out, checksum)
            }
            Forwarding::Tunneling(Tunnel::Other { kind, port, checksum }) => {
                write!(out, " <tunnel type number {kind}> --tun-port {port}")?;
                write_checksum(out, checksum)
            }
            Forwarding::Masquerading
            | Forwarding::DirectRouting
            | Forwarding::LocalNode
            | Forwarding::Other(_) => Ok(()),
        }
    }
}

fn write_checksum(out: &mut (impl Write + ?Sized), checksum: TunnelChecksum) -> io::Result<()> {
    match checksum {
        TunnelChecksum::None => out.write_all(b" --tun-nocsum"),
        TunnelChecksum::Full => out.write_all(b" --tun-csum"),
        TunnelChecksum::Remote => out.write_all(b" --tun-remcsum"),
        TunnelChecksum::Other(number) => write!(out, " <tunnel flags number {number}>"),
    }
}

fn start_daemon(out: &mut (impl Write + ?Sized), daemon: &SyncDaemon) -> io::Result<()> {
    let SyncDaemon { role, interface, sync_id, max_length, group, port, ttl } = daemon;
    write!(out, "--start-daemon {role} --mcast-interface {interface} --syncid {sync_id}")?;
    if let Some(length) = max_length {
        write!(out, " --sync-maxlen {length}")?;
    }
    if let Some(group) = group {
        write!(out, " --mcast-group {}", group.address())?;
    }
    if let Some(port) = port {
        write!(out, " --mcast-port {port}")?;
    }
    if let Some(ttl) = ttl {
        write!(out, " --mcast-ttl {ttl}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::Command;
    use crate::endpoint::Numeric;
    use crate::parser::parse_numeric_line;
    use ipvs_test::values;

    fn written(change: &Change) -> String {
        let mut line = Vec::new();
        write_change(&mut line, change, &Numeric).unwrap();
        String::from_utf8(line).unwrap()
    }

    fn read(line: &str) -> Change {
        match parse_numeric_line(line.as_bytes()) {
            Ok(Some(Command::Change(change))) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn line_of_each_kind_is_written_as_it_is_read() {
        for line in [
            "-A -t 10.0.0.1:80 -s wlc",
            "-A -u 10.0.0.1:5060 -s rr -p 60 -M 255.255.0.0 --pe sip -o -b flag-1,flag-2,flag-3",
            "-A --sctp-service [2001:db8::1]:9899 -s wrr -p 360 -M 64",
            "-A -f 5 -6 -s sh -p 80 -M 56 -b sh-fallback,sh-port",
            "-A -f 4294967295 -s mh -b mh-port",
            "-E -t 10.0.0.1:0 -s wlc -p 360",
            "-D -f 5 -6",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 0 -x 200 -y 100",
            "-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i -w 1 --tun-type ipip",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 -x 9 --tun-type gue --tun-port 6080 --tun-remcsum",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 --tun-type gre --tun-nocsum",
            "-e -f 7 -r 10.0.0.2:0 -m -w 2147483647",
            "-d -u [2001:db8::1]:53 -r [2001:db8::2]:53",
            "-Z -t 10.0.0.1:80",
            "-Z",
            "-C",
            "--set 900 120 300",
            "--start-daemon master --mcast-interface eth0 --syncid 0",
            "--start-daemon backup --mcast-interface lo --syncid 255 --sync-maxlen 1400 --mcast-group ff02::81 --mcast-port 9000 --mcast-ttl 3",
            "--stop-daemon backup",
        ] {
            assert_eq!(written(&read(line)), line);
        }
    }

    #[test]
    fn mask_that_tells_all_addresses_apart_is_left_out() {
        assert_eq!(
            written(&read("-A -t 10.0.0.1:80 -s rr -p -M 255.255.255.255")),
            "-A -t 10.0.0.1:80 -s rr -p 360"
        );
        assert_eq!(written(&read("-A -f 1 -6 -p -M 128")), "-A -f 1 -6 -s wlc -p 360");
    }

    #[test]
    fn what_no_line_can_say_is_a_comment_that_names_it() {
        let Change::AddServer(key, server) = read("-a -t 10.0.0.1:80 -r 10.0.0.2:80 -i") else {
            panic!()
        };
        let ServiceKey::Address { address, port, .. } = key else { panic!() };
        let odd = ServiceKey::Address { protocol: Protocol::Other(47), address, port };
        let forwarded = |forwarding| Change::AddServer(key, RealServer { forwarding, ..server });
        let tunneled = |tunnel| forwarded(Forwarding::Tunneling(tunnel));
        let (other, remote) = (TunnelChecksum::Other(3), TunnelChecksum::Remote);
        for (change, line) in [
            (
                Change::AddService(VirtualService::new(odd)),
                "# -A <protocol number 47> 10.0.0.1:80 -s wlc",
            ),
            (Change::Zero(Some(odd)), "# -Z <protocol number 47> 10.0.0.1:80"),
            (
                Change::DeleteServer(odd, server.key),
                "# -d <protocol number 47> 10.0.0.1:80 -r 10.0.0.2:80",
            ),
            (
                forwarded(Forwarding::LocalNode),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 <forwarding method local node> -w 1",
            ),
            (
                forwarded(Forwarding::Other(4)),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 <forwarding method number 4> -w 1",
            ),
            (
                tunneled(Tunnel::Gue { port: 6080, checksum: other }),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 <tunnel flags number 3>",
            ),
            (
                tunneled(Tunnel::Gre { checksum: remote }),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 --tun-type gre <remote checksum>",
            ),
            (
                tunneled(Tunnel::Other { kind: 7, port: 9, checksum: remote }),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 <tunnel type number 7> --tun-port 9 --tun-remcsum",
            ),
        ] {
            assert!(!has_line(&change));
            assert_eq!(written(&change), line);
            assert!(matches!(parse_numeric_line(line.as_bytes()), Ok(None)));
        }
        // The server alone can be named.
        assert!(has_line(&Change::DeleteServer(key, server.key)));
    }

    proptest! {
        #![proptest_config(values::cases(2000))]

        #[test]
        fn every_change_is_read_as_it_was_written(change in values::change()) {
            prop_assert!(has_line(&change));
            prop_assert_eq!(read(&written(&change)), change);
        }
    }
}
