//! The cases to measure, and the bars that they must reach.

use super::inputs::{Shape, server_address, service_address};

/// The state of the kernel before the case.
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
    /// A text instead of the kernel's list of connections.
    ConnectionText(u32),
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
    fn new(runs: Runs, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { runs, arguments, input: None }
    }

    fn ipvsadm(arguments: &str) -> Self {
        Self::new(Runs::Ipvsadm, arguments)
    }

    fn reads(self, shape: Shape, changed: u32) -> Self {
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
    const fn new(bar: f64) -> Self {
        Self { bar, wished: None }
    }

    const fn with_wish(bar: f64, wished: f64) -> Self {
        Self { bar, wished: Some(wished) }
    }
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
    /// The number of processes that do the same; the figures are those of one process.
    pub processes: usize,
    /// The minimum of 1.31's time divided by ours.
    pub times_faster: Option<Bar>,
    /// The maximum of our time divided by that of the bare loop.
    pub over_bare: Option<Bar>,
    /// The number of rule lines or connections, to calculate the cost of each.
    pub entries: u64,
    /// True if system calls are counted, too; counting a million and a half of them would take longer than all other
    /// cases.
    pub is_traced: bool,
    /// The maximum of our memory divided by that of 1.31. There is no limit for cases that use memory to be faster:
    /// they hold a file of all real servers, all lines before the first is printed, or the stacks of threads that look
    /// up names.
    pub memory: Option<f64>,
    /// True if the case belongs to the table of growth, which has no bars.
    pub is_growth: bool,
    /// True if the figures depend only on the program. Figures of threads that wait for a name server depend on timing,
    /// too.
    pub repeats: bool,
    /// True if `--quick` measures the case.
    pub is_quick: bool,
}

/// The maximum of our memory divided by that of 1.31: our program itself is larger.
const MEMORY: f64 = 1.4;

impl Case {
    fn new(name: &str, before: Before, processes: Vec<Process>) -> Self {
        Self {
            name: name.to_owned(),
            before,
            reference: processes.clone(),
            processes: processes.len(),
            ours: processes,
            bare: None,
            times_faster: None,
            over_bare: None,
            entries: 1,
            is_traced: true,
            memory: Some(MEMORY),
            is_growth: false,
            repeats: true,
            is_quick: false,
        }
    }

    /// A command that lists a table.
    fn listing(arguments: &str, (name, shape): (&str, Shape), loop_arguments: &str) -> Self {
        let loops = Process::new(Runs::Loop, loop_arguments);
        let processes = vec![Process::ipvsadm(arguments)];
        Self {
            bare: Some(loops),
            entries: shape.lines(),
            ..Self::new(&format!("{arguments} of {name}"), Before::Table(shape), processes)
        }
    }

    fn times_faster(self, bar: f64) -> Self {
        Self { times_faster: Some(Bar::new(bar)), ..self }
    }

    fn over_bare(self, bar: f64, wished: f64) -> Self {
        Self { over_bare: Some(Bar::with_wish(bar, wished)), ..self }
    }

    fn holding_all(self) -> Self {
        Self { memory: None, ..self }
    }

    fn quick(self) -> Self {
        Self { is_quick: true, ..self }
    }

    fn growth(name: &str, entries: u64, before: Before, process: Process) -> Self {
        let name = format!("{name}, {}", thousands(entries));
        Self {
            entries,
            // 1.31 would take longer here than in all other cases.
            reference: Vec::new(),
            is_growth: true,
            is_traced: false,
            memory: None,
            ..Self::new(&name, before, vec![process])
        }
    }

    /// True if one process does little work, so that many processes are measured.
    pub fn is_single(&self) -> bool {
        self.processes > 1
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

/// The number of processes for commands that take some milliseconds.
const SHORT: u32 = 40;

/// The cases with bars.
pub fn cases() -> Vec<Case> {
    let mut cases = single_commands();
    let (middle, many_services, many_servers) =
        (("1,000 x 10", MIDDLE), ("10,000 x 2", MANY_SERVICES), ("100 x 1,000", MANY_SERVERS));
    cases.extend([
        apply_lines(middle).times_faster(6.0).over_bare(1.7, 1.5).quick(),
        apply_lines(many_services).times_faster(7.0).over_bare(1.5, 1.35),
        Case { is_traced: false, ..apply_lines(many_servers) }
            .times_faster(6.0)
            .over_bare(1.35, 1.25),
        restore(middle, 0).times_faster(8.0).over_bare(2.2, 1.9).quick(),
        // 1.31 clears the table first, and the kernel then takes minutes to add it again.
        Case { reference: Vec::new(), ..restore(many_services, 0) }.over_bare(1.8, 1.6),
        Case { reference: Vec::new(), ..restore(many_servers, 0) }.over_bare(2.6, 2.2),
        restore(middle, 10).times_faster(7.0),
        Case::listing("-Ln", middle, "list BYTES").times_faster(5.0).over_bare(1.5, 1.35).quick(),
        Case::listing("-Ln", many_services, "list BYTES").times_faster(8.0).over_bare(1.5, 1.35),
        Case::listing("-Ln", many_servers, "list BYTES")
            .times_faster(3.0)
            .over_bare(1.4, 1.3)
            .holding_all(),
        Case::listing("-Ln --stats", middle, "save BYTES").times_faster(1.8).over_bare(1.5, 1.4),
        Case::listing("-Ln --stats", many_services, "save BYTES")
            .times_faster(1.8)
            .over_bare(1.25, 1.2),
        Case::listing("-Sn", middle, "save BYTES")
            .times_faster(1.8)
            .over_bare(1.45, 1.35)
            .holding_all()
            .quick(),
        Case::listing("-Sn", many_services, "save BYTES")
            .times_faster(1.8)
            .over_bare(1.25, 1.2)
            .holding_all(),
        // 1.31 has no such listing.
        Case { reference: Vec::new(), ..Case::listing("-Ln --json", many_services, "save BYTES") },
    ]);
    let connections = 50_000;
    let name = format!("-Lnc of {} connections", thousands(connections.into()));
    let list = vec![Process::ipvsadm("-Lnc")];
    cases.push(Case {
        bare: Some(Process::new(Runs::Cat, "/proc/net/ip_vs_conn")),
        entries: connections.into(),
        ..Case::new(&name, Before::Connections(connections), list)
            .times_faster(3.0)
            .over_bare(1.25, 1.15)
    });
    let named = Before::TableAndNameServer(NAMED);
    let name = "-L of 1,000 names that take 50 ms each";
    cases.push(Case {
        entries: NAMED.lines(),
        repeats: false,
        ..Case::new(name, named, vec![Process::ipvsadm("-L")]).times_faster(20.0).holding_all()
    });
    cases
}

/// Commands that take no longer than it takes to start a program.
fn single_commands() -> Vec<Case> {
    let bar = Some(Bar::with_wish(1.08, 1.15));
    let case = |name: &str, before, arguments: &dyn Fn(u32) -> String| {
        let processes = (0..SHORT).map(|number| Process::ipvsadm(&arguments(number))).collect();
        Case { times_faster: bar, ..Case::new(name, before, processes) }
    };
    let service = service_address(0);
    vec![
        case("-Ln of an empty table", Before::Nothing, &|_| "-Ln".to_owned()).quick(),
        case("one -A", Before::Nothing, &|number| {
            format!("-A -t {}:80 -s wlc", service_address(number))
        }),
        case("one -a", Before::Service, &|number| {
            format!("-a -t {service}:80 -r {}:8080 -m", server_address(number))
        }),
    ]
}

fn apply_lines((name, shape): (&str, Shape)) -> Case {
    let arguments = format!("add {} {}", shape.services, shape.servers);
    Case {
        bare: Some(Process::new(Runs::Loop, &arguments).reads(shape, 0)),
        entries: shape.lines(),
        ..Case::new(
            &format!("-R of {name}"),
            Before::Nothing,
            vec![Process::ipvsadm("-R").reads(shape, 0)],
        )
    }
}

/// ipvsadm-restore over the same table, with `changed` in a thousand real servers changed. 1.31 clears the table and
/// runs `-R`; the cases omit the shell of its script, which favors 1.31.
fn restore((name, shape): (&str, Shape), changed: u32) -> Case {
    let text = match changed {
        0 => "unchanged".to_owned(),
        changed => format!("{} % changed", f64::from(changed) / 10.0),
    };
    let ours = Process::new(Runs::Restore, "").reads(shape, changed);
    Case {
        reference: vec![Process::ipvsadm("-C"), Process::ipvsadm("-R").reads(shape, changed)],
        bare: (changed == 0).then(|| Process::new(Runs::Loop, "restore").reads(shape, 0)),
        entries: shape.lines(),
        ..Case::new(
            &format!("ipvsadm-restore over {name}, {text}"),
            Before::Table(shape),
            vec![ours],
        )
        .holding_all()
    }
}

/// The cases that show how the cost grows with the table.
pub fn growth() -> Vec<Case> {
    let mut cases = Vec::new();
    for services in [100, 1_000, 10_000] {
        let shape = Shape::new(services, 10);
        let restore = Process::ipvsadm("-R").reads(shape, 0);
        let case = Case::growth("-R", shape.entries(), Before::Nothing, restore);
        cases.push(Case { entries: shape.lines(), ..case });
    }
    for arguments in ["-Ln", "-Sn"] {
        for services in [100, 1_000, 10_000] {
            let shape = Shape::new(services, 10);
            let process = Process::ipvsadm(arguments);
            let case = Case::growth(arguments, shape.entries(), Before::Table(shape), process);
            cases.push(Case { entries: shape.lines(), ..case });
        }
    }
    for count in [10_000, 100_000, 1_000_000] {
        let before = Before::ConnectionText(count);
        let process = Process::ipvsadm("-Lnc");
        cases.push(Case::growth("-Lnc of a text", count.into(), before, process));
    }
    cases
}
