//! The writer: changes as rule lines, in the form of `ipvsadm -S`.

use std::fmt::{self, Display};
use std::io::{self, Write};

use ipvs::model::{
    Change, Family, Forwarding, Netmask, Persistence, Protocol, RealServer, RealServerKey,
    ServiceKey, SyncDaemon, Timeouts, Tunnel, TunnelChecksum, VirtualService,
};

use crate::endpoint::{EndpointNames, EndpointText};

/// True if a line can express a change. Other programs can set values in the kernel for which there is no option.
pub fn has_line(change: &Change) -> bool {
    match change {
        Change::AddService(service) | Change::EditService(service) => has_service_line(service),
        Change::DeleteService(key) | Change::DeleteServer(key, _) | Change::Zero(Some(key)) => {
            has_option(key)
        }
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            has_server_line(key, server)
        }
        Change::SetTimeouts(Timeouts { tcp, tcp_fin, udp, .. }) => {
            [tcp, tcp_fin, udp].into_iter().all(|&seconds| is_timeout(seconds))
        }
        Change::StartDaemon(daemon) => has_daemon_options(daemon),
        Change::Zero(None) | Change::Flush | Change::StopDaemon(_) => true,
    }
}

/// True if a line can express a virtual service.
pub fn has_service_line(service: &VirtualService) -> bool {
    has_option(&service.key) && has_service_options(service)
}

/// True if a line can express a real server.
pub fn has_server_line(service: &ServiceKey, server: &RealServer) -> bool {
    has_option(service) && has_server_options(service, server)
}

/// True if an option asks for the protocol of a service.
fn has_option(key: &ServiceKey) -> bool {
    !matches!(key.protocol(), Some(Protocol::Other(_)))
}

/// True if `--set` takes a timeout.
fn is_timeout(seconds: u32) -> bool {
    seconds <= Persistence::MAX_TIMEOUT
}

/// True if a weight or a threshold is in its option's range.
fn is_signed(number: u32) -> bool {
    i32::try_from(number).is_ok()
}

/// True if a name is one word of a line.
fn is_word(name: &str) -> bool {
    !name.contains([' ', '\t', '\r', '\n'])
}

/// True if options ask for a service's settings.
fn has_service_options(service: &VirtualService) -> bool {
    let is_persistent = service.persistence.is_some();
    is_persistence(service)
        && (is_persistent || !is_of_all_ports(&service.key))
        && (!service.one_packet || has_one_packet(&service.key))
        && is_word(service.scheduler.as_str())
        && service.engine.is_none_or(|engine| is_word(engine.as_str()))
}

/// True if `-p` and `-M` take a service's persistence.
fn is_persistence(service: &VirtualService) -> bool {
    service.persistence.is_none_or(|persistence| {
        let netmask = persistence.netmask();
        netmask.family() == service.key.family()
            && Persistence::new(persistence.timeout(), netmask).is_ok()
    })
}

fn is_of_all_ports(key: &ServiceKey) -> bool {
    matches!(key, ServiceKey::Address { port: 0, .. })
}

/// True if a service may have `-o`.
fn has_one_packet(key: &ServiceKey) -> bool {
    matches!(key.protocol(), None | Some(Protocol::Udp))
}

/// True if options ask for a real server's settings.
fn has_server_options(key: &ServiceKey, server: &RealServer) -> bool {
    let RealServer { key: _, forwarding, weight, upper_threshold, lower_threshold, .. } = *server;
    let is_tunneled = matches!(forwarding, Forwarding::Tunneling(_));
    has_forwarding_options(forwarding)
        && (is_tunneled || Family::of(server.key.address) == key.family())
        && [weight, upper_threshold, lower_threshold].into_iter().all(is_signed)
        && lower_threshold <= upper_threshold
}

/// True if options ask for a way of forwarding. `-g` to an own address is local node.
fn has_forwarding_options(forwarding: Forwarding) -> bool {
    match forwarding {
        Forwarding::Masquerading
        | Forwarding::DirectRouting
        | Forwarding::LocalNode
        | Forwarding::Tunneling(Tunnel::Ipip) => true,
        Forwarding::Tunneling(Tunnel::Gue { port, checksum }) => {
            port != 0 && !matches!(checksum, TunnelChecksum::Other(_))
        }
        Forwarding::Tunneling(Tunnel::Gre { checksum }) => {
            matches!(checksum, TunnelChecksum::None | TunnelChecksum::Full)
        }
        _ => false,
    }
}

/// True if options ask for a sync daemon's settings.
fn has_daemon_options(daemon: &SyncDaemon) -> bool {
    let SyncDaemon { role: _, interface, sync_id: _, max_length, group: _, port, ttl, .. } = daemon;
    is_word(interface.as_str())
        && max_length.is_none_or(|length| (1..=SyncDaemon::MAX_LENGTH).contains(&length))
        && *port != Some(0)
        && *ttl != Some(0)
}

/// True if a real server has another port than its service where `-a` would give it the service's.
fn has_own_port(key: &ServiceKey, server: &RealServer) -> bool {
    match *key {
        ServiceKey::Address { port, .. } => {
            !server.forwarding.maps_ports() && server.key.port != port
        }
        ServiceKey::Fwmark { .. } => false,
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
    if !has_line(change) {
        out.write_all(b"# ")?;
    }
    let of = |key| ServiceText::new(key, names);
    match change {
        Change::AddService(service) => of(&service.key).service(out, "-A", service),
        Change::EditService(service) => of(&service.key).service(out, "-E", service),
        Change::DeleteService(key) => of(key).key(out, "-D"),
        Change::AddServer(key, server) => of(key).server(out, "-a", server),
        Change::EditServer(key, server) => of(key).server(out, "-e", server),
        Change::DeleteServer(key, server) => of(key).server_key(out, "-d", server),
        Change::Zero(Some(key)) => of(key).key(out, "-Z"),
        Change::Zero(None) => out.write_all(b"-Z"),
        Change::Flush => out.write_all(b"-C"),
        Change::SetTimeouts(Timeouts { tcp, tcp_fin, udp, .. }) => {
            out.write_all(b"--set")?;
            [tcp, tcp_fin, udp]
                .into_iter()
                .try_for_each(|&seconds| value(out, "", seconds, is_timeout(seconds)))
        }
        Change::StartDaemon(daemon) => start_daemon(out, daemon),
        Change::StopDaemon(role) => write!(out, "--stop-daemon {role}"),
    }
}

/// Writes an option and its value; a value outside the option's range is written in angle brackets.
fn value<T: Display>(
    out: &mut (impl Write + ?Sized),
    option: &str,
    value: T,
    is_in_range: bool,
) -> io::Result<()> {
    if is_in_range { write!(out, "{option} {value}") } else { write!(out, "{option} <{value}>") }
}

/// Writes an option and a name. Alone, two kinds of names would be lost from a line: the word `ipvsadm` and a comment.
fn name(out: &mut (impl Write + ?Sized), short: &str, long: &str, name: &str) -> io::Result<()> {
    if !is_word(name) {
        write!(out, " {short} <{}>", name.escape_debug())
    } else if name == "ipvsadm" || name == "\\" || name.starts_with('#') {
        write!(out, " {long}={name}")
    } else {
        // Costs less than a format string: a save writes a scheduler for each service.
        out.write_all(b" ")?;
        out.write_all(short.as_bytes())?;
        out.write_all(b" ")?;
        out.write_all(name.as_bytes())
    }
}

/// Writes the lines about one virtual service and its real servers. The option that names the service is the same on all
/// of them, and is made once.
pub struct ServiceText<'a> {
    key: ServiceKey,
    /// The option with its value, such as ` -t 10.0.0.1:80`.
    option: Vec<u8>,
    names: &'a dyn EndpointNames,
}

impl fmt::Debug for ServiceText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceText").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<'a> ServiceText<'a> {
    /// Lines about a service, with names for hosts and ports where there are any.
    pub fn new(key: &ServiceKey, names: &'a dyn EndpointNames) -> Self {
        let mut option = Vec::with_capacity(64);
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                match protocol {
                    Protocol::Tcp => option.extend_from_slice(b" -t "),
                    Protocol::Udp => option.extend_from_slice(b" -u "),
                    Protocol::Sctp => option.extend_from_slice(b" --sctp-service "),
                    other => {
                        let text = format!(" <protocol number {}> ", other.number());
                        option.extend_from_slice(text.as_bytes());
                    }
                }
                EndpointText::new(address, port, Some(protocol), names).append_to(&mut option);
            }
            ServiceKey::Fwmark { mark, family } => {
                let family = if family == Family::Ipv6 { " -6" } else { "" };
                option.extend_from_slice(format!(" -f {mark}{family}").as_bytes());
            }
        }
        Self { key: *key, option, names }
    }

    /// Writes the line that adds the service, without the newline. A setting without an option ([`has_service_line`]) is
    /// in angle brackets.
    ///
    /// # Errors
    /// When writing to `out` fails.
    pub fn add_service(
        &self,
        out: &mut (impl Write + ?Sized),
        service: &VirtualService,
    ) -> io::Result<()> {
        self.service(out, "-A", service)
    }

    /// Writes the line that adds a real server, without the newline. A setting without an option ([`has_server_line`]) is
    /// in angle brackets.
    ///
    /// # Errors
    /// When writing to `out` fails.
    pub fn add_server(
        &self,
        out: &mut (impl Write + ?Sized),
        server: &RealServer,
    ) -> io::Result<()> {
        self.server(out, "-a", server)
    }

    fn key(&self, out: &mut (impl Write + ?Sized), command: &str) -> io::Result<()> {
        out.write_all(command.as_bytes())?;
        out.write_all(&self.option)
    }

    fn server_key(
        &self,
        out: &mut (impl Write + ?Sized),
        command: &str,
        server: &RealServerKey,
    ) -> io::Result<()> {
        self.key(out, command)?;
        out.write_all(b" -r ")?;
        let protocol = self.key.protocol();
        let endpoint = EndpointText::new(server.address, server.port, protocol, self.names);
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
        self.key(out, command)?;
        name(out, "-s", "--scheduler", service.scheduler.as_str())?;
        if let Some(persistence) = service.persistence {
            let netmask = persistence.netmask();
            value(out, " -p", persistence.timeout(), is_persistence(service))?;
            if netmask != Netmask::host(service.key.family()) {
                value(out, " -M", netmask, is_persistence(service))?;
            }
        } else if is_of_all_ports(&service.key) {
            write!(out, " <all ports without persistence>")?;
        }
        if let Some(engine) = &service.engine {
            name(out, "--pe", "--pe", engine.as_str())?;
        }
        if service.one_packet {
            let option = if has_one_packet(&service.key) { " -o" } else { " <one packet>" };
            out.write_all(option.as_bytes())?;
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
        server: &RealServer,
    ) -> io::Result<()> {
        self.server_key(out, command, &server.key)?;
        let is_tunneled = matches!(server.forwarding, Forwarding::Tunneling(_));
        if !is_tunneled && Family::of(server.key.address) != self.key.family() {
            out.write_all(b" <another family than the service's>")?;
        }
        match server.forwarding {
            Forwarding::Masquerading => out.write_all(b" -m")?,
            Forwarding::Tunneling(_) => out.write_all(b" -i")?,
            Forwarding::DirectRouting | Forwarding::LocalNode => out.write_all(b" -g")?,
            Forwarding::Bypass => out.write_all(b" <forwarding method bypass>")?,
            Forwarding::Other(other) => {
                write!(out, " <forwarding method number {}>", other.number())?;
            }
            _ => out.write_all(b" <forwarding method>")?,
        }
        if is_signed(server.weight) {
            out.write_all(b" -w ")?;
            out.write_all(itoa::Buffer::new().format(server.weight).as_bytes())?;
        } else {
            write!(out, " -w <{}>", server.weight)?;
        }
        write_tunnel(out, server.forwarding)?;
        // Behind all that 1.31 saves, so that its lines are the beginning of these.
        let RealServer { upper_threshold: upper, lower_threshold: lower, .. } = *server;
        if upper != 0 {
            value(out, " -x", upper, is_signed(upper))?;
        }
        if lower != 0 {
            value(out, " -y", lower, is_signed(lower) && lower <= upper)?;
        }
        if has_own_port(&self.key, server) {
            out.write_all(b" --own-port")?;
        }
        Ok(())
    }
}

fn write_tunnel(out: &mut (impl Write + ?Sized), forwarding: Forwarding) -> io::Result<()> {
    match forwarding {
        Forwarding::Tunneling(Tunnel::Ipip) => write!(out, " --tun-type ipip"),
        Forwarding::Tunneling(Tunnel::Gue { port, checksum }) => {
            write!(out, " --tun-type gue")?;
            value(out, " --tun-port", port, port != 0)?;
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
            write!(out, " <tunnel type number {}> --tun-port {port}", kind.number())?;
            write_checksum(out, checksum)
        }
        _ => Ok(()),
    }
}

fn write_checksum(out: &mut (impl Write + ?Sized), checksum: TunnelChecksum) -> io::Result<()> {
    match checksum {
        TunnelChecksum::None => out.write_all(b" --tun-nocsum"),
        TunnelChecksum::Full => out.write_all(b" --tun-csum"),
        TunnelChecksum::Remote => out.write_all(b" --tun-remcsum"),
        other => write!(out, " <tunnel flags number {}>", other.number()),
    }
}

fn start_daemon(out: &mut (impl Write + ?Sized), daemon: &SyncDaemon) -> io::Result<()> {
    let SyncDaemon { role, interface, sync_id, max_length, group, port, ttl, .. } = daemon;
    write!(out, "--start-daemon {role}")?;
    name(out, "--mcast-interface", "--mcast-interface", interface.as_str())?;
    write!(out, " --syncid {sync_id}")?;
    if let Some(length) = *max_length {
        let is_in_range = (1..=SyncDaemon::MAX_LENGTH).contains(&length);
        value(out, " --sync-maxlen", length, is_in_range)?;
    }
    if let Some(group) = group {
        write!(out, " --mcast-group {}", group.address())?;
    }
    if let Some(port) = *port {
        value(out, " --mcast-port", port, port != 0)?;
    }
    if let Some(ttl) = *ttl {
        value(out, " --mcast-ttl", ttl, ttl != 0)?;
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
    use ipvs::model::{OtherForwarding, OtherTunnel, Request};
    use ipvs_test::values;

    fn written(change: &Change) -> String {
        let mut line = Vec::new();
        write_change(&mut line, change, &Numeric).unwrap();
        String::from_utf8(line).unwrap()
    }

    fn read(line: &str) -> Change {
        match parse_numeric_line(line.as_bytes()) {
            Ok(Some(Command::Request(Request::Change(change)))) => change,
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
            "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum -x 9 -y 1",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g -w 1 -x 9 --own-port",
            "-e -t 10.0.0.1:80 -r 10.0.0.2:8080 -i -w 1 --tun-type ipip --own-port",
            "-A -t 10.0.0.1:80 --scheduler=ipvsadm -p 60 --pe=#x",
            "--start-daemon master --mcast-interface=#x --syncid 0",
            "--start-daemon backup --mcast-interface=ipvsadm --syncid 0",
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
        let protocol = Protocol::from_number(47);
        let odd = ServiceKey::Address { protocol, address, port };
        let forwarded = |forwarding| Change::AddServer(key, server.forwarding(forwarding));
        let tunneled = |tunnel| forwarded(Forwarding::Tunneling(tunnel));
        let (other, remote) = (TunnelChecksum::from_number(3), TunnelChecksum::Remote);
        let service = VirtualService::new(key);
        let persistent = |timeout| {
            let persistence = Persistence::reported(timeout, Netmask::host(key.family()));
            Change::AddService(service.clone().persistence(Some(persistence)))
        };
        let of_all_ports = ServiceKey::Address { protocol: Protocol::Tcp, address, port: 0 };
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
            (persistent(0), "# -A -t 10.0.0.1:80 -s wlc -p <0>"),
            (persistent(2_678_401), "# -A -t 10.0.0.1:80 -s wlc -p <2678401>"),
            (
                Change::AddService(VirtualService::new(of_all_ports)),
                "# -A -t 10.0.0.1:0 -s wlc <all ports without persistence>",
            ),
            (
                Change::EditService(service.clone().one_packet(true)),
                "# -E -t 10.0.0.1:80 -s wlc <one packet>",
            ),
            (
                Change::AddServer(key, server.upper_threshold(1 << 31)),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 -i -w 1 --tun-type ipip -x <2147483648>",
            ),
            (Change::SetTimeouts(Timeouts::new(2_678_401, 1, 2)), "# --set <2678401> 1 2"),
            (
                forwarded(Forwarding::Bypass),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 <forwarding method bypass> -w 1",
            ),
            (
                forwarded(Forwarding::Other(OtherForwarding::new(5).unwrap())),
                "# -a -t 10.0.0.1:80 -r 10.0.0.2:80 <forwarding method number 5> -w 1",
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
                tunneled(Tunnel::Other {
                    kind: OtherTunnel::new(7).unwrap(),
                    port: 9,
                    checksum: remote,
                }),
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

        #[test]
        fn line_of_what_a_kernel_reports_leads_back_to_it_or_is_a_comment(
            change in values::reported_change(),
        ) {
            let line = written(&change);
            if !has_line(&change) {
                prop_assert!(line.starts_with("# ") && line.contains('<'), "{}", line);
                prop_assert!(matches!(parse_numeric_line(line.as_bytes()), Ok(None)));
                return Ok(());
            }
            match (&change, &read(&line)) {
                (Change::AddService(service), Change::AddService(read)) => {
                    prop_assert!(service.serves_as(read), "{}", line);
                }
                (Change::AddServer(key, server), Change::AddServer(read_key, read)) => {
                    prop_assert!(key == read_key && server.serves_as(read), "{}", line);
                }
                (change, read) => prop_assert_eq!(change, read),
            }
        }

        #[test]
        fn line_of_1_31_is_the_beginning_of_each_line(
            (key, server) in values::reported_server(),
        ) {
            let plain = server.upper_threshold(0).lower_threshold(0);
            let plain = written(&Change::AddServer(key, plain));
            let line = written(&Change::AddServer(key, server));
            let strip = |line: &str| line.trim_start_matches("# ").to_owned();
            prop_assert!(strip(&line).starts_with(strip(&plain).trim_end_matches(" --own-port")));
        }
    }
}
