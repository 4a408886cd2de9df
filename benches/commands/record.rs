//! The records that the inner half sends to the outer one, a line of JSON each, and the figures that result.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::settings::Program;

/// A record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// The kernel of the measurement.
    Machine {
        /// `uname -r`.
        kernel: String,
        /// True if the clock counts instructions.
        counts_instructions: bool,
    },
    /// One run of a case.
    Sample {
        /// The case's name.
        case: String,
        /// Whose run it was.
        program: Program,
        /// Milliseconds on the clock, or of the processor; of each time that the case does the same.
        time: f64,
        /// The peak memory of a process, in KiB (`ru_maxrss`).
        kib: u64,
        /// The number of processes.
        processes: usize,
        /// The number of times that the case does the same.
        times: usize,
        /// Instructions of each time outside the kernel; the outer half adds them if they are counted.
        user: Option<f64>,
        /// A checksum of the output of all processes, which ignores the order of lines: it must be the same for every
        /// run of a case.
        printed: u64,
        /// A checksum of the resulting table.
        table: u64,
    },
    /// The system calls of a process.
    SystemCalls {
        /// The case's name.
        case: String,
        /// Whose run it was.
        program: Program,
        /// The sum that `strace -c -f` prints.
        count: u64,
    },
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine { kernel, counts_instructions } => {
                let clock = if *counts_instructions { "instructions" } else { "time" };
                write!(f, "kernel {kernel}, counting {clock}")
            }
            Self::Sample { case, program, time, kib, user, .. } => {
                write!(f, "{case:50} {program:10?} {time:12.3} ms {kib:9} KiB")?;
                user.map_or(Ok(()), |user| {
                    write!(f, " {user:15.0} instructions outside the kernel")
                })
            }
            Self::SystemCalls { case, program, count } => {
                write!(f, "{case:50} {program:10?} {count:12} system calls")
            }
        }
    }
}

/// All records.
#[derive(Debug, Default)]
pub struct Results {
    /// `uname -r` and whether the clock counts instructions.
    pub machine: (String, bool),
    /// In the order in which they came.
    pub records: Vec<Record>,
}

/// Statistics of the rounds of a case.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Statistics {
    /// The number of values.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Statistics {
    /// Of some values.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let squares = sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
        Self {
            count: sorted.len(),
            mean,
            deviation: if sorted.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 },
            median: f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2)),
            least: at(0),
            most: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// The measurements of one program in one case.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// The times, in milliseconds, if the program was measured.
    pub time: Option<Statistics>,
    /// The median of the instructions of a process outside the kernel.
    pub user: Option<f64>,
    /// KiB.
    pub peak_memory: Option<u64>,
    /// The system calls of a process.
    pub system_calls: Option<u64>,
    /// Checksums of the output.
    #[serde(skip)]
    pub printed: Vec<u64>,
    /// Checksums of the table that was left.
    #[serde(skip)]
    pub tables: Vec<u64>,
}

impl Results {
    /// Adds a record.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Machine { kernel, counts_instructions } => {
                self.machine = (kernel, counts_instructions);
            }
            record => self.records.push(record),
        }
    }

    /// The measurements of one program in one case so far.
    pub fn figures(&self, name: &str, of: Program) -> Figures {
        let mut figures = Figures::default();
        let (mut times, mut users) = (Vec::new(), Vec::new());
        for record in &self.records {
            match record {
                Record::Sample { case, program, time, kib, user, printed, table, .. }
                    if case == name && *program == of =>
                {
                    times.push(*time);
                    users.extend(*user);
                    figures.peak_memory = figures.peak_memory.max(Some(*kib));
                    figures.printed.push(*printed);
                    figures.tables.push(*table);
                }
                Record::SystemCalls { case, program, count } if case == name && *program == of => {
                    figures.system_calls = Some(*count);
                }
                _ => {}
            }
        }
        let statistics = |values: &[f64]| (!values.is_empty()).then(|| Statistics::of(values));
        figures.time = statistics(&times);
        figures.user = statistics(&users).map(|user| user.median);
        figures
    }
}
