//! The kernel's IPVS table, read and written through neli. Its constants repeat those of linux/ip_vs.h on purpose, so
//! that it does not share a mistake with the program's codec.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use neli::ToBytes;
use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF, Nlmsg};
use neli::consts::socket::NlFamily;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::synchronous::NlSocketHandle;
use neli::types::{Buffer, GenlBuffer};
use neli::utils::Groups;

const VERSION: u8 = 1;

const CMD_NEW_SERVICE: u8 = 1;
const CMD_DEL_SERVICE: u8 = 3;
const CMD_GET_SERVICE: u8 = 4;
const CMD_NEW_DEST: u8 = 5;
const CMD_GET_DEST: u8 = 8;
const CMD_NEW_DAEMON: u8 = 9;
const CMD_GET_DAEMON: u8 = 11;
const CMD_SET_CONFIG: u8 = 12;
const CMD_GET_CONFIG: u8 = 13;

const CMD_ATTR_SERVICE: u16 = 1;
const CMD_ATTR_DEST: u16 = 2;
const CMD_ATTR_DAEMON: u16 = 3;
const CMD_ATTR_TIMEOUT_TCP: u16 = 4;
const CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
const CMD_ATTR_TIMEOUT_UDP: u16 = 6;

const SVC_ATTR_AF: u16 = 1;
const SVC_ATTR_PROTOCOL: u16 = 2;
const SVC_ATTR_ADDR: u16 = 3;
const SVC_ATTR_PORT: u16 = 4;
const SVC_ATTR_FWMARK: u16 = 5;
const SVC_ATTR_SCHED_NAME: u16 = 6;
const SVC_ATTR_FLAGS: u16 = 7;
const SVC_ATTR_TIMEOUT: u16 = 8;
const SVC_ATTR_NETMASK: u16 = 9;
const SVC_ATTR_PE_NAME: u16 = 11;
const SVC_ATTR_STATS64: u16 = 12;

const DEST_ATTR_ADDR: u16 = 1;
const DEST_ATTR_PORT: u16 = 2;
const DEST_ATTR_FWD_METHOD: u16 = 3;
const DEST_ATTR_WEIGHT: u16 = 4;
const DEST_ATTR_U_THRESH: u16 = 5;
const DEST_ATTR_L_THRESH: u16 = 6;
const DEST_ATTR_ACTIVE_CONNS: u16 = 7;
const DEST_ATTR_INACT_CONNS: u16 = 8;
const DEST_ATTR_PERSIST_CONNS: u16 = 9;
const DEST_ATTR_ADDR_FAMILY: u16 = 11;
const DEST_ATTR_STATS64: u16 = 12;
const DEST_ATTR_TUN_TYPE: u16 = 13;
const DEST_ATTR_TUN_PORT: u16 = 14;
const DEST_ATTR_TUN_FLAGS: u16 = 15;

const DAEMON_ATTR_STATE: u16 = 1;
const DAEMON_ATTR_MCAST_IFN: u16 = 2;
const DAEMON_ATTR_SYNC_ID: u16 = 3;
const DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
const DAEMON_ATTR_MCAST_GROUP: u16 = 5;
const DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
const DAEMON_ATTR_MCAST_PORT: u16 = 7;
const DAEMON_ATTR_MCAST_TTL: u16 = 8;

/// The kernel's internal flag of a service that is in its hash table.
const SVC_F_HASHED: u32 = 0x0002;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
pub(crate) const TCP: u16 = 6;
pub(crate) const UDP: u16 = 17;
pub(crate) const MASQUERADING: u32 = 0;
pub(crate) const TUNNELING: u32 = 2;

/// The IPVS state of one network namespace, in an order that does not depend on the kernel's hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) timeouts: Timeouts,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) services: Vec<Service>,
}

/// Timeouts in seconds, as for `--set`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) tcp: u32,
    pub(crate) tcp_fin: u32,
    pub(crate) udp: u32,
}

/// A running sync daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Daemon {
    pub(crate) state: u32,
    pub(crate) interface: String,
    pub(crate) sync_id: u32,
    pub(crate) maxlen: u16,
    pub(crate) group: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) ttl: u8,
}

/// The key of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Address { protocol: u16, address: IpAddr, port: u16 },
    Fwmark { mark: u32, family: u16 },
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Service {
    pub(crate) key: Key,
    pub(crate) scheduler: String,
    pub(crate) flags: u32,
    pub(crate) timeout: u32,
    /// The kernel's number: a mask in network order for IPv4, a prefix length for IPv6.
    pub(crate) netmask: u32,
    pub(crate) engine: Option<String>,
    pub(crate) counters: Counters,
    pub(crate) destinations: Vec<Destination>,
}

/// A real server, with all the attributes of a 6.x kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Destination {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) method: u32,
    pub(crate) weight: u32,
    pub(crate) upper_threshold: u32,
    pub(crate) lower_threshold: u32,
    pub(crate) tunnel_type: u8,
    pub(crate) tunnel_port: u16,
    pub(crate) tunnel_flags: u16,
    pub(crate) connections: Connections,
    pub(crate) counters: Counters,
}

/// The current numbers of connections of a real server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Connections {
    pub(crate) active: u32,
    pub(crate) inactive: u32,
    pub(crate) persistent: u32,
}

/// IPVS_*_ATTR_STATS64 in the header's order: connections, packets in and out, bytes in and out, and the rate of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counters(pub(crate) [u64; 10]);

impl Service {
    /// A service as `ipvsadm -A` with only `-s rr` adds it.
    pub(crate) fn new(protocol: u16, address: &str, port: u16) -> Service {
        let address: IpAddr = address.parse().unwrap();
        Service {
            key: Key::Address { protocol, address, port },
            scheduler: "rr".to_owned(),
            flags: 0,
            timeout: 0,
            netmask: if address.is_ipv4() { u32::MAX } else { 128 },
            engine: None,
            counters: Counters::default(),
            destinations: Vec::new(),
        }
    }

    /// The same with one more real server, masqueraded, of weight 1.
    pub(crate) fn with(mut self, address: &str, port: u16) -> Service {
        self.destinations.push(Destination {
            address: address.parse().unwrap(),
            port,
            method: MASQUERADING,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel_type: 0,
            tunnel_port: 0,
            tunnel_flags: 0,
            connections: Connections::default(),
            counters: Counters::default(),
        });
        self
    }
}

impl Table {
    /// The configured settings, without values that depend on traffic.
    pub(crate) fn without_counters(mut self) -> Table {
        for service in &mut self.services {
            service.counters = Counters::default();
            for destination in &mut service.destinations {
                destination.connections = Connections::default();
                destination.counters = Counters::default();
            }
        }
        self
    }
}

/// One line for each entry of the table, so that two tables can be compared line by line.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.timeouts)?;
        for daemon in &self.daemons {
            writeln!(f, "{daemon:?}")?;
        }
        for service in &self.services {
            let alone = Service { destinations: Vec::new(), ..service.clone() };
            writeln!(f, "{alone:?}")?;
            for destination in &service.destinations {
                writeln!(f, "    {destination:?}")?;
            }
        }
        Ok(())
    }
}

type Message = Nlmsghdr<u16, Genlmsghdr<u8, u16>>;
type Attributes = GenlBuffer<u16, Buffer>;

/// A socket to the IPVS family of the network namespace that it was opened in.
pub(crate) struct Kernel {
    socket: NlSocketHandle,
    family: u16,
}

impl Kernel {
    /// Opens it in the namespace of the calling thread.
    pub(crate) fn open() -> Kernel {
        let socket = NlSocketHandle::connect(NlFamily::Generic, None, Groups::empty())
            .expect("a netlink socket");
        let mut kernel = Kernel { socket, family: GenlId::Ctrl.into() };
        let name = attribute(CtrlAttr::FamilyName.into(), "IPVS");
        let answer = kernel
            .ask(CtrlCmd::Getfamily.into(), NlmF::ACK, vec![name])
            .expect("this kernel has no IPVS: run `make test`, which starts one that has");
        kernel.family = u16::from_ne_bytes(bytes(&answer[0], CtrlAttr::FamilyId.into()).unwrap());
        kernel
    }

    /// The whole table, counters included.
    pub(crate) fn table(&self) -> Table {
        let config = &self.ask(CMD_GET_CONFIG, NlmF::ACK, vec![]).expect("IPVS_CMD_GET_CONFIG")[0];
        let timeouts = Timeouts {
            tcp: u32_of(config, CMD_ATTR_TIMEOUT_TCP),
            tcp_fin: u32_of(config, CMD_ATTR_TIMEOUT_TCP_FIN),
            udp: u32_of(config, CMD_ATTR_TIMEOUT_UDP),
        };
        let daemons = self.dump(CMD_GET_DAEMON, vec![]);
        let mut daemons: Vec<Daemon> =
            daemons.iter().map(|a| daemon(&nested(a, CMD_ATTR_DAEMON))).collect();
        let mut services: Vec<Service> = self
            .dump(CMD_GET_SERVICE, vec![])
            .iter()
            .map(|attributes| {
                let mut service = service(&nested(attributes, CMD_ATTR_SERVICE));
                let of_it = nest(CMD_ATTR_SERVICE, key_attributes(&service.key));
                service.destinations = self
                    .dump(CMD_GET_DEST, vec![of_it])
                    .iter()
                    .map(|a| destination(&nested(a, CMD_ATTR_DEST)))
                    .collect();
                service.destinations.sort();
                service
            })
            .collect();
        daemons.sort();
        services.sort();
        Table { timeouts, daemons, services }
    }

    /// The table without counters, which must be the same after two runs of the same commands.
    pub(crate) fn rules(&self) -> Table {
        self.table().without_counters()
    }

    /// Adds a service with its real servers.
    pub(crate) fn add(&self, service: &Service) {
        self.try_add(service).unwrap_or_else(|errno| panic!("errno {errno}: {service:?}"));
    }

    /// Adds a service with its real servers; `Err` is the errno of the first that the kernel refuses.
    pub(crate) fn try_add(&self, service: &Service) -> Result<(), i32> {
        let mut attributes = key_attributes(&service.key);
        attributes.push(attribute(SVC_ATTR_SCHED_NAME, service.scheduler.as_str()));
        attributes.push(attribute(
            SVC_ATTR_FLAGS,
            [service.flags.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat(),
        ));
        attributes.push(attribute(SVC_ATTR_TIMEOUT, service.timeout));
        attributes.push(attribute(SVC_ATTR_NETMASK, service.netmask));
        if let Some(engine) = &service.engine {
            attributes.push(attribute(SVC_ATTR_PE_NAME, engine.as_str()));
        }
        self.ask(CMD_NEW_SERVICE, NlmF::ACK, vec![nest(CMD_ATTR_SERVICE, attributes)])?;
        for server in &service.destinations {
            let of_it = nest(CMD_ATTR_SERVICE, key_attributes(&service.key));
            let server = nest(
                CMD_ATTR_DEST,
                vec![
                    attribute(DEST_ATTR_TUN_TYPE, server.tunnel_type),
                    attribute(DEST_ATTR_TUN_PORT, server.tunnel_port.to_be()),
                    attribute(DEST_ATTR_TUN_FLAGS, server.tunnel_flags),
                    attribute(DEST_ATTR_ADDR, octets(server.address)),
                    attribute(DEST_ATTR_PORT, server.port.to_be()),
                    attribute(DEST_ATTR_ADDR_FAMILY, family(server.address)),
                    attribute(DEST_ATTR_FWD_METHOD, server.method),
                    attribute(DEST_ATTR_WEIGHT, server.weight),
                    attribute(DEST_ATTR_U_THRESH, server.upper_threshold),
                    attribute(DEST_ATTR_L_THRESH, server.lower_threshold),
                ],
            );
            self.ask(CMD_NEW_DEST, NlmF::ACK, vec![of_it, server])?;
        }
        Ok(())
    }

    /// Sets the timeouts that are not zero.
    pub(crate) fn set_timeouts(&self, timeouts: &Timeouts) {
        let attributes = vec![
            attribute(CMD_ATTR_TIMEOUT_TCP, timeouts.tcp),
            attribute(CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
            attribute(CMD_ATTR_TIMEOUT_UDP, timeouts.udp),
        ];
        self.ask(CMD_SET_CONFIG, NlmF::ACK, attributes).expect("IPVS_CMD_SET_CONFIG");
    }

    /// Starts a sync daemon with the kernel's defaults; `Err` is the kernel's errno.
    pub(crate) fn start_daemon(
        &self,
        state: u32,
        interface: &str,
        sync_id: u32,
    ) -> Result<(), i32> {
        let attributes = vec![
            attribute(DAEMON_ATTR_STATE, state),
            attribute(DAEMON_ATTR_MCAST_IFN, interface),
            attribute(DAEMON_ATTR_SYNC_ID, sync_id),
        ];
        self.ask(CMD_NEW_DAEMON, NlmF::ACK, vec![nest(CMD_ATTR_DAEMON, attributes)]).map(drop)
    }

    /// Deletes a service.
    pub(crate) fn delete(&self, key: &Key) {
        self.ask(CMD_DEL_SERVICE, NlmF::ACK, vec![nest(CMD_ATTR_SERVICE, key_attributes(key))])
            .expect("IPVS_CMD_DEL_SERVICE");
    }

    fn dump(&self, command: u8, attributes: Vec<Nlattr<u16, Buffer>>) -> Vec<Attributes> {
        self.ask(command, NlmF::DUMP, attributes).expect("a dump")
    }

    /// Sends one request and returns the attributes of each message of the answer; `Err` is the kernel's errno.
    fn ask(
        &self,
        command: u8,
        flags: NlmF,
        attributes: Vec<Nlattr<u16, Buffer>>,
    ) -> Result<Vec<Attributes>, i32> {
        let payload: Genlmsghdr<u8, u16> = GenlmsghdrBuilder::default()
            .cmd(command)
            .version(VERSION)
            .attrs(attributes.into_iter().collect())
            .build()
            .unwrap();
        let message: Message = NlmsghdrBuilder::default()
            .nl_type(self.family)
            .nl_flags(NlmF::REQUEST | flags)
            .nl_payload(NlPayload::Payload(payload))
            .build()
            .unwrap();
        self.socket.send(&message).expect("sent to the kernel");
        let mut answer = Vec::new();
        loop {
            let (messages, _) = self
                .socket
                .recv_all::<u16, Genlmsghdr<u8, u16>>()
                .expect("an answer of the kernel");
            for message in messages {
                match message.nl_payload() {
                    NlPayload::Payload(payload) => answer.push(payload.attrs().clone()),
                    NlPayload::Err(error) => return Err(-error.error()),
                    NlPayload::Ack(_) => return Ok(answer),
                    NlPayload::DumpExtAck(_) | NlPayload::Empty => {
                        assert_eq!(*message.nl_type(), u16::from(Nlmsg::Done));
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

fn service(attributes: &Attributes) -> Service {
    let family = u16_of(attributes, SVC_ATTR_AF);
    let key = match find(attributes, SVC_ATTR_FWMARK) {
        Some(_) => Key::Fwmark { mark: u32_of(attributes, SVC_ATTR_FWMARK), family },
        None => Key::Address {
            protocol: u16_of(attributes, SVC_ATTR_PROTOCOL),
            address: address_of(attributes, SVC_ATTR_ADDR, family),
            port: u16::from_be(u16_of(attributes, SVC_ATTR_PORT)),
        },
    };
    // Flags and a mask of them, both in host order.
    let [a, b, c, d, ..]: [u8; 8] = bytes(attributes, SVC_ATTR_FLAGS).unwrap();
    Service {
        key,
        scheduler: text_of(attributes, SVC_ATTR_SCHED_NAME),
        flags: u32::from_ne_bytes([a, b, c, d]) & !SVC_F_HASHED,
        timeout: u32_of(attributes, SVC_ATTR_TIMEOUT),
        netmask: u32_of(attributes, SVC_ATTR_NETMASK),
        engine: find(attributes, SVC_ATTR_PE_NAME).map(|_| text_of(attributes, SVC_ATTR_PE_NAME)),
        counters: counters(&nested(attributes, SVC_ATTR_STATS64)),
        destinations: Vec::new(),
    }
}

fn destination(attributes: &Attributes) -> Destination {
    Destination {
        address: address_of(attributes, DEST_ATTR_ADDR, u16_of(attributes, DEST_ATTR_ADDR_FAMILY)),
        port: u16::from_be(u16_of(attributes, DEST_ATTR_PORT)),
        method: u32_of(attributes, DEST_ATTR_FWD_METHOD),
        weight: u32_of(attributes, DEST_ATTR_WEIGHT),
        upper_threshold: u32_of(attributes, DEST_ATTR_U_THRESH),
        lower_threshold: u32_of(attributes, DEST_ATTR_L_THRESH),
        tunnel_type: u8_of(attributes, DEST_ATTR_TUN_TYPE),
        tunnel_port: u16::from_be(u16_of(attributes, DEST_ATTR_TUN_PORT)),
        tunnel_flags: u16_of(attributes, DEST_ATTR_TUN_FLAGS),
        connections: Connections {
            active: u32_of(attributes, DEST_ATTR_ACTIVE_CONNS),
            inactive: u32_of(attributes, DEST_ATTR_INACT_CONNS),
            persistent: u32_of(attributes, DEST_ATTR_PERSIST_CONNS),
        },
        counters: counters(&nested(attributes, DEST_ATTR_STATS64)),
    }
}

fn daemon(attributes: &Attributes) -> Daemon {
    let group4 = bytes::<4>(attributes, DAEMON_ATTR_MCAST_GROUP)
        .map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
    let group6 = bytes::<16>(attributes, DAEMON_ATTR_MCAST_GROUP6)
        .map(|octets| IpAddr::from(Ipv6Addr::from(octets)));
    Daemon {
        state: u32_of(attributes, DAEMON_ATTR_STATE),
        interface: text_of(attributes, DAEMON_ATTR_MCAST_IFN),
        sync_id: u32_of(attributes, DAEMON_ATTR_SYNC_ID),
        maxlen: u16_of(attributes, DAEMON_ATTR_SYNC_MAXLEN),
        group: group4.or(group6),
        port: u16_of(attributes, DAEMON_ATTR_MCAST_PORT),
        ttl: u8_of(attributes, DAEMON_ATTR_MCAST_TTL),
    }
}

fn counters(attributes: &Attributes) -> Counters {
    Counters(
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
            .map(|kind| u64::from_ne_bytes(bytes(attributes, kind).unwrap())),
    )
}

fn key_attributes(key: &Key) -> Vec<Nlattr<u16, Buffer>> {
    match *key {
        Key::Address { protocol, address, port } => vec![
            attribute(SVC_ATTR_AF, family(address)),
            attribute(SVC_ATTR_PROTOCOL, protocol),
            attribute(SVC_ATTR_ADDR, octets(address)),
            attribute(SVC_ATTR_PORT, port.to_be()),
        ],
        Key::Fwmark { mark, family } => {
            vec![attribute(SVC_ATTR_AF, family), attribute(SVC_ATTR_FWMARK, mark)]
        }
    }
}

fn family(address: IpAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The 16 bytes of an address of either family in IPVS messages.
fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => [&address.octets()[..], &[0; 12]].concat(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn attribute(kind: u16, payload: impl neli::Size + ToBytes) -> Nlattr<u16, Buffer> {
    let kind = AttrTypeBuilder::default().nla_type(kind).build().unwrap();
    NlattrBuilder::default().nla_type(kind).nla_payload(payload).build().unwrap()
}

fn nest(kind: u16, attributes: Vec<Nlattr<u16, Buffer>>) -> Nlattr<u16, Buffer> {
    attributes
        .iter()
        .fold(attribute(kind, Buffer::new()), |outer, inner| outer.nest(inner).unwrap())
}

fn find(attributes: &Attributes, kind: u16) -> Option<&[u8]> {
    let found = attributes.iter().find(|attribute| *attribute.nla_type().nla_type() == kind)?;
    Some(found.nla_payload().as_ref())
}

fn nested(attributes: &Attributes, kind: u16) -> Attributes {
    let found = attributes.iter().find(|attribute| *attribute.nla_type().nla_type() == kind);
    let handle =
        found.unwrap_or_else(|| panic!("no attribute {kind}")).get_attr_handle::<u16>().unwrap();
    handle.get_attrs().iter().cloned().collect()
}

fn bytes<const N: usize>(attributes: &Attributes, kind: u16) -> Option<[u8; N]> {
    find(attributes, kind)?.try_into().ok()
}

fn u8_of(attributes: &Attributes, kind: u16) -> u8 {
    u8::from_ne_bytes(bytes(attributes, kind).unwrap())
}

fn u16_of(attributes: &Attributes, kind: u16) -> u16 {
    u16::from_ne_bytes(bytes(attributes, kind).unwrap())
}

fn u32_of(attributes: &Attributes, kind: u16) -> u32 {
    u32::from_ne_bytes(bytes(attributes, kind).unwrap())
}

fn text_of(attributes: &Attributes, kind: u16) -> String {
    let bytes = find(attributes, kind).unwrap();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).unwrap()
}

fn address_of(attributes: &Attributes, kind: u16, family: u16) -> IpAddr {
    let octets: [u8; 16] = bytes(attributes, kind).unwrap();
    match family {
        AF_INET => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into(),
        _ => Ipv6Addr::from(octets).into(),
    }
}
