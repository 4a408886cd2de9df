//! The settings `net.ipv4.vs.*` of Linux up to 7.2: their defaults, and their effect on connections.

/// The value of a setting in a fresh network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DefaultValue {
    /// The same one everywhere.
    Value(&'static str),
    /// It depends on a part of the machine, which the text names.
    OfMachine(&'static str),
}

/// A setting.
#[derive(Debug)]
pub(super) struct SysctlRow {
    pub(super) name: &'static str,
    pub(super) default: DefaultValue,
    /// One sentence: when the setting matters, and to whom.
    pub(super) effect: &'static str,
}

impl DefaultValue {
    pub(super) const fn value(self) -> Option<&'static str> {
        match self {
            Self::Value(value) => Some(value),
            Self::OfMachine(_) => None,
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Value(text) | Self::OfMachine(text) => text,
        }
    }
}

/// The row of a setting. `None` for one of a newer kernel.
pub(super) fn row(name: &str) -> Option<&'static SysctlRow> {
    let place = ROWS.binary_search_by_key(&name, |row| row.name).ok()?;
    ROWS.get(place)
}

const fn of(name: &'static str, value: &'static str, effect: &'static str) -> SysctlRow {
    SysctlRow { name, default: DefaultValue::Value(value), effect }
}

const fn of_machine(name: &'static str, part: &'static str, effect: &'static str) -> SysctlRow {
    SysctlRow { name, default: DefaultValue::OfMachine(part), effect }
}

/// All settings in the order of their names.
static ROWS: &[SysctlRow] = &[
    of("am_droprate", "10", "while drop_packet is 3, every n-th packet of the clients is dropped"),
    of(
        "amemthresh",
        "1024",
        "below this many free pages of memory, mode 1 of drop_entry, drop_packet and secure_tcp begins",
    ),
    of(
        "backup_only",
        "0",
        "1: while a backup sync daemon runs, this director balances nothing, so that two directors that \
         are real servers of each other make no loop",
    ),
    of(
        "cache_bypass",
        "0",
        "1: if no cache of a transparent proxy is usable, its clients reach the original server",
    ),
    of(
        "conn_lfactor",
        "-4",
        "load of the connection table, as a power of 2, at which it grows: smaller values make shorter \
         chains and a larger table",
    ),
    of_machine(
        "conn_max",
        "memory",
        "the most connections of this network namespace; further ones fail",
    ),
    of(
        "conn_reuse_mode",
        "1",
        "a client's new connection from a port of an old one gets a new server: 0 never, 1 if the old \
         one has ended, 2 also after FIN",
    ),
    of(
        "conntrack",
        "0",
        "1: connections have conntrack entries too, which stateful rules and SNAT of clients need, at \
         the cost of memory and time",
    ),
    of("debug_level", "0", "a higher level logs more, up to every packet at 12"),
    of(
        "drop_entry",
        "0",
        "defence against SYN floods: half open connections are dropped at random; 1 while memory is \
         scarce, 3 always",
    ),
    of(
        "drop_packet",
        "0",
        "defence against floods: packets of all clients are dropped at random; 1 while memory is scarce, \
         3 always",
    ),
    of_machine("est_cpulist", "CPUs", "CPUs of the kernel threads that add up the counters"),
    of("est_nice", "0", "priority of the kernel threads that add up the counters, -20 to 19"),
    of(
        "expire_nodest_conn",
        "0",
        "clients of a deleted server: 0 drops their packets until their timeout, 1 ends the connection at \
         its next packet",
    ),
    of(
        "expire_quiescent_template",
        "0",
        "persistent clients of a server with weight 0: 0 lets them come back to it, 1 sends their next \
         connection to another one",
    ),
    of(
        "ignore_tunneled",
        "0",
        "1: tunneled packets for a service are not balanced again, which ends loops where a director is \
         the real server of another one",
    ),
    of(
        "lblc_expiration",
        "86400",
        "seconds after which lblc forgets the server of an unused address",
    ),
    of(
        "lblcr_expiration",
        "86400",
        "seconds after which lblcr forgets the servers of an unused address",
    ),
    of(
        "nat_icmp_send",
        "0",
        "packets of a NAT server for connections that the director has forgotten: 0 passes them on, 1 \
         answers the server with an ICMP error",
    ),
    of(
        "pmtu_disc",
        "1",
        "packets that are too large for a tunnel to the server: 1 asks the client for smaller ones, 0 \
         makes fragments",
    ),
    of("run_estimation", "1", "0: counters and rates of all listings and metrics no longer change"),
    of(
        "schedule_icmp",
        "0",
        "1: ICMP errors about connections that this director does not know are balanced too, so that \
         servers learn of small MTUs",
    ),
    of(
        "secure_tcp",
        "0",
        "defence against SYN floods: stricter states of TCP, of which connections are established only \
         after the handshake; 1 while memory is scarce, 3 always",
    ),
    of(
        "sloppy_sctp",
        "0",
        "1: connections of SCTP that this director does not know are balanced at any packet, not at INIT \
         alone",
    ),
    of(
        "sloppy_tcp",
        "0",
        "1: connections that this director does not know are balanced at any packet, not at SYN alone, as \
         a backup needs that takes over without their entries",
    ),
    of(
        "snat_reroute",
        "1",
        "answers of NAT servers: 1 routes them as the director's own packets, which matters to policy \
         routing; 0 saves that time",
    ),
    of("svc_lfactor", "-3", "load of the table of services, as a power of 2, at which it grows"),
    of(
        "sync_persist_mode",
        "0",
        "1: of persistent services the master sends templates alone, so the backup needs sloppy_tcp",
    ),
    of(
        "sync_ports",
        "1",
        "threads and UDP ports of a sync daemon; both directors need the same number",
    ),
    of_machine(
        "sync_qlen_max",
        "memory",
        "sync messages that may wait; the backup misses further ones",
    ),
    of(
        "sync_refresh_period",
        "0",
        "seconds in which an unchanged connection is not sent to the backup again; 0 leaves that to \
         sync_threshold",
    ),
    of(
        "sync_retries",
        "0",
        "times that a sync message is sent again within sync_refresh_period, against losses",
    ),
    of(
        "sync_sock_size",
        "0",
        "bytes of a sync daemon's socket buffer, against losses in bursts; 0 takes the system's default",
    ),
    of(
        "sync_threshold",
        "3 50",
        "packet at which a connection is first sent to the backup, and packets after which it is sent \
         again: shorter connections are lost in a failover",
    ),
    of("sync_version", "1", "0: the master sends the old format without IPv6, for old backups"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_found_by_its_name_and_has_one_sentence() {
        for row in ROWS {
            assert!(std::ptr::eq(super::row(row.name).unwrap(), row), "{}", row.name);
            let words = row.effect.split_whitespace().count();
            assert!((5..=30).contains(&words), "{}: {words} words", row.name);
            assert!(!row.effect.contains(['.', '\n']), "{}", row.effect);
        }
        assert!(super::row("unheard_of").is_none());
    }

    #[test]
    fn each_setting_is_in_the_table_of_the_documents() {
        let page = include_str!("../../docs/reading.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        for row in ROWS {
            let name = format!("`{}`", row.name);
            assert!(rows.iter().any(|line| line.contains(&name)), "{name}");
        }
    }
}
