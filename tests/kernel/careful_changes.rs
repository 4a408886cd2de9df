//! Changes that keep the settings that they omit, or depend on the kernel's entries: --keep, --if-exists, --if-not-exists,
//! --replace.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::thread;
use std::time::Duration;

use ipvs::model::Forwarding;
use ipvs::{Client, RealServer, ServiceKey};

use crate::held::Held;
use crate::network::{Host, fresh_namespace};
use crate::program::Program;

const SERVICE: &str = "-A -t 10.0.0.1:80 -s wlc\n";

fn ours(line: &str) -> i32 {
    Program::ours().line(line).code()
}

fn saved() -> String {
    Program::ours().line("-S -n").succeeded().to_owned()
}

/// A fresh namespace with these lines.
fn table(lines: &str) {
    fresh_namespace();
    Program::ours().feed(["-R"], lines.as_bytes()).succeeded();
}

/// The number of six connections that a server answers: one every address of a service with two real servers by
/// masquerading, after an edit of the first one's weight.
fn answered_after(edit: &str) -> usize {
    let (client, director) = (Host::new(), Host::new());
    let servers = [Host::new(), Host::new()];
    director.join("outside", "10.1.0.1/24", &client, "uplink", "10.1.0.2/24");
    director.ip("address add 10.1.0.100/32 dev outside");
    director.sysctl("ipv4/ip_forward", "1");
    for (n, server) in (2..).zip(&servers) {
        let (near, far) = (format!("10.{n}.0.1/24"), format!("10.{n}.0.2/24"));
        director.join(&format!("inside{n}"), &near, server, "uplink", &far);
        server.ip(&format!("route add default via 10.{n}.0.1"));
        let listener = server.within(|| TcpListener::bind(format!("10.{n}.0.2:80")).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(b"x");
            }
        });
    }
    director.within(|| {
        let rules = "-A -t 10.1.0.100:80 -s rr\n\
                     -a -t 10.1.0.100:80 -r 10.2.0.2 -m -w 1\n\
                     -a -t 10.1.0.100:80 -r 10.3.0.2 -m -w 1\n";
        Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
        Program::ours().line(edit).succeeded();
    });
    let virtual_address = SocketAddr::from(([10, 1, 0, 100], 80));
    // The lost connections wait as long.
    let patience = Duration::from_secs(4);
    let is_answered = || {
        let stream = TcpStream::connect_timeout(&virtual_address, patience);
        stream.is_ok_and(|mut stream| stream.read_exact(&mut [0]).is_ok())
    };
    client.within(|| (0..6).filter(|_| is_answered()).count())
}

#[test]
fn server_behind_nat_stays_reachable_with_keep_alone() {
    assert_eq!(answered_after("-e -t 10.1.0.100:80 -r 10.2.0.2 -w 2"), 3);
    assert_eq!(answered_after("-e -t 10.1.0.100:80 -r 10.2.0.2 --keep -w 2"), 6);
}

/// Numbers that only look random, so that a failure repeats.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[usize::try_from(self.below(texts.len().try_into().unwrap())).unwrap()]
    }
}

#[test]
fn keep_equals_reading_all_changing_one_and_writing_all() {
    fresh_namespace();
    let mut numbers = Numbers(11);
    for case in 0..200 {
        let method = numbers.one_of(&["-m", "-g", "-i", "-i --tun-type gue --tun-port 6080", "-m"]);
        let (weight, upper) = (numbers.below(9), numbers.below(9));
        let limits = if upper > 0 { format!(" -x {upper}") } else { String::new() };
        let scheduler = numbers.one_of(&["rr", "wlc", "sh -b sh-port"]);
        let persistence = numbers.one_of(&["", " -p 300", " -p 60 -M 255.255.255.0"]);
        let service = format!("-t 10.0.0.1:80 -s {scheduler}{persistence}");
        let server = |method: &str, weight: u64, limits: &str| {
            format!("-t 10.0.0.1:80 -r 10.1.0.1:80 {method} -w {weight}{limits}")
        };
        let add = server(method, weight, &limits);
        let (kept, whole) = match numbers.below(8) {
            0 => {
                let new = numbers.below(9);
                let whole = server(method, new, &limits);
                (format!("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w {new}"), format!("-e {whole}"))
            }
            1 => {
                let more = numbers.below(9);
                let whole = server(method, weight + more, &limits);
                (format!("-e -t 10.0.0.1:80 -r 10.1.0.1 -w +{more} --keep"), format!("-e {whole}"))
            }
            2 => {
                let whole = server(method, weight, " -x 20");
                ("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -x 20".to_owned(), format!("-e {whole}"))
            }
            3 => {
                let whole = server("-m", weight, &limits);
                ("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -m".to_owned(), format!("-e {whole}"))
            }
            4 => {
                let mask = if persistence.contains("-M") { " -M 255.255.255.0" } else { "" };
                let whole = format!("-E -t 10.0.0.1:80 -s {scheduler} -p 77{mask}");
                ("-E -t 10.0.0.1:80 --keep -p 77".to_owned(), whole)
            }
            5 => {
                let whole = format!("-E {service} --pe sip");
                ("-E -t 10.0.0.1:80 --pe sip --keep".to_owned(), whole)
            }
            6 => {
                let name = scheduler.split(' ').next().unwrap();
                let whole = format!("-E -t 10.0.0.1:80 -s {name} -b flag-3{persistence}");
                ("-E -t 10.0.0.1:80 --keep -b flag-3".to_owned(), whole)
            }
            _ => {
                let flags = if scheduler.contains("sh") { " -b flag-2" } else { "" };
                let whole = format!("-E -t 10.0.0.1:80 -s lc{flags}{persistence}");
                ("-E -t 10.0.0.1:80 --keep -s lc".to_owned(), whole)
            }
        };
        let rules = format!("-A {service}\n-a {add}\n");
        let results = [kept, whole].map(|edit| {
            let lines = format!("-C\n{rules}{edit}\n-S -n\n");
            (Program::ours().feed(["-R"], lines.as_bytes()).succeeded().to_owned(), edit)
        });
        assert_eq!(results[0].0, results[1].0, "case {case}: {results:?} of {rules}");
    }
}

#[test]
fn own_port_stays() {
    table(SERVICE);
    Program::ours().line("-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -g --own-port -w 1").succeeded();
    let before = saved();
    Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.1:8080 --keep -w 7").succeeded();
    assert_eq!(saved(), before.replace("-w 1", "-w 7"));
}

#[test]
fn relative_weight_that_leads_too_far_changes_nothing() {
    table(&format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 2147483647\n"));
    let before = saved();
    let outcome = Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w +1");
    assert_eq!(
        outcome.refused(2),
        "Numerical result out of range (the weight would be 2147483648, and the largest is \
         2147483647)"
    );
    assert_eq!(saved(), before);
}

#[test]
fn threshold_that_crosses_the_kept_one_is_refused_with_the_reason() {
    table(&format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1 -x 9 -y 5\n"));
    let before = saved();
    for (option, lower, upper) in [("-y 20", 20, 9), ("-x 3", 5, 3)] {
        for dry_run in ["", " --dry-run"] {
            let line = format!("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep {option}{dry_run}");
            let message = format!(
                "Numerical result out of range (the lower threshold {lower} is above the upper one, \
                 {upper})"
            );
            assert_eq!(Program::ours().line(&line).refused(255), message, "{line}");
        }
    }
    assert_eq!(saved(), before);
}

/// Only other programs make a server local.
#[test]
fn local_server_stays_local() {
    table(SERVICE);
    let mut client = Client::connect().unwrap();
    let server = RealServer::new("127.0.0.1:80".parse().unwrap());
    let server = server.forwarding(Forwarding::LocalNode);
    client.add_server(&service_key(), &server).unwrap();
    assert_eq!(ours("-e -t 10.0.0.1:80 -r 127.0.0.1 --keep -w 7"), 0);
    let now = client.server(&service_key(), &server.key).unwrap().server;
    assert_eq!(now, server.weight(7));
}

/// Starts the same line many times at once.
fn at_once(line: &str, times: usize) -> Vec<i32> {
    let start = |_| Program::ours().command(line.split(' ')).spawn().unwrap();
    let children: Vec<Child> = (0..times).map(start).collect();
    let status = |child: Child| child.wait_with_output().unwrap().status.code().unwrap();
    children.into_iter().map(status).collect()
}

#[test]
fn additions_at_once_are_all_done_and_make_one_entry() {
    table(SERVICE);
    let line = "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3 --if-not-exists";
    for _ in 0..10 {
        assert_eq!(at_once(line, 2), [0, 0]);
        assert_eq!(saved(), format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3\n"));
        Program::ours().line("-d -t 10.0.0.1:80 -r 10.1.0.1:80").succeeded();
    }
}

#[test]
fn of_relative_weights_at_once_none_is_lost() {
    table(&format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0\n"));
    assert_eq!(at_once("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w +1", 8), [0; 8]);
    assert_eq!(saved(), format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 8\n"));
}

/// Starts an edit of a weight to 7, which stops behind the edit and behind each later request.
fn held_edit() -> Held {
    table(&format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5 -x 9\n"));
    // The first three requests ask for the family, read the server and edit it.
    Held::start(&Program::ours(), "-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w 7", b"", "3+")
}

fn service_key() -> ServiceKey {
    ServiceKey::tcp(([10, 0, 0, 1], 80).into())
}

fn current(client: &mut Client) -> RealServer {
    client.server(&service_key(), &"10.1.0.1:80".parse().unwrap()).unwrap().server
}

/// Another program undoes the edit.
fn undo(client: &mut Client) {
    let now = current(client);
    client.edit_server(&service_key(), &now.weight(3)).unwrap();
}

#[test]
fn edit_is_made_once_more_if_another_program_was_faster() {
    let mut edit = held_edit();
    let mut client = Client::connect().unwrap();
    assert!(edit.stops(), "it has ended");
    assert_eq!(current(&mut client).weight, 7);
    undo(&mut client);
    edit.go_on();
    while edit.stops() {
        edit.go_on();
    }
    let output = edit.end();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{output:?}");
    assert_eq!(saved(), format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 7 -x 9\n"));
}

#[test]
fn edit_that_another_program_undoes_each_time_fails() {
    let mut edit = held_edit();
    let mut client = Client::connect().unwrap();
    while edit.stops() {
        if current(&mut client).weight == 7 {
            undo(&mut client);
        }
        edit.go_on();
    }
    let output = edit.end();
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("another program keeps changing the same settings"), "{message}");
    assert_eq!(saved(), format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3 -x 9\n"));
}

#[test]
fn condition_decides_between_done_and_refused() {
    table(SERVICE);
    let server = "-t 10.0.0.1:80 -r 10.1.0.1:80";
    for (line, status) in [
        (format!("-d {server} --if-exists"), 0),
        (format!("-e {server} -m --if-exists"), 0),
        (format!("-e {server} --keep -w 0 --if-exists"), 0),
        ("-d -t 10.0.0.9:80 -r 10.1.0.1:80 --if-exists".to_owned(), 0),
        ("-D -t 10.0.0.9:80 --if-exists".to_owned(), 0),
        ("-E -t 10.0.0.9:80 --if-exists".to_owned(), 0),
        (format!("-e {server} --keep -w 0"), 255),
        (format!("-a {server} -m -w 3 --if-not-exists"), 0),
        (format!("-a {server} -m -w 3 --if-not-exists"), 0),
        (format!("-a {server} -m -w 4 --if-not-exists"), 255),
        (format!("-a {server} -g -w 3 --if-not-exists"), 255),
        ("-A -t 10.0.0.1:80 -s wlc --if-not-exists".to_owned(), 0),
        ("-A -t 10.0.0.1:80 -s rr --if-not-exists".to_owned(), 255),
        ("-a -t 10.0.0.9:80 -r 10.1.0.1:80 --if-not-exists".to_owned(), 255),
    ] {
        assert_eq!(ours(&line), status, "{line}");
    }
    assert_eq!(saved(), format!("{SERVICE}-a {server} -m -w 3\n"));
    for line in ["-A -t 10.0.0.1:80 -s rr --replace", "-A -f 7 -s rr --replace"] {
        assert_eq!(ours(line), 0, "{line}");
    }
    assert_eq!(ours(&format!("-a {server} -g -w 9 --replace")), 0);
    assert_eq!(saved(), format!("-A -t 10.0.0.1:80 -s rr\n-a {server} -g -w 9\n-A -f 7 -s rr\n"));
}

#[test]
fn rule_file_follows_the_value_at_each_line() {
    let lines = format!(
        "{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 4 -x 9\n\
         -e -t 10.0.0.1:80 -r 10.1.0.1:80 --keep -w 50%\n\
         -e -t 10.0.0.1:80 -r 10.1.0.1:80 --keep -w +1\n\
         -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3 -x 9 --if-not-exists\n\
         -D -f 8 --if-exists\n\
         -A -f 7 -s rr --replace\n"
    );
    let expected =
        format!("{SERVICE}-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3 -x 9\n-A -f 7 -s rr\n");
    table(&lines);
    assert_eq!(saved(), expected, "by -R");
    fresh_namespace();
    Program::restore().feed::<&str>([], lines.as_bytes()).succeeded();
    assert_eq!(saved(), expected, "by ipvsadm-restore");
}

#[test]
fn deletion_of_what_is_gone_is_done_with_noflush() {
    table(SERVICE);
    let lines = "-d -t 10.0.0.1:80 -r 10.1.0.1:80\n-d -f 8 -r 10.1.0.1\n-D -f 7\n";
    for _ in 0..2 {
        Program::restore().feed(["--noflush"], lines.as_bytes()).succeeded();
    }
    Program::restore().feed(["--noflush"], b"-D -t 10.0.0.1:80\n-D -t 10.0.0.1:80\n").succeeded();
    assert_eq!(saved(), "");
    let complaint = Program::restore().feed(["--noflush"], b"-e -f 7 -r 10.1.0.1\n");
    assert!(complaint.refused(2).contains("Service not defined"), "{complaint:?}");
}
