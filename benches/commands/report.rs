//! The rows of the results with their faults, and the output of the outer half: tables, JSON, and the document with the
//! last tables.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;

use super::accepted::Accepted;
use super::case::Case;
use super::cases;
use super::record::Results;
use super::row::Row;
use super::settings::{Program, Settings};
use super::tables::{bare_table, growth_table, reference_table, size_table, table_of_ours};

/// The maximum of the user instructions of an entry, divided by those with a table of a tenth of the size: their number
/// grows with the number of entries, and sorting takes little.
const GROWTH: f64 = 1.1;

#[derive(Serialize)]
struct Document<'a> {
    kernel: &'a str,
    counts_instructions: bool,
    machine: &'a str,
    sizes: &'a [(String, u64)],
    cases: &'a [Row],
    ours: &'a [Row],
    growth: &'a [Row],
}

/// Prints the tables, and writes the files that the settings name.
pub fn publish(settings: &Settings, results: &Results) -> anyhow::Result<()> {
    let accepted = settings.accepted.as_deref().map(Accepted::read).transpose()?;
    let accepted = accepted.as_ref();
    let rows_of = |cases: Vec<Case>| -> Vec<Row> {
        cases.iter().filter_map(|case| row(case, results, accepted)).collect()
    };
    let [rows, ours, growth] = [cases::cases(), cases::ours(), cases::growth()].map(rows_of);
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
    let tables =
        [reference_table(&rows), bare_table(&rows), table_of_ours(&ours), growth_table(&growth)];
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
            ours: &ours,
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
        .chain(&ours)
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
    let of_ours = |case: &str| results.figures(case, Program::Ours);
    let beside = case.beside.as_ref().and_then(|beside| of_ours(&beside.case).time);
    let smaller = case.smaller.as_ref();
    let smaller = smaller.and_then(|(case, entries)| Some(of_ours(case).user? / *entries as f64));
    let mut row = Row {
        case: case.name.clone(),
        times_faster: reference.time.map(|reference| reference.median / time),
        over_bare: bare.time.map(|bare| time / bare.median),
        over_beside: beside.map(|beside| time / beside.median),
        user_an_entry: ours.user.map(|user| user / case.entries as f64),
        reference,
        ours,
        bare,
        entries: case.entries,
        faults: Vec::new(),
        bars: (case.times_faster, case.over_bare),
        beside: case.beside.clone(),
        most_milliseconds: case.most_milliseconds,
        most_kib: case.most_kib,
        most_user_an_entry: smaller.map(|user| user * GROWTH),
    };
    row.faults = missed_bars(&row);
    row.faults.extend(unlike_reference(case, &row));
    if let Some(accepted) = accepted.filter(|_| case.repeats) {
        row.faults.extend(accepted.faults(case, (&row.ours, &row.bare), results));
    }
    Some(row)
}

fn missed_bars(row: &Row) -> Vec<String> {
    let mut faults = Vec::new();
    let bars = (row.bars.0.map(|bar| bar.bar), row.bars.1.map(|bar| bar.bar));
    if let Some((times, bar)) = row.times_faster.zip(bars.0).filter(|(times, bar)| times < bar) {
        faults.push(format!("{times:.2} times as fast as 1.31, and the bar is {bar}"));
    }
    if let Some((times, bar)) = above(row.over_bare, bars.1) {
        faults.push(format!("{times:.2} times as long as the bare loop, and the bar is {bar}"));
    }
    if let Some(beside) = &row.beside {
        if let Some((times, bar)) = above(row.over_beside, Some(beside.bar)) {
            faults
                .push(format!("{times:.2} times as long as {}, and the bar is {bar}", beside.case));
        }
    }
    let time = row.ours.time.map(|time| time.median);
    if let Some((time, bar)) = above(time, row.most_milliseconds) {
        faults.push(format!("{time:.0} ms, and the bar is {bar}"));
    }
    if let Some((kib, bar)) = above(row.ours.peak_memory, row.most_kib) {
        faults.push(format!("{kib} KiB, and the bar is {bar}"));
    }
    if let Some((user, bar)) = above(row.user_an_entry, row.most_user_an_entry) {
        faults.push(format!("{user:.0} user instructions an entry, and the bar is {bar:.0}"));
    }
    faults
}

/// A figure and its maximum, if the figure is above it.
fn above<T: PartialOrd>(figure: Option<T>, most: Option<T>) -> Option<(T, T)> {
    figure.zip(most).filter(|(figure, most)| figure > most)
}

/// The differences to 1.31: memory, the output, and the table that is left.
fn unlike_reference(case: &Case, Row { reference, ours, bare, .. }: &Row) -> Vec<String> {
    let mut faults = Vec::new();
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
    faults
}

fn is_same<'a>(mut values: impl Iterator<Item = &'a u64>) -> bool {
    let first = values.next();
    values.all(|value| Some(value) == first)
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
