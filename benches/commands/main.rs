//! Benchmarks of whole commands, ours and those of 1.31, on the same boot of the same kernel: `make bench`.
//!
//! The program has two halves. The outer half finds a kernel with IPVS, the machine's own or one in QEMU, starts the
//! inner half there, and makes tables of its results. The inner half measures.

mod accepted;
mod case;
mod cases;
mod inputs;
mod measure;
mod name_server;
mod namespace;
mod record;
mod report;
mod row;
mod settings;
mod tables;
mod terminal;

use std::fs::File;
use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

use record::{Record, Results};
use settings::{Kernel, Settings};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let settings = Settings::read(std::env::args().skip(1))?;
    if settings.is_inner {
        return measure::run(&settings);
    }
    let results = measure_elsewhere(&settings)?;
    report::publish(&settings, &results)
}

/// Starts the inner half on a kernel that has IPVS.
fn measure_elsewhere(settings: &Settings) -> anyhow::Result<Results> {
    let here = std::env::current_exe()?;
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    compile_loops(project)?;
    let mut counts = None;
    let mut command = match settings.kernel()? {
        Kernel::Own => {
            let mut command = Command::new(project.join("tests/with-ipvs"));
            command.env("IPVS_KERNEL", "own").env("IPVS_KERNEL_TIMEOUT", "7200");
            command
        }
        Kernel::Uml => {
            let mut command = Command::new(project.join("tests/with-ipvs"));
            command.env("IPVS_KERNEL", "uml").env("IPVS_KERNEL_TIMEOUT", "7200");
            command
        }
        Kernel::Qemu => {
            let mut command = Command::new(project.join("benches/with-qemu"));
            counts = Some(Counts::create()?);
            command.arg("-c").arg(Counts::path());
            for file in settings.files() {
                command.arg("-f").arg(file);
            }
            if let Some(libraries) = &settings.libraries {
                command.arg("-l").arg(libraries);
            }
            command
        }
    };
    command.arg(here).arg("--inner").args(&settings.words);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
    let mut results = Results::default();
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    for line in lines {
        let line = line?;
        let mut record: Record =
            serde_json::from_str(&line).with_context(|| format!("unexpected output: {line}"))?;
        if let (Record::Sample { user, processes, times, .. }, Some(counts)) =
            (&mut record, &mut counts)
        {
            *user = Some(counts.take(*processes)? / *times as f64);
        }
        writeln!(stderr(), "{record}")?;
        results.take(record);
    }
    let status = child.wait()?;
    ensure!(status.success(), "the measuring half ended with {status}");
    Ok(results)
}

/// Compiles the bare loops.
fn compile_loops(project: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"]).arg(Settings::loops());
    let status = command.arg(project.join("benches/bare/loops.c")).status();
    ensure!(status.with_context(|| format!("{command:?}"))?.success(), "{command:?} failed");
    Ok(())
}

/// The instructions outside the kernel that QEMU counts: a line for each process that `loops count` ran, written before
/// the report of that process.
struct Counts(BufReader<File>);

impl Counts {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("counts")
    }

    fn create() -> anyhow::Result<Self> {
        File::create(Self::path())?;
        Ok(Self(BufReader::new(File::open(Self::path())?)))
    }

    /// The sum of the next counts.
    fn take(&mut self, processes: usize) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for _ in 0..processes {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            sum += line.trim().parse::<f64>().context("a process was not counted")?;
        }
        Ok(sum)
    }
}
