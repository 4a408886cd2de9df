//! Drains under real traffic: a client, a director and two web servers, each in its own network namespace. A download
//! that a server has begun goes on while the server is drained, and new connections go to the other server.

use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::network::Host;
use crate::program::{Program, validator};
use crate::table::{Destination, Kernel, Service};
use crate::wait::{PATIENCE, wait_for};

const VIRTUAL: (&str, u16) = ("10.1.0.100", 80);
const RULES: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.2.0.2:8080 -m -w 5 -x 100 -y 50
-a -t 10.1.0.100:80 -r 10.3.0.2:8080 -m -w 7
";
/// The parts of a download, and their number.
const PART: [u8; 1000] = [b'x'; 1000];
const PARTS: usize = 20;

/// The network is client -- director -- two web servers.
struct Lab {
    client: Host,
    director: Host,
    listeners: [TcpListener; 2],
    _servers: [Host; 2],
}

/// A download that is half done: the client's end and the server's.
struct Download {
    client: TcpStream,
    server: TcpStream,
}

impl Lab {
    fn new(rules: &str) -> Lab {
        let (client, director) = (Host::new(), Host::new());
        let servers = [Host::new(), Host::new()];
        director.join("outside", "10.1.0.1/24", &client, "uplink", "10.1.0.2/24");
        director.ip("address add 10.1.0.100/32 dev outside");
        director.sysctl("ipv4/ip_forward", "1");
        let listeners = [2, 3].map(|n| {
            let server = &servers[n - 2];
            director.join(
                &format!("inside{n}"),
                &format!("10.{n}.0.1/24"),
                server,
                "uplink",
                &format!("10.{n}.0.2/24"),
            );
            server.ip(&format!("route add default via 10.{n}.0.1"));
            let listener = server.within(|| TcpListener::bind(format!("10.{n}.0.2:8080")).unwrap());
            listener.set_nonblocking(true).unwrap();
            listener
        });
        let lab = Lab { client, director, listeners, _servers: servers };
        lab.director
            .within(|| Program::ours().feed(["-R"], rules.as_bytes()).succeeded().to_owned());
        lab
    }

    fn kernel(&self) -> Kernel {
        self.director.within(Kernel::open)
    }

    /// Starts a drain.
    fn drain(&self, arguments: &str) -> Draining {
        self.director.within(|| Draining::start(arguments))
    }

    fn connect(&self) -> TcpStream {
        let stream = self.client.within(|| TcpStream::connect(VIRTUAL).unwrap());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Opens a connection, and returns the server that got it.
    fn open(&self) -> (Download, usize) {
        let client = self.connect();
        let (server, taker) = wait_for("a server to get the connection", || {
            self.listeners.iter().enumerate().find_map(|(n, listener)| match listener.accept() {
                Ok((server, _)) => Some((server, n)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    None
                }
            })
        });
        server.set_nonblocking(false).unwrap();
        (Download { client, server }, taker)
    }

    /// A download from the first server that has begun.
    fn download(&self) -> Download {
        loop {
            let (mut download, taker) = self.open();
            if taker == 0 {
                download.part();
                return download;
            }
        }
    }
}

impl Download {
    /// The server sends a part, and the client receives it.
    fn part(&mut self) {
        self.server.write_all(&PART).unwrap();
        let mut received = [0; PART.len()];
        self.client.read_exact(&mut received).unwrap();
        assert_eq!(received, PART);
    }

    /// The server ends the download, and the client has all of it.
    fn end(self) {
        let Download { mut client, server } = self;
        drop(server);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
}

/// A drain that runs, with the steps that it prints.
pub(crate) struct Draining {
    child: Child,
    steps: Lines<BufReader<ChildStdout>>,
    validator: jsonschema::Validator,
}

impl Draining {
    /// Starts ipvsadm with these arguments in the calling thread's namespace.
    pub(crate) fn start(arguments: &str) -> Draining {
        let arguments: Vec<&str> = arguments.split(' ').chain(["--json"]).collect();
        let validator = validator(&arguments).unwrap();
        let mut child = Program::ours().command(arguments).spawn().unwrap();
        let steps = BufReader::new(child.stdout.take().unwrap()).lines();
        Draining { child, steps, validator }
    }

    /// The next step; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let step = self.steps.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        if let Some(step) = &step {
            self.validator.validate(step).unwrap_or_else(|error| panic!("{step}: {error}"));
        }
        step
    }

    /// The next step with this name. The beginning and the waiting before it are passed over.
    #[track_caller]
    pub(crate) fn step(&mut self, name: &str) -> Value {
        loop {
            let step = self.next().unwrap_or_else(|| panic!("no step {name}"));
            if step["step"] == name {
                return step;
            }
            assert!(["begun", "waiting"].iter().any(|name| step["step"] == *name), "{step}");
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end, and returns its status and its message.
    pub(crate) fn end(mut self) -> (i32, String) {
        assert_eq!(self.next(), None, "a step after the last one");
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// The real servers of the only service, by address.
fn servers(kernel: &Kernel) -> Vec<Destination> {
    let Service { mut destinations, .. } = kernel.table().services.swap_remove(0);
    destinations.sort_by_key(|server| server.address);
    destinations
}

fn weights(kernel: &Kernel) -> Vec<u32> {
    servers(kernel).iter().map(|server| server.weight).collect()
}

const DRAINED: &str = "-t 10.1.0.100:80 -r 10.2.0.2:8080";

#[test]
fn a_download_that_has_begun_completes_and_no_new_connection_arrives() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let mut download = lab.download();
    let before = servers(&kernel).swap_remove(0);
    let mut draining = lab.drain(&format!("-d {DRAINED} --drain"));

    let begun = draining.step("begun");
    assert_eq!(begun["service"]["address"], "10.1.0.100");
    assert_eq!(begun["servers"][0]["address"], "10.2.0.2");
    assert_eq!(begun["servers"][0]["weight"], 5);
    let waiting = draining.step("waiting");
    assert_eq!(waiting["active_connections"], 1, "{waiting}");
    let server = servers(&kernel).swap_remove(0);
    let kept = Destination {
        weight: 0,
        connections: server.connections.clone(),
        counters: server.counters.clone(),
        ..before
    };
    assert_eq!(server, kept, "only the weight changes");

    // New connections go to the other server while the download goes on.
    for _ in 1..PARTS {
        let (new, taker) = lab.open();
        assert_eq!(taker, 1);
        new.end();
        download.part();
    }
    draining.step("waiting");
    // A drain holds no lock.
    let lines = ["--wait=0", "--noflush"];
    lab.director.within(|| Program::restore().feed(lines, b"-Z\n").succeeded().to_owned());
    download.end();
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    assert_eq!(weights(&kernel), [7], "only the other server is left");
}

#[test]
fn at_the_time_out_the_weight_stays_0_and_the_connection_goes_on() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let mut download = lab.download();
    for (command, limit) in [("-e", 0), ("-d", 0), ("-d", 1)] {
        let mut draining = lab.drain(&format!("{command} {DRAINED} --drain={limit}"));
        draining.step("begun");
        let over = draining.step("timed_out");
        assert_eq!((&over["active_connections"], &over["seconds"]), (&1.into(), &limit.into()));
        let (status, message) = draining.end();
        assert_eq!(status, 1);
        assert_eq!(
            message,
            format!(
                "cannot drain 10.2.0.2:8080 of tcp 10.1.0.100:80: 1 active connection left after \
                 {limit} s; the weight stays 0\n"
            )
        );
        assert_eq!(weights(&kernel), [0, 7]);
        download.part();
    }
    // The same command deletes once nothing is left.
    let mut draining = lab.drain(&format!("-d {DRAINED} --drain=60"));
    draining.step("waiting");
    download.end();
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    assert_eq!(weights(&kernel), [7]);
}

#[test]
fn with_force_the_server_is_deleted_at_the_time_out() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let _download = lab.download();
    let mut draining = lab.drain(&format!("-d {DRAINED} --drain=1 --force"));
    assert_eq!(draining.step("timed_out")["active_connections"], 1);
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    assert_eq!(weights(&kernel), [7]);
    // -e deletes nothing, forced or not.
    let _other = lab.open();
    let mut draining = lab.drain("-e -t 10.1.0.100:80 -r 10.3.0.2:8080 --drain=0 --force");
    draining.step("timed_out");
    assert_eq!(draining.end().0, 1);
    assert_eq!(weights(&kernel), [0]);
}

#[test]
fn a_signal_brings_the_old_weight_back() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let mut download = lab.download();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        let mut draining = lab.drain(&format!("-d {DRAINED} --drain"));
        draining.step("waiting");
        assert_eq!(weights(&kernel), [0, 7]);
        draining.signal(signal);
        let interrupted = draining.step("interrupted");
        assert_eq!(interrupted["restored"][0]["weight"], 5, "{interrupted}");
        let (status, message) = draining.end();
        assert_eq!(status, 128 + signal as i32);
        let number = signal as i32;
        assert_eq!(
            message,
            format!(
                "cannot drain 10.2.0.2:8080 of tcp 10.1.0.100:80: stopped by signal {number}; the \
                 weight is what it was\n"
            )
        );
        let server = servers(&kernel).swap_remove(0);
        assert_eq!((server.weight, server.upper_threshold, server.lower_threshold), (5, 100, 50));
        download.part();
    }
}

#[test]
fn another_program_that_changes_the_weight_ends_the_drain() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let mut download = lab.download();
    let mut draining = lab.drain(&format!("-d {DRAINED} --drain"));
    draining.step("waiting");
    // Other settings may change, and so may other real servers.
    let reference = |line: &str| lab.director.within(|| Program::reference().line(line));
    reference(&format!("-e {DRAINED} -m -w 0 -x 9")).succeeded();
    reference("-e -t 10.1.0.100:80 -r 10.3.0.2:8080 -m -w 8").succeeded();
    draining.step("waiting");
    draining.step("waiting");
    reference(&format!("-e {DRAINED} -m -w 3")).succeeded();
    let contested = draining.step("contested");
    assert_eq!(contested["reason"], "another program has set the weight of 10.2.0.2:8080 to 3");
    let (status, message) = draining.end();
    assert_eq!(status, 1);
    assert!(message.ends_with("has set the weight of 10.2.0.2:8080 to 3\n"), "{message}");
    assert_eq!(weights(&kernel), [3, 8]);

    let mut draining = lab.drain(&format!("-d {DRAINED} --drain"));
    draining.step("waiting");
    reference(&format!("-d {DRAINED}")).succeeded();
    draining.step("contested");
    assert_eq!(draining.end().0, 1);
    download.server.write_all(&PART).unwrap();
}

#[test]
fn a_whole_service_is_drained_at_once() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let downloads = [lab.open().0, lab.open().0];
    let mut draining = lab.drain("-D -t 10.1.0.100:80 --drain");
    assert_eq!(draining.step("begun")["servers"].as_array().map(Vec::len), Some(2));
    assert_eq!(draining.step("waiting")["active_connections"], 2);
    assert_eq!(weights(&kernel), [0, 0]);
    let [first, second] = downloads;
    first.end();
    while draining.step("waiting")["active_connections"] != 1 {}
    second.end();
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    assert_eq!(kernel.table().services, []);
}

#[test]
fn a_lost_output_does_not_end_the_drain() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let download = lab.download();
    let mut draining = lab.drain(&format!("-d {DRAINED} --drain"));
    draining.step("begun");
    let Draining { mut child, steps, .. } = draining;
    drop(steps);
    download.end();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(weights(&kernel), [7]);
}

#[test]
fn the_lines_of_a_stream_wait_for_a_drain() {
    let lab = Lab::new(RULES);
    let kernel = lab.kernel();
    let download = lab.download();
    let lines = format!("-d {DRAINED} --drain --json\n-A -t 10.1.0.100:81 -s rr\n");
    let start = |lines: &str| {
        let mut command = Program::ours().command(["-R"]);
        let mut child = lab.director.within(|| command.stdin(Stdio::piped()).spawn().unwrap());
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let steps = BufReader::new(child.stdout.take().unwrap()).lines();
        Draining { child, steps, validator: validator(&["--drain", "--json"]).unwrap() }
    };
    // A signal ends the stream, too.
    let mut draining = start(&lines);
    draining.step("waiting");
    draining.signal(Signal::SIGTERM);
    draining.step("interrupted");
    let (status, message) = draining.end();
    assert_eq!(status, 128 + Signal::SIGTERM as i32);
    assert!(message.ends_with("the weight is what it was (line 1)\n"), "{message}");
    assert_eq!((kernel.table().services.len(), weights(&kernel)), (1, vec![5, 7]));

    let mut draining = start(&lines);
    draining.step("waiting");
    assert_eq!(kernel.table().services.len(), 1);
    download.end();
    draining.step("drained");
    draining.step("deleted");
    assert_eq!(draining.end(), (0, String::new()));
    assert_eq!(kernel.table().services.len(), 2);

    let refused = lab.director.within(|| Program::restore().feed::<&str>([], lines.as_bytes()));
    let message = refused.refused(2);
    assert!(message.contains("a restore does not wait for connections"), "{message}");
}

#[test]
fn a_terminal_shows_the_progress_in_one_line() {
    let lab = Lab::new(RULES);
    let mut download = lab.download();
    let line = format!("{} -d {DRAINED} --drain", Program::ours().name());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = lab.director.within(|| script.spawn().unwrap());
    let mut shown = String::new();
    let mut terminal = child.stdout.take().unwrap();
    let mut read_until = |text: &str| {
        let mut buffer = [0; 1000];
        while !shown.contains(text) {
            let length = terminal.read(&mut buffer).unwrap();
            assert!(length > 0, "no {text} in {shown:?}");
            shown.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    // On a busy machine the line may skip a second.
    read_until("\rDraining for ");
    read_until(" s: 1 active connection left");
    download.part();
    download.end();
    read_until("\rDeleted after");
    // The shell's terminal is gone once everything is read.
    let _ = terminal.read_to_string(&mut shown);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(shown.matches('\n').count(), 1, "{shown:?}");
}
