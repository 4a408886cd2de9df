//! Questions about connections: conditions leave out rows and change none, and numbers are those of `grep -c`.

use std::fmt::Write as _;
use std::fs;
use std::net::{Shutdown, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, sendto,
    setsockopt, socket, sockopt,
};

use crate::network::Host;
use crate::one_machine::{
    TcpServers, UdpServers, VIRTUAL, apply, client, furnish, list, machine, service, stream,
    wait_for_listing,
};
use crate::program::Program;
use crate::rights::Copy;

/// Makes connections of several services, clients and states, with templates and with entries of a deleted service.
/// Returns the open ends.
fn traffic() -> impl Sized {
    machine(&service("-t", "-s rr", &[1, 1]));
    apply("--set 0 7200 7200");
    apply(&service("-u", "-s rr -p 300 -M 255.255.255.0", &[1, 1]));
    apply("-A -f 7 -s rr\n-a -f 7 -r 10.3.0.1 -m");
    apply("-A -u 10.1.0.200:53 -s rr\n-a -u 10.1.0.200:53 -r 10.3.0.2:53 -m");
    let tcp = TcpServers::new(2);
    let from = ["10.4.0.1:0", "10.4.0.2:0", "10.4.1.1:0"];
    let open = from.map(|from| tcp.connect(stream(SockProtocol::Tcp, Some(from), 0, VIRTUAL)));
    let closing = tcp.open();
    closing.server.shutdown(Shutdown::Write).unwrap();
    let udp = UdpServers::new(2);
    for address in ["10.5.0.1", "10.5.0.2", "10.5.1.1"] {
        udp.takes_from(address);
        udp.takes_from(address);
    }
    let other = UdpServers::at(&["10.3.0.2:53".to_owned(), "10.3.0.1:5000".to_owned()]);
    other.takes(&client("10.6.0.1"), "10.1.0.200:53");
    let marked = client("10.6.0.2");
    setsockopt(&marked, sockopt::Mark, &7).unwrap();
    other.takes(&marked, "10.1.0.201:5000");
    apply("-D -u 10.1.0.200:53");
    // The last packet of the server may be on its way.
    wait_for_listing("-L -n -c", |text| text.contains(" FIN_WAIT "));
    (tcp, open, closing, udp, other)
}

#[test]
fn many_marks_have_the_servers_and_entries_of_each() {
    // Two families share three marks, so the kernel's file does not tell which services are theirs.
    let mut rules = String::from("-A -t 10.1.0.100:80 -s rr\n");
    for mark in 1..=12 {
        writeln!(rules, "-A -f {mark} -s rr\n-a -f {mark} -r 10.3.0.{mark} -m -w {mark}").unwrap();
        if mark % 4 == 0 {
            let server = format!("[2001:db8::{mark}]");
            writeln!(rules, "-A -f {mark} -6 -s wlc\n-a -f {mark} -6 -r {server} -m").unwrap();
        }
    }
    machine(&rules);
    let all = list("-L -n");
    for mark in 1..=12 {
        let families: &[&str] = if mark % 4 == 0 { &["", " -6"] } else { &[""] };
        for family in families {
            let one = list(&format!("-L -n -f {mark}{family}"));
            let rows = one.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>();
            assert!(rows.contains("  -> ") && all.contains(&rows), "{rows} is not in\n{all}");
        }
    }
    let servers = UdpServers::at(&["10.3.0.7:5000".to_owned(), "10.3.0.8:5000".to_owned()]);
    for mark in [7, 8] {
        let marked = client(&format!("10.6.0.{mark}"));
        setsockopt(&marked, sockopt::Mark, &mark).unwrap();
        servers.takes(&marked, "10.1.0.201:5000");
    }
    for (mark, connections) in [("6", 0), ("7", 1), ("8", 1), ("8 -6", 0)] {
        assert_eq!(count(&format!("-f {mark}")), (connections, 0), "{mark}");
    }
    let counted = list("-L -c -n --count-by service --no-header");
    let words: Vec<&str> = counted.split_whitespace().collect();
    assert_eq!(words, ["FWM", "7", "1", "0", "FWM", "8", "1", "0"]);
}

/// The entries of the kernel's file whose fields meet a condition: connections and templates.
fn grep(wanted: impl Fn(&[&str]) -> bool) -> (usize, usize) {
    let text = fs::read_to_string("/proc/thread-self/net/ip_vs_conn").unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (templates, connections): (Vec<_>, Vec<_>) =
        rows.filter(|fields| wanted(fields)).partition(|fields| fields[2] == "0000");
    (connections.len(), templates.len())
}

/// The numbers of `--count`.
fn count(conditions: &str) -> (usize, usize) {
    let text = list(format!("-L -n -c --count --no-header {conditions}").trim_end());
    let numbers: Vec<usize> =
        text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1])
}

/// Rows without the time, which runs.
fn rows(text: &str) -> Vec<String> {
    text.lines().skip(2).map(|row| format!("{}{}", &row[..4], &row[10..])).collect()
}

#[test]
fn conditions_leave_out_rows_and_numbers_are_those_of_grep() {
    let _open = traffic();
    let all = rows(&list("-L -n -c"));
    assert!(all.len() >= 14, "{all:#?}");
    let protocol = |name: &'static str| move |fields: &[&str]| fields[0] == name;
    let to = |fields: &[&str]| fields[3] == "0A010064" && fields[4] == "0050";
    for (conditions, numbers) in [
        ("", grep(|_| true)),
        (&format!("-t {VIRTUAL}")[..], grep(protocol("TCP"))),
        (&format!("-u {VIRTUAL}"), grep(|fields| fields[0] == "UDP" && to(fields))),
        ("-r 10.2.0.1", grep(|fields| fields[5] == "0A020001")),
        ("-r 10.2.0.1:80", grep(|fields| fields[5] == "0A020001" && fields[6] == "0050")),
        ("-r 10.2.0.1:81", (0, 0)),
        ("--client 10.4.0.0/24", grep(|fields| fields[1].starts_with("0A0400"))),
        ("--state ESTABLISHED", grep(|fields| fields[7] == "ESTABLISHED")),
        ("--state udp,none", grep(|fields| fields[7] == "UDP" || fields[7] == "NONE")),
        (
            &format!("-u {VIRTUAL} -r 10.2.0.2 --client 10.5.0.0/16 --state UDP"),
            grep(|fields| fields[0] == "UDP" && fields[5] == "0A020002" && fields[7] == "UDP"),
        ),
        ("-u 10.1.0.200:53", grep(|fields| fields[3] == "0A0100C8")),
        (&format!("--sctp-service {VIRTUAL}"), (0, 0)),
        ("-f 7", grep(|fields| fields[3] == "0A0100C9")),
        ("--origin local", grep(|_| true)),
        ("--origin synced", (0, 0)),
    ] {
        assert_eq!(count(conditions), numbers, "{conditions}");
        let conditions = format!("-L -n -c {conditions}");
        let listed = rows(&list(conditions.trim_end()));
        assert_eq!(listed.len(), numbers.0 + numbers.1, "{conditions}");
        // The rows that are left have the order of the whole listing.
        let expected: Vec<&String> = all.iter().filter(|row| listed.contains(row)).collect();
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{conditions}");
    }
    assert_eq!(grep(protocol("TCP")).0, 4);
    assert_eq!(grep(protocol("UDP")), (8, 2));
}

#[test]
fn groups_have_the_numbers_of_grep_and_the_service_of_each_entry() {
    let _open = traffic();
    let lines = |line: &str| -> Vec<String> {
        let text = list(&format!("-L -n -c --no-header --count-by {line}"));
        text.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(
        lines("service"),
        [
            format!("UDP {VIRTUAL} 6 2"),
            format!("TCP {VIRTUAL} 4 0"),
            "FWM 7 1 0".to_owned(),
            "? 1 0".to_owned(),
        ]
    );
    apply("-D -f 7");
    let services = lines("service");
    assert_eq!(
        services[2..],
        ["UDP 10.1.0.200:53 (deleted) 1 0", "UDP 10.1.0.201:5000 (deleted) 1 0"]
    );
    assert_eq!(lines("client/24 --limit 2"), ["10.5.0.0/24 4 1", "10.5.1.0/24 2 1"]);
    assert_eq!(lines("client/8"), ["10.0.0.0/8 12 2"]);
    assert_eq!(lines("origin"), ["local 12 2"]);
    let (states, servers) = (lines("state"), lines("server"));
    for (groups, field, key) in [(&states, 7, "ESTABLISHED"), (&states, 7, "UDP")] {
        let (connections, templates) = grep(|fields| fields[field] == key);
        let row = format!("{key} {connections} {templates}");
        assert!(groups.contains(&row), "{row} in {groups:?}");
    }
    let (connections, templates) = grep(|fields| fields[5] == "0A020001");
    assert!(servers.contains(&format!("10.2.0.1:80 {connections} {templates}")), "{servers:?}");
    let json = list("-L -c --count-by client/16 --limit 1 --json");
    let expected =
        "{\"counts\":[\n{\"client\":\"10.5.0.0/16\",\"connections\":6,\"templates\":2}\n]}\n";
    assert_eq!(json, expected);

    // Everybody may ask: without rights the services are those of /proc.
    let nobody = Copy::of(&Program::ours(), "ipvsadm-counts");
    for line in [
        "-L -n -c --count-by service",
        "-L -n -c --count -u 10.1.0.100:80",
        "-L -n -c --count --origin local",
        "-L -c --count-by origin --json",
    ] {
        let output = nobody.run(line);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), list(line), "{line}");
    }

    // Tables fit a terminal, and have colours there unless the user objects. Pipes get colours on demand alone.
    let words = |words: &str| {
        let line = format!("{words} {} -L -n -c --count-by service", Program::ours().name());
        let script = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
        String::from_utf8(script.stdout).unwrap()
    };
    let titles = "\u{1b}[1mService";
    let narrow = words("stty cols 34; TERM=xterm");
    assert!(narrow.starts_with(titles) && narrow.contains("~ "), "{narrow}");
    let plain = words("stty cols 34; TERM=xterm NO_COLOR=1");
    assert!(plain.lines().all(|line| line.trim_end().chars().count() <= 34), "{plain}");
    assert!(plain.starts_with("Service"), "{plain}");
    for (color, is_bold) in [("always", true), ("never", false), ("auto", false)] {
        let piped = list(&format!("-L -n -c --count-by service --color {color}"));
        assert_eq!(piped.starts_with(titles), is_bold, "{color}: {piped}");
    }
}

/// Sends a datagram from port 0.
fn send_from_port_0(from: SocketAddrV4, to: SocketAddrV4) {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Udp);
    let raw = raw.unwrap();
    bind(raw.as_raw_fd(), &SockaddrIn::from(from)).unwrap();
    let header = [from.port(), to.port(), 8, 0].map(u16::to_be_bytes).concat();
    let end = SockaddrIn::from(SocketAddrV4::new(*to.ip(), 0));
    sendto(raw.as_raw_fd(), &header, &end, MsgFlags::empty()).unwrap();
}

#[test]
fn entry_with_client_port_0_is_a_connection_unless_it_is_a_template() {
    machine(&service("-u", "-s rr -p 300", &[1]));
    let servers = UdpServers::new(1);
    servers.takes_from("10.4.0.1");
    send_from_port_0("10.4.0.1:0".parse().unwrap(), VIRTUAL.parse().unwrap());
    wait_for_listing("-L -n -c", |text| text.lines().count() == 5);
    assert_eq!(grep(|_| true), (1, 2));
    assert_eq!(count(""), (2, 1));
    assert_eq!(list("-L -n -c --no-header --count-by client"), "10.4.0.1  2  1\n");
    let inactive = list("-L -n").lines().last().map(|line| line.trim_end().ends_with(" 2"));
    assert_eq!(inactive, Some(true), "the kernel counts both");
}

#[test]
fn deleted_service_of_all_ports_keeps_its_entries() {
    machine("-A -u 10.1.0.100 -s rr -p 300\n-a -u 10.1.0.100 -r 10.2.0.1 -m");
    let servers = UdpServers::at(&["10.2.0.1:80".to_owned(), "10.2.0.1:81".to_owned()]);
    servers.takes(&client("10.4.0.1"), VIRTUAL);
    servers.takes(&client("10.4.0.1"), "10.1.0.100:81");
    assert_eq!(count("-u 10.1.0.100"), (2, 1));
    apply("-D -u 10.1.0.100");
    assert_eq!(count("-u 10.1.0.100"), (2, 1));
    assert_eq!(count("-u 10.1.0.100:81"), (1, 0));
    // Now another service has some of them.
    apply("-A -u 10.1.0.100:80 -s rr");
    assert_eq!(count("-u 10.1.0.100"), (1, 1));
}

/// Connections with this number of entries, each of which the director's sync daemon sends.
fn connect(servers: &UdpServers, count: usize) {
    for _ in 0..count {
        let client = client("10.0.0.1");
        // The third packet makes the master send the connection.
        for _ in 0..4 {
            servers.takes(&client, VIRTUAL);
        }
    }
}

#[test]
fn origin_tells_own_connections_from_those_of_the_other_director_after_a_takeover_too() {
    const CONNECTIONS: usize = 20;
    const LATER: usize = 7;
    let (first, second) = (Host::new(), Host::new());
    first.join("sync0", "172.16.0.1/24", &second, "sync0", "172.16.0.2/24");
    let rules = service("-u", "-s rr", &[1, 1]);
    for (host, sent, received) in [(&first, 1, 2), (&second, 2, 1)] {
        host.within(|| {
            furnish(&rules);
            apply("--set 0 0 7200");
            for (role, id) in [("master", sent), ("backup", received)] {
                let start = format!("--start-daemon {role} --mcast-interface sync0 --syncid {id}");
                Program::ours().line(&start).succeeded();
            }
        });
    }
    let arrive = |count: usize| {
        wait_for_listing("-L -n -c", move |text| text.lines().count() == count + 2);
    };
    first.within(|| {
        connect(&UdpServers::new(2), CONNECTIONS);
        assert_eq!(count("--origin local"), (CONNECTIONS, 0));
        assert_eq!(count("--origin synced"), (0, 0));
    });
    second.within(|| {
        arrive(CONNECTIONS);
        assert_eq!(count("--origin synced"), (CONNECTIONS, 0));
        assert_eq!(count("--origin local"), (0, 0));
        assert_eq!(
            list("-L -c --count-by origin"),
            "Origin  Connections  Templates\nsynced           20          0\n"
        );
        let json = list("-L -c --origin synced --json");
        assert_eq!(json.matches("\"origin\":\"synced\"").count(), CONNECTIONS, "{json}");
        // The director takes over: connections that it schedules are its own.
        connect(&UdpServers::new(2), LATER);
        assert_eq!(count("--origin local"), (LATER, 0));
        assert_eq!(count("--origin synced"), (CONNECTIONS, 0));
    });
    first.within(|| {
        arrive(CONNECTIONS + LATER);
        assert_eq!(count("--origin synced"), (LATER, 0));
        assert_eq!(count("--origin local"), (CONNECTIONS, 0));
        let expected = ["Origin Connections Templates", "local 20 0", "synced 7 0"];
        let text = list("-L -c --count-by origin");
        let rows = text.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    });
}
