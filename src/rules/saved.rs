//! Changes as rule lines, the way ipvsadm saves them.

use std::io::{self, Write};

use crate::model::{
    Change, Family, Forwarding, Netmask, Protocol, RealServer, RealServerKey, ServiceKey,
    SyncDaemon, Tunnel, TunnelChecksum, VirtualService,
};
use crate::names::Labels;

/// Writes a change as a line that `-R` takes, without the newline.
///
/// # Errors
/// When the line cannot be written.
pub fn write_change(
    out: &mut (impl Write + ?Sized),
    change: &Change,
    labels: &Labels,
) -> io::Result<()> {
    let line = Line { labels };
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
    labels: &'a Labels,
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
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                let endpoint = self.labels.endpoint(address, port, Some(protocol));
                write!(out, "{command} {option} {endpoint}")
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
        write!(out, " -r {}", self.labels.endpoint(server.address, server.port, key.protocol()))
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
        let method = match server.forwarding {
            Forwarding::Masquerading => "-m",
            Forwarding::Tunneling(_) => "-i",
            Forwarding::DirectRouting | Forwarding::Other(_) => "-g",
        };
        write!(out, " {method} -w {}", server.weight)?;
        if server.upper_threshold != 0 {
            write!(out, " -x {}", server.upper_threshold)?;
        }
        if server.lower_threshold != 0 {
            write!(out, " -y {}", server.lower_threshold)?;
        }
        match server.forwarding {
            Forwarding::Tunneling(Tunnel::Ipip) => write!(out, " --tun-type ipip"),
            Forwarding::Tunneling(Tunnel::Gue { port, checksum }) => {
                write!(out, " --tun-type gue --tun-port {port} {}", checksum_option(checksum))
            }
            Forwarding::Tunneling(Tunnel::Gre { checksum }) => {
                write!(out, " --tun-type gre {}", checksum_option(checksum))
            }
            Forwarding::Masquerading | Forwarding::DirectRouting | Forwarding::Other(_) => Ok(()),
        }
    }
}

fn checksum_option(checksum: TunnelChecksum) -> &'static str {
    match checksum {
        TunnelChecksum::None => "--tun-nocsum",
        TunnelChecksum::Full => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
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
