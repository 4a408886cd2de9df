//! A killed restore keeps all entries that are in both tables, and the next run completes it. A restore that a signal
//! asks to stop leaves either the old table or the new one.

use std::ffi::OsStr;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::names::Names;
use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Destination, Kernel, Service, Table};
use crate::wait::PATIENCE;

const MOMENTS: usize = 50;

/// Two tables that share half of their services and a quarter of their real servers, all with different settings.
fn two_files() -> [String; 2] {
    let file = |half: u32, scheduler: &str, weight: u32| {
        let mut text = String::new();
        for port in (1..=8).map(|n| n + 4 * half) {
            text.push_str(&format!("-A -t 10.0.0.1:{port} -s {scheduler}\n"));
            for host in (1..=60).map(|n| n + 30 * half) {
                let server = format!("10.1.0.{host}:80 -m -w {weight}");
                text.push_str(&format!("-a -t 10.0.0.1:{port} -r {server}\n"));
            }
        }
        text
    };
    [file(0, "rr", 1), file(1, "wrr", 2)]
}

/// A namespace in which restores switch between two files.
struct Swing {
    kernel: Kernel,
    _folder: TempDir,
    files: [PathBuf; 2],
    tables: [Table; 2],
    /// The number of datagrams that a restore sends: the first ones read the table, the others change it.
    sends: usize,
}

impl Swing {
    /// True while the table is that of the first file.
    fn new() -> Swing {
        fresh_namespace();
        let kernel = Kernel::open();
        let folder = tempfile::tempdir().unwrap();
        let files = ["first", "second"].map(|name| folder.path().join(name));
        for (file, text) in files.iter().zip(two_files()) {
            fs::write(file, text).unwrap();
        }
        let restored = |file: &PathBuf| {
            Program::restore().run([file]).succeeded();
            kernel.rules()
        };
        let [first, second] = &files;
        let tables = [restored(first), restored(second)];
        let log = folder.path().join("log");
        let status = under_strace(&["-o".as_ref(), log.as_os_str()], first).status().unwrap();
        assert!(status.success(), "{status}");
        let sends = fs::read_to_string(log).unwrap().matches("sendto(").count();
        Swing { kernel, _folder: folder, files, tables, sends }
    }

    /// Restores a file, and sends the signal during the sends that `when` selects. While the table changes, signals can
    /// take effect only at sends: a send itself is not interrupted, and the table does not change between two sends.
    /// The first sends only read the table, and names are looked up before them.
    fn interrupt(&self, file: usize, signal: i32, when: &str) -> ExitStatus {
        let inject = format!("inject=sendto:signal={signal}:when={when}");
        let options = ["-o", "/dev/null", "-e", &inject].map(OsStr::new);
        under_strace(&options, &self.files[file]).status().unwrap()
    }
}

fn under_strace(options: &[&OsStr], file: &Path) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-qq", "-e", "trace=sendto"])
        .args(options)
        .arg(Program::restore().name())
        .arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Asserts that all services and real servers of both tables are there.
fn nothing_is_missing(now: &Table, tables: &[Table; 2]) {
    let service = |table: &Table, wanted: &Service| -> Option<Service> {
        table.services.iter().find(|service| service.key == wanted.key).cloned()
    };
    for first in &tables[0].services {
        let Some(second) = service(&tables[1], first) else { continue };
        let found = service(now, first);
        let found = found.unwrap_or_else(|| panic!("{:?} is missing:\n{now}", first.key));
        for server in &first.destinations {
            let is_same =
                |known: &Destination| (known.address, known.port) == (server.address, server.port);
            assert!(
                found.destinations.iter().any(is_same) || !second.destinations.iter().any(is_same),
                "{:?} lacks {server:?}:\n{now}",
                first.key
            );
        }
    }
}

#[test]
fn a_restore_killed_at_any_moment_loses_no_entry_and_the_next_run_completes_it() {
    let swing = Swing::new();
    let mut halves = 0;
    for moment in 0..MOMENTS {
        let file = 1 - moment % 2;
        let when = (1 + moment % swing.sends).to_string();
        let status = swing.interrupt(file, Signal::SIGKILL as i32, &when);
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "at send {when}");
        let now = swing.kernel.rules();
        nothing_is_missing(&now, &swing.tables);
        halves += usize::from(!swing.tables.contains(&now));
        Program::restore().run([&swing.files[file]]).succeeded();
        assert!(swing.kernel.rules() == swing.tables[file], "at moment {moment}");
    }
    println!("killed {MOMENTS} times at {} sends, half-way {halves} times", swing.sends);
    assert!(halves > MOMENTS / 4, "only {halves} of the moments were half-way");
}

#[test]
fn a_signal_at_any_moment_leaves_the_old_or_the_new_table() {
    let named = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGXCPU,
        Signal::SIGXFSZ,
        Signal::SIGVTALRM,
        Signal::SIGPROF,
        Signal::SIGIO,
        Signal::SIGPWR,
        Signal::SIGSTKFLT,
    ];
    // The last two signals are the first and the last real-time signal.
    let ending: Vec<i32> = named.map(|signal| signal as i32).into_iter().chain([34, 64]).collect();
    let swing = Swing::new();
    let (mut current, mut stopped) = (0, 0);
    for moment in 0..MOMENTS {
        let signal = ending[moment % ending.len()];
        // Further signals during the rollback have no effect.
        let further = if moment % 2 == 0 { "" } else { "+" };
        let when = format!("{}{further}", 1 + moment % swing.sends);
        let status = swing.interrupt(1 - current, signal, &when);
        match status.code() {
            Some(0) => current = 1 - current,
            code => {
                assert_eq!(code, Some(128 + signal), "{status}");
                stopped += 1;
            }
        }
        let now = swing.kernel.rules();
        assert!(now == swing.tables[current], "{status} at send {when}:\n{now}");
    }
    println!("asked to stop {MOMENTS} times at {} sends, did so {stopped} times", swing.sends);
    assert!(stopped > MOMENTS / 2, "only {stopped} of the moments were in time");
}

/// The resolver waits for such a name server for two minutes and a half, and longer for several names.
#[test]
fn a_signal_while_names_are_looked_up_ends_it_at_once() {
    let _names = Names::with_hosts("signal", "127.0.0.1 localhost\n");
    fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n").unwrap();
    let kernel = Kernel::open();
    let deaf = UdpSocket::bind("127.0.0.1:53").unwrap();
    deaf.set_read_timeout(Some(PATIENCE)).unwrap();
    Program::ours().line("-A -t 10.0.0.1:80 -s rr").succeeded();
    let before = kernel.rules();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    let rules = ["one", "two", "three"].map(|name| format!("-A -t {name}.example:80 -s rr\n"));
    fs::write(&file, rules.concat()).unwrap();

    let mut child = Program::restore().command([&file]).spawn().unwrap();
    deaf.recv(&mut [0; 512]).expect("a question to the name server");
    assert_eq!(child.try_wait().unwrap(), None, "it did not wait for the name server");
    let start = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let status = child.wait().unwrap();
    let took = start.elapsed();
    assert!(took < PATIENCE, "it took {took:?} to end");
    let term = Signal::SIGTERM as i32;
    assert_eq!(status.code(), Some(128 + term), "{status}");
    assert_eq!(kernel.rules(), before);
}
