//! Saves of every table that the kernel can have: each line restores its entry, or it is a comment that the save
//! reports.

use std::fs;
use std::net::IpAddr;
use std::num::NonZeroU32;

use ipvs::model::{
    Change, Family, Netmask, Persistence, Protocol, RealServer, RealServerKey, ServiceKey,
    VirtualService,
};
use ipvs::netlink::Client;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::network::{fresh_namespace, ip};
use crate::program::Program;
use crate::table::{Kernel, Key, MASQUERADING, Service, TCP, TUNNELING, Timeouts, UDP};

const LOCAL: u32 = 1;
const DIRECT: u32 = 3;
const BYPASS: u32 = 4;
const PERSISTENT: u32 = 1;
const ONE_PACKET: u32 = 4;

const ORDINARY: &str = "-A -t 10.0.0.9:80 -s rr\n-a -t 10.0.0.9:80 -r 10.1.0.1:80 -m -w 1\n";

/// A service of port 80 with a real server for each pair of forwarding method and port.
fn with_servers(servers: &[(u32, u16)]) -> Service {
    let mut service = Service::new(TCP, "10.0.0.1", 80);
    for &(method, port) in servers {
        service = service.with("10.1.0.1", port);
        service.destinations.last_mut().unwrap().method = method;
    }
    service
}

fn namespace_with(services: &[Service]) -> Kernel {
    fresh_namespace();
    let kernel = Kernel::open();
    Program::ours().feed(["-R"], ORDINARY.as_bytes()).succeeded();
    for service in services {
        kernel.add(service);
    }
    kernel
}

fn diff(rules: &str) -> String {
    let outcome = Program::restore().feed(["--diff"], rules.as_bytes());
    assert_eq!(outcome.complaint(), "");
    outcome.text().to_owned()
}

#[test]
fn saves_local_servers_as_direct_routing_which_a_restore_leaves_unchanged() {
    let kernel = namespace_with(&[with_servers(&[(LOCAL, 80)])]);
    let saved = Program::ours().line("-S -n").succeeded().to_owned();
    assert!(saved.contains("-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1\n"), "{saved}");
    assert_eq!(diff(&saved), "");
    let before = kernel.rules();
    Program::restore().feed::<&str>([], saved.as_bytes()).succeeded();
    assert_eq!(kernel.rules(), before);
    assert!(Program::ours().line("-Ln").succeeded().contains(" Local   1 "));
    // After the restore, the kernel has the server with direct routing.
    Program::ours().line("-C").succeeded();
    Program::restore().feed::<&str>([], saved.as_bytes()).succeeded();
    assert_eq!(Program::ours().line("-S -n").succeeded(), saved);
}

#[test]
fn saves_servers_with_another_port_than_their_service_with_own_port() {
    let service = with_servers(&[(DIRECT, 8080), (DIRECT, 8081), (TUNNELING, 9), (DIRECT, 80)]);
    let kernel = namespace_with(&[service]);
    let before = kernel.rules();
    let saved = Program::ours().line("-S -n").succeeded().to_owned();
    for line in [
        "-r 10.1.0.1:9 -i -w 1 --tun-type ipip --own-port",
        "-r 10.1.0.1:80 -g -w 1\n",
        "-r 10.1.0.1:8080 -g -w 1 --own-port\n",
        "-r 10.1.0.1:8081 -g -w 1 --own-port\n",
    ] {
        assert!(saved.contains(line), "{saved}");
    }
    assert_eq!(diff(&saved), "");
    for (program, command) in [(Program::restore(), None), (Program::ours(), Some("-R"))] {
        Program::ours().line("-C").succeeded();
        program.feed(command, saved.as_bytes()).succeeded();
        assert_eq!(kernel.rules(), before);
    }
    Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.1:8080 -g -w 7 --own-port").succeeded();
    let edited = diff(&saved);
    assert_eq!(edited, "-e -t 10.0.0.1:80 -r 10.1.0.1:8080 -g -w 1 --own-port\n");
    // Without the option, the server gets the port of the service, as in 1.31.
    Program::ours().line("-d -t 10.0.0.1:80 -r 10.1.0.1:80").succeeded();
    Program::ours().line("-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -g").succeeded();
    assert!(Program::ours().line("-S -n").succeeded().contains("-r 10.1.0.1:80 -g -w 1\n"));
}

/// Services that no option can express, each with a part of the comment that a save writes.
fn unsayable() -> Vec<(Service, &'static str)> {
    let service = |flags, timeout| {
        let mut service = Service::new(TCP, "10.0.0.1", 80).with("10.1.0.1", 80);
        service.flags = flags;
        service.timeout = timeout;
        service
    };
    let mut threshold = service(0, 0);
    threshold.destinations[0].upper_threshold = 1 << 31;
    let mut of_all_ports = Service::new(UDP, "10.0.0.1", 0);
    of_all_ports.destinations.clear();
    vec![
        (service(PERSISTENT, 0), "# -A -t 10.0.0.1:80 -s rr -p <0>\n# -a -t 10.0.0.1:80 "),
        (service(PERSISTENT, 2_678_401), "# -A -t 10.0.0.1:80 -s rr -p <2678401>\n# -a "),
        (service(ONE_PACKET, 0), "# -A -t 10.0.0.1:80 -s rr <one packet>\n# -a "),
        (service(0x40, 0), "# -A -t 10.0.0.1:80 -s rr <attribute 7>\n# -a "),
        (
            threshold,
            "-A -t 10.0.0.1:80 -s rr\n# -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1 -x <2147483648>\n",
        ),
        (with_servers(&[(BYPASS, 80)]), " -r 10.1.0.1:80 <forwarding method bypass> -w 1\n"),
        (of_all_ports, "# -A -u 10.0.0.1:0 -s rr <all ports without persistence>\n"),
    ]
}

#[test]
fn saves_all_other_lines_beside_entries_that_no_option_can_express() {
    for (service, comment) in unsayable() {
        let kernel = namespace_with(&[]);
        if let Err(errno) = kernel.try_add(&service) {
            // Linux 6.12 has no such threshold any more.
            assert!(errno == 22 && comment.contains(" -x <2147483648>"), "{errno}: {comment}");
            continue;
        }
        let outcome = Program::ours().line("-S -n");
        assert_eq!(outcome.code(), 1, "{comment}");
        assert!(outcome.text().contains(comment), "{}", outcome.text());
        assert!(outcome.text().contains(ORDINARY), "{}", outcome.text());
        assert!(outcome.complaint().starts_with("cannot save `"), "{}", outcome.complaint());

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules");
        fs::write(&file, "-A -f 1\n").unwrap();
        let path = file.to_str().unwrap();
        assert_ne!(Program::save().run(["-n", path]).refused(1), "");
        assert_eq!(fs::read_to_string(&file).unwrap(), "-A -f 1\n");

        let before = kernel.rules();
        Program::restore().feed::<&str>([], outcome.stdout.as_slice()).succeeded();
        let kept = |service: &Service| before.services.contains(service);
        assert!(kernel.rules().services.iter().any(kept));
    }
}

#[test]
fn saves_daemons_on_interfaces_whose_names_a_rule_line_would_lose() {
    let kernel = namespace_with(&[]);
    for (state, name) in [(1, "#x"), (2, "ipvsadm")] {
        ip(&format!("link add name {name} type dummy"));
        ip(&format!("address add 10.9.{state}.1/24 dev {name}"));
        ip(&format!("link set {name} up multicast on"));
        kernel.start_daemon(state, name, 7).unwrap();
    }
    let before = kernel.rules();
    let saved = Program::ours().line("-S -n --all").succeeded().to_owned();
    assert!(saved.contains(" --mcast-interface=#x "), "{saved}");
    for role in ["master", "backup"] {
        Program::ours().line(&format!("--stop-daemon {role}")).succeeded();
    }
    Program::restore().feed::<&str>([], saved.as_bytes()).succeeded();
    assert_eq!(kernel.rules(), before);
    for role in ["master", "backup"] {
        Program::ours().line(&format!("--stop-daemon {role}")).succeeded();
    }
    Program::reference().feed(["-R"], saved.as_bytes()).code();
    assert_eq!(kernel.rules(), before, "read by 1.31");
    for role in ["master", "backup"] {
        Program::ours().line(&format!("--stop-daemon {role}")).succeeded();
    }
}

#[test]
fn saves_timeouts_that_set_refuses_as_a_comment() {
    let kernel = namespace_with(&[]);
    kernel.set_timeouts(&Timeouts { tcp: 2_678_401, tcp_fin: 120, udp: 300 });
    let outcome = Program::ours().line("-S -n --all");
    assert_eq!(outcome.code(), 1);
    assert_eq!(outcome.text(), format!("{ORDINARY}# --set <2678401> 120 300\n"));
}

/// Any service that the kernel can accept through netlink.
fn service() -> impl Strategy<Value = Service> {
    let key = (
        prop_oneof![4 => Just(TCP), 4 => Just(UDP), 1 => Just(132), 1 => any::<u16>()],
        prop_oneof![2 => Just("10.0.0.1"), 1 => Just("2001:db8::1")],
        prop_oneof![1 => Just(0), 8 => any::<u16>()],
    );
    let persistence = prop_oneof![
        3 => Just((0, 0)),
        2 => (1..=2_678_400_u32).prop_map(|timeout| (PERSISTENT, timeout)),
        1 => any::<u32>().prop_map(|timeout| (PERSISTENT, timeout)),
    ];
    let flags = prop_oneof![6 => Just(0), 1 => Just(ONE_PACKET), 1 => any::<u32>()];
    let mask = prop_oneof![1..=128_u32, any::<u32>(), Just(u32::MAX)];
    let server = (
        prop_oneof![Just("10.1.0.1"), Just("2001:db8::2"), Just("127.0.0.1")],
        prop_oneof![Just(80_u16), any::<u16>()],
        prop_oneof![3 => Just(MASQUERADING), 3 => Just(DIRECT), 3 => Just(TUNNELING), 2 => 0..8_u32],
        prop_oneof![0..9_u32, any::<u32>()],
        prop_oneof![5 => Just((0, 0)), 1 => any::<(u32, u32)>(), 2 => (9..99_u32, 0..9_u32)],
        (0..4_u8, any::<u16>(), 0..4_u16),
    );
    (key, persistence, flags, mask, proptest::collection::vec(server, 0..4)).prop_map(
        |((protocol, address, port), (persistent, timeout), flags, mask, servers)| {
            let mut service = Service::new(protocol, address, port);
            service.flags = persistent | flags;
            service.timeout = timeout;
            service.netmask = mask;
            for (address, port, method, weight, (upper, lower), (kind, tunnel_port, sum)) in servers
            {
                service = service.with(address, port);
                let server = service.destinations.last_mut().unwrap();
                server.method = method;
                server.weight = weight;
                (server.upper_threshold, server.lower_threshold) = (upper, lower);
                (server.tunnel_type, server.tunnel_port, server.tunnel_flags) =
                    (kind, tunnel_port, sum);
            }
            service
        },
    )
}

/// The service as a save writes it: without unused values, and with local servers as direct routing.
fn as_saved(mut service: Service) -> Service {
    if service.flags & PERSISTENT == 0 {
        let is_ipv6 = matches!(service.key, Key::Address { address: IpAddr::V6(_), .. });
        service.netmask = if is_ipv6 { 128 } else { u32::MAX };
        service.timeout = 0;
    }
    for server in &mut service.destinations {
        if server.method == LOCAL {
            server.method = DIRECT;
        }
        if server.method != TUNNELING || server.tunnel_type == 0 {
            (server.tunnel_type, server.tunnel_port, server.tunnel_flags) = (0, 0, 0);
        } else if server.tunnel_type == 2 {
            server.tunnel_port = 0;
        }
    }
    service.destinations.sort();
    service
}

#[test]
fn saves_of_generated_tables_restore_them_except_for_the_comments() {
    let mut runner = TestRunner::deterministic();
    let strategy = service();
    for _ in 0..25 {
        fresh_namespace();
        let kernel = Kernel::open();
        for _ in 0..20 {
            // Services that the kernel refuses cannot be saved.
            let _ = kernel.try_add(&strategy.new_tree(&mut runner).unwrap().current());
        }
        let before: Vec<Service> = kernel.rules().services.into_iter().map(as_saved).collect();
        let outcome = Program::ours().line("-S -n");
        let saved = outcome.text().to_owned();
        let has_comments = saved.contains("# ");
        assert_eq!(outcome.code(), i32::from(has_comments), "{}", outcome.complaint());
        // 1.31 restores the same table from the save, except for servers with a different port than their service.
        let is_for_1_31 = |line: &&str| !line.starts_with('#') && !line.ends_with(" --own-port");
        let plain: Vec<&str> = saved.lines().filter(is_for_1_31).collect();
        let plain = format!("{}\n", plain.join("\n"));
        let tables = [
            (Program::restore(), None, &saved),
            (Program::ours(), Some("-R"), &saved),
            (Program::ours(), Some("-R"), &plain),
            (Program::reference(), Some("-R"), &plain),
        ]
        .map(|(program, command, text)| {
            fresh_namespace();
            let kernel = Kernel::open();
            program.feed(command, text.as_bytes()).succeeded();
            kernel.rules().services
        });
        let [restored, applied, ours, reference] = tables;
        assert_eq!(restored, applied);
        assert_eq!(ours, reference, "{plain}");
        // A restored service has all of its servers, except those that became comments.
        for service in &restored {
            let old = before.iter().find(|old| old.key == service.key).expect("one of the old");
            let alone = |service: &Service| Service { destinations: vec![], ..service.clone() };
            assert_eq!(alone(&as_saved(service.clone())), alone(old), "{saved}");
            let missing = |server| !service.destinations.contains(server);
            let missing = old.destinations.iter().filter(|server| missing(server)).count();
            assert!(missing == 0 || has_comments, "{old:?}\n{saved}");
        }
        let old: usize = before.iter().map(|service| 1 + service.destinations.len()).sum();
        let new: usize = restored.iter().map(|service| 1 + service.destinations.len()).sum();
        let comments = saved.lines().filter(|line| line.starts_with("# ")).count();
        assert_eq!(old, new + comments, "{saved}");
    }
}

#[test]
fn saves_nothing_that_the_kernel_would_misread() {
    fresh_namespace();
    let mut client = Client::connect().unwrap();
    let key = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: "10.0.0.1".parse().unwrap(),
        port: 80,
    };
    let mut service = VirtualService::new(key);
    service.persistence = Some(Persistence::new(60, Netmask::Ipv6(24)).unwrap());
    assert!(client.apply(&Change::AddService(service.clone())).is_err());
    assert!(Persistence::new(u32::MAX, Netmask::host(Family::Ipv4)).is_err());
    assert!(Persistence::new(0, Netmask::host(Family::Ipv4)).is_err());
    // The kernel does not return a mask without persistence, so it does not cause another edit.
    service.persistence = None;
    service.unused_netmask = Some(Netmask::Ipv4([255, 255, 0, 0].into()));
    client.apply(&Change::AddService(service.clone())).unwrap();
    assert!(client.service(&key).unwrap().service.serves_as(&service));
    let mark = NonZeroU32::new(7).unwrap();
    let key = ServiceKey::Fwmark { mark, family: Family::Ipv4 };
    let server = RealServer::new(RealServerKey { address: "10.1.0.1".parse().unwrap(), port: 9 });
    client.apply(&Change::AddService(VirtualService::new(key))).unwrap();
    client.apply(&Change::AddServer(key, server)).unwrap();
    assert!(client.real_servers(&key).unwrap()[0].server.serves_as(&server));
}
