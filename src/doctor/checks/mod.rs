//! The table of checks. Each group of functions is a file.

mod counters;
mod director;
mod forwarding;
mod kernel;
mod probes;
mod reach;
mod real_server;
mod services;
mod sync;

use super::Severity::{Error, Note, Warning};
use super::{Check, Facts, Found, Severity, command};
use ipvs::model::{Change, RealServer, ServiceKey};

/// The server without new connections, as a command.
fn drain(key: &ServiceKey, server: &RealServer) -> String {
    command(&Change::EditServer(*key, server.weight(0)))
}

/// A hardware address as people write it.
fn hardware_text(hardware: &[u8]) -> String {
    let bytes: Vec<String> = hardware.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

const fn check(
    code: &'static str,
    severity: Severity,
    why: &'static str,
    find: fn(&Facts) -> Vec<Found>,
) -> Check {
    Check { code, severity, why, find }
}

/// All checks, in the order of the findings. `docs/doctor.md` has a paragraph for each.
pub const CHECKS: &[Check] = &[
    check(
        "LVS-KERNEL-01",
        Error,
        "Without ip_vs the kernel has no virtual service.",
        kernel::no_ip_vs,
    ),
    check(
        "LVS-KERNEL-02",
        Warning,
        "Each packet searches a chain of connections, so every packet takes longer.",
        kernel::small_table,
    ),
    check(
        "LVS-KERNEL-03",
        Warning,
        "When nf_conntrack is full, the kernel drops the packets of new connections.",
        kernel::full_conntrack,
    ),
    check(
        "LVS-KERNEL-04",
        Warning,
        "A client that reuses a port within two minutes waits a second for its connection.",
        kernel::reuse_mode,
    ),
    check(
        "LVS-KERNEL-05",
        Note,
        "The kernel does not update rates, so --rate shows zeros.",
        kernel::no_estimation,
    ),
    check(
        "LVS-KERNEL-06",
        Warning,
        "A client that reuses a port keeps the server of its old connection, even one of weight 0.",
        kernel::kept_ports,
    ),
    check(
        "LVS-KERNEL-07",
        Warning,
        "The service does not load its rules at the next boot.",
        kernel::boot_rules,
    ),
    check(
        "LVS-KERNEL-08",
        Note,
        "Without the right, the doctor sees a part of the table only.",
        kernel::no_rights,
    ),
    check(
        "LVS-DIR-01",
        Error,
        "The kernel drops the answers of real servers with NAT, which it has to forward to the clients.",
        director::no_forwarding,
    ),
    check(
        "LVS-DIR-02",
        Error,
        "IPVS handles packets to addresses of this machine only, so no client reaches the service.",
        director::no_virtual_address,
    ),
    check(
        "LVS-DIR-03",
        Error,
        "An interface that is down takes no packets from the clients of its network.",
        director::interface_down,
    ),
    check(
        "LVS-DIR-04",
        Warning,
        "The director tells real servers to send their answers past it, and clients refuse those.",
        director::send_redirects,
    ),
    check(
        "LVS-DIR-05",
        Note,
        "The filter's rules may drop packets of the service; the doctor does not judge them.",
        director::packet_filter,
    ),
    check(
        "LVS-DIR-06",
        Error,
        "Nobody answers when clients ask for the hardware address of the virtual address.",
        director::unanswered_address,
    ),
    check(
        "LVS-DIR-07",
        Warning,
        "A strict filter drops the packets of clients that arrive by another interface than the route to them.",
        director::reverse_path,
    ),
    check(
        "LVS-DIR-08",
        Note,
        "Rules of source translation do not see the packets of IPVS without conntrack.",
        director::untracked_sources,
    ),
    check(
        "LVS-DIR-09",
        Error,
        "The kernel does not use the address, because another machine had it first.",
        director::duplicate_address,
    ),
    check(
        "LVS-NAT-01",
        Error,
        "The server answers clients of its own network directly, and they refuse an answer from its address.",
        forwarding::client_beside_server,
    ),
    check(
        "LVS-NAT-02",
        Error,
        "No answer of the server came back through this director, so its clients wait in vain.",
        forwarding::no_answers_by_nat,
    ),
    check(
        "LVS-NAT-03",
        Note,
        "The kernel tells such connections apart by the client's port only.",
        forwarding::mapped_twice,
    ),
    check(
        "LVS-DR-01",
        Error,
        "Direct routing reaches servers on a network of the director only: a router sends the packets back.",
        forwarding::server_behind_router,
    ),
    check(
        "LVS-DR-02",
        Error,
        "A server without the virtual address drops the packets, and one without its program refuses them.",
        forwarding::no_answers_by_routing,
    ),
    check(
        "LVS-DR-03",
        Note,
        "Only NAT maps ports: the packets keep the port of the service.",
        forwarding::ignored_port,
    ),
    check(
        "LVS-DR-04",
        Note,
        "This machine answers such connections itself.",
        forwarding::own_address,
    ),
    check(
        "LVS-DR-05",
        Error,
        "No program of this machine accepts the connections, so the kernel refuses them.",
        director::no_local_listener,
    ),
    check(
        "LVS-SRV-01",
        Error,
        "The scheduler goes on sending new connections to the server, and they time out.",
        reach::silent_neighbour,
    ),
    check(
        "LVS-SRV-02",
        Note,
        "Two servers with one hardware address are one machine, or one address is in use twice.",
        reach::same_hardware,
    ),
    check(
        "LVS-SRV-03",
        Error,
        "No program listens on the port, or a packet filter refuses the connections.",
        probes::refused,
    ),
    check(
        "LVS-SRV-04",
        Error,
        "Nothing answers at the server's address and port.",
        probes::unanswered,
    ),
    check(
        "LVS-SRV-05",
        Warning,
        "The server does not keep up, or its answers get lost on the way.",
        forwarding::piling_up,
    ),
    check(
        "LVS-SRV-06",
        Error,
        "The kernel cannot send the packets of new connections, and their clients get no answer.",
        reach::no_route,
    ),
    check(
        "LVS-TUN-01",
        Note,
        "Clients that ignore ICMP messages about the packet size cannot send large packets.",
        forwarding::tunnel_mtu,
    ),
    check(
        "LVS-TUN-02",
        Error,
        "A real server has the virtual address, and drops packets that come from an address of its own.",
        forwarding::tunnel_source,
    ),
    check(
        "LVS-ARP-01",
        Error,
        "This machine answers ARP for the address, so clients may reach it instead of the director.",
        real_server::arp_ignore,
    ),
    check(
        "LVS-ARP-02",
        Error,
        "ARP requests from this address move it to this machine in the neighbours' tables.",
        real_server::arp_announce,
    ),
    check(
        "LVS-ARP-03",
        Error,
        "The kernel takes all addresses of that network for its own and reaches none of its machines.",
        real_server::short_prefix,
    ),
    check(
        "LVS-ARP-04",
        Error,
        "Clients send their packets to the machine that answers first.",
        probes::other_owners,
    ),
    check(
        "LVS-RS-01",
        Error,
        "The reverse path filter drops the packets that leave the tunnel, since their senders are reached by another interface.",
        real_server::reverse_path,
    ),
    check(
        "LVS-RS-02",
        Error,
        "A tunnel that is down drops the packets of the director.",
        real_server::tunnel_down,
    ),
    check(
        "LVS-RS-03",
        Note,
        "Connections to the virtual address are refused at such a port.",
        real_server::own_address_alone,
    ),
    check(
        "LVS-RS-04",
        Warning,
        "Without a tunnel the kernel drops the packets of a director that sends them by one.",
        real_server::no_tunnel,
    ),
    check(
        "LVS-SVC-01",
        Error,
        "The kernel refuses all connections to a service without real servers.",
        services::no_servers,
    ),
    check(
        "LVS-SVC-02",
        Error,
        "Servers of weight 0 get no new connections, so the kernel refuses them all.",
        services::all_drained,
    ),
    check(
        "LVS-SVC-03",
        Error,
        "The scheduler refuses the new connections that hash to a server of weight 0.",
        services::hash_to_drained,
    ),
    check(
        "LVS-SVC-04",
        Warning,
        "Clients of a drained server come back to it until their persistence ends.",
        services::persistent_drained,
    ),
    check(
        "LVS-SVC-05",
        Warning,
        "The kernel drops the packets of these connections in silence until the entries expire.",
        services::deleted_servers,
    ),
    check(
        "LVS-SVC-06",
        Warning,
        "An edit without -g, -i or -m returns a server to direct routing, and few servers are set up for both.",
        services::mixed_forwarding,
    ),
    check(
        "LVS-SVC-07",
        Note,
        "The two services treat the same server differently.",
        services::unequal_servers,
    ),
    check(
        "LVS-SVC-08",
        Error,
        "A server at its upper threshold gets no new connections, so the kernel refuses them all.",
        services::thresholds_reached,
    ),
    check(
        "LVS-SVC-09",
        Error,
        "One-packet scheduling keeps no connection, so the answers of a server with NAT are not translated.",
        services::one_packet_nat,
    ),
    check(
        "LVS-SVC-10",
        Note,
        "The service of the port takes its packets; the service of all ports takes the others.",
        services::overlapping,
    ),
    check(
        "LVS-SVC-11",
        Note,
        "Checks and weights of the same server are separate in each service.",
        services::shared_servers,
    ),
    check(
        "LVS-SVC-12",
        Warning,
        "Only packets with the mark belong to the service.",
        services::unset_marks,
    ),
    check(
        "LVS-SYNC-01",
        Warning,
        "The daemon sends or receives nothing, so connections break when another director takes over.",
        sync::bad_interface,
    ),
    check(
        "LVS-SYNC-02",
        Note,
        "A backup daemon takes the messages of every master with its sync ID.",
        sync::same_id,
    ),
    check("LVS-SYNC-03", Warning, "After a failover, clients meet other rules.", sync::other_table),
    check(
        "LVS-SYNC-04",
        Note,
        "After a failover, these connections end.",
        sync::entries_without_service,
    ),
    check(
        "LVS-SYNC-05",
        Note,
        "Connections are not known to another director.",
        sync::mixed_families,
    ),
    check(
        "LVS-SYNC-06",
        Error,
        "A director whose backup daemon runs with backup_only schedules no connection.",
        sync::backup_only,
    ),
    check(
        "LVS-SYNC-07",
        Note,
        "After a failover, the kernel refuses connections that the daemon had not received yet.",
        sync::strict_tcp,
    ),
];
