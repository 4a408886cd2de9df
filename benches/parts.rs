//! Benchmarks of the processing of lines and messages without a kernel, in bytes per second.
//!
//! `cargo bench --bench parts`. The lines and messages are those of a large table; the messages are recorded answers of
//! a kernel (`crates/ipvs-test/fixtures`).

use std::fs;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use criterion::{Criterion, Throughput};
use ipvs::model::{
    Forwarding, Protocol, RealServer, RealServerKey, RealServerState, Request, ServiceKey,
    ServiceState, VirtualService,
};
use ipvs::netlink::{Client, Transport};
use ipvs::procfs::Connections;
use ipvs::state::ServiceSnapshot;
use ipvs_rules::{
    Command, ConnectionColumns, ServiceColumns, parse_line, parse_numeric_line, write_change,
};
use ipvsadm::doctor::{Facts, Tally, diagnose};
use ipvsadm::host::{Address, Interface, InterfaceKind, Route, RouteKind};
use ipvsadm::output::{ConnectionsText, ServicesText};
use ipvsadm::resolve::Labels;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    rules(&mut criterion)?;
    dumps(&mut criterion)?;
    listings(&mut criterion);
    connections(&mut criterion)?;
    doctor(&mut criterion);
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, name: &str, bytes: usize, mut part: impl FnMut()) {
    let mut group = criterion.benchmark_group("parts");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |bencher| bencher.iter(&mut part));
    group.finish();
}

const RULE: &str = "-a -t 10.64.117.204:80 -r 10.128.31.7:8080 -m -w 100";

fn rules(criterion: &mut Criterion) -> anyhow::Result<()> {
    let Some(Command::Request(Request::Change(change))) = parse_numeric_line(RULE.as_bytes())?
    else {
        anyhow::bail!("{RULE} is no change");
    };
    measure(criterion, "read a rule line", RULE.len(), || {
        let _ = black_box(parse_line(black_box(RULE.as_bytes())));
    });
    let labels = Labels::numeric();
    let mut line = Vec::new();
    measure(criterion, "write a rule line", RULE.len(), || {
        line.clear();
        let _ = write_change(&mut line, black_box(&change), &labels);
    });
    Ok(())
}

/// A kernel that has the IPVS family, and returns the same answer to every dump.
struct Answers {
    family: Vec<u8>,
    dump: [Vec<u8>; 2],
    /// The datagrams that are not received yet.
    open: Vec<Vec<u8>>,
}

impl Transport for Answers {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let is_dump = datagram.get(6..8) != Some(&NLM_F_REQUEST);
        self.open = match is_dump {
            true => self.dump.iter().rev().cloned().collect(),
            false => vec![self.family.clone()],
        };
        // Every message of the answer has the sequence number of its request.
        let number = datagram.get(8..12).unwrap_or_default();
        for answer in &mut self.open {
            let mut start = 0;
            while let Some(length) = answer.get(start..).and_then(<[u8]>::first_chunk) {
                let length = u32::from_ne_bytes(*length);
                if let Some(place) = answer.get_mut(start + 8..start + 12) {
                    place.copy_from_slice(number);
                }
                start += length.next_multiple_of(4) as usize;
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = self.open.pop().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(())
    }
}

/// The flags of a request other than a dump.
const NLM_F_REQUEST: [u8; 2] = 1_u16.to_ne_bytes();

fn fixture(name: &str) -> anyhow::Result<Vec<u8>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crates/ipvs-test/fixtures/{name}.hex"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let bytes = lines.flat_map(str::split_whitespace).map(|digits| u8::from_str_radix(digits, 16));
    Ok(bytes.collect::<Result<_, _>>()?)
}

/// A client of a kernel that answers every dump with a fixture, repeated until a datagram is nearly full.
fn client(fixture_name: &str, times: usize) -> anyhow::Result<(Client<Answers>, usize)> {
    let datagram = fixture(fixture_name)?.repeat(times);
    let bytes = datagram.len();
    let dump = [datagram, fixture("done")?];
    let answers = Answers { family: fixture("family")?, dump, open: Vec::new() };
    Ok((Client::new(answers)?, bytes))
}

fn dumps(criterion: &mut Criterion) -> anyhow::Result<()> {
    let (mut services, bytes) = client("services", 3)?;
    services.services()?;
    measure(criterion, "decode a dump of services", bytes, || {
        drop(black_box(services.services()));
    });
    let (mut servers, bytes) = client("destinations", 6)?;
    servers.real_servers(&KEY)?;
    measure(criterion, "decode a dump of real servers", bytes, || {
        drop(black_box(servers.real_servers(&KEY)));
    });
    Ok(())
}

const KEY: ServiceKey = ServiceKey::Address {
    protocol: Protocol::Tcp,
    address: IpAddr::V4(Ipv4Addr::new(10, 64, 117, 204)),
    port: 80,
};

fn listings(criterion: &mut Criterion) {
    let labels = Labels::numeric();
    let listing = ServicesText::new(ServiceColumns::Plain, &labels, None);
    let key = RealServerKey { address: Ipv4Addr::new(10, 128, 31, 7).into(), port: 8080 };
    let forwarding = Forwarding::Masquerading;
    let server = RealServer::new(key).forwarding(forwarding).weight(100);
    let mut server = RealServerState::new(server).summary();
    (server.active_connections, server.inactive_connections) = (1234, 567);
    let mut row = Vec::new();
    listing.server_summary(&mut row, &KEY, &server);
    let bytes = row.len();
    measure(criterion, "write a row of a listing", bytes, || {
        row.clear();
        listing.server_summary(&mut row, &KEY, black_box(&server));
    });
}

const CONNECTION: &[u8] = b"TCP 0A030117 D431 0A4075CC 0050 0A801F07 1F90 ESTABLISHED     899";

/// Benchmarks of parsing a file of connections, and of formatting the row of a connection.
fn connections(criterion: &mut Criterion) -> anyhow::Result<()> {
    let lines = [CONNECTION, b"\n"].concat().repeat(1000);
    let file = [b"Pro FromIP\n".as_slice(), &lines].concat();
    measure(criterion, "read 1,000 connections", file.len(), || {
        for connection in Connections::from_reader(black_box(file.as_slice())) {
            let _ = black_box(connection);
        }
    });
    let connection =
        Connections::from_reader(file.as_slice()).next().context("no connection")??;
    let labels = Labels::numeric();
    let mut row = Vec::new();
    let listing = ConnectionsText::new(ConnectionColumns::Plain, &labels);
    listing.connection(&mut row, &connection);
    let bytes = row.len();
    measure(criterion, "write a connection's row", bytes, || {
        row.clear();
        listing.connection(&mut row, black_box(&connection));
    });
    Ok(())
}

/// All checks of `--doctor` on a director with 10,000 services, each with an address of its own and two servers.
fn doctor(criterion: &mut Criterion) {
    let mut facts = Facts { table_size: 4096, ..Facts::default() };
    let host = &mut facts.host;
    let interface = |index: u32, name: &str| Interface {
        index,
        name: name.to_owned(),
        is_up: true,
        is_loopback: index == 1,
        is_multicast: true,
        has_neighbours: true,
        has_carrier: true,
        parent: None,
        controller: None,
        kind: InterfaceKind::Other,
        mtu: 1500,
        received: 0,
    };
    host.interfaces = vec![interface(1, "lo"), interface(2, "eth0"), interface(3, "eth1")];
    let address = |interface, address: Ipv4Addr, prefix_length| Address {
        interface,
        address: address.into(),
        prefix_length,
        broadcast: None,
        has_peer: false,
        is_duplicate: false,
    };
    let virtual_address = |number: u32| Ipv4Addr::from(0xc612_0100 + number);
    let server = |number: u32| Ipv4Addr::from(0x0a01_0000 + number);
    let mut addresses = vec![
        address(2, Ipv4Addr::new(198, 18, 0, 1), 15),
        address(3, Ipv4Addr::new(10, 0, 0, 1), 8),
    ];
    addresses.extend((0..10_000).map(|number| address(2, virtual_address(number), 32)));
    host.addresses = addresses.into();
    host.default_interface = Some(2);
    let route = |interface, kind, to: Ipv4Addr| Route {
        kind,
        destination: Some(to.into()),
        prefix_length: 32,
        interface: Some(interface),
        gateway: None,
        source: None,
        table: 254,
    };
    for number in 0..10_000 {
        let to = virtual_address(number);
        host.routes.insert(to.into(), route(1, RouteKind::Local, to));
        let service = ServiceKey::new(Protocol::Tcp, (to, 80).into());
        let servers = [2 * number, 2 * number + 1].map(|number| {
            let to = server(number);
            host.routes.insert(to.into(), route(3, RouteKind::Unicast, to));
            let client = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
            let clients = vec![client];
            let tally =
                Tally { entries: 9, opening: 1, established: 8, clients, ..Tally::default() };
            let key = (Protocol::Tcp, (virtual_address(number / 2), 80).into(), (to, 8080).into());
            facts.connections.insert(key, tally);
            let mut server = RealServer::new(RealServerKey { address: to.into(), port: 8080 });
            server.forwarding = Forwarding::Masquerading;
            RealServerState::new(server)
        });
        let service = ServiceState::new(VirtualService::new(service));
        facts.services.push(ServiceSnapshot { service, servers: servers.to_vec() });
    }
    let mut group = criterion.benchmark_group("parts");
    group.bench_function("check 10,000 services", |bencher| {
        bencher.iter(|| black_box(diagnose(&facts)).len());
    });
    group.finish();
}
