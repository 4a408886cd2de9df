//! The sync daemons.

use std::io::{self, Write};

use ipvs::model::SyncDaemon;
use serde::Serialize;

use super::document::Document;

/// The sync daemons that run: at most one of each role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Daemons {
    /// The daemons in the kernel's order.
    pub daemons: Vec<SyncDaemon>,
}

impl Document for Daemons {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.daemons.iter().try_for_each(|daemon| write_daemon(out, daemon))
    }
}

/// Writes the line of a daemon, without settings that the kernel reports as 0.
fn write_daemon(out: &mut Vec<u8>, daemon: &SyncDaemon) -> io::Result<()> {
    let SyncDaemon { role, interface, sync_id, max_length, group, port, ttl, .. } = daemon;
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
    use crate::output::write_document;
    use ipvs::model::{MulticastGroup, SyncRole};
    use ipvs_rules::OutputFormat;

    fn shown(daemons: &[SyncDaemon], format: OutputFormat) -> String {
        let mut out = Vec::new();
        write_document(&mut out, &Daemons { daemons: daemons.to_vec() }, format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn daemon_is_shown_without_settings_that_the_kernel_does_not_report() {
        let text = |daemon: &SyncDaemon| shown(std::slice::from_ref(daemon), OutputFormat::Text);
        let group: std::net::IpAddr = "ff02::81".parse().unwrap();
        let interface = "averylongname15".parse().unwrap();
        let mut daemon = SyncDaemon::new(SyncRole::Master, interface)
            .sync_id(255)
            .max_length(Some(65487))
            .group(Some(MulticastGroup::try_from(group).unwrap()))
            .port(Some(65535))
            .ttl(Some(1));
        assert_eq!(
            text(&daemon),
            "master sync daemon (mcast=averylongname15, syncid=255, maxlen=65487, group=ff02::81, \
             port=65535, ttl=1)\n"
        );
        daemon.group = Some(MulticastGroup::default());
        (daemon.port, daemon.max_length) = (Some(0), Some(0));
        assert_eq!(
            text(&daemon),
            "master sync daemon (mcast=averylongname15, syncid=255, group=224.0.0.81, ttl=1)\n"
        );
        let older = daemon.group(None).ttl(None).role(SyncRole::Backup);
        assert_eq!(text(&older), "backup sync daemon (mcast=averylongname15, syncid=255)\n");
    }

    #[test]
    fn list_without_daemons_is_empty() {
        assert_eq!(shown(&[], OutputFormat::Text), "");
        assert_eq!(shown(&[], OutputFormat::Json), "{\"daemons\":[]}\n");
    }
}
