//! The inner half: runs the processes of the cases one after the other, and prints the measurements.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::case::{Before, Case, OUTPUT_SIZE, Process, Runs, Table};
use super::cases;
use super::namespace;
use super::record::Record;
use super::settings::{Program, Settings};
use super::terminal::Terminal;

/// Values that are the same for all cases.
struct Bench<'a> {
    settings: &'a Settings,
    scratch: PathBuf,
    /// The directory of the reference's libraries, if it is not a standard one.
    libraries: Option<&'a Path>,
    counts_instructions: bool,
}

/// Measures everything and prints records to standard output.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join("ipvs-bench");
    fs::create_dir_all(&scratch)?;
    let libraries = (!can_run(settings, None)?).then_some(()).and(settings.libraries.as_deref());
    ensure!(can_run(settings, libraries)?, "1.31 does not run here: {:?}", settings.reference);
    let counts_instructions = std::env::var("WITH_IPVS").is_ok_and(|kernel| kernel == "qemu");
    let bench = Bench { settings, scratch, libraries, counts_instructions };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    tell(&Record::Machine { kernel, counts_instructions })?;
    let chosen = |case: &Case| {
        (case.is_quick || !settings.is_quick)
            && settings.only.as_ref().is_none_or(|text| case.name.contains(text))
    };
    let all = [cases::cases(), cases::ours(), cases::growth()];
    for case in all.iter().flatten().filter(|case| chosen(case)) {
        if case.needs_top() && !settings.has_top() {
            writeln!(stderr(), "{} was not measured: ipvsadm-top was not built", case.name)?;
            continue;
        }
        bench.measure(case).with_context(|| case.name.clone())?;
    }
    let _ = fs::remove_dir_all(&bench.scratch);
    Ok(())
}

fn tell(record: &Record) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, record)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// True if the loader finds all libraries of 1.31.
fn can_run(settings: &Settings, libraries: Option<&Path>) -> anyhow::Result<bool> {
    let mut command = Command::new(&settings.reference);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let status = command.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status.with_context(|| format!("{:?}", settings.reference))?.code() != Some(127))
}

/// The report of `loops count` on a process.
struct Measured {
    milliseconds: f64,
    kib: u64,
    /// The time of the processor.
    busy_milliseconds: f64,
}

impl Measured {
    fn read(report: &str) -> Option<Self> {
        let mut words = report.split_whitespace();
        let [nanoseconds, kib, microseconds] = [words.next()?, words.next()?, words.next()?];
        Some(Self {
            milliseconds: nanoseconds.parse::<f64>().ok()? / 1e6,
            kib: kib.parse().ok()?,
            busy_milliseconds: microseconds.parse::<f64>().ok()? / 1e3,
        })
    }
}

/// A program that starts and measures another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapper {
    /// Measures time, memory and instructions: `loops count`. The kernel attributes the parent's memory before exec to
    /// the process, so the parent must be small.
    Count,
    /// Counts the system calls of all threads: strace(1).
    Trace,
}

impl Wrapper {
    /// The program with its arguments; it writes its report to a file.
    fn command(self, report: &Path) -> Command {
        let (file, arguments): (_, &[&str]) = match self {
            Self::Count => (Settings::loops(), &["count"]),
            Self::Trace => ("/usr/bin/strace".into(), &["-f", "-c", "-U", "name,calls", "-o"]),
        };
        let mut command = Command::new(file);
        command.args(arguments).arg(report);
        command
    }
}

impl Bench<'_> {
    fn measure(&self, case: &Case) -> anyhow::Result<()> {
        let reference = self.reference(case);
        // Our program runs first, since the bare loop prints the same number of bytes.
        let programs = [Some(Program::Ours), case.bare.as_ref().map(|_| Program::Bare), reference];
        // The kernel allocates memory for counters when it first needs it, and keeps it when a table is freed.
        self.warm_up(case)?;
        for round in 0..self.rounds(case) {
            for program in programs.into_iter().flatten() {
                // 1.31 is many times slower, so a spread of a few per cent does not matter.
                let is_once = program == Program::Reference && self.counts_instructions;
                if round == 0 || case.is_single() || !is_once {
                    tell(&self.run(case, program)?)?;
                }
            }
        }
        if self.settings.time_alone || !case.is_traced {
            return Ok(());
        }
        for program in [Some(Program::Ours), reference].into_iter().flatten() {
            let count = self.system_calls(case, program)?;
            tell(&Record::SystemCalls { case: case.name.clone(), program, count })?;
        }
        Ok(())
    }

    /// Instruction counts are reproducible, times are not.
    fn rounds(&self, case: &Case) -> usize {
        let rounds = match (case.table, self.counts_instructions) {
            _ if self.settings.is_quick => 1,
            (Table::Growth, _) | (Table::Ours, true) => 1,
            (Table::Compared, true) => 3,
            (Table::Compared | Table::Ours, false) => 10,
        };
        self.settings.rounds.unwrap_or(rounds)
    }

    /// Runs a case in a fresh namespace without measuring it.
    fn warm_up(&self, case: &Case) -> anyhow::Result<()> {
        namespace::within(|| {
            self.write_inputs(case)?;
            let _name_server = self.prepare(case)?;
            for (place, process) in case.ours.iter().enumerate() {
                self.start(process, Program::Ours, place, None)?;
            }
            Ok(())
        })
    }

    /// Runs a case in a fresh namespace and measures it.
    fn run(&self, case: &Case, program: Program) -> anyhow::Result<Record> {
        namespace::within(|| {
            self.write_inputs(case)?;
            let name_server = self.prepare(case)?;
            let all = processes(case, program);
            let (mut time, mut kib) = (0.0, 0);
            for (place, process) in all.iter().enumerate() {
                let report = self.start(process, program, place, Some(Wrapper::Count))?;
                let measured =
                    Measured::read(&report).with_context(|| format!("the report is {report:?}"))?;
                time += match case.sleeps {
                    true => measured.busy_milliseconds,
                    false => measured.milliseconds,
                };
                kib = kib.max(measured.kib);
            }
            drop(name_server);
            let outputs = (0..all.len()).map(|place| fs::read(self.output(place, program)));
            Ok(Record::Sample {
                case: case.name.clone(),
                program,
                time: time / case.times as f64,
                kib,
                processes: all.len(),
                times: case.times,
                user: None,
                printed: checksum(&outputs.collect::<Result<Vec<_>, _>>()?),
                table: checksum(&[self.table(case)?]),
            })
        })
    }

    /// The lines of the table that a case left. 1.31 reads it if the case also runs 1.31, which is many times slower.
    fn table(&self, case: &Case) -> anyhow::Result<Vec<u8>> {
        match (case.before, self.reference(case)) {
            (Before::ConnectionText(_) | Before::MarkedText(_), _) => Ok(Vec::new()),
            (_, Some(_)) => namespace::table(&self.settings.reference, self.libraries),
            (_, None) => namespace::table(&self.settings.ours("ipvsadm"), None),
        }
    }

    /// 1.31, if the case runs it.
    fn reference(&self, case: &Case) -> Option<Program> {
        let is_measured = !case.reference.is_empty() && !self.settings.ours_alone;
        is_measured.then_some(Program::Reference)
    }

    fn prepare(&self, case: &Case) -> anyhow::Result<Option<super::name_server::NameServer>> {
        settle_down()?;
        let name_server = namespace::prepare(case.before, self.settings, &self.scratch)?;
        if !matches!(case.before, Before::ConnectionText(_) | Before::MarkedText(_)) {
            settle_down()?;
        }
        Ok(name_server)
    }

    /// Runs a case once more and counts the system calls of its processes, or only those of the first if all do the
    /// same.
    fn system_calls(&self, case: &Case, program: Program) -> anyhow::Result<u64> {
        namespace::within(|| {
            self.write_inputs(case)?;
            let _name_server = self.prepare(case)?;
            let all = processes(case, program);
            let count = if case.is_single() { 1 } else { all.len() };
            let mut sum = 0;
            for (place, process) in all.iter().take(count).enumerate() {
                let report = self.start(process, program, place, Some(Wrapper::Trace))?;
                let total = report.lines().find_map(|line| line.strip_prefix("total"));
                let total: Option<u64> = total.and_then(|text| text.trim().parse().ok());
                sum += total.with_context(|| format!("the report is {report:?}"))?;
            }
            Ok(sum)
        })
    }

    fn input(&self, place: usize) -> PathBuf {
        self.scratch.join(format!("rules-{place}"))
    }

    /// The file for the output of a process. The bare loop has separate files, since it needs the sizes of ours.
    fn output(&self, place: usize, program: Program) -> PathBuf {
        let name = if program == Program::Bare { "bare" } else { "output" };
        self.scratch.join(format!("{name}-{place}"))
    }

    fn write_inputs(&self, case: &Case) -> anyhow::Result<()> {
        for process in [&case.reference, &case.ours] {
            for (place, process) in process.iter().enumerate() {
                if let Some((shape, changed)) = process.input {
                    fs::write(self.input(place), shape.rules(changed))?;
                }
            }
        }
        Ok(())
    }

    /// Runs one process to its end, started by a measuring program if there is one, and returns that program's report.
    fn start(
        &self,
        process: &Process,
        program: Program,
        place: usize,
        wrapper: Option<Wrapper>,
    ) -> anyhow::Result<String> {
        let file = match (process.runs, program) {
            (Runs::Cat, _) => PathBuf::from("/usr/bin/cat"),
            (Runs::Loop, _) => Settings::loops(),
            (Runs::Ipvsadm, Program::Reference) => self.settings.reference.clone(),
            (Runs::Ipvsadm, _) => self.settings.ours("ipvsadm"),
            (Runs::Restore, _) => self.settings.ours("ipvsadm-restore"),
            (Runs::Top(_), _) => self.settings.ours("ipvsadm-top"),
        };
        let report = self.scratch.join("report");
        let mut command = match wrapper {
            None => Command::new(file),
            Some(wrapper) => {
                let mut command = wrapper.command(&report);
                command.arg(file);
                command
            }
        };
        if let (Program::Reference, Some(libraries)) = (program, self.libraries) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        for argument in &process.arguments {
            match argument.as_str() {
                OUTPUT_SIZE => {
                    let printed = fs::metadata(self.output(place, Program::Ours))?.len();
                    command.arg(printed.to_string());
                }
                argument => {
                    command.arg(argument);
                }
            }
        }
        let input = match process.input {
            Some(_) => Stdio::from(File::open(self.input(place))?),
            None => Stdio::null(),
        };
        // The programs report progress to a terminal, and the kernel's serial port is one.
        let errors = self.scratch.join("errors");
        command.stdin(input).stdout(File::create(self.output(place, program))?);
        command.stderr(File::create(&errors)?);
        let status = match process.runs {
            Runs::Top(samples) => run_on_terminal(&mut command, samples),
            _ => command.status().map_err(Into::into),
        };
        let status = status.with_context(|| format!("{command:?}"))?;
        ensure!(status.success(), "{command:?}: {status}\n{}", fs::read_to_string(errors)?);
        Ok(if wrapper.is_some() { fs::read_to_string(report)? } else { String::new() })
    }
}

/// Runs ipvsadm-top until it has taken some samples.
fn run_on_terminal(command: &mut Command, samples: u32) -> anyhow::Result<ExitStatus> {
    let terminal = Terminal::attach_to(command)?;
    let mut child = command.spawn()?;
    // The terminal ends when the last copy of the program's end is closed.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    terminal.quit_after(samples)?;
    Ok(child.wait()?)
}

fn processes(case: &Case, program: Program) -> &[Process] {
    match program {
        Program::Reference => &case.reference,
        Program::Ours => &case.ours,
        Program::Bare => case.bare.as_slice(),
    }
}

/// A checksum of outputs. It ignores the order of the lines of an output, the expiry times of connections, and empty
/// outputs, since 1.31 needs one process more to restore.
fn checksum(outputs: &[Vec<u8>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for output in outputs.iter().filter(|output| !output.is_empty()) {
        let mut lines: Vec<Vec<&[u8]>> = output
            .split(|&byte| byte == b'\n')
            .map(|line| {
                let words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
                words.filter(|word| !is_time(word)).collect()
            })
            .collect();
        lines.sort_unstable();
        lines.hash(&mut hasher);
    }
    hasher.finish()
}

/// Matches `119:58`, which cannot be an address.
fn is_time(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':') && word.contains(&b':')
}

/// Waits until the kernel has finished deferred work: it destroys namespaces after their last process.
fn settle_down() -> anyhow::Result<()> {
    for _ in 0..100 {
        let (idle, all) = ticks()?;
        sleep(Duration::from_millis(200));
        let (idle_then, all_then) = ticks()?;
        if (idle_then - idle) * 100 >= (all_then - all) * 95 {
            break;
        }
    }
    Ok(())
}

/// The idle time of the processors, and their total time.
fn ticks() -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("an empty /proc/stat")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse::<u64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
    let idle = ticks.get(3..5).unwrap_or_default().iter().sum();
    Ok((idle, ticks.iter().sum()))
}
