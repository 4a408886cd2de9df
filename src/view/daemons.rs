//! The answers to `-L --daemon` and `-L --timeout`.

use std::io::{self, Write};

use crate::model::{SyncDaemon, Timeouts};

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
