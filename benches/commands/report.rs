//! The output of the outer half: tables, JSON, and the document with the last tables.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::accepted::Accepted;
use super::cases::{self, Bar, Case, thousands};
use super::record::{Figures, Results, Statistics};
use super::settings::{Program, Settings};

/// A case with all its figures.
#[derive(Serialize)]
struct Row {
    case: String,
    reference: Figures,
    ours: Figures,
    bare: Figures,
    /// The time of 1.31 divided by ours.
    times_faster: Option<f64>,
    /// Our time divided by that of the bare loop.
    over_bare: Option<f64>,
    /// Instructions outside the kernel for each rule line or connection.
    user_an_entry: Option<f64>,
    /// The number of rule lines or connections.
    entries: u64,
    /// The faults of these figures: missed bars and exceeded limits.
    faults: Vec<String>,
    #[serde(skip)]
    bars: (Option<Bar>, Option<Bar>),
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

/// Prints the tables, and writes the files that the settings name.
pub fn publish(settings: &Settings, results: &Results) -> anyhow::Result<()> {
    let accepted = settings.accepted.as_deref().map(Accepted::read).transpose()?;
    let accepted = accepted.as_ref();
    let rows_of = |cases: Vec<Case>| -> Vec<Row> {
        cases.iter().filter_map(|case| row(case, results, accepted)).collect()
    };
    let (rows, growth) = (rows_of(cases::cases()), rows_of(cases::growth()));
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
    let tables = [reference_table(&rows), bare_table(&rows), growth_table(&growth)];
    for table in tables.into_iter().flatten() {
        let _ = writeln!(text, "{table}\n");
    }
    let _ = writeln!(text, "{}\n", size_table(&sizes));
    stdout().write_all(text.as_bytes())?;
    if let Some(accepted) = accepted {
        writeln!(stdout(), "{}", accepted.describe(kernel))?;
    }
    if let Some(path) = &settings.json {
        let all = Document {
            kernel,
            counts_instructions: *counts_instructions,
            machine: &machine,
            sizes: &sizes,
            cases: &rows,
            growth: &growth,
        };
        let mut json = serde_json::to_vec_pretty(&all)?;
        json.push(b'\n');
        fs::write(path, json).with_context(|| format!("{path:?}"))?;
    }
    if let Some(path) = &settings.document {
        replace(path, &text)?;
    }
    let faults = rows
        .iter()
        .chain(&growth)
        .flat_map(|row| row.faults.iter().map(|fault| format!("{}: {fault}", row.case)));
    let faults: Vec<String> = faults.collect();
    ensure!(faults.is_empty(), "{} missed\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

fn row(case: &Case, results: &Results, accepted: Option<&Accepted>) -> Option<Row> {
    let [reference, ours, bare] = [Program::Reference, Program::Ours, Program::Bare]
        .map(|program| results.figures(&case.name, program));
    let time = ours.time?.median;
    let times_faster = reference.time.map(|reference| reference.median / time);
    let over_bare = bare.time.map(|bare| time / bare.median);
    let mut faults = Vec::new();
    if let Some(bar) = missed(times_faster, case.times_faster, |ratio, bar| ratio < bar) {
        faults.push(format!("{} times as fast as 1.31, and the bar is {bar}", ratio(times_faster)));
    }
    if let Some(bar) = missed(over_bare, case.over_bare, |ratio, bar| ratio > bar) {
        faults.push(format!(
            "{} times as long as the bare loop, and the bar is {bar}",
            ratio(over_bare)
        ));
    }
    if let (Some(times), Some(theirs), Some(kib)) =
        (case.memory, reference.peak_memory, ours.peak_memory)
    {
        if kib as f64 > times * theirs as f64 {
            faults.push(format!("{kib} KiB, and 1.31 takes {theirs}"));
        }
    }
    if !is_same(reference.printed.iter().chain(&ours.printed)) {
        faults.push("not the same output".to_owned());
    }
    if !is_same(reference.tables.iter().chain(&ours.tables).chain(&bare.tables)) {
        faults.push("not the same table".to_owned());
    }
    if let Some(accepted) = accepted.filter(|_| case.repeats) {
        faults.extend(accepted.faults(case, &ours, results));
    }
    Some(Row {
        case: case.name.clone(),
        user_an_entry: ours.user.map(|user| user / case.entries as f64),
        reference,
        ours,
        bare,
        times_faster,
        over_bare,
        entries: case.entries,
        faults,
        bars: (case.times_faster, case.over_bare),
    })
}

/// The bar, if a measured ratio misses it.
fn missed(ratio: Option<f64>, bar: Option<Bar>, is_missed: fn(f64, f64) -> bool) -> Option<f64> {
    let (ratio, Bar { bar, .. }) = ratio.zip(bar)?;
    is_missed(ratio, bar).then_some(bar)
}

fn is_same<'a>(mut values: impl Iterator<Item = &'a u64>) -> bool {
    let first = values.next();
    values.all(|value| Some(value) == first)
}

/// The cells of a table; a missing measurement is an empty cell.
fn cell<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

fn ratio(value: Option<f64>) -> String {
    cell(value, |value| format!("{value:.2}"))
}

fn bar(bar: Option<Bar>) -> [String; 2] {
    [bar.map(|bar| bar.bar), bar.and_then(|bar| bar.wished)]
        .map(|value| cell(value, |it| it.to_string()))
}

fn milliseconds(figures: &Figures) -> String {
    cell(figures.time, |Statistics { median, deviation, count, .. }| {
        let places = match median {
            0.0..10.0 => 2,
            10.0..1000.0 => 1,
            _ => 0,
        };
        match count {
            1 => format!("{median:.places$}"),
            _ => format!("{median:.places$} ± {deviation:.places$}"),
        }
    })
}

/// The table that compares ours with 1.31.
fn reference_table(rows: &[Row]) -> Option<String> {
    let mut builder = Builder::default();
    builder.push_record([
        "beside 1.31",
        "1.31",
        "ours",
        "times as fast",
        "bar",
        "wished",
        "KiB 1.31",
        "KiB ours",
        "calls 1.31",
        "calls ours",
    ]);
    let rows: Vec<_> = rows.iter().filter(|row| row.times_faster.is_some()).collect();
    for row in &rows {
        let [bar, wished] = bar(row.bars.0);
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.reference),
            milliseconds(&row.ours),
            ratio(row.times_faster),
            bar,
            wished,
            cell(row.reference.peak_memory, thousands),
            cell(row.ours.peak_memory, thousands),
            cell(row.reference.system_calls, thousands),
            cell(row.ours.system_calls, thousands),
        ]);
    }
    (!rows.is_empty()).then(|| markdown(builder))
}

/// The table that compares ours with the bare loop, and shows our instructions outside the kernel.
fn bare_table(rows: &[Row]) -> Option<String> {
    let mut builder = Builder::default();
    builder.push_record([
        "beside the bare loop",
        "bare loop",
        "ours",
        "over it",
        "bar",
        "wished",
        "user instructions",
        "an entry",
        "KiB ours",
    ]);
    for row in rows {
        let [bar, wished] = bar(row.bars.1);
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.bare),
            milliseconds(&row.ours),
            ratio(row.over_bare),
            bar,
            wished,
            cell(row.ours.user, whole),
            cell(row.user_an_entry.filter(|_| row.entries > 1), whole),
            cell(row.ours.peak_memory, thousands),
        ]);
    }
    (!rows.is_empty()).then(|| markdown(builder))
}

fn growth_table(rows: &[Row]) -> Option<String> {
    let mut builder = Builder::default();
    builder.push_record(["growth", "ours", "µs an entry", "user instructions an entry", "KiB"]);
    for row in rows {
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.ours),
            ratio(row.ours.time.map(|time| time.median * 1e3 / row.entries as f64)),
            cell(row.user_an_entry, whole),
            cell(row.ours.peak_memory, thousands),
        ]);
    }
    (!rows.is_empty()).then(|| markdown(builder))
}

fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    digits.parse().map_or(digits, thousands)
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

/// The model name of the processor.
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
