//! The answers to `-L --daemon` and `-L --timeout`.

use std::io::{self, Write};

use ipvs::model::{SyncDaemon, Timeouts};

/// Writes the line of the timeouts.
///
/// # Errors
/// When it cannot be written.
pub fn write_timeouts(out: &mut (impl Write + ?Sized), timeouts: &Timeouts) -> io::Result<()> {
    let Timeouts { tcp, tcp_fin, udp } = timeouts;
    writeln!(out, "Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}")
}

/// Writes the line of a sync daemon.
///
/// # Errors
/// When it cannot be written.
pub fn write_daemon(out: &mut (impl Write + ?Sized), daemon: &SyncDaemon) -> io::Result<()> {
    let SyncDaemon { role, interface, sync_id, max_length, group, port, ttl } = daemon;
    write!(out, "{role} sync daemon (mcast={interface}, syncid={sync_id}")?;
    if let Some(length) = max_length.filter(|&length| length != 0) {
        write!(out, ", maxlen={length}")?;
    }
    if let Some(group) = group {
        write!(out, ", group={}", group.address())?;
    }
    if let Some(port) = port.filter(|&port| port != 0) {
        write!(out, ", port={port}")?;
    }
    if let Some(ttl) = ttl.filter(|&ttl| ttl != 0) {
        write!(out, ", ttl={ttl}")?;
    }
    out.write_all(b")\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::model::{MulticastGroup, SyncRole};

    fn shown(daemon: &SyncDaemon) -> String {
        let mut out = Vec::new();
        write_daemon(&mut out, daemon).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn daemon_is_shown_without_what_the_kernel_does_not_say() {
        let group: std::net::IpAddr = "ff02::81".parse().unwrap();
        let mut daemon = SyncDaemon {
            role: SyncRole::Master,
            interface: "averylongname15".parse().unwrap(),
            sync_id: 255,
            max_length: Some(65487),
            group: Some(MulticastGroup::try_from(group).unwrap()),
            port: Some(65535),
            ttl: Some(1),
        };
        assert_eq!(
            shown(&daemon),
            "master sync daemon (mcast=averylongname15, syncid=255, maxlen=65487, group=ff02::81, \
             port=65535, ttl=1)\n"
        );
        daemon.group = Some(MulticastGroup::default());
        (daemon.port, daemon.max_length) = (Some(0), Some(0));
        assert_eq!(
            shown(&daemon),
            "master sync daemon (mcast=averylongname15, syncid=255, group=224.0.0.81, ttl=1)\n"
        );
        let older = SyncDaemon { group: None, ttl: None, role: SyncRole::Backup, ..daemon };
        assert_eq!(shown(&older), "backup sync daemon (mcast=averylongname15, syncid=255)\n");
    }

    #[test]
    fn timeouts_are_one_line() {
        let mut out = Vec::new();
        write_timeouts(&mut out, &Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }).unwrap();
        assert_eq!(out, b"Timeout (tcp tcpfin udp): 900 120 300\n");
    }
}
