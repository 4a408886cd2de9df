//! What is measured, and what must be reached.

use super::inputs::{Shape, server_address, service_address};

/// What the kernel holds before.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// One service, and no real servers.
    Service,
    /// A table.
    Table(Shape),
    /// Connections made by packets of UDP.
    Connections(u32),
    /// A text in place of the kernel's connections.
    ConnectionText(u32),
    /// A table, and a name server that takes its time.
    TableAndNameServer(Shape),
}

/// A program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The program called ipvsadm.
    Ipvsadm,
    /// Our ipvsadm-restore.
    Restore,
    /// cat.
    Cat,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// What it runs.
    pub runs: Runs,
    /// With what.
    pub arguments: Vec<String>,
    /// The rules on its standard input, and how many of a thousand real servers are changed in them.
    pub input: Option<(Shape, u32)>,
}

impl Process {
    fn ipvsadm(arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { runs: Runs::Ipvsadm, arguments, input: None }
    }

    fn reads(self, shape: Shape, changed: u32) -> Self {
        Self { input: Some((shape, changed)), ..self }
    }
}

/// What a case must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Ours has to be this many times as fast as the reference.
    TimesFaster(f64),
    /// Ours may take this many times as long as what stands for the reference.
    TimesAsLong(f64),
    /// A part of the table of growth: shown only.
    Shown,
}

/// Something to measure.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called in the tables; no other has the same.
    pub name: String,
    /// What the kernel holds before.
    pub before: Before,
    /// What runs in place of the reference, one after the other.
    pub reference: Vec<Process>,
    /// What runs of ours.
    pub ours: Vec<Process>,
    /// How many times the same thing is done, with a process each: the time is that of one.
    pub processes: usize,
    /// What it must reach.
    pub bar: Bar,
    /// Real servers or connections, for what one of them costs.
    pub entries: u64,
    /// Whether system calls are counted too: of a million and a half it would take longer than all the rest.
    pub is_traced: bool,
    /// How many times as much memory as the reference ours may take. It is shown only where different programs stand
    /// side by side, and where ours is faster by what it holds: a file of all real servers, all lines before the first
    /// is printed, the stacks of those who ask for names.
    pub memory: Option<f64>,
}

/// How much more memory a command of ours may take than the same of 1.31: the program itself is larger.
const MEMORY: f64 = 1.4;

impl Case {
    fn new(name: &str, before: Before, bar: f64, processes: Vec<Process>) -> Self {
        Self {
            name: name.to_owned(),
            before,
            reference: processes.clone(),
            processes: processes.len(),
            ours: processes,
            bar: Bar::TimesFaster(bar),
            entries: 0,
            is_traced: true,
            memory: Some(MEMORY),
        }
    }

    fn single(name: &str, before: Before, bar: f64, arguments: &str) -> Self {
        Self::new(name, before, bar, vec![Process::ipvsadm(arguments)])
    }

    fn holding_all(self) -> Self {
        Self { memory: None, ..self }
    }

    fn growth(name: &str, entries: u64, before: Before, process: Process) -> Self {
        let name = format!("{name}, {}", thousands(entries));
        Self {
            entries,
            bar: Bar::Shown,
            is_traced: false,
            memory: None,
            ..Self::new(&name, before, 0.0, vec![process])
        }
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

const MANY_SERVERS: Shape = Shape::new(100, 1_000);
const MANY_SERVICES: Shape = Shape::new(10_000, 2);
const MIDDLE: Shape = Shape::new(1_000, 10);
const NAMED: Shape = Shape::new(1, 1_000);

/// How many processes are started one after the other where one takes some milliseconds.
const SHORT: u32 = 40;

/// The cases that ours is held to.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "-Ln of an empty table",
            Before::Nothing,
            1.0,
            (0..SHORT).map(|_| Process::ipvsadm("-Ln")).collect(),
        ),
        Case::new(
            "one -A",
            Before::Nothing,
            1.0,
            (0..SHORT)
                .map(|number| {
                    Process::ipvsadm(&format!("-A -t {}:80 -s wlc", service_address(number)))
                })
                .collect(),
        ),
        Case::new(
            "one -a",
            Before::Service,
            1.0,
            (0..SHORT)
                .map(|number| {
                    let (service, server) = (service_address(0), server_address(number));
                    Process::ipvsadm(&format!("-a -t {service}:80 -r {server}:8080 -m"))
                })
                .collect(),
        ),
    ];
    let shapes =
        [("1,000 x 10", MIDDLE), ("10,000 x 2", MANY_SERVICES), ("100 x 1,000", MANY_SERVERS)];
    for ((name, shape), bar) in shapes.into_iter().zip([6.0, 7.0, 6.0]) {
        let name = format!("-R of {name}");
        let restore = vec![Process::ipvsadm("-R").reads(shape, 0)];
        let is_traced = shape != MANY_SERVERS;
        cases.push(Case { is_traced, ..Case::new(&name, Before::Nothing, bar, restore) });
    }
    // 1.31 clears the table and runs -R; its script's own shell is left out here, in its favor.
    for (name, changed, bar) in [("unchanged", 0, 8.0), ("1 % changed", 10, 7.0)] {
        let name = format!("ipvsadm-restore over 1,000 x 10, {name}");
        let reference = vec![Process::ipvsadm("-C"), Process::ipvsadm("-R").reads(MIDDLE, changed)];
        let ours = Process { runs: Runs::Restore, ..Process::ipvsadm("") };
        cases.push(Case {
            reference,
            ..Case::new(&name, Before::Table(MIDDLE), bar, vec![ours.reads(MIDDLE, changed)])
                .holding_all()
        });
    }
    for ((name, shape), bar) in shapes.into_iter().zip([5.0, 8.0, 3.0]) {
        let case = Case::single(&format!("-Ln of {name}"), Before::Table(shape), bar, "-Ln");
        cases.push(if shape == MANY_SERVERS { case.holding_all() } else { case });
    }
    for arguments in ["-Ln --stats", "-Sn"] {
        let name = format!("{arguments} of 10,000 x 2");
        let case = Case::single(&name, Before::Table(MANY_SERVICES), 1.8, arguments);
        cases.push(if arguments == "-Sn" { case.holding_all() } else { case });
    }
    let connections = Before::Connections(50_000);
    cases.push(Case::single("-Lnc of 50,000 connections", connections, 3.0, "-Lnc"));
    let cat = Process { runs: Runs::Cat, ..Process::ipvsadm("/proc/net/ip_vs_conn") };
    cases.push(Case {
        reference: vec![cat],
        bar: Bar::TimesAsLong(1.15),
        ..Case::single("the same beside cat", connections, 0.0, "-Lnc").holding_all()
    });
    let named = Before::TableAndNameServer(NAMED);
    let name = "-L of 1,000 names that take 50 ms each";
    cases.push(Case::single(name, named, 20.0, "-L").holding_all());
    cases
}

/// How cost grows.
pub fn growth() -> Vec<Case> {
    let mut cases = Vec::new();
    for services in [100, 1_000, 10_000] {
        let shape = Shape::new(services, 10);
        let restore = Process::ipvsadm("-R").reads(shape, 0);
        cases.push(Case::growth("-R", shape.entries(), Before::Nothing, restore));
    }
    for arguments in ["-Ln", "-Sn"] {
        for services in [100, 1_000, 10_000] {
            let shape = Shape::new(services, 10);
            let process = Process::ipvsadm(arguments);
            cases.push(Case::growth(arguments, shape.entries(), Before::Table(shape), process));
        }
    }
    for count in [10_000, 100_000, 1_000_000] {
        let before = Before::ConnectionText(count);
        let process = Process::ipvsadm("-Lnc");
        cases.push(Case::growth("-Lnc of a text", count.into(), before, process));
    }
    cases
}
