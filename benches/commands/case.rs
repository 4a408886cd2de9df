//! The type of a case: its processes, the state of the kernel before it, and its bars.

use super::inputs::Shape;

/// The state of the kernel before the case.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// One service, and no real servers.
    Service,
    /// A table.
    Table(Shape),
    /// The table of a healthy director: this machine has the addresses of the services, and routes to the real servers.
    Director(Shape),
    /// Connections made by packets of UDP: their number, and the number of their clients.
    Connections(u32, u32),
    /// The service of the connections, and a text instead of the kernel's list of connections.
    ConnectionText(u32),
    /// A firewall mark with the real servers of the connections, and the same text.
    MarkedText(u32),
    /// A table, and a slow name server.
    TableAndNameServer(Shape),
}

/// A program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The program called ipvsadm: 1.31's or ours.
    Ipvsadm,
    /// Our ipvsadm-restore.
    Restore,
    /// Our ipvsadm-top, on a terminal, until it has taken this number of samples.
    Top(u32),
    /// cat.
    Cat,
    /// A bare loop of system calls (`benches/bare/loops.c`).
    Loop,
}

/// An argument of a bare loop that is replaced by the number of bytes that ours printed in the same round.
pub const OUTPUT_SIZE: &str = "BYTES";

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The program.
    pub runs: Runs,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The rules on its standard input, and the number of changed real servers in a thousand.
    pub input: Option<(Shape, u32)>,
}

impl Process {
    /// A process that reads nothing.
    pub fn new(runs: Runs, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { runs, arguments, input: None }
    }

    /// ipvsadm.
    pub fn ipvsadm(arguments: &str) -> Self {
        Self::new(Runs::Ipvsadm, arguments)
    }

    /// The same with rules on standard input.
    pub fn reads(self, shape: Shape, changed: u32) -> Self {
        Self { input: Some((shape, changed)), ..self }
    }
}

/// A bound for a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// A run that misses this fails.
    pub bar: f64,
    /// The next aim, which is shown; a run that misses it does not fail.
    pub wished: Option<f64>,
}

impl Bar {
    /// A bar without a next aim.
    pub const fn new(bar: f64) -> Self {
        Self { bar, wished: None }
    }

    /// A bar and the next aim.
    pub const fn with_wish(bar: f64, wished: f64) -> Self {
        Self { bar, wished: Some(wished) }
    }
}

/// The table of the results that shows a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The tables that compare ours with 1.31 and the bare loop.
    Compared,
    /// The table of commands that 1.31 lacks.
    Ours,
    /// The table that shows how the cost grows.
    Growth,
}

/// The maximum of our time divided by that of another case.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The name of the other case.
    pub case: String,
    /// The maximum.
    pub bar: f64,
}

/// Something to measure.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name in the tables; no other case has the same.
    pub name: String,
    /// The state of the kernel before the case.
    pub before: Before,
    /// The processes of 1.31, one after the other; empty if 1.31 would take too long.
    pub reference: Vec<Process>,
    /// Our processes.
    pub ours: Vec<Process>,
    /// The same system calls without our program.
    pub bare: Option<Process>,
    /// The number of times that the case does the same: its processes, or the samples of one. The figures are those of
    /// one time.
    pub times: usize,
    /// True if the time is that of the processor, because the process also sleeps.
    pub sleeps: bool,
    /// The minimum of 1.31's time divided by ours.
    pub times_faster: Option<Bar>,
    /// The maximum of our time divided by that of the bare loop.
    pub over_bare: Option<Bar>,
    /// The maximum of our time divided by that of another case of ours.
    pub beside: Option<Beside>,
    /// The maximum of our time, in milliseconds.
    pub most_milliseconds: Option<f64>,
    /// The maximum of our memory, in KiB.
    pub most_kib: Option<u64>,
    /// The name of the same case with a tenth of the entries, and their number: an entry must not take many more user
    /// instructions than there.
    pub smaller: Option<(String, u64)>,
    /// The number of rule lines or connections, to calculate the cost of each.
    pub entries: u64,
    /// True if system calls are counted, too; counting a million and a half of them would take longer than all other
    /// cases.
    pub is_traced: bool,
    /// The maximum of our memory divided by that of 1.31. There is no limit for cases that use memory to be faster:
    /// they hold a file of all real servers, all lines before the first is printed, or the stacks of threads that look
    /// up names.
    pub memory: Option<f64>,
    /// The table that shows the case.
    pub table: Table,
    /// True if the figures depend only on the program. Figures of threads that wait for a name server depend on timing,
    /// too.
    pub repeats: bool,
    /// True if `--quick` measures the case.
    pub is_quick: bool,
}

/// The maximum of our memory divided by that of 1.31: our program itself is larger.
const MEMORY: f64 = 1.4;

impl Case {
    /// A case that compares all processes with those of 1.31, without bars.
    pub fn new(name: &str, before: Before, processes: Vec<Process>) -> Self {
        Self {
            name: name.to_owned(),
            before,
            reference: processes.clone(),
            times: processes.len(),
            sleeps: false,
            ours: processes,
            bare: None,
            times_faster: None,
            over_bare: None,
            beside: None,
            most_milliseconds: None,
            most_kib: None,
            smaller: None,
            entries: 1,
            is_traced: true,
            memory: Some(MEMORY),
            table: Table::Compared,
            repeats: true,
            is_quick: false,
        }
    }

    /// A command that 1.31 lacks.
    pub fn of_ours(name: &str, before: Before, process: Process) -> Self {
        Self {
            reference: Vec::new(),
            table: Table::Ours,
            is_traced: false,
            memory: None,
            ..Self::new(name, before, vec![process])
        }
    }

    /// A case of the table of growth. 1.31 would take longer here than in all other cases.
    pub fn of_growth(name: &str, entries: u64, before: Before, process: Process) -> Self {
        Self { entries, table: Table::Growth, ..Self::of_ours(name, before, process) }
    }

    /// The same with a minimum of 1.31's time divided by ours.
    pub fn times_faster(self, bar: f64) -> Self {
        Self { times_faster: Some(Bar::new(bar)), ..self }
    }

    /// The same with a maximum of our time divided by that of the bare loop.
    pub fn over_bare(self, bar: f64, wished: f64) -> Self {
        Self { over_bare: Some(Bar::with_wish(bar, wished)), ..self }
    }

    /// The same with a maximum of our time divided by that of another case.
    pub fn over(self, other: &Case, bar: f64) -> Self {
        Self { beside: Some(Beside { case: other.name.clone(), bar }), ..self }
    }

    /// The same without a limit of memory.
    pub fn holding_all(self) -> Self {
        Self { memory: None, ..self }
    }

    /// The same, measured by `--quick`.
    pub fn quick(self) -> Self {
        Self { is_quick: true, ..self }
    }

    /// True if one process does little work, so that many processes are measured.
    pub fn is_single(&self) -> bool {
        self.ours.len() > 1
    }

    /// True if a process needs ipvsadm-top, which needs a newer Rust than the other programs.
    pub fn needs_top(&self) -> bool {
        self.ours.iter().any(|process| matches!(process.runs, Runs::Top(_)))
    }
}

/// A number with commas.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
