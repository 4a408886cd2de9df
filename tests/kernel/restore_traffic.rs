//! Clients do not notice a restore: two clients send requests to web servers behind NAT while files are restored, and
//! no request fails. Established connections and the counters of unchanged entries stay.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crate::network::Host;
use crate::program::Program;
use crate::table::{Connections, Kernel, Service};
use crate::wait::{PATIENCE, wait_until, wait_until_seen};

const VIRTUAL: (&str, u16) = ("10.1.0.100", 80);
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// Web servers, each a port and its weight.
const ALL: [(u16, u32); 3] = [(8001, 1), (8002, 1), (8003, 1)];
const RESTORES: usize = 20;
/// With 1.31, restores are repeated until this number of requests has failed. On a busy machine, no client may run while
/// the table is empty, so one restore may fail none.
const FAILURES_WITH_1_31: usize = 5;
const MOST_RESTORES_WITH_1_31: usize = 500;
/// Services besides the one that clients use. With them, it takes a while to fill a cleared table again.
const OTHERS: u16 = 40;
/// The timeout of clients and servers with 1.31, where some wait for packets that never arrive.
const PATIENCE_WITH_1_31: Duration = Duration::from_secs(5);

/// The network is client -- director -- web servers, all at one address.
struct Lab {
    client: Host,
    director: Host,
    servers: Host,
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab { client: Host::new(), director: Host::new(), servers: Host::new() };
        lab.director.join("outside", "10.1.0.1/24", &lab.client, "uplink", "10.1.0.2/24");
        lab.director.join("inside", "10.2.0.1/24", &lab.servers, "uplink", "10.2.0.2/24");
        lab.director.ip("address add 10.1.0.100/32 dev outside");
        lab.servers.ip("route add default via 10.2.0.1");
        lab.director.sysctl("ipv4/ip_forward", "1");
        lab
    }

    fn kernel(&self) -> Kernel {
        self.director.within(Kernel::open)
    }

    fn restore(&self, rules: &str) {
        let outcome =
            self.director.within(|| Program::restore().feed::<&str>([], rules.as_bytes()));
        outcome.succeeded();
    }

    /// Does the same as ipvsadm-restore of 1.31, a script: `-C`, then `-R`.
    fn restore_with_1_31(&self, rules: &str) {
        self.director.within(|| {
            Program::reference().line("-C").succeeded();
            Program::reference().feed(["-R"], rules.as_bytes()).succeeded();
        });
    }

    /// A listener on the web servers' machine.
    fn listen(&self, port: u16) -> TcpListener {
        self.servers.within(|| TcpListener::bind(("10.2.0.2", port)).unwrap())
    }
}

/// A service with real servers, each a port and its weight, and with others that are unused.
fn rules(servers: &[(u16, u32)]) -> String {
    let mut text = "-A -t 10.1.0.100:80 -s rr\n".to_owned();
    for (port, weight) in servers {
        text.push_str(&format!("-a -t 10.1.0.100:80 -r 10.2.0.2:{port} -m -w {weight}\n"));
    }
    for port in 1..=OTHERS {
        text.push_str(&format!("-A -u 10.1.0.100:{port} -s rr\n"));
        text.push_str(&format!("-a -u 10.1.0.100:{port} -r 10.2.0.2:53 -m\n"));
    }
    text
}

/// Files that each differ from the previous one in one server: it is drained, it is deleted, it is added again.
fn changing_one_server_at_a_time() -> Vec<String> {
    let steps = (0..RESTORES).map(|step| {
        let mut servers = ALL.to_vec();
        match (step / 3 % 3, step % 3) {
            (server, 0) => servers[server].1 = 0,
            (server, 1) => drop(servers.remove(server)),
            _ => {}
        }
        rules(&servers)
    });
    steps.collect()
}

/// The results of the clients' requests.
#[derive(Default)]
struct Seen {
    requests: usize,
    failures: Vec<io::Error>,
    longest_gap: Duration,
}

fn request(patience: Duration) -> io::Result<()> {
    let mut connection = TcpStream::connect(VIRTUAL)?;
    connection.set_read_timeout(Some(patience))?;
    connection.write_all(REQUEST)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    if answer.ends_with("hello") { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The number of requests that clients have sent so far, and of those that have failed.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    failed: AtomicUsize,
}

fn request_until(end: &AtomicBool, patience: Duration, counts: &Counts) -> Seen {
    let mut seen = Seen::default();
    let mut last = Instant::now();
    while !end.load(Ordering::Relaxed) {
        match request(patience) {
            Ok(()) => {
                seen.requests += 1;
                counts.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                seen.failures.push(error);
                counts.failed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        seen.longest_gap = seen.longest_gap.max(last.elapsed());
        last = Instant::now();
    }
    seen
}

/// Serves each connection on a thread of its own, so that one whose client has gone delays no other.
fn serve_until<'scope>(
    end: &'scope AtomicBool,
    listener: &'scope TcpListener,
    patience: Duration,
    scope: &'scope Scope<'scope, '_>,
) {
    for connection in listener.incoming() {
        if end.load(Ordering::Relaxed) {
            return;
        }
        // The server ignores clients that have gone.
        scope.spawn(move || {
            connection.and_then(|mut connection| {
                connection.set_read_timeout(Some(patience))?;
                connection.read_exact(&mut [0; REQUEST.len()])?;
                connection.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello")
            })
        });
    }
}

/// Two clients send requests while files are restored.
fn under_requests<'a>(
    lab: &Lab,
    restore: impl Fn(&Lab, &str),
    files: impl Iterator<Item = &'a String>,
    patience: Duration,
    counts: &Counts,
) -> Seen {
    let listeners = ALL.map(|(port, _)| lab.listen(port));
    lab.restore(&rules(&ALL));
    let (clients_end, servers_end) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(|| serve_until(&servers_end, listener, patience, scope));
        }
        // A thread inherits the network namespace of the thread that starts it.
        let clients = [0, 1].map(|_| {
            lab.client.within(|| scope.spawn(|| request_until(&clients_end, patience, counts)))
        });
        for file in files {
            restore(lab, file);
            // Clients go on between two restores, whatever the scheduler does.
            let sent = || {
                let Counts { answered, failed } = counts;
                answered.load(Ordering::Relaxed) + failed.load(Ordering::Relaxed)
            };
            let before = sent();
            wait_until("two requests", || sent() >= before + 2);
        }
        clients_end.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for seen in clients.map(|client| client.join().unwrap()) {
            all.requests += seen.requests;
            all.failures.extend(seen.failures);
            all.longest_gap = all.longest_gap.max(seen.longest_gap);
        }
        servers_end.store(true, Ordering::Relaxed);
        for listener in &listeners {
            let address = listener.local_addr().unwrap();
            lab.servers.within(|| drop(TcpStream::connect(address)));
        }
        all
    })
}

impl Seen {
    /// Prints directly to standard error, since the test harness shows a test's output only when it fails.
    fn tell(&self, what: &str, restores: usize) {
        let Seen { requests, failures, longest_gap } = self;
        let failed = failures.len();
        let line = format!(
            "{restores} restores of {what}: {requests} requests, {failed} failed, longest gap {longest_gap:.0?}"
        );
        writeln!(io::stdout(), "\n    {line}").unwrap();
    }
}

#[test]
fn no_request_fails_and_no_connection_is_reset_while_files_are_restored() {
    let lab = Lab::new();
    let same = vec![rules(&ALL); RESTORES];
    let ours = |lab: &Lab, file: &str| lab.restore(file);
    for (what, files) in [
        ("the same file", &same),
        ("files that change one server", &changing_one_server_at_a_time()),
    ] {
        let seen = under_requests(&lab, ours, files.iter(), PATIENCE, &Counts::default());
        seen.tell(what, files.len());
        assert!(seen.requests > RESTORES, "{} requests", seen.requests);
        assert!(seen.failures.is_empty(), "{what}: {:?}", seen.failures);
    }
    let with_1_31 = |lab: &Lab, file: &str| lab.restore_with_1_31(file);
    let (counts, restores) = (Counts::default(), Cell::new(0));
    let until_enough_fail = iter::repeat_n(&same[0], MOST_RESTORES_WITH_1_31)
        .take_while(|_| counts.failed.load(Ordering::Relaxed) < FAILURES_WITH_1_31)
        .inspect(|_| restores.set(restores.get() + 1));
    let seen = under_requests(&lab, with_1_31, until_enough_fail, PATIENCE_WITH_1_31, &counts);
    seen.tell("the same file with 1.31", restores.into_inner());
    // With 1.31 the table is empty until the second process has read its first line. Clients that did not notice this
    // would not notice a fault of ours.
    assert!(seen.failures.len() >= FAILURES_WITH_1_31, "{} failed with 1.31", seen.failures.len());
}

/// Sends data over an established connection and receives it again.
fn echo(there: &mut TcpStream, here: &mut TcpStream) {
    let mut heard = [0; 4];
    there.write_all(b"ping").unwrap();
    here.read_exact(&mut heard).unwrap();
    here.write_all(&heard).unwrap();
    there.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
}

#[test]
fn a_connection_survives_the_replacement_of_all_other_services() {
    let lab = Lab::new();
    let kernel = lab.kernel();
    let listener = lab.listen(8001);
    let file = |first: u16, options: &str, weight: u16| {
        let mut text = format!(
            "-A -t 10.1.0.100:80 {options}\n-a -t 10.1.0.100:80 -r 10.2.0.2:8001 -m -w {weight}\n"
        );
        for port in first..first + 50 {
            text.push_str(&format!(
                "-A -u 10.1.0.100:{port} -s rr\n-a -u 10.1.0.100:{port} -r 10.2.0.2:53 -m\n"
            ));
        }
        text
    };
    lab.restore(&file(1000, "-s rr", 1));
    let mut there = lab.client.within(|| TcpStream::connect(VIRTUAL).unwrap());
    let (mut here, _) = listener.accept().unwrap();
    for stream in [&there, &here] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    // Other services are deleted and added; then the service itself and its real server are edited, too.
    for (first, options, weight) in
        [(2000, "-s rr", 1), (1000, "-s wlc", 1), (2000, "-s rr -p 60", 9), (2000, "-s lc", 0)]
    {
        lab.restore(&file(first, options, weight));
        echo(&mut there, &mut here);
        let table = kernel.table();
        let server = &table
            .services
            .iter()
            .find(|service| service.destinations[0].port == 8001)
            .unwrap()
            .destinations[0];
        assert_eq!(
            (server.weight, &server.connections),
            (weight.into(), &Connections { active: 1, ..Connections::default() })
        );
    }
    // Only this service is left.
    lab.restore("-A -t 10.1.0.100:80 -s rr\n-a -t 10.1.0.100:80 -r 10.2.0.2:8001 -m\n");
    echo(&mut there, &mut here);
}

#[test]
fn counters_and_persistent_clients_of_unchanged_entries_are_kept() {
    let lab = Lab::new();
    let kernel = lab.kernel();
    let listeners = [8001, 8002].map(|port| lab.listen(port));
    let file = |weight: u32, others: &str| {
        format!(
            "-A -t 10.1.0.100:80 -s rr -p 600\n\
             -a -t 10.1.0.100:80 -r 10.2.0.2:8001 -m\n\
             -a -t 10.1.0.100:80 -r 10.2.0.2:8002 -m -w {weight}\n{others}"
        )
    };
    lab.restore(&file(1, "-A -f 1 -s rr\n-a -f 1 -r 10.2.0.2 -m\n"));
    let connect = || lab.client.within(|| TcpStream::connect(VIRTUAL).unwrap());
    let first = connect();
    // The kernel sums up counters every two seconds, in newer versions at another time for each entry. A connection has two
    // packets in and one out so far.
    let counted = |connections: u64| -> Service {
        let read = || -> Service {
            let services = kernel.table().services.into_iter();
            services.into_iter().find(|service| service.timeout == 600).unwrap()
        };
        wait_until_seen(read, |service| {
            let sum = |n: usize| -> u64 {
                service.destinations.iter().map(|server| server.counters.0[n]).sum()
            };
            let all = [connections, 2 * connections, connections];
            service.counters.0[..3] == all && (0..5).all(|n| sum(n) == service.counters.0[n])
        })
    };
    let before = counted(1);
    for others in ["", "-A -f 2 -s rr\n-a -f 2 -r 10.2.0.2 -m\n", "-A -u 10.1.0.100:53 -s rr\n"] {
        lab.restore(&file(1, others));
        let now = counted(1);
        assert_eq!(now.destinations[0].connections, before.destinations[0].connections);
        assert_eq!(now.destinations[0].counters.0[..5], before.destinations[0].counters.0[..5]);
        assert_eq!(now.counters.0[..5], before.counters.0[..5]);
    }
    // The persistent client gets the same server, also after an edit of the other server.
    lab.restore(&file(5, ""));
    let second = connect();
    let service = counted(2);
    let of_servers: Vec<u64> =
        service.destinations.iter().map(|server| server.counters.0[0]).collect();
    assert!([[2, 0], [0, 2]].contains(&[of_servers[0], of_servers[1]]), "{of_servers:?}");
    drop((first, second, listeners));
}
