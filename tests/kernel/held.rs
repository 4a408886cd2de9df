//! A program that strace stops after some of its requests to the kernel, so that a test can act between two of them.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::program::Program;
use crate::wait::wait_until;

/// A program that runs under strace.
pub(crate) struct Held {
    strace: Child,
    folder: TempDir,
    /// The number of stops after which it went on.
    seen: usize,
}

impl Held {
    /// Starts a program that stops after each send that `when` selects, as in strace(1): `5` is the fifth, `3+` are all
    /// from the third on.
    pub(crate) fn start(program: &Program, arguments: &str, input: &[u8], when: &str) -> Held {
        let folder = tempfile::tempdir().unwrap();
        let inject = format!("inject=sendto:signal=SIGSTOP:when={when}");
        let mut strace = Command::new("strace")
            .args(["-qq", "-e", "trace=sendto", "-e", &inject, "-o"])
            .arg(folder.path().join("log"))
            .args(["sh", "-c", "echo $$ >\"$0\"; exec \"$@\""])
            .arg(folder.path().join("process"))
            .arg(program.name())
            .args(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is missing: run `make test`, which installs it");
        strace.stdin.take().unwrap().write_all(input).unwrap();
        Held { strace, folder, seen: 0 }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits until it has stopped once more. Returns false if it ends instead.
    pub(crate) fn stops(&mut self) -> bool {
        let mut has_ended = false;
        wait_until("a stop or the end", || {
            has_ended = self.strace.try_wait().unwrap().is_some();
            has_ended || self.read("log").matches("--- stopped by SIGSTOP").count() > self.seen
        });
        self.seen += 1;
        !has_ended
    }

    /// Lets it go on after a stop.
    pub(crate) fn go_on(&self) {
        let process = self.read("process").trim().parse().unwrap();
        kill(Pid::from_raw(process), Signal::SIGCONT).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Output {
        self.strace.wait_with_output().unwrap()
    }
}
