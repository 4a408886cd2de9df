//! Drains over the model of the kernel, with lines of `/proc/net/ip_vs_conn` as a real kernel writes them.

use std::cell::Cell;
use std::time::Duration;

use ipvs::model::{
    Connection, Forwarding, Netmask, Persistence, SchedulerFlags, Tunnel, TunnelChecksum,
};
use ipvs::plan::{
    Contest, Drain, DrainInput, DrainTarget, Entries, Obstacle, Poll, Reading, Remaining,
};
use ipvs::procfs::Connections;
use ipvs::{Client, Error, ErrorKind, RealServer, ServiceKey, VirtualService};
use ipvs_test::kernel::{Kernel, Socket};

const VIP: &str = "tcp 10.0.0.1:80";

/// A connection table and a clock. Each reading takes the time that the test sets.
#[derive(Default)]
struct Input {
    table: String,
    now: Cell<Duration>,
    takes: Duration,
    readings: usize,
    stops: bool,
}

impl Input {
    fn of(lines: &[&str]) -> Self {
        let mut input = Self::default();
        input.set(lines);
        input
    }

    fn set(&mut self, lines: &[&str]) {
        let heading =
            "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData";
        self.table = format!("{heading}\n{}\n", lines.join("\n"));
        if lines.is_empty() {
            self.table = format!("{heading}\n");
        }
    }

    fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }
}

impl DrainInput for Input {
    type Connections = std::vec::IntoIter<Result<Connection, Error>>;

    fn connections(&mut self) -> Result<Self::Connections, Error> {
        self.readings += 1;
        self.pass(self.takes);
        let entries: Vec<_> = Connections::from_reader(self.table.as_bytes()).collect();
        Ok(entries.into_iter())
    }

    fn elapsed(&self) -> Duration {
        self.now.get()
    }

    fn should_stop(&self) -> bool {
        self.stops
    }
}

struct Table {
    kernel: Kernel,
    client: Client<Socket>,
}

impl Table {
    /// A table of services, each with its real servers.
    fn new(services: &[(VirtualService, &[RealServer])]) -> Self {
        let kernel = Kernel::new();
        let mut client = Client::new(kernel.socket()).unwrap();
        for (service, servers) in services {
            client.add_service(service).unwrap();
            for server in *servers {
                client.add_server(&service.key, server).unwrap();
            }
        }
        Self { kernel, client }
    }

    /// A TCP service with the real servers 10.1.0.1 to 10.1.0.N, of weight 5.
    fn of_servers(count: u8) -> Self {
        let servers: Vec<_> =
            (1..=count).map(|host| server(&format!("10.1.0.{host}:80"), 5)).collect();
        Self::new(&[(VirtualService::new(key(VIP)), &servers)])
    }

    fn drain(&mut self, service: &str, server: &str) -> Drain {
        let target = DrainTarget::Server(key(service), server.parse().unwrap());
        let drain = Drain::prepare(target, &mut self.client).unwrap();
        drain.begin(&mut self.client).unwrap();
        drain
    }

    fn weight(&mut self, service: &str, server: &str) -> u32 {
        self.client.server(&key(service), &server.parse().unwrap()).unwrap().server.weight
    }

    /// Sets the active connections of all real servers.
    fn set_active(&self, count: u32) {
        for service in &mut self.kernel.state().services {
            for server in &mut service.servers {
                server.connections[0] = count;
            }
        }
    }
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn server(text: &str, weight: u32) -> RealServer {
    RealServer::new(text.parse().unwrap()).weight(weight).forwarding(Forwarding::Masquerading)
}

fn waiting(active: u64, entries: Option<[u64; 3]>) -> Poll {
    let entries =
        entries.map(|[open, datagrams, unattributed]| Entries { open, datagrams, unattributed });
    Poll::Waiting(Remaining { active, entries })
}

const ESTABLISHED: &str = "TCP C0000201 9C43 0A000001 0050 0A010001 0050 ESTABLISHED     899";

#[test]
fn drain_sets_the_weight_to_0_and_keeps_every_other_setting() {
    let tunnel = Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Full };
    let before = server("10.1.0.1:80", 7)
        .forwarding(Forwarding::Tunneling(tunnel))
        .upper_threshold(9)
        .lower_threshold(3);
    let mut table = Table::new(&[(VirtualService::new(key(VIP)), &[before])]);
    let drain = table.drain(VIP, "10.1.0.1:80");
    let now = table.client.server(&key(VIP), &before.key).unwrap().server;
    assert_eq!(now, before.weight(0));
    let restored = drain.restore(&mut table.client).unwrap();
    assert_eq!(restored.restored, [before.key]);
    let now = table.client.server(&key(VIP), &before.key).unwrap().server;
    assert_eq!(now, before);
}

#[test]
fn table_is_read_only_once_no_connection_is_active() {
    let mut table = Table::of_servers(2);
    let mut drain = table.drain(VIP, "10.1.0.1:80");
    let mut input = Input::of(&[ESTABLISHED]);
    table.set_active(3);
    for _ in 0..5 {
        let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
        assert_eq!(poll, waiting(3, None));
        input.pass(Duration::from_secs(1));
    }
    assert_eq!(input.readings, 0);
    table.set_active(0);
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!((poll, input.readings), (waiting(0, Some([1, 0, 0])), 1));
    input.set(&[]);
    input.pass(Duration::from_secs(1));
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!((poll, input.readings), (Poll::Drained, 2));
}

#[test]
fn reading_that_took_2_seconds_is_repeated_after_100() {
    let mut table = Table::of_servers(2);
    let mut drain = table.drain(VIP, "10.1.0.1:80");
    let mut input = Input::of(&[ESTABLISHED]);
    input.takes = Duration::from_secs(2);
    for _ in 0..250 {
        drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
        input.pass(Duration::from_secs(1));
    }
    // At 0, 102 and 204 seconds.
    assert_eq!(input.readings, 3);
    drain.poll(&mut table.client, &mut input, Reading::Immediate).unwrap();
    assert_eq!(input.readings, 4);
}

#[test]
fn connection_keeps_a_server_until_it_begins_to_close() {
    for (line, left) in [
        (ESTABLISHED, Some([1, 0, 0])),
        ("TCP C0000201 9C43 0A000001 0050 0A010001 0050 SYN_RECV 59", Some([1, 0, 0])),
        ("TCP C0000201 9C43 0A000001 0050 0A010001 0050 NEW_STATE 59", Some([1, 0, 0])),
        ("TCP C0000201 9C43 0A000001 0050 0A010001 0050 FIN_WAIT 119", None),
        ("TCP C0000201 9C43 0A000001 0050 0A010001 0050 TIME_WAIT 119", None),
        ("TCP C0000201 9C43 0A000001 0050 0A010001 0050 CLOSE 9", None),
        // Another real server, another service, another protocol.
        ("TCP C0000201 9C43 0A000001 0050 0A010002 0050 ESTABLISHED 899", None),
        ("TCP C0000201 9C43 0A000002 0050 0A010001 0050 ESTABLISHED 899", None),
        ("UDP C0000201 9C43 0A000001 0050 0A010001 0050 UDP 299", None),
        // Templates: one of a client, and one that the kernel has invalidated.
        ("TCP C0000201 0000 0A000001 0050 0A010001 0050 NONE 299", None),
        ("TCP C0000201 0000 0A000001 FFFF 0A010001 FFFF ASSURED 299", None),
        // The service of this port was deleted.
        ("TCP C0000201 9C43 0A000001 0051 0A010001 0051 ESTABLISHED 899", Some([1, 0, 1])),
    ] {
        let mut table = Table::of_servers(2);
        let mut drain = table.drain(VIP, "10.1.0.1:80");
        let mut input = Input::of(&[line]);
        let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
        let expected = left.map_or(Poll::Drained, |left| waiting(0, Some(left)));
        assert_eq!(poll, expected, "{line}");
    }
}

#[test]
fn sctp_association_keeps_a_server_until_it_shuts_down() {
    let vip = "sctp 10.0.0.1:80";
    for (state, left) in [
        ("ESTABLISHED", true),
        ("COOKIE_ECHOED", true),
        ("SHUTDOWN_SENT", false),
        ("CLOSED", false),
    ] {
        let servers = [server("10.1.0.1:80", 1), server("10.1.0.2:80", 1)];
        let mut table = Table::new(&[(VirtualService::new(key(vip)), &servers)]);
        let mut drain = table.drain(vip, "10.1.0.1:80");
        let line = format!("SCTP C0000201 9C43 0A000001 0050 0A010001 0050 {state} 899");
        let mut input = Input::of(&[&line]);
        let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
        assert_eq!(poll != Poll::Drained, left, "{state}");
    }
}

#[test]
fn any_entry_of_udp_keeps_a_server() {
    let vip = "udp 10.0.0.1:53";
    let servers = [server("10.1.0.1:5353", 1), server("10.1.0.1:53", 1)];
    let mut table = Table::new(&[(VirtualService::new(key(vip)), &servers)]);
    let mut drain = table.drain(vip, "10.1.0.1:5353");
    let mut input = Input::of(&[
        "UDP C0000201 9C43 0A000001 0035 0A010001 14E9 UDP 299",
        "UDP C0000201 9C44 0A000001 0035 0A010001 0035 UDP 299",
    ]);
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, waiting(0, Some([0, 1, 0])));
}

#[test]
fn entry_of_a_real_server_that_several_marks_share_is_counted_as_unattributed() {
    let of_both = [server("10.1.0.1:0", 1), server("10.1.0.2:0", 1)];
    let of_one = [server("10.1.0.3:0", 1)];
    let mut table = Table::new(&[
        (VirtualService::new(key("fwmark 1")), &of_both),
        (VirtualService::new(key("fwmark 2")), &[of_both.as_slice(), &of_one].concat()),
        (VirtualService::new(key("fwmark 3 ipv6")), &[]),
    ]);
    let mut drain = table.drain("fwmark 1", "10.1.0.1:0");
    let mut input = Input::of(&[
        "TCP C0000201 9C43 0A000001 0050 0A010001 0050 ESTABLISHED 899",
        "UDP C0000201 9C43 0A000001 0035 0A010001 0035 UDP 299",
        "TCP C0000201 9C43 0A000001 0050 0A010002 0050 ESTABLISHED 899",
        "IP  C0000201 0000 00000001 0000 0A010001 0000 NONE 299",
    ]);
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, waiting(0, Some([1, 1, 2])));

    let mut drain = table.drain("fwmark 2", "10.1.0.3:0");
    input.set(&["TCP C0000201 9C43 0A000001 0050 0A010003 0050 ESTABLISHED 899"]);
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, waiting(0, Some([1, 0, 0])));
}

#[test]
fn connections_of_a_service_of_all_ports_and_of_ftp_keep_their_ports() {
    let persistence = Persistence::new(300, Netmask::Ipv4([255; 4].into())).unwrap();
    for (vip, line) in [
        ("tcp 10.0.0.1:0", "TCP C0000201 9C43 0A000001 01BB 0A010001 01BB ESTABLISHED 899"),
        ("tcp 10.0.0.1:21", "TCP C0000201 9C43 0A000001 9C40 0A010001 9C40 ESTABLISHED 899"),
        ("tcp 10.0.0.1:21", "TCP C0000201 9C43 0A000001 0014 0A010001 0014 ESTABLISHED 899"),
    ] {
        let service = VirtualService::new(key(vip)).persistence(Some(persistence));
        let servers = [server("10.1.0.1:2121", 1), server("10.1.0.2:2121", 1)];
        let mut table = Table::new(&[(service, &servers)]);
        let mut drain = table.drain(vip, "10.1.0.1:2121");
        let mut input = Input::of(&[line]);
        let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
        assert_eq!(poll, waiting(0, Some([1, 0, 0])), "{vip}");
    }
}

#[test]
fn whole_service_is_drained_at_once() {
    let mut table = Table::of_servers(3);
    let drain = Drain::prepare(DrainTarget::Service(key(VIP)), &mut table.client);
    let mut drain = drain.unwrap();
    assert_eq!((drain.servers().count(), drain.obstacle()), (3, None));
    drain.begin(&mut table.client).unwrap();
    for host in 1..=3 {
        assert_eq!(table.weight(VIP, &format!("10.1.0.{host}:80")), 0);
    }
    let second = "TCP C0000201 9C43 0A000001 0050 0A010002 0050 ESTABLISHED 899";
    let mut input = Input::of(&[ESTABLISHED, second]);
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, waiting(0, Some([2, 0, 0])));
    drain.restore(&mut table.client).unwrap();
    for host in 1..=3 {
        assert_eq!(table.weight(VIP, &format!("10.1.0.{host}:80")), 5);
    }
}

#[test]
fn change_of_another_program_ends_a_drain() {
    let drained = "10.1.0.1:80".parse().unwrap();
    let other = "10.1.0.2:80".parse().unwrap();
    let mut table = Table::of_servers(2);
    let mut input = Input::of(&[ESTABLISHED]);
    let mut drain = table.drain(VIP, "10.1.0.1:80");
    let mut poll = |table: &mut Table, drain: &mut Drain| {
        drain.poll(&mut table.client, &mut input, Reading::Immediate).unwrap()
    };
    // Edits of other settings and of other real servers do not end it.
    let state = table.client.server(&key(VIP), &drained).unwrap().server;
    let edited = state.upper_threshold(8);
    table.client.edit_server(&key(VIP), &edited).unwrap();
    table.client.set_weight(&key(VIP), &other, 9).unwrap();
    assert_eq!(poll(&mut table, &mut drain), waiting(0, Some([1, 0, 0])));

    table.client.set_weight(&key(VIP), &drained, 2).unwrap();
    let contest = Contest::WeightChanged(drained, 2);
    assert_eq!(poll(&mut table, &mut drain), Poll::Contested(contest));
    let restored = drain.restore(&mut table.client).unwrap();
    assert_eq!((restored.restored, restored.changed), (vec![], vec![drained]));
    assert_eq!(table.weight(VIP, "10.1.0.1:80"), 2);

    table.client.delete_server(&key(VIP), &drained).unwrap();
    let contest = Contest::ServerDeleted(drained);
    assert_eq!(poll(&mut table, &mut drain), Poll::Contested(contest));

    let drain = Drain::prepare(DrainTarget::Service(key(VIP)), &mut table.client);
    let mut drain = drain.unwrap();
    drain.begin(&mut table.client).unwrap();
    table.client.add_server(&key(VIP), &server("10.1.0.9:80", 1)).unwrap();
    let contest = Contest::ServerAdded("10.1.0.9:80".parse().unwrap());
    assert_eq!(poll(&mut table, &mut drain), Poll::Contested(contest));
}

#[test]
fn deletion_of_the_service_ends_a_drain() {
    let mut table = Table::of_servers(0);
    let drain = Drain::prepare(DrainTarget::Service(key(VIP)), &mut table.client);
    let mut drain = drain.unwrap();
    drain.begin(&mut table.client).unwrap();
    let mut input = Input::of(&[]);
    let mut poll =
        |table: &mut Table| drain.poll(&mut table.client, &mut input, Reading::Immediate).unwrap();
    assert_eq!(poll(&mut table), Poll::Drained);
    table.client.delete_service(&key(VIP)).unwrap();
    assert_eq!(poll(&mut table), Poll::Contested(Contest::ServiceDeleted));
    let missing = Drain::prepare(DrainTarget::Service(key(VIP)), &mut table.client).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn stopped_reading_is_no_reading() {
    let mut table = Table::of_servers(2);
    let mut drain = table.drain(VIP, "10.1.0.1:80");
    let mut input = Input::of(&["TCP C0000201 9C43 0A000001 0050 0A010001 0050 CLOSE 9"]);
    input.stops = true;
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, Poll::Stopped);
    input.stops = false;
    let poll = drain.poll(&mut table.client, &mut input, Reading::Paced).unwrap();
    assert_eq!(poll, Poll::Drained);
}

#[test]
fn refused_edit_leaves_every_weight_as_it_was() {
    let mut table = Table::of_servers(3);
    let socket = table.kernel.socket().before_request(|request| match request.change {
        Some(2) => Err(rustix::io::Errno::NOMEM),
        _ => Ok(()),
    });
    let mut client = Client::new(socket).unwrap();
    let drain = Drain::prepare(DrainTarget::Service(key(VIP)), &mut client).unwrap();
    assert_eq!(drain.begin(&mut client).unwrap_err().kind(), ErrorKind::OutOfMemory);
    for host in 1..=3 {
        assert_eq!(table.weight(VIP, &format!("10.1.0.{host}:80")), 5);
    }
}

#[test]
fn obstacle_is_the_last_weight_or_a_scheduler_that_keeps_to_a_server() {
    let both = [server("10.1.0.1:80", 1), server("10.1.0.2:80", 1)];
    let last = [server("10.1.0.1:80", 1), server("10.1.0.2:80", 0)];
    let drained = [server("10.1.0.1:80", 0), server("10.1.0.2:80", 1)];
    for (scheduler, has_fallback, servers, is_obstacle) in [
        ("wlc", false, &both, false),
        ("sh", false, &both, true),
        ("sh", true, &both, false),
        ("mh", false, &both, true),
        ("mh", true, &both, false),
        ("dh", true, &both, true),
        ("lblc", false, &both, true),
        ("lblcr", false, &both, true),
        ("sh", false, &drained, false),
        ("wlc", false, &drained, false),
    ] {
        let service = VirtualService::new(key(VIP))
            .scheduler(scheduler.parse().unwrap())
            .scheduler_flags(SchedulerFlags::new([has_fallback, false, false]));
        let mut table = Table::new(&[(service.clone(), servers)]);
        let obstacle = table.drain(VIP, "10.1.0.1:80").obstacle();
        let expected = is_obstacle.then_some(Obstacle::FixedAssignment(service.scheduler));
        assert_eq!(obstacle, expected, "{scheduler} {has_fallback}");
    }
    let mut table = Table::new(&[(VirtualService::new(key(VIP)), &last)]);
    assert_eq!(table.drain(VIP, "10.1.0.1:80").obstacle(), Some(Obstacle::LastServer));
    let mut table = Table::of_servers(1);
    assert_eq!(table.drain(VIP, "10.1.0.1:80").obstacle(), Some(Obstacle::LastServer));
}
