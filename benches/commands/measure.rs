//! The inner half: runs the cases, one process after the other, and prints what it finds.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::cases::{self, Bar, Case, Process, Runs};
use super::namespace;
use super::record::Record;
use super::settings::{Program, Settings};

/// What is constant while measuring.
struct Bench<'a> {
    settings: &'a Settings,
    scratch: PathBuf,
    /// Where the reference finds its libraries, if not where all programs do.
    libraries: Option<&'a Path>,
    counts_instructions: bool,
}

/// Measures everything and prints records to standard output.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join("ipvs-bench");
    fs::create_dir_all(&scratch)?;
    let libraries = (!can_run(settings, None)?).then_some(settings.libraries.as_path());
    ensure!(can_run(settings, libraries)?, "1.31 does not run here: {:?}", settings.reference);
    let counts_instructions = std::env::var("WITH_IPVS").is_ok_and(|kernel| kernel == "qemu");
    let bench = Bench { settings, scratch, libraries, counts_instructions };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    tell(&Record::Machine { kernel, counts_instructions })?;
    let chosen = |case: &Case| settings.only.as_ref().is_none_or(|text| case.name.contains(text));
    for case in cases::cases().iter().chain(&cases::growth()).filter(|case| chosen(case)) {
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

/// Whether the loader finds all that 1.31 needs.
fn can_run(settings: &Settings, libraries: Option<&Path>) -> anyhow::Result<bool> {
    let mut command = Command::new(&settings.reference);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let status = command.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status.with_context(|| format!("{:?}", settings.reference))?.code() != Some(127))
}

/// What one run of a case took.
struct Run {
    time: Duration,
    user: Duration,
    output: u64,
}

/// What another program, put in front of the one that is looked at, finds of it.
#[derive(Clone, Copy, Debug)]
enum Finding {
    /// In KiB. The kernel counts towards a process what its parent had before exec, so a small parent is needed:
    /// time(1).
    PeakMemory,
    /// All threads counted: strace(1).
    SystemCalls,
}

impl Finding {
    /// The program that finds it, with its arguments; it leaves its report in a file.
    fn command(self, report: &Path) -> Command {
        let (file, arguments): (_, &[&str]) = match self {
            Self::PeakMemory => ("/usr/bin/time", &["-q", "-f", "%M", "-o"]),
            Self::SystemCalls => ("/usr/bin/strace", &["-f", "-c", "-U", "name,calls", "-o"]),
        };
        let mut command = Command::new(file);
        command.args(arguments).arg(report);
        command
    }

    /// Finds it in a report.
    fn read(self, report: &str) -> anyhow::Result<u64> {
        let number = match self {
            Self::PeakMemory => Some(report),
            Self::SystemCalls => report.lines().find_map(|line| line.strip_prefix("total")),
        };
        let number = number.and_then(|text| text.trim().parse().ok());
        number.with_context(|| format!("{self:?}: the report is {report:?}"))
    }

    /// What the processes of a case come to: the memory of one is free again before the next begins.
    fn of_all(self, found: Vec<u64>) -> u64 {
        match self {
            Self::PeakMemory => found.into_iter().max().unwrap_or_default(),
            Self::SystemCalls => found.into_iter().sum(),
        }
    }
}

impl Bench<'_> {
    fn measure(&self, case: &Case) -> anyhow::Result<()> {
        let programs = [Program::Reference, Program::Ours];
        // Instructions repeat; time doesn't. cat takes long, and growth is no competition.
        let rounds = match case.bar {
            Bar::Shown => 1,
            _ if self.counts_instructions => 3,
            _ => 10,
        };
        for _ in 0..self.settings.rounds.unwrap_or(rounds) {
            for program in programs {
                let run = self.run(case, program)?;
                let processes = case.processes as f64;
                tell(&Record::Sample {
                    case: case.name.clone(),
                    program,
                    time: run.time.as_secs_f64() * 1e3 / processes,
                    user: run.user.as_secs_f64() * 1e3 / processes,
                    output: run.output,
                })?;
            }
        }
        if self.settings.time_alone {
            return Ok(());
        }
        for program in programs {
            let kib = self.find(Finding::PeakMemory, case, program)?;
            tell(&Record::PeakMemory { case: case.name.clone(), program, kib })?;
            if case.is_traced {
                let count = self.find(Finding::SystemCalls, case, program)?;
                tell(&Record::SystemCalls { case: case.name.clone(), program, count })?;
            }
        }
        Ok(())
    }

    /// Runs a case in a fresh namespace and measures it.
    fn run(&self, case: &Case, program: Program) -> anyhow::Result<Run> {
        namespace::within(|| {
            self.write_inputs(case)?;
            let name_server = self.prepare(case)?;
            let user = user_time()?;
            let start = Instant::now();
            for (place, process) in processes(case, program).iter().enumerate() {
                self.start(process, program, place, None)?;
            }
            let time = start.elapsed();
            let user = user_time()?.saturating_sub(user);
            drop(name_server);
            let places = 0..processes(case, program).len();
            let outputs = places.map(|place| fs::read(self.output(place)));
            let mut outputs = outputs.collect::<Result<Vec<_>, _>>()?;
            if !matches!(case.before, cases::Before::ConnectionText(_)) {
                outputs.push(namespace::table(self.settings, self.libraries)?);
            }
            Ok(Run { time, user, output: checksum(&outputs) })
        })
    }

    fn prepare(&self, case: &Case) -> anyhow::Result<Option<super::name_server::NameServer>> {
        settle_down()?;
        let name_server = namespace::prepare(case.before, self.settings, &self.scratch)?;
        if !matches!(case.before, cases::Before::ConnectionText(_)) {
            settle_down()?;
        }
        Ok(name_server)
    }

    /// Runs a case once more behind another program, and gives what that found of its processes: of the first alone
    /// where all do the same.
    fn find(&self, finding: Finding, case: &Case, program: Program) -> anyhow::Result<u64> {
        let report = self.scratch.join("report");
        namespace::within(|| {
            self.write_inputs(case)?;
            let _name_server = self.prepare(case)?;
            let mut found = Vec::new();
            let all = processes(case, program);
            let count = if case.processes > 1 { 1 } else { all.len() };
            for (place, process) in all.iter().take(count).enumerate() {
                self.start(process, program, place, Some(finding.command(&report)))?;
                found.push(finding.read(&fs::read_to_string(&report)?)?);
            }
            Ok(finding.of_all(found))
        })
    }

    fn input(&self, place: usize) -> PathBuf {
        self.scratch.join(format!("rules-{place}"))
    }

    fn output(&self, place: usize) -> PathBuf {
        self.scratch.join(format!("output-{place}"))
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

    /// Runs one process to its end, behind another program if there is one.
    fn start(
        &self,
        process: &Process,
        program: Program,
        place: usize,
        wrapper: Option<Command>,
    ) -> anyhow::Result<()> {
        let file = match (process.runs, program) {
            (Runs::Cat, Program::Reference) => PathBuf::from("/usr/bin/cat"),
            (Runs::Ipvsadm, Program::Reference) => self.settings.reference.clone(),
            (Runs::Restore, Program::Ours) => self.settings.ours("ipvsadm-restore"),
            _ => self.settings.ours("ipvsadm"),
        };
        let mut command = match wrapper {
            None => Command::new(file),
            Some(mut command) => {
                command.arg(file);
                command
            }
        };
        if let (Program::Reference, Some(libraries)) = (program, self.libraries) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let input = match process.input {
            Some(_) => Stdio::from(File::open(self.input(place))?),
            None => Stdio::null(),
        };
        let status: ExitStatus = command
            .args(&process.arguments)
            .stdin(input)
            .stdout(File::create(self.output(place))?)
            .status()
            .with_context(|| format!("{command:?}"))?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    }
}

fn processes(case: &Case, program: Program) -> &[Process] {
    match program {
        Program::Reference => &case.reference,
        Program::Ours => &case.ours,
    }
}

/// The time that all processes started here have spent outside the kernel.
fn user_time() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Duration::from_micros(u64::try_from(usage.user_time().num_microseconds())?))
}

/// The same for the same outputs in the same order, each with the same lines in any order, but for the time that
/// connections have left. An output that is empty makes no difference: 1.31 restores with a process more.
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

/// `119:58`, which no address is.
fn is_time(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':') && word.contains(&b':')
}

/// Waits until the kernel has done what it had put off: namespaces are taken apart after their last process.
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

/// The time that processors were idle, and all of it.
fn ticks() -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("an empty /proc/stat")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse::<u64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
    let idle = ticks.get(3..5).unwrap_or_default().iter().sum();
    Ok((idle, ticks.iter().sum()))
}
