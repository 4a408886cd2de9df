//! The outer half's end: tables for people, JSON for programs, and the document that has the last tables.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::cases::{self, Bar, Case, thousands};
use super::record::{Figures, Results, Statistics};
use super::settings::{Program, Settings};

/// One case with all that was found.
#[derive(Serialize)]
struct Row {
    case: String,
    reference: Figures,
    ours: Figures,
    /// Reference over ours; for cat, ours over cat.
    ratio: f64,
    /// What the ratio has to reach, or in the case of cat may reach.
    bar: Option<f64>,
    is_reached: bool,
    /// Whether ours takes no more memory than it may; also where that was not measured.
    is_small: bool,
    /// Real servers or connections.
    entries: u64,
    prints_the_same: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    kernel: &'a str,
    counts_instructions: bool,
    machine: &'a str,
    sizes: &'a [(String, u64)],
    cases: &'a [Row],
    growth: &'a [Row],
}

/// Prints the tables, and writes them where the settings say.
pub fn publish(settings: &Settings, results: &Results) -> anyhow::Result<()> {
    let rows: Vec<Row> = cases::cases().iter().filter_map(|case| row(case, results)).collect();
    let growth: Vec<Row> = cases::growth().iter().filter_map(|case| row(case, results)).collect();
    let sizes = sizes(settings)?;
    let (kernel, counts_instructions) = &results.machine;
    let machine = machine();
    let mut text = String::new();
    let unit = if *counts_instructions {
        ", a million instructions counted as one, the kernel's included"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "Kernel {kernel}, on {machine}. Times are milliseconds{unit}: the median, and the standard deviation.\n"
    );
    if !rows.is_empty() {
        let _ = writeln!(text, "{}\n", table(&rows));
    }
    let _ = writeln!(text, "{}\n", size_table(&sizes));
    if !growth.is_empty() {
        let _ = writeln!(text, "{}\n", growth_table(&growth));
    }
    stdout().write_all(text.as_bytes())?;
    if let Some(path) = &settings.json {
        let all = Document {
            kernel,
            counts_instructions: *counts_instructions,
            machine: &machine,
            sizes: &sizes,
            cases: &rows,
            growth: &growth,
        };
        fs::write(path, serde_json::to_vec_pretty(&all)?).with_context(|| format!("{path:?}"))?;
    }
    if let Some(path) = &settings.document {
        replace(path, &text)?;
    }
    let that = |is_fault: fn(&Row) -> bool| {
        let rows = rows.iter().chain(&growth).filter(|row| is_fault(row));
        rows.map(|row| row.case.as_str()).collect::<Vec<_>>().join("; ")
    };
    let faults = [
        ("not the same output or the same table", that(|row| !row.prints_the_same)),
        ("not reached", that(|row| !row.is_reached)),
        ("too much memory", that(|row| !row.is_small)),
    ];
    let faults = faults.iter().filter(|(_, cases)| !cases.is_empty());
    let faults: Vec<String> = faults.map(|(what, cases)| format!("{what}: {cases}")).collect();
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn row(case: &Case, results: &Results) -> Option<Row> {
    let reference = results.figures(&case.name, Program::Reference);
    let ours = results.figures(&case.name, Program::Ours);
    if reference.times.is_empty() || ours.times.is_empty() {
        return None;
    }
    let times_faster = reference.time.median / ours.time.median;
    let (ratio, bar, is_reached) = match case.bar {
        Bar::TimesFaster(bar) => (times_faster, Some(bar), times_faster >= bar),
        Bar::TimesAsLong(bar) => (1.0 / times_faster, Some(bar), 1.0 / times_faster <= bar),
        Bar::Shown => (times_faster, None, true),
    };
    let is_small = match (case.memory, reference.peak_memory, ours.peak_memory) {
        (Some(times), Some(reference), Some(ours)) => ours as f64 <= times * reference as f64,
        _ => true,
    };
    let mut outputs = reference.outputs.iter().chain(&ours.outputs);
    let first = outputs.next();
    let prints_the_same =
        matches!(case.bar, Bar::TimesAsLong(_)) || outputs.all(|it| Some(it) == first);
    Some(Row {
        case: case.name.clone(),
        reference,
        ours,
        ratio,
        bar,
        is_reached,
        is_small,
        entries: case.entries,
        prints_the_same,
    })
}

fn milliseconds(figures: &Figures) -> String {
    let Statistics { median, deviation, .. } = figures.time;
    let places = match median {
        0.0..10.0 => 2,
        10.0..1000.0 => 1,
        _ => 0,
    };
    match figures.times.as_slice() {
        [_] => format!("{median:.places$}"),
        _ => format!("{median:.places$} ± {deviation:.places$}"),
    }
}

fn table(rows: &[Row]) -> String {
    let mut builder = Builder::default();
    builder.push_record([
        "case",
        "1.31",
        "ours",
        "ratio",
        "bar",
        "",
        "KiB 1.31",
        "KiB ours",
        "calls 1.31",
        "calls ours",
    ]);
    for row in rows {
        let number = |value: Option<u64>| value.map(thousands).unwrap_or_default();
        let bar = row.bar.unwrap_or_default();
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.reference),
            milliseconds(&row.ours),
            format!("{:.2}", row.ratio),
            format!("{bar}"),
            match (row.is_reached, row.is_small) {
                (true, true) => "",
                (false, true) => "slow",
                (true, false) => "large",
                (false, false) => "slow, large",
            }
            .to_owned(),
            number(row.reference.peak_memory),
            number(row.ours.peak_memory),
            number(row.reference.system_calls),
            number(row.ours.system_calls),
        ]);
    }
    markdown(builder)
}

fn growth_table(rows: &[Row]) -> String {
    let mut builder = Builder::default();
    builder.push_record([
        "case",
        "1.31",
        "ours",
        "µs an entry",
        "outside the kernel",
        "KiB 1.31",
        "KiB ours",
    ]);
    for row in rows {
        let an_entry = |times: &[f64]| {
            format!("{:.2}", Statistics::of(times).median * 1e3 / row.entries as f64)
        };
        let number = |value: Option<u64>| value.map(thousands).unwrap_or_default();
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.reference),
            milliseconds(&row.ours),
            an_entry(&row.ours.times),
            an_entry(&row.ours.user_times),
            number(row.reference.peak_memory),
            number(row.ours.peak_memory),
        ]);
    }
    markdown(builder)
}

fn size_table(sizes: &[(String, u64)]) -> String {
    let mut builder = Builder::default();
    builder.push_record(["program", "bytes"]);
    for (name, size) in sizes {
        builder.push_record([name.clone(), thousands(*size)]);
    }
    markdown(builder)
}

fn markdown(builder: Builder) -> String {
    builder
        .build()
        .with(Style::markdown())
        .modify(Columns::new(1..), Alignment::right())
        .to_string()
}

fn sizes(settings: &Settings) -> anyhow::Result<Vec<(String, u64)>> {
    let mut sizes = Vec::new();
    for name in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
        sizes.push((name.to_owned(), fs::metadata(settings.ours(name))?.len()));
    }
    sizes.push(("all three".to_owned(), sizes.iter().map(|(_, size)| size).sum()));
    Ok(sizes)
}

/// The processor, as it calls itself.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("an unknown processor", |(_, name)| name).to_owned()
}

const BEGIN: &str = "<!-- the last run of make bench -->\n";
const END: &str = "<!-- its end -->\n";

/// Puts the tables between the marks of a document.
fn replace(path: &Path, tables: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("{path:?}"))?;
    let (before, rest) =
        text.split_once(BEGIN).with_context(|| format!("no {BEGIN} in {path:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END} in {path:?}"))?;
    fs::write(path, format!("{before}{BEGIN}\n{tables}{END}{after}"))?;
    Ok(())
}
