//! The rows of the options.

use super::CommandName::{self, *};
use super::OptionName::{self, *};
use super::OptionSpec;
use super::Presence::{Allowed, Required};
use super::ValueSpec::{self, GluedValue, MaybeValue, Nothing, Value};

const ON_SERVICES: &[CommandName] = &[
    AddService,
    EditService,
    DeleteService,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Save,
];
const WITH_SERVICE: &[CommandName] = &[AddService, EditService];
const WITH_SERVER: &[CommandName] = &[AddServer, EditServer];
const WITH_LIST: &[CommandName] = &[List];
const WITH_DAEMON: &[CommandName] = &[StartDaemon];
const WITH_DRAIN: &[CommandName] = &[EditServer, DeleteServer, DeleteService];

const fn option(
    option: OptionName,
    short: Option<char>,
    long: &'static str,
    value: ValueSpec,
    owners: &'static [CommandName],
    help: &'static str,
) -> OptionSpec {
    let group = option;
    OptionSpec { option, short, long, title: long, group, value, presence: Allowed, owners, help }
}

const fn service(
    name: OptionName,
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        title: "service-address",
        group: TcpService,
        presence: Required,
        ..option(name, short, long, Value(value), ON_SERVICES, help)
    }
}

const fn forwarding(
    name: OptionName,
    short: char,
    long: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        title: "forwarding-method",
        group: Gatewaying,
        ..option(name, Some(short), long, Nothing, WITH_SERVER, help)
    }
}

/// All options, in the order in which ipvsadm 1.31 checks them: the first one that is missing or rejected is reported.
pub static OPTIONS: &[OptionSpec] = &[
    option(
        Numeric,
        Some('n'),
        "numeric",
        Nothing,
        &[List, Save],
        "Print addresses and ports as numbers",
    ),
    option(Connection, Some('c'), "connection", Nothing, WITH_LIST, "List the connections"),
    service(TcpService, Some('t'), "tcp-service", "HOST[:PORT]", "The TCP service at an address"),
    service(UdpService, Some('u'), "udp-service", "HOST[:PORT]", "The UDP service at an address"),
    service(SctpService, None, "sctp-service", "HOST[:PORT]", "The SCTP service at an address"),
    service(
        FwmarkService,
        Some('f'),
        "fwmark-service",
        "MARK",
        "The service of packets with a firewall mark, 1 to 4294967295",
    ),
    option(
        Scheduler,
        Some('s'),
        "scheduler",
        Value("SCHEDULER"),
        WITH_SERVICE,
        "rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh, twos or another that the \
         kernel has [default: wlc]",
    ),
    option(
        Persistent,
        Some('p'),
        "persistent",
        MaybeValue("SECONDS"),
        WITH_SERVICE,
        "Persistence timeout in seconds [default: 360]",
    ),
    option(
        Netmask,
        Some('M'),
        "netmask",
        Value("MASK"),
        WITH_SERVICE,
        "Persistence netmask: a prefix length or, for IPv4, a mask [default: 32 or 128 bits]",
    ),
    OptionSpec {
        presence: Required,
        ..option(
            RealServer,
            Some('r'),
            "real-server",
            Value("HOST[:PORT]"),
            &[AddServer, EditServer, DeleteServer, List],
            "The real server; its port is the service's if that comes first on the line. With -L -c: \
             connections of this server",
        )
    },
    forwarding(Gatewaying, 'g', "gatewaying", "Forward by direct routing; the default"),
    forwarding(Ipip, 'i', "ipip", "Forward through a tunnel"),
    forwarding(Masquerading, 'm', "masquerading", "Forward by address translation (NAT)"),
    option(
        Weight,
        Some('w'),
        "weight",
        Value("WEIGHT"),
        WITH_SERVER,
        "Capacity relative to the other servers; 0 drains the server [default: 1]",
    ),
    option(
        UpperThreshold,
        Some('x'),
        "u-threshold",
        Value("CONNECTIONS"),
        WITH_SERVER,
        "Number of connections at which the server gets no new ones; 0 for no limit",
    ),
    option(
        LowerThreshold,
        Some('y'),
        "l-threshold",
        Value("CONNECTIONS"),
        WITH_SERVER,
        "Number of connections below which the server gets new ones again",
    ),
    option(
        McastInterface,
        None,
        "mcast-interface",
        Value("INTERFACE"),
        WITH_DAEMON,
        "The interface of the daemon [default: eth0]",
    ),
    option(Timeout, None, "timeout", Nothing, WITH_LIST, "List the connection timeouts"),
    option(Daemon, None, "daemon", Nothing, WITH_LIST, "List the sync daemons"),
    option(Stats, None, "stats", Nothing, WITH_LIST, "List the totals since the addition or -Z"),
    option(Rate, None, "rate", Nothing, WITH_LIST, "List the rates per second"),
    option(Thresholds, None, "thresholds", Nothing, WITH_LIST, "List the thresholds"),
    option(
        PersistentConn,
        None,
        "persistent-conn",
        Nothing,
        WITH_LIST,
        "List the numbers of persistent clients; with -c, the data of persistence engines",
    ),
    option(Nosort, None, "nosort", Nothing, WITH_LIST, "List in the kernel's order"),
    option(
        SyncId,
        None,
        "syncid",
        Value("ID"),
        // 1.31 accepts it with the other two commands as well, and ignores it there.
        &[StartDaemon, StopDaemon, List],
        "The daemon's number, 0 to 255; a backup accepts messages with its number [default: 0]",
    ),
    option(Exact, Some('X'), "exact", Nothing, WITH_LIST, "Print all digits of large numbers"),
    option(Ops, Some('o'), "ops", Nothing, WITH_SERVICE, "Schedule each packet of a UDP service"),
    option(
        Engine,
        None,
        "pe",
        Value("ENGINE"),
        WITH_SERVICE,
        "Persistence engine that identifies clients: sip, or another that the kernel has",
    ),
    option(
        SchedulerFlags,
        Some('b'),
        "sched-flags",
        Value("FLAG[,FLAG]..."),
        WITH_SERVICE,
        "sh-fallback, sh-port, mh-fallback, mh-port, or flag-1, flag-2, flag-3 of any scheduler",
    ),
    option(
        McastGroup,
        None,
        "mcast-group",
        Value("ADDRESS"),
        WITH_DAEMON,
        "The multicast address of the daemon [default: 224.0.0.81]",
    ),
    option(
        McastPort,
        None,
        "mcast-port",
        Value("PORT"),
        WITH_DAEMON,
        "The UDP port of the daemon [default: 8848]",
    ),
    option(
        McastTtl,
        None,
        "mcast-ttl",
        Value("HOPS"),
        WITH_DAEMON,
        "The time to live of the daemon's packets [default: 1]",
    ),
    option(
        SyncMaxlen,
        None,
        "sync-maxlen",
        Value("BYTES"),
        WITH_DAEMON,
        "The maximum message length [default: from the MTU]",
    ),
    option(TunInfo, None, "tun-info", Nothing, WITH_LIST, "List the tunnels"),
    option(
        TunType,
        None,
        "tun-type",
        Value("TYPE"),
        WITH_SERVER,
        "The kind of tunnel: ipip, gue or gre [default: ipip]",
    ),
    option(
        TunPort,
        None,
        "tun-port",
        Value("PORT"),
        WITH_SERVER,
        "The UDP port of a gue tunnel at the real server",
    ),
    option(
        TunNocsum,
        None,
        "tun-nocsum",
        Nothing,
        WITH_SERVER,
        "Send gue and gre packets without a checksum; the default",
    ),
    option(
        TunCsum,
        None,
        "tun-csum",
        Nothing,
        WITH_SERVER,
        "Send gue and gre packets with a checksum",
    ),
    option(
        TunRemcsum,
        None,
        "tun-remcsum",
        Nothing,
        WITH_SERVER,
        "Use remote checksum offload in a gue tunnel",
    ),
    option(
        Json,
        None,
        "json",
        Nothing,
        &[List, EditServer, DeleteServer, DeleteService],
        "Print all data as JSON, with numbers instead of names; with --drain, an object for each step",
    ),
    option(
        All,
        None,
        "all",
        Nothing,
        &[Save],
        "Save the timeouts and the running sync daemons too",
    ),
    option(
        AllowEmpty,
        None,
        "allow-empty",
        Nothing,
        &[Save],
        "Let an empty table replace a file that contains rules",
    ),
    option(
        OwnPort,
        None,
        "own-port",
        Nothing,
        WITH_SERVER,
        "Keep the port of -r with -g and -i; by default it is the service's",
    ),
    option(
        Drain,
        None,
        "drain",
        GluedValue("SECONDS"),
        WITH_DRAIN,
        "Set the weight to 0, wait until no connection is left or SECONDS are over, then delete with -d and -D",
    ),
    option(
        Force,
        None,
        "force",
        Nothing,
        WITH_DRAIN,
        "Drain although new connections would be refused; delete also if connections are left",
    ),
    option(
        Within,
        None,
        "within",
        Value("SCOPE"),
        &[Save, Clear],
        "Only the services of a network, ADDRESS[/N], or of firewall marks, fwmark:LOW[-HIGH]; may be repeated",
    ),
    option(Sort, None, "sort", Nothing, EVERY_COMMAND, "Sort the listing; the default"),
    option(Ipv6, Some('6'), "ipv6", Nothing, ON_SERVICES, "After -f: the packets are IPv6"),
    option(
        Netns,
        None,
        "netns",
        Value("NAME|PATH|PID"),
        EVERY_COMMAND,
        "Work in another network namespace: its name in /run/netns, a path, or the PID of a process",
    ),
    option(
        Color,
        None,
        "color",
        Value("WHEN"),
        EVERY_COMMAND,
        "Colour messages, help and tables: auto, always or never [default: auto]",
    ),
    option(
        Client,
        None,
        "client",
        Value("ADDRESS[/BITS]"),
        WITH_LIST,
        "With -c: connections of clients in this network",
    ),
    option(
        State,
        None,
        "state",
        Value("STATE[,STATE]..."),
        WITH_LIST,
        "With -c: connections in one of these states, such as ESTABLISHED",
    ),
    option(
        Origin,
        None,
        "origin",
        Value("local|synced"),
        WITH_LIST,
        "With -c: connections that this director has scheduled, or those from its sync daemon",
    ),
    option(Count, None, "count", Nothing, WITH_LIST, "With -c: print the number of connections"),
    option(
        CountBy,
        None,
        "count-by",
        Value("GROUP"),
        WITH_LIST,
        "With -c: count by client, client/24 or client/24,64 (networks), service, server, state or origin",
    ),
    option(Limit, None, "limit", Value("NUMBER"), WITH_LIST, "Print the largest groups alone"),
    option(NoHeader, None, "no-header", Nothing, WITH_LIST, "Print counts without column titles"),
    option(
        Keep,
        None,
        "keep",
        Nothing,
        &[EditService, EditServer],
        "Keep all settings that the line omits; -w may be +N, -N or N%",
    ),
    option(
        IfExists,
        None,
        "if-exists",
        Nothing,
        &[EditService, EditServer, DeleteService, DeleteServer],
        "Do nothing if the service or the server is missing",
    ),
    option(
        IfNotExists,
        None,
        "if-not-exists",
        Nothing,
        &[AddService, AddServer],
        "Do nothing if the same service or server exists",
    ),
    option(
        Replace,
        None,
        "replace",
        Nothing,
        &[AddService, AddServer],
        "Add the service or the server, or edit it if it exists",
    ),
    option(
        DryRun,
        None,
        "dry-run",
        Nothing,
        &[
            AddService,
            AddServer,
            EditService,
            EditServer,
            DeleteService,
            DeleteServer,
            Clear,
            Zero,
            Set,
            StartDaemon,
            StopDaemon,
        ],
        "Print the entries that would change, before and after; change nothing",
    ),
];

/// 1.31 accepts `--sort` everywhere, any number of times.
const EVERY_COMMAND: &[CommandName] = &[
    AddService,
    EditService,
    DeleteService,
    Clear,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
];
