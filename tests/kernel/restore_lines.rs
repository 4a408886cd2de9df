//! `-R` applies rule lines as they arrive: each line takes effect at once and on its own, and a million lines need no
//! more memory than a few.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ipvs::model::{Change, Protocol, ServiceKey, VirtualService};
use ipvs::netlink::{Client, KernelSocket};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Kernel, Key, Service, TCP, Table};
use crate::wait;

/// A running `-R`, and the write end of its standard input.
struct Restore {
    child: Child,
    input: Option<ChildStdin>,
}

impl Restore {
    fn start() -> Restore {
        let mut child = Program::ours().command(["-R"]).stdin(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        Restore { child, input }
    }

    fn feed(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Closes the input, and returns the exit status and the messages.
    fn end(mut self) -> (i32, String) {
        drop(self.input.take());
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Waits until the table is as wanted.
fn wait_until(kernel: &Kernel, what: &str, wanted: impl Fn(&Table) -> bool) {
    wait::wait_until(what, || wanted(&kernel.rules()));
}

#[test]
fn each_line_takes_effect_when_it_arrives() {
    fresh_namespace();
    let kernel = Kernel::open();
    let mut restore = Restore::start();
    restore.feed("-A -t 10.0.0.1:80 -s rr\n");
    wait_until(&kernel, "the service", |table| table.services.len() == 1);
    restore.feed("-a -t 10.0.0.1:80 -r 10.0.0.2 -m\n-a -t 10.0.0.1:80 -r 10.0.0.3 -m\n");
    wait_until(&kernel, "its real servers", |table| table.services[0].destinations.len() == 2);
    // An incomplete line has no effect, even if it is a valid command.
    restore.feed("-e -t 10.0.0.1:80 -r 10.0.0.2 -m -w 1");
    sleep(Duration::from_millis(200));
    assert_eq!(kernel.rules().services[0].destinations[0].weight, 1);
    restore.feed("7\n");
    wait_until(&kernel, "the weight", |table| table.services[0].destinations[0].weight == 17);
    // Changes of another program take effect between the lines.
    kernel.delete(&Key::Address { protocol: TCP, address: "10.0.0.1".parse().unwrap(), port: 80 });
    restore.feed("-A -t 10.0.0.1:80 -s rr");
    assert_eq!(restore.end(), (0, String::new()));
    assert_eq!(kernel.rules().services, [Service::new(TCP, "10.0.0.1", 80)]);
}

#[test]
fn a_line_that_fails_is_reported_with_its_number_and_skipped() {
    fresh_namespace();
    let kernel = Kernel::open();
    let input = "# PyBal and its like\n\
                 -D -t 10.0.0.1:80\n\
                 -A -t 10.0.0.1:80 -s rr\n\
                 -A -t bogus..:80\n\
                 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -Q\n\
                 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m\n";
    let outcome = Program::ours().feed(["-R"], input.as_bytes());
    assert_eq!(kernel.rules().services, [Service::new(TCP, "10.0.0.1", 80).with("10.0.0.2", 80)]);
    assert_eq!(outcome.text(), "");
    let lines: Vec<&str> =
        outcome.complaint().lines().filter(|line| line.contains("line ")).collect();
    for (line, (sentence, number)) in lines.iter().zip([
        ("No such service", "line 2"),
        ("illegal virtual server address[:port] specified", "line 4"),
        ("-Q: unknown option", "line 5"),
    ]) {
        assert!(
            line.starts_with(sentence) && line.contains(number),
            "{line:?} is not {sentence} ... {number}"
        );
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn a_listing_that_cannot_be_printed_does_not_prevent_other_lines() {
    let text = "-A -t 10.0.0.1:80\n-L -n\n-A -t 10.0.0.2:80\n-L -n\n-A -t 10.0.0.3:80\n";
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let unread = || nix::unistd::pipe().unwrap().1;
    for (stdout, status, said) in
        [(Stdio::from(full()), 1, "No space left on device"), (Stdio::from(unread()), 0, "")]
    {
        fresh_namespace();
        let kernel = Kernel::open();
        let mut command = Program::ours().command(["-R"]);
        let mut child = command.stdin(Stdio::piped()).stdout(stdout).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(kernel.rules().services.len(), 3, "{complaint}");
        assert_eq!(output.status.code(), Some(status), "{complaint}");
        assert!(complaint.contains(said) && complaint.lines().count() <= 1, "{complaint}");
    }
}

#[test]
fn a_daemon_can_be_stopped_as_soon_as_it_was_started() {
    fresh_namespace();
    let lines = "--start-daemon backup --mcast-interface lo\n--stop-daemon backup\n";
    Program::ours().feed(["-R"], lines.as_bytes()).succeeded();
    assert_eq!(Program::ours().line("-L --daemon").succeeded(), "");
}

#[test]
fn the_status_is_that_of_the_first_line_that_failed() {
    for (input, code) in [
        ("-D -t 10.0.0.1:80\n-A -t bogus..:80\n-A -t 10.0.0.1:80 -s rr\n", 255),
        ("-A -t bogus..:80\n-D -t 10.0.0.1:80\n-A -t 10.0.0.1:80 -s rr\n", 2),
        ("-A -t 10.0.0.1:80 -s rr\n-Q\n", 255),
        ("-A -t 10.0.0.1:80 -s rr\n-L -n -t 10.0.0.2:80\n-D -t 10.0.0.2:80\n", 1),
        ("-A -t 10.0.0.1:80 -s rr\n\n# nothing\n", 0),
        ("-R\n-A -t 10.0.0.1:80 -s rr\n", 255),
    ] {
        fresh_namespace();
        let outcome = Program::ours().feed(["-R"], input.as_bytes());
        assert_eq!(outcome.code(), code, "{input:?}: {}", outcome.complaint());
        assert_eq!(Kernel::open().rules().services.len(), 1, "{input:?}");
    }
}

#[test]
fn a_hundred_thousand_lines_need_no_more_memory_than_a_thousand() {
    let peak = |lines: usize| -> u64 {
        fresh_namespace();
        let kernel = Kernel::open();
        kernel.add(&Service::new(TCP, "10.0.0.1", 80).with("10.0.0.2", 80));
        let mut restore = Restore::start();
        let pair =
            "-e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 5\n-e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 6\n";
        restore.feed(&pair.repeat(lines / 2));
        restore.feed("--set 77 0 0\n");
        wait_until(&kernel, "the last line", |table| table.timeouts.tcp == 77);
        let status = fs::read_to_string(format!("/proc/{}/status", restore.child.id())).unwrap();
        assert_eq!(restore.end(), (0, String::new()));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (few, many) = (peak(1_000), peak(100_000));
    assert!(many <= few + 256, "{few} KiB for 1,000 lines, {many} KiB for 100,000");
}

#[test]
fn the_program_waits_for_input_in_non_blocking_mode() {
    fresh_namespace();
    let kernel = Kernel::open();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut command = Program::ours().command(["-R"]);
    let child = command.stdin(OwnedFd::from(theirs)).spawn().unwrap();
    for port in 1..4 {
        writeln!(ours, "-A -t 10.0.0.1:{port} -s rr").unwrap();
        wait_until(&kernel, "a service", |table| table.services.len() == port);
    }
    // The child process has this end, too.
    drop((ours, command));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn lines_without_a_command_do_nothing() {
    fresh_namespace();
    let kernel = Kernel::open();
    Program::ours().line("-A -t 10.0.0.1:80").succeeded();
    for input in [&b""[..], b"\n\n", b"# nothing\nipvsadm\n \t\r\n", b"# B\xfcro\n"] {
        assert_eq!(Program::ours().feed(["-R"], input).succeeded(), "");
    }
    assert_eq!(kernel.rules().services.len(), 1);
}

/// Values of net.core.rmem_default: 32 KiB have room for the answers to about 40 changes, the minimum for one or two.
#[test]
fn refusals_of_many_lines_fit_into_a_small_receive_buffer() {
    const CHANGES: usize = 1000;
    for room in [0, 32 * 1024] {
        fresh_namespace();
        let socket = KernelSocket::open().unwrap();
        // The kernel doubles the requested size.
        setsockopt(&socket, RcvBuf, &(room / 2)).unwrap();
        let mut client = Client::new(socket).unwrap();
        let address = "10.0.0.1".parse().unwrap();
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address, port: 80 };
        let outcome = client.apply_all(&vec![Change::DeleteService(key); CHANGES]).unwrap();
        let failures = outcome.failures();
        let refused: Vec<usize> = failures.iter().map(|failure| failure.index).collect();
        assert_eq!(refused, (0..CHANGES).collect::<Vec<_>>(), "{room}");
        client.apply(&Change::AddService(VirtualService::new(key))).unwrap();
        assert_eq!(client.services().unwrap().len(), 1);
    }
}
