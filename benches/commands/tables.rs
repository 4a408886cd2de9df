//! The tables of a run, as Markdown.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::case::{Bar, thousands};
use super::record::{Figures, Statistics};
use super::row::Row;

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
pub fn reference_table(rows: &[Row]) -> Option<String> {
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
pub fn bare_table(rows: &[Row]) -> Option<String> {
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

/// The table of commands that 1.31 lacks.
pub fn table_of_ours(rows: &[Row]) -> Option<String> {
    let mut builder = Builder::default();
    builder.push_record([
        "without a counterpart",
        "ours",
        "beside",
        "times as long",
        "bar",
        "user instructions",
        "an entry",
        "KiB",
    ]);
    for row in rows {
        let beside = row.beside.as_ref();
        let bar = match (beside, row.most_milliseconds) {
            (Some(beside), _) => beside.bar.to_string(),
            (None, most) => cell(most, |most| format!("{} ms", whole(most))),
        };
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.ours),
            cell(beside, |beside| beside.case.clone()),
            ratio(row.over_beside),
            bar,
            cell(row.ours.user, whole),
            cell(row.user_an_entry.filter(|_| row.entries > 1), whole),
            cell(row.ours.peak_memory, thousands),
        ]);
    }
    (!rows.is_empty()).then(|| markdown(builder))
}

/// The table that shows how the cost grows.
pub fn growth_table(rows: &[Row]) -> Option<String> {
    let mut builder = Builder::default();
    builder.push_record([
        "growth",
        "ours",
        "µs an entry",
        "user instructions an entry",
        "bar",
        "KiB",
        "bar",
    ]);
    for row in rows {
        builder.push_record([
            row.case.clone(),
            milliseconds(&row.ours),
            ratio(row.ours.time.map(|time| time.median * 1e3 / row.entries as f64)),
            cell(row.user_an_entry, whole),
            cell(row.most_user_an_entry, whole),
            cell(row.ours.peak_memory, thousands),
            cell(row.most_kib, thousands),
        ]);
    }
    (!rows.is_empty()).then(|| markdown(builder))
}

fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    digits.parse().map_or(digits, thousands)
}

/// The table of the sizes of the programs.
pub fn size_table(sizes: &[(String, u64)]) -> String {
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
