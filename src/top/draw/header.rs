//! The lines above and below the table.

use ratatui::style::Style;

use super::{Part, Picture, joined, key_text, length, short, with_end};
use crate::output::counted;
use crate::process::visible;
use crate::top::sample::{Condition, PerSecond, as_float};
use crate::top::view::{Mode, View};

fn plain(text: impl Into<String>) -> Part {
    (text.into(), Style::new())
}

/// The lines of the header, the most important first.
pub(super) fn lines(picture: &Picture<'_>, view: &View, width: usize) -> [Vec<Part>; 3] {
    [overview(picture, view, width), totals(picture, width), limits(picture, view, width)]
}

/// The numbers of services and servers, and the state of the program.
fn overview(picture: &Picture<'_>, view: &View, width: usize) -> Vec<Part> {
    let (theme, sample) = (picture.theme, picture.sample);
    let servers = || sample.services.iter().flat_map(|service| &service.servers);
    let count = |condition| servers().filter(|server| server.condition == condition).count();
    let state = match view.is_frozen {
        true => ("FROZEN".to_owned(), theme.reversed()),
        false => plain(format!("every {} s", picture.interval.as_secs())),
    };
    let mut parts = Vec::new();
    if width < 60 && view.is_frozen {
        parts.push(state.clone());
    }
    if width >= 60 {
        parts.push(("ipvsadm-top".to_owned(), theme.strong()));
    }
    if let Some(namespace) = picture.namespace {
        parts.push(plain(format!("netns {}", visible(namespace))));
    }
    parts.push(plain(counted(sample.services.len(), "service")));
    parts.push(plain(counted(servers().count(), "server")));
    for (condition, word) in [
        (Condition::Overloaded, "overloaded"),
        (Condition::Drained, "drained"),
        (Condition::Idle, "idle"),
    ] {
        match count(condition) {
            0 => {}
            number => parts.push((format!("{number} {word}"), theme.condition(condition))),
        }
    }
    let line = joined(parts, width);
    if width < 60 { line } else { with_end(line, state, width) }
}

/// The numbers of all services together.
fn totals(picture: &Picture<'_>, width: usize) -> Vec<Part> {
    let sample = picture.sample;
    let sum = |count: fn(&crate::top::sample::ServiceSample) -> u64| {
        short(as_float(sample.services.iter().map(count).sum()))
    };
    let mut parts = vec![
        ("Total:".to_owned(), picture.theme.strong()),
        plain(format!("{} active", sum(|service| service.active))),
        plain(format!("{} inactive", sum(|service| service.inactive))),
    ];
    if let Some(rates) = sample.totals() {
        parts.extend(rate_parts(rates, width).map(plain));
    }
    joined(parts, width)
}

fn rate_parts(rates: PerSecond, width: usize) -> [String; 3] {
    let directions = |name: &str, incoming: f64, outgoing: f64| match width >= 100 {
        true => format!("{}/s: {} in, {} out", name, short(incoming), short(outgoing)),
        false => format!("{} {}/s", short(incoming + outgoing), name),
    };
    [
        format!("{} conn/s", short(rates.connections)),
        directions("pkt", rates.incoming_packets, rates.outgoing_packets),
        directions("byte", rates.incoming_bytes, rates.outgoing_bytes),
    ]
}

/// The kernel's limits, and what the user has chosen.
fn limits(picture: &Picture<'_>, view: &View, width: usize) -> Vec<Part> {
    let sample = picture.sample;
    let mut parts = vec![("Limits:".to_owned(), picture.theme.strong())];
    // From 7.1 on, a table that nothing has used yet has no buckets.
    if sample.info.table_size > 0 {
        parts.push(plain(format!("table size {}", sample.info.table_size)));
    }
    if !sample.has_counters {
        parts.push(plain("without root: no rates of services"));
    }
    if !view.filter.is_empty() {
        parts.push(plain(format!("filter: {}", view.filter)));
    }
    if let Some(conntrack) = sample.conntrack {
        let (entries, limit) = (conntrack.entries, conntrack.limit);
        let share = (entries * 100).checked_div(limit).unwrap_or_default();
        parts.push(plain(format!("conntrack {entries} of {limit} ({share} %)")));
    }
    parts.push(plain(format!("sorted by {}", view.order.name())));
    joined(parts, width)
}

/// The graph of the service under the cursor; without one, of all together.
pub(super) fn graph_line(picture: &Picture<'_>, view: &View, width: usize) -> Vec<Part> {
    let (history, measure) = (picture.history, picture.measure);
    let selected = view.selected(picture.sample).map(|(service, _)| service);
    let track = match selected {
        Some(key) => history.track(&key),
        None => Some(&history.total),
    };
    let Some(track) = track else { return Vec::new() };
    let name = match selected {
        Some(key) => key_text(&key, picture.labels),
        None => "All services".to_owned(),
    };
    let highest = track.highest(measure);
    let texts = [
        (format!("{name}:"), picture.theme.strong()),
        plain(format!("{}, at most {}", measure.name(), short(f64::from(highest)))),
    ];
    let mut line = joined(texts, width);
    let room = width.saturating_sub(length(&line) + 2);
    let cells = track.cells(measure, room, history.most());
    line.push(plain("  "));
    line.push((picture.theme.graph_text(&cells, highest), picture.theme.graph()));
    line
}

/// The last line: the filter while it is typed, a failure, or the keys.
pub(super) fn last_line(picture: &Picture<'_>, view: &View, width: usize) -> Vec<Part> {
    let theme = picture.theme;
    if view.is_typing {
        return vec![
            ("Filter: ".to_owned(), theme.strong()),
            plain(view.filter.clone()),
            (" ".to_owned(), theme.reversed()),
        ];
    }
    if let Some(failure) = picture.failure {
        return vec![(visible(failure).into_owned(), theme.failure())];
    }
    let keys = match view.mode {
        Mode::Table => TABLE_KEYS,
        Mode::Help | Mode::Connections => TEXT_KEYS,
    };
    let parts = keys.iter().map(|(key, text)| plain(format!("{key} {text}")));
    let line = joined(parts, width);
    let (above, below) = view.hidden();
    match view.mode {
        Mode::Table if above + below > 0 => {
            let shown = view.rows().count();
            let end = format!("{}-{} of {}", above + 1, above + shown, above + shown + below);
            with_end(line, plain(end), width)
        }
        _ => line,
    }
}

const TABLE_KEYS: &[(&str, &str)] = &[
    ("?", "help"),
    ("q", "quit"),
    ("s", "sort"),
    ("/", "filter"),
    ("Enter", "servers"),
    ("c", "connections"),
    ("f", "freeze"),
    ("a", "all servers"),
    ("n", "names"),
];

const TEXT_KEYS: &[(&str, &str)] = &[("Esc", "back"), ("q", "quit"), ("Up Down", "scroll")];
