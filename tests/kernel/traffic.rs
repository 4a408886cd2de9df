//! Real traffic between a client, a director and two real servers, each in its own network namespace and joined by
//! veth. Our counters and connections must match those of 1.31, of the kernel as neli reads it, and the packets that
//! were sent.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt,
    socket, sockopt,
};

use crate::network::{Host, fresh_namespace, ip};
use crate::program::{Program, kill_server};
use crate::table::{Counters, Kernel, Service, UDP};
use crate::wait::{wait_for, wait_until_seen};

const VIRTUAL: &str = "10.1.0.100";
const CLIENT: &str = "10.1.0.2";
const SERVERS: [&str; 2] = ["10.2.0.2", "10.3.0.2"];

/// The network is client -- director -- two real servers, with IPv4 and IPv6 and masquerading.
struct Lab {
    client: Host,
    director: Host,
    servers: [Host; 2],
}

impl Lab {
    fn new() -> Lab {
        let lab =
            Lab { client: Host::new(), director: Host::new(), servers: [Host::new(), Host::new()] };
        let cables = [
            (&lab.client, "10.1.0", "2001:db8:1:"),
            (&lab.servers[0], "10.2.0", "2001:db8:2:"),
            (&lab.servers[1], "10.3.0", "2001:db8:3:"),
        ];
        for (n, (host, four, six)) in cables.into_iter().enumerate() {
            let name = format!("to{n}");
            lab.director.join(
                &name,
                &format!("{four}.1/24"),
                host,
                "uplink",
                &format!("{four}.2/24"),
            );
            lab.director.ip(&format!("address add {six}:1/64 dev {name} nodad"));
            host.ip(&format!("address add {six}:2/64 dev uplink nodad"));
            host.ip(&format!("route add default via {four}.1"));
            host.ip(&format!("-6 route add default via {six}:1"));
        }
        lab.director.ip(&format!("address add {VIRTUAL}/32 dev to0"));
        lab.director.ip("address add 2001:db8:1::100/128 dev to0 nodad");
        lab.director.sysctl("ipv4/ip_forward", "1");
        lab.director.sysctl("ipv6/conf/all/forwarding", "1");
        lab
    }

    /// Runs our program on the director, one command on each line.
    fn set_up(&self, commands: &[&str]) {
        for command in commands {
            self.director.within(|| Program::ours().line(command)).succeeded();
        }
    }

    /// Returns our output when 1.31 prints the same before and after it, since counters and states may change in between.
    /// Expiry times must lie between those of 1.31.
    fn as_1_31_says(&self, line: &str) -> String {
        self.director.within(|| as_1_31_says(line))
    }
}

fn as_1_31_says(line: &str) -> String {
    for _ in 0..50 {
        let before = Program::reference().line(line);
        let ours = Program::ours().line(line);
        let after = Program::reference().line(line);
        let [before, after] = [before.succeeded(), after.succeeded()];
        // The time of a template starts again while its connections live.
        let [most, least] = [before, after].map(times);
        let has_restarted = most.iter().zip(&least).any(|(most, least)| least > most);
        if !has_restarted && without_times(before) == without_times(after) {
            assert_eq!(without_times(ours.succeeded()), without_times(before), "{line}");
            for ((most, seconds), least) in most.iter().zip(times(ours.text())).zip(&least) {
                assert!((least..=most).contains(&&seconds), "{before}\n{}\n{after}", ours.text());
            }
            return ours.text().to_owned();
        }
    }
    panic!("{line} was never twice the same with 1.31");
}

/// The minutes and seconds of a listing of connections, `MM:SS`, which run.
fn is_time(word: &str) -> bool {
    word.len() == 5
        && word.chars().enumerate().all(|(n, c)| if n == 2 { c == ':' } else { c.is_ascii_digit() })
}

/// A text with another word of the same length in the place of each time.
fn without_times(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']);
    words
        .map(|word| {
            if is_time(word.trim_end()) {
                word.replace(|c: char| c.is_ascii_digit(), "#")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// The times of a text, in seconds.
fn times(text: &str) -> Vec<u32> {
    let words = text.split_whitespace().filter(|word| is_time(word));
    words
        .map(|word| {
            let (minutes, seconds) = word.split_once(':').unwrap();
            minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap()
        })
        .collect()
}

/// The rows of a listing without its three header lines, each split into words.
fn rows(listing: &str) -> Vec<Vec<&str>> {
    listing.lines().skip(3).map(|line| line.split_whitespace().collect()).collect()
}

/// Starts busybox httpd, whose only page names the server.
struct WebServer(Child);

impl WebServer {
    fn start(host: &Host, address: &str) -> WebServer {
        let pages = std::env::temp_dir().join(format!("pages-{address}-{}", std::process::id()));
        fs::create_dir_all(&pages).unwrap();
        fs::write(pages.join("index.html"), address).unwrap();
        let mut command = Command::new("busybox");
        command
            .args(["httpd", "-f", "-p", &format!("{address}:8080"), "-h"])
            .arg(&pages)
            .stdin(Stdio::null());
        let child = host
            .within(|| command.spawn())
            .expect("busybox is missing: run `make test`, which installs it");
        host.within(|| wait_for("httpd", || TcpStream::connect((address, 8080)).ok()));
        WebServer(child)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        kill_server(&mut self.0);
    }
}

fn get(address: &str) -> String {
    let mut connection = TcpStream::connect((address, 80)).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

#[test]
fn requests_are_counted_as_they_were_sent() {
    let lab = Lab::new();
    let _web = [0, 1].map(|n| WebServer::start(&lab.servers[n], SERVERS[n]));
    lab.set_up(&[
        "-A -t 10.1.0.100:80 -s rr",
        "-a -t 10.1.0.100:80 -r 10.2.0.2:8080 -m",
        "-a -t 10.1.0.100:80 -r 10.3.0.2:8080 -m",
    ]);
    let mut answers = lab.client.within(|| (0..20).map(|_| get(VIRTUAL)).collect::<Vec<String>>());
    answers.sort();
    assert_eq!(answers, [[SERVERS[0]; 10], [SERVERS[1]; 10]].concat());

    // The kernel sums up counters every two seconds, in newer versions at another time for each entry. Rates go down again.
    let kernel = lab.director.within(Kernel::open);
    wait_for("counters and rates", || {
        let service = kernel.table().services.remove(0);
        let of_servers = service.destinations.iter().map(|server| server.counters.0[0]);
        let is_counted = service.counters.0[0] == 20 && of_servers.sum::<u64>() == 20;
        // The rate of bytes in is above zero for the longest time.
        (is_counted && service.counters.0[8] > 0).then_some(())
    });
    lab.director.sysctl("ipv4/vs/run_estimation", "0");
    let service = kernel.table().services.remove(0);
    let rates = lab.as_1_31_says("-L -n --rate");
    assert_ne!(rows(&rates)[0][5], "0", "{rates}");
    let stats = lab.as_1_31_says("-L -n --stats --exact");
    let sums =
        |counters: &Counters| counters.0[..5].iter().map(u64::to_string).collect::<Vec<String>>();
    assert_eq!(rows(&stats)[0][2..], sums(&service.counters));
    for (row, server) in rows(&stats)[1..].iter().zip(&service.destinations) {
        assert_eq!(server.counters.0[0], 10);
        assert_eq!(row[2..], sums(&server.counters));
    }
    assert!(
        service.counters.0[1] >= 20 * 4 && service.counters.0[3] > 20 * 18,
        "{:?}",
        service.counters
    );
    for line in
        ["-L -n --stats", "-L -n", "-L -n -c", "-L -n --persistent-conn", "-L -n --thresholds"]
    {
        lab.as_1_31_says(line);
    }
    lab.set_up(&["-Z"]);
    wait_for("zero", || (kernel.table().services[0].counters == Counters::default()).then_some(()));
    assert_eq!(rows(&lab.as_1_31_says("-L -n --stats"))[0][2..], ["0"; 5]);
}

/// The listings of connections in all states and of their servers. `None` if a state is not there in time: the entries of
/// some live for a minute only.
fn listings_of_all_states() -> Option<(String, String)> {
    let lab = Lab::new();
    lab.set_up(&[
        "-A -t 10.1.0.100:80 -s rr",
        "-a -t 10.1.0.100:80 -r 10.2.0.2:80 -m",
        // No machine has this address, and no program listens on that port.
        "-A -t 10.1.0.100:81 -s rr",
        "-a -t 10.1.0.100:81 -r 10.2.0.77:80 -m",
        "-A -t 10.1.0.100:82 -s rr",
        "-a -t 10.1.0.100:82 -r 10.2.0.2:82 -m",
        "-A -t [2001:db8:1::100]:80 -s rr",
        "-a -t [2001:db8:1::100]:80 -r [2001:db8:2::2]:80 -m",
    ]);
    let [four, six] = ["10.2.0.2:80", "[2001:db8:2::2]:80"]
        .map(|address| lab.servers[0].within(|| TcpListener::bind(address).unwrap()));
    let connect = |virtual_address: &str, listener: &TcpListener| {
        let there = lab.client.within(|| TcpStream::connect(virtual_address).unwrap());
        (there, listener.accept().unwrap().0)
    };
    let mut open: Vec<(TcpStream, TcpStream)> =
        (0..4).map(|_| connect("10.1.0.100:80", &four)).collect();
    open.push(connect("[2001:db8:1::100]:80", &six));
    open[1].0.shutdown(Shutdown::Write).unwrap();
    open[2].1.shutdown(Shutdown::Write).unwrap();
    let (there, here) = &open[3];
    there.shutdown(Shutdown::Write).unwrap();
    here.shutdown(Shutdown::Write).unwrap();
    let silent: SocketAddr = "10.1.0.100:81".parse().unwrap();
    lab.client.within(|| {
        assert!(TcpStream::connect_timeout(&silent, Duration::from_millis(100)).is_err());
    });
    // With secure_tcp, the protection against SYN floods, a connection is established only when the server sends a
    // packet after the handshake.
    lab.director.sysctl("ipv4/vs/secure_tcp", "3");
    open.push(connect("10.1.0.100:80", &four));

    // An entry in CLOSE lives for ten seconds, so each attempt makes one. The last packets of the others may be on their way.
    let wanted =
        ["CLOSE", "CLOSE_WAIT", "ESTABLISHED", "FIN_WAIT", "SYNACK", "SYN_RECV", "TIME_WAIT"];
    let listing = (0..20).find_map(|_| {
        assert!(lab.client.within(|| TcpStream::connect("10.1.0.100:82")).is_err());
        let listing = lab.as_1_31_says("-L -n -c");
        let states = listing.lines().skip(2).map(|line| line.split_whitespace().nth(2).unwrap());
        let mut states: Vec<&str> = states.collect();
        states.sort_unstable();
        states.dedup();
        let others = listing.lines().filter(|line| !line.contains(" CLOSE "));
        (states == wanted && others.count() == 2 + open.len() + 1).then(|| listing.clone())
    })?;
    Some((listing, lab.as_1_31_says("-L -n")))
}

#[test]
fn connections_are_listed_in_every_state_that_they_take() {
    wait_until_seen(listings_of_all_states, |listings| {
        let Some((_, counts)) = listings else { return false };
        let server = rows(counts).into_iter().find(|row| row[1] == "10.2.0.2:80").unwrap();
        server[4..] == ["2", "3"]
    });
}

#[test]
fn udp_and_sctp_and_persistence_have_entries_too() {
    let lab = Lab::new();
    lab.set_up(&[
        "-A -u 10.1.0.100:53 -s rr",
        "-a -u 10.1.0.100:53 -r 10.2.0.2:53 -m",
        "-A --sctp-service 10.1.0.100:9899 -s rr",
        "-a --sctp-service 10.1.0.100:9899 -r 10.2.0.2 -g",
        "-A -t 10.1.0.100:80 -s rr -p 60",
        "-a -t 10.1.0.100:80 -r 10.2.0.2:80 -m",
        "-A -u 10.1.0.100:5060 -s rr -p 60 --pe sip",
        "-a -u 10.1.0.100:5060 -r 10.2.0.2:5060 -m",
        "-A -u [2001:db8:1::100]:53 -s rr -p 60 -M 64",
        "-a -u [2001:db8:1::100]:53 -r [2001:db8:2::2]:53 -m",
    ]);
    let listener = lab.servers[0].within(|| TcpListener::bind("10.2.0.2:80").unwrap());
    let (_connection, _accepted) = lab.client.within(|| {
        let socket = UdpSocket::bind((CLIENT, 1053)).unwrap();
        socket.send_to(b"question", (VIRTUAL, 53)).unwrap();
        let call = b"INVITE sip:a@example SIP/2.0\r\nCall-ID: a-call@example\r\n\r\n";
        socket.send_to(call, (VIRTUAL, 5060)).unwrap();
        let six = UdpSocket::bind("[2001:db8:1::2]:1053").unwrap();
        six.send_to(b"question", "[2001:db8:1::100]:53").unwrap();
        (TcpStream::connect((VIRTUAL, 80)).unwrap(), listener.accept().unwrap())
    });
    // The entry of an INIT lives for three seconds.
    let listing = wait_for("the INIT", || {
        lab.client.within(send_sctp_init);
        Some(lab.as_1_31_says("-L -n -c")).filter(|listing| listing.contains(" INIT1 "))
    });
    let entry = |protocol: &str, state: &str, from: &str| {
        let found = listing.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words[0] == protocol && words[2] == state && words[3].starts_with(from)
        });
        assert!(found, "no {protocol} {state} {from}:\n{listing}");
    };
    entry("UDP", "UDP", "10.1.0.2:1053");
    entry("SCTP", "INIT1", "10.1.0.2:1000");
    entry("TCP", "ESTABLISHED", "10.1.0.2:");
    entry("TCP", "ASSURED", "10.1.0.2:0");
    entry("UDP", "NONE", "10.1.0.2:0");
    entry("UDP", "NONE", "[2001:db8:1::]:0");
    let engines = lab.as_1_31_says("-L -n -c --persistent-conn");
    assert!(engines.contains("sip") && engines.contains("a-call@example"), "{engines}");
    lab.as_1_31_says("-L -n --persistent-conn");
    lab.as_1_31_says("-L -n");
}

/// Sends an SCTP INIT from the client as a raw packet. This needs no SCTP in the kernel, and IPVS lists the connection.
fn send_sctp_init() {
    let [source, destination] =
        [CLIENT, VIRTUAL].map(|address| address.parse::<Ipv4Addr>().unwrap().octets());
    // An IP header whose length and checksum the kernel fills in; ports 1000 and 9899, tag, checksum; an INIT chunk.
    let header =
        [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0], &source[..], &destination[..]].concat();
    let common = [0x03, 0xe8, 0x26, 0xab, 0, 0, 0, 0, 0, 0, 0, 0];
    let init = [1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    let packet = [&header[..], &common, &init].concat();
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)
        .unwrap();
    let to = SockaddrIn::new(destination[0], destination[1], destination[2], destination[3], 0);
    sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
}

#[test]
fn marked_packets_make_entries_of_their_fwmark_service() {
    fresh_namespace();
    ip("address add 10.1.0.100/32 dev lo");
    for line in [
        "-A -f 7 -s rr -p 60",
        "-a -f 7 -r 127.0.0.1 -m",
        "-A -f 4294967295 -s rr",
        "-a -f 4294967295 -r 127.0.0.1 -m",
        "-A -f 7 -6 -s rr -p 60",
        "-a -f 7 -6 -r ::1 -m",
    ] {
        Program::ours().line(line).succeeded();
    }
    for (mark, from, to) in [
        (7, "127.0.0.1:0", "10.1.0.100:53"),
        (u32::MAX, "127.0.0.1:0", "10.1.0.100:54"),
        (7, "[::1]:0", "[::1]:53"),
    ] {
        let socket = UdpSocket::bind(from).unwrap();
        setsockopt(&socket, sockopt::Mark, &mark).unwrap();
        socket.send_to(b"marked", to).unwrap();
    }
    wait_for("the entries", || {
        let listing = Program::ours().line("-L -n -c");
        (listing.succeeded().lines().count() == 2 + 5).then_some(())
    });
    let listing = as_1_31_says("-L -n -c");
    assert_eq!(
        listing
            .lines()
            .filter(|line| line.starts_with("IP ") && line.contains("0.0.0.7:0"))
            .count(),
        1,
        "{listing}"
    );
    assert_eq!(listing.lines().count(), 2 + 5, "{listing}");
    as_1_31_says("-L -n -c --persistent-conn");
}

/// Sends 120 MB through the loopback interface, whose packets are large.
#[test]
fn large_counters_are_shortened_as_1_31_shortens_them() {
    const DATAGRAM: usize = 60_000;
    const COUNT: usize = 2_000;
    fresh_namespace();
    let kernel = Kernel::open();
    kernel.add(&Service::new(UDP, "127.0.0.1", 53).with("127.0.0.1", 5353));
    let receiver = UdpSocket::bind("127.0.0.1:5353").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = vec![0; DATAGRAM];
    for _ in 0..COUNT {
        sender.send_to(&buffer.clone(), "127.0.0.1:53").unwrap();
        assert_eq!(receiver.recv(&mut buffer).unwrap(), DATAGRAM);
    }
    let bytes = (DATAGRAM + 28) * COUNT;
    wait_for("counters", || {
        (kernel.table().services[0].counters.0[3] == bytes as u64).then_some(())
    });
    // Otherwise the rates would go down while they are compared.
    fs::write("/proc/sys/net/ipv4/vs/run_estimation", "0").unwrap();
    let short = as_1_31_says("-L -n --stats");
    assert_eq!(rows(&short)[0][5], "120056K", "{short}");
    let exact = as_1_31_says("-L -n --stats --exact");
    assert_eq!(rows(&exact)[0][5], bytes.to_string(), "{exact}");
    as_1_31_says("-L -n --rate");
    as_1_31_says("-L -n --rate --exact");
}
