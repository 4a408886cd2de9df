//! The cases to measure, and the bars that they must reach.

use super::case::{Bar, Before, Case, Process, Runs, Table, thousands};
use super::inputs::{Shape, server_address, service_address};

const MANY_SERVERS: Shape = Shape::new(100, 1_000);
const MANY_SERVICES: Shape = Shape::new(10_000, 2);
const MIDDLE: Shape = Shape::new(1_000, 10);
const NAMED: Shape = Shape::new(1, 1_000);

/// The number of connections of the cases that list them.
const CONNECTIONS: u32 = 50_000;

/// The number of connections of the longest text.
const LONG_TEXT: u32 = 1_000_000;

/// The number of samples that ipvsadm-top takes.
const SAMPLES: u32 = 5;

/// The most memory of a restore of 100,000 services with a real server each: 100 MB.
const MOST_KIB_OF_RESTORE: u64 = 100_000_000 / 1024;

/// The number of processes for commands that take some milliseconds.
const SHORT: u32 = 40;

/// The cases with bars.
pub fn cases() -> Vec<Case> {
    let mut cases = single_commands();
    let (middle, many_services, many_servers) =
        (("1,000 x 10", MIDDLE), ("10,000 x 2", MANY_SERVICES), ("100 x 1,000", MANY_SERVERS));
    cases.extend([
        apply_lines(middle).times_faster(8.5).over_bare(1.7, 1.5).quick(),
        apply_lines(many_services).times_faster(7.0).over_bare(1.5, 1.35),
        Case { is_traced: false, ..apply_lines(many_servers) }
            .times_faster(5.0)
            .over_bare(1.35, 1.25),
        restore(middle, 0).times_faster(12.0).over_bare(2.2, 1.9).quick(),
        // 1.31 clears the table first, and the kernel then takes minutes to add it again.
        Case { reference: Vec::new(), ..restore(many_services, 0) }.over_bare(1.8, 1.6),
        Case { reference: Vec::new(), ..restore(many_servers, 0) }.over_bare(2.6, 2.2),
        restore(middle, 10).times_faster(12.0),
        listing("-Ln", middle, "list BYTES").times_faster(4.3).over_bare(1.5, 1.35).quick(),
        listing("-Ln", many_services, "list BYTES").times_faster(5.8).over_bare(1.5, 1.35),
        listing("-Ln", many_servers, "list BYTES")
            .times_faster(3.6)
            .over_bare(1.4, 1.3)
            .holding_all(),
        listing("-Ln --stats", middle, "save BYTES").times_faster(3.0).over_bare(1.5, 1.4),
        listing("-Ln --stats", many_services, "save BYTES").times_faster(3.6).over_bare(1.25, 1.2),
        listing("-Sn", middle, "save BYTES")
            .times_faster(2.9)
            .over_bare(1.45, 1.35)
            .holding_all()
            .quick(),
        listing("-Sn", many_services, "save BYTES")
            .times_faster(3.5)
            .over_bare(1.25, 1.2)
            .holding_all(),
        // 1.31 lacks these listings.
        Case { reference: Vec::new(), ..listing("-Ln --json", many_services, "save BYTES") },
        Case { reference: Vec::new(), ..listing("-L --metrics", many_services, "save BYTES") },
    ]);
    let before = Before::Connections(CONNECTIONS, 1);
    let name = format!("-Lnc of {} connections", thousands(CONNECTIONS.into()));
    cases.push(Case {
        bare: Some(Process::new(Runs::Cat, "/proc/net/ip_vs_conn")),
        entries: CONNECTIONS.into(),
        ..Case::new(&name, before, vec![Process::ipvsadm("-Lnc")])
            .times_faster(3.5)
            .over_bare(1.25, 1.15)
    });
    let named = Before::TableAndNameServer(NAMED);
    let name = "-L of 1,000 names that take 50 ms each";
    cases.push(Case {
        entries: NAMED.lines(),
        repeats: false,
        ..Case::new(name, named, vec![Process::ipvsadm("-L")]).times_faster(50.0).holding_all()
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

/// A command that lists a table.
fn listing(arguments: &str, (name, shape): (&str, Shape), loop_arguments: &str) -> Case {
    Case {
        bare: Some(Process::new(Runs::Loop, loop_arguments)),
        entries: shape.lines(),
        ..Case::new(
            &format!("{arguments} of {name}"),
            Before::Table(shape),
            vec![Process::ipvsadm(arguments)],
        )
    }
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

/// The cases of commands that 1.31 lacks.
pub fn ours() -> Vec<Case> {
    let plain = connections("-Lnc");
    let mut cases: Vec<Case> = [
        // All clients match.
        "-Lnc --client 10.3.0.0/16",
        "-Lnc --client 10.3.0.1",
        "-Lnc --count",
        "-Lnc --count-by client",
        "-Lnc --count-by service",
    ]
    .map(|arguments| connections(arguments).over(&plain, 1.1))
    .into();
    cases.insert(0, plain);
    let plain = connection_text("-Lnc", LONG_TEXT);
    let service = service_address(0);
    // Few clients share a network of two addresses, so each question counts about a million groups.
    let questions = ["--count-by client", "--count-by client/31", "--count-by client --json"];
    let questions = questions.map(|question| format!("-Lnc {question}"));
    let mut texts: Vec<Case> = [format!("-Lnc -t {service}:80")]
        .iter()
        .chain(&questions)
        .map(|arguments| connection_text(arguments, LONG_TEXT))
        .collect();
    let before = Before::MarkedText(LONG_TEXT);
    texts.push(Case { before, ..connection_text("-Lnc -f 1", LONG_TEXT) });
    cases.extend(
        texts.into_iter().map(|case| Case { table: Table::Ours, ..case }.over(&plain, 1.1)),
    );
    let name = "10,000 x 2";
    let stats = listing("-Ln --stats", (name, MANY_SERVICES), "");
    let top = Process::new(Runs::Top(SAMPLES), "-n");
    cases.extend([
        Case {
            times: SAMPLES as usize,
            sleeps: true,
            entries: MANY_SERVICES.lines(),
            ..Case::of_ours(
                &format!("a sample of ipvsadm-top of {name}"),
                Before::Table(MANY_SERVICES),
                top,
            )
        }
        .over(&stats, 2.0),
        Case {
            entries: MANY_SERVICES.lines(),
            most_milliseconds: Some(1_000.0),
            ..Case::of_ours(
                &format!("--doctor of {name}"),
                Before::Director(MANY_SERVICES),
                Process::ipvsadm("--doctor"),
            )
        },
    ]);
    let (service, server) = (service_address(0), server_address(0));
    cases.push(Case {
        entries: MIDDLE.lines(),
        // Without connections, the drain ends with its first look.
        ..Case::of_ours(
            "-e --drain with 1,000 x 10",
            Before::Table(MIDDLE),
            Process::ipvsadm(&format!("-e -t {service}:80 -r {server}:8080 --drain")),
        )
    });
    cases
}

/// A command that reads the connections of 1,000 clients.
fn connections(arguments: &str) -> Case {
    Case {
        entries: CONNECTIONS.into(),
        ..Case::of_ours(
            &format!("{arguments} of 1,000 clients"),
            Before::Connections(CONNECTIONS, 1_000),
            Process::ipvsadm(arguments),
        )
    }
}

/// A command that reads a text of connections. Each is of another client, and all are of one service.
fn connection_text(arguments: &str, count: u32) -> Case {
    let name = format!("{arguments} of a text of N clients, {}", thousands(count.into()));
    let before = Before::ConnectionText(count);
    Case::of_growth(&name, count.into(), before, Process::ipvsadm(arguments))
}

/// The cases that show how the cost grows with the table.
pub fn growth() -> Vec<Case> {
    let tables = [100, 1_000, 10_000].map(|services| Shape::new(services, 10));
    let of_tables = |arguments: &str, run: &dyn Fn(Shape) -> (Before, Process)| {
        growing(tables.map(|shape| {
            let (before, process) = run(shape);
            let name = format!("{arguments}, {}", thousands(shape.entries()));
            Case::of_growth(&name, shape.lines(), before, process)
        }))
    };
    let mut cases = Vec::new();
    cases.extend(of_tables("-R", &|shape| {
        (Before::Nothing, Process::ipvsadm("-R").reads(shape, 0))
    }));
    for arguments in ["-Ln", "-Sn"] {
        cases.extend(of_tables(arguments, &|shape| {
            (Before::Table(shape), Process::ipvsadm(arguments))
        }));
    }
    cases.extend(growing([10_000, 100_000, LONG_TEXT].map(|count| connection_text("-Lnc", count))));
    cases.extend(growing([1_000, 10_000, 100_000].map(|services| {
        let shape = Shape::new(services, 1);
        let name = format!("ipvsadm-restore of N x 1, {}", thousands(services.into()));
        let restore = Process::new(Runs::Restore, "").reads(shape, 0);
        Case {
            most_kib: (services == 100_000).then_some(MOST_KIB_OF_RESTORE),
            ..Case::of_growth(&name, shape.lines(), Before::Nothing, restore)
        }
    })));
    cases
}

/// Lets each case refer to the one before it.
fn growing(cases: [Case; 3]) -> [Case; 3] {
    let mut smaller = None;
    cases.map(|case| {
        let this = (case.name.clone(), case.entries);
        Case { smaller: smaller.replace(this), ..case }
    })
}
