//! Runs the programs under test and Debian's ipvsadm 1.31, with input, and returns their output.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{PATIENCE, wait_until};

/// The folder in which tests/provide unpacks Debian's package.
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/debian/root");

/// A program to run.
pub(crate) struct Program {
    path: PathBuf,
    libraries: Option<String>,
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) status: ExitStatus,
}

impl Program {
    /// Our ipvsadm.
    pub(crate) fn ours() -> Program {
        Program { path: env!("CARGO_BIN_EXE_ipvsadm").into(), libraries: None }
    }

    /// Our ipvsadm-save.
    pub(crate) fn save() -> Program {
        Program { path: env!("CARGO_BIN_EXE_ipvsadm-save").into(), libraries: None }
    }

    /// Our ipvsadm-restore.
    pub(crate) fn restore() -> Program {
        Program { path: env!("CARGO_BIN_EXE_ipvsadm-restore").into(), libraries: None }
    }

    /// Our ipvsadm-top.
    #[cfg(feature = "top")]
    pub(crate) fn top() -> Program {
        Program { path: env!("CARGO_BIN_EXE_ipvsadm-top").into(), libraries: None }
    }

    /// Debian's ipvsadm 1.31, with the libraries from its package.
    pub(crate) fn reference() -> Program {
        let path = Path::new(REFERENCE).join("usr/sbin/ipvsadm");
        assert!(
            path.exists(),
            "{} is missing, ipvsadm 1.31 to compare with: run `make test`, which fetches it",
            path.display()
        );
        let libraries = format!("{REFERENCE}/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        Program { path, libraries: Some(libraries) }
    }

    /// The name by which the program calls itself in its messages.
    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Makes a copy that every user can run. Another process writes it: a file that this process writes may be open in a child
    /// of another thread too, and nobody can run it then.
    pub(crate) fn copy_to(&self, path: &Path) {
        let mut install = Command::new("install");
        let status = install.args(["-m", "755"]).arg(&self.path).arg(path).status().unwrap();
        assert!(status.success(), "{}: {status}", path.display());
    }

    /// The command, for callers that need more than `run` and `feed`. The environment is the same wherever the tests
    /// run.
    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C");
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it with an empty standard input.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        let mut command = self.command(arguments);
        let outcome = Outcome::of(command.spawn().unwrap());
        assert_valid(&command, &outcome);
        outcome
    }

    /// Runs it with its arguments as one line, separated by blanks.
    pub(crate) fn line(&self, arguments: &str) -> Outcome {
        self.run(arguments.split(' '))
    }

    /// Runs it with `input` on its standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let outcome = thread::scope(|scope| {
            // A program that refuses its arguments closes its input without reading it, so a write error is ignored
            // here.
            scope.spawn(move || stdin.write_all(input));
            Outcome::of(child)
        });
        assert_valid(&command, &outcome);
        outcome
    }
}

/// The schema in docs/schema of a document that our programs print with these arguments.
fn schema(arguments: &[&str]) -> Option<&'static str> {
    let has = |option: &str| {
        let is_option = |word: &str| word == option || word.starts_with(&format!("{option}="));
        arguments.iter().any(|word| is_option(word))
    };
    if !has("--json") {
        return None;
    }
    // A document of several options has the form of the first one.
    let documents = [
        ("--drain", "drain"),
        ("--doctor", "findings"),
        ("--monitor", "monitor"),
        ("--settings", "settings"),
        ("--summary", "summary"),
        ("--timeout", "timeouts"),
        ("--daemon", "daemons"),
        ("--count", "connection-count"),
        ("--count-by", "connection-groups"),
        ("-c", "connections"),
        ("--diff", "changes"),
        ("-L", "services"),
    ];
    let document = documents.into_iter().find(|(option, _)| has(option));
    Some(document.map_or("rules", |(_, schema)| schema))
}

/// The validator of the documents that our programs print with these arguments.
pub(crate) fn validator(arguments: &[&str]) -> Option<jsonschema::Validator> {
    let name = schema(arguments)?;
    let path = format!("{}/docs/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

/// Asserts that each document on standard output has the form of its schema. A drain prints one for each step.
fn assert_valid(command: &Command, outcome: &Outcome) {
    let arguments: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
    let Some(validator) = validator(&arguments).filter(|_| outcome.complaint().is_empty()) else {
        return;
    };
    for document in serde_json::Deserializer::from_slice(&outcome.stdout).into_iter() {
        let document: serde_json::Value = document.unwrap();
        if let Err(error) = validator.validate(&document) {
            panic!("{arguments:?}: {}: {error}", error.instance_path());
        }
    }
}

/// Waits until a process that was just started catches a signal. Before that, the signal would end it in the usual way.
pub(crate) fn wait_until_it_catches(process: Pid, signal: Signal) {
    wait_until(&format!("{process} to catch {signal}"), || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        u64::from_str_radix(mask, 16).unwrap() & (1 << (signal as i32 - 1)) != 0
    });
}

/// Kills a process that forks for each connection. User Mode Linux 6.12 panics in `flush_tlb_mm` if a fatal signal
/// arrives within a fork, so the process has to be stopped first.
pub(crate) fn kill_server(server: &mut Child) {
    let process = Pid::from_raw(i32::try_from(server.id()).unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    wait_until(&format!("{process} to stop"), || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        status.contains("\nState:\tT")
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

impl Outcome {
    /// Waits for its end with a limit: a program that hangs is killed, which its status shows.
    fn of(child: Child) -> Outcome {
        let process = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (ended, end) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                kill(process, Signal::SIGKILL).unwrap();
            }
        });
        let output = child.wait_with_output().unwrap();
        drop(ended);
        watch.join().unwrap();
        Outcome { stdout: output.stdout, stderr: output.stderr, status: output.status }
    }

    /// The exit status; a program that a signal ended fails the test.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard error as text.
    pub(crate) fn complaint(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }

    /// Standard output of a run that succeeded without output on standard error.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &str {
        assert!(
            self.status.success() && self.stderr.is_empty(),
            "{}: {}",
            self.status,
            self.complaint()
        );
        self.text()
    }

    /// The first line on standard error of a run that ended with `code` and wrote nothing to standard output.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) -> &str {
        let sentence = self.complaint().lines().next().unwrap_or_default();
        assert_eq!(self.code(), code, "{}", self.complaint());
        assert_eq!(self.text(), "", "on standard output");
        assert_ne!(sentence, "", "nothing on standard error");
        sentence
    }
}
