//! Draws the screen into a buffer of cells: header, table or text, footer.
//!
//! Knows no terminal and reads nothing: the same values make the same picture.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::columns::{Column, Columns, Content};
use super::connections::ConnectionsOf;
use super::history::{History, Measure};
use super::numbers::short;
use super::sample::{Condition, PerSecond, Sample, ServerSample, ServiceSample, as_float};
use super::theme::Theme;
use super::view::{Mode, ShownRow, View, key_text, server_text, service_text};
use crate::output::forwarding_name;
use crate::resolve::Labels;

mod header;
mod text;

/// All that a picture shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture<'a> {
    pub(super) sample: &'a Sample,
    pub(super) history: &'a History,
    pub(super) labels: &'a Labels,
    pub(super) theme: Theme,
    /// The network namespace as it was typed.
    pub(super) namespace: Option<&'a str>,
    pub(super) interval: Duration,
    /// The number that graphs show.
    pub(super) measure: Measure,
    /// The reason why the last reading failed.
    pub(super) failure: Option<&'a str>,
    /// The connections, while they are shown and once they are counted.
    pub(super) connections: Option<&'a ConnectionsOf>,
}

/// The lines of the parts of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    header: usize,
    titles: usize,
    /// The table, or the text in its place.
    pub(super) rows: usize,
    footer: usize,
}

impl Parts {
    /// The parts of a screen: the less it has, the fewer lines go to header and footer.
    pub(super) fn of_height(height: usize) -> Self {
        let (header, titles, footer) = match height {
            0..2 => (0, 0, 0),
            2..4 => (0, 1, 0),
            4..8 => (1, 1, 0),
            8..12 => (2, 1, 1),
            _ => (3, 1, 2),
        };
        Self { header, titles, rows: height.saturating_sub(header + titles + footer), footer }
    }
}

/// A part of a line: a text and its style.
type Part = (String, Style);

/// Draws a picture over a buffer without content. The view adapts its first row to the size.
pub(super) fn draw(buffer: &mut Buffer, picture: &Picture<'_>, view: &mut View) {
    let (width, height) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let parts = Parts::of_height(height);
    view.fit(parts.rows);
    let lines = header::lines(picture, view, width);
    for (y, line) in lines.into_iter().take(parts.header).enumerate() {
        put_parts(buffer, y, line);
    }
    match view.mode {
        Mode::Table => draw_table(buffer, picture, view, parts),
        Mode::Help => {
            draw_text(buffer, picture, view, parts, "Keys", &text::help(width, picture.theme));
        }
        Mode::Connections => {
            let (title, lines) = text::connections(picture, view, width);
            draw_text(buffer, picture, view, parts, &title, &lines);
        }
    }
    draw_footer(buffer, picture, view, parts);
}

/// Draws the titles and the rows.
fn draw_table(buffer: &mut Buffer, picture: &Picture<'_>, view: &View, parts: Parts) {
    let width = usize::from(buffer.area.width);
    let columns = Columns::new(width, picture.sample.has_counters);
    if parts.titles > 0 {
        let y = parts.header;
        let title = if columns.names < 25 { " Service" } else { "  Service / real server" };
        put_bar(buffer, y, title);
        let mut x = columns.names;
        for column in &columns.others {
            put_cell(buffer, (x, y), column, column.title, picture.theme.reversed());
            x += column.width + 1;
        }
        // A long title of the names would run into the others.
        put_over(buffer, y, columns.names, picture.theme.reversed());
    }
    for (place, shown) in view.rows().enumerate() {
        let y = parts.header + parts.titles + place;
        draw_row(buffer, y, picture, &columns, shown);
    }
    if view.rows().next().is_none() {
        let message = match view.filter.is_empty() {
            true => "  no virtual services".to_owned(),
            false => format!("  no service and no real server contains `{}'", view.filter),
        };
        put(buffer, 0, parts.header + parts.titles, &message, Style::new());
    }
}

fn draw_row(
    buffer: &mut Buffer,
    y: usize,
    picture: &Picture<'_>,
    columns: &Columns,
    shown: ShownRow,
) {
    let Some(service) = picture.sample.services.get(shown.row.service) else { return };
    let server = shown.row.server.and_then(|server| service.servers.get(server));
    let condition = server.map_or(service.condition, |server| server.condition);
    let style = picture.theme.condition(condition);
    let name = name(picture, columns, service, (server, condition), shown.is_open);
    put(buffer, 0, y, &name, style);
    let mut x = columns.names;
    for column in &columns.others {
        let (text, style) = match (column.content, server) {
            (Content::Graph, Some(_)) => (String::new(), style),
            (Content::Graph, None) => {
                (graph(picture, service, column.width), picture.theme.graph())
            }
            (content, Some(server)) => (server_cell(content, server), style),
            (content, None) => (service_cell(content, service), style),
        };
        put_cell(buffer, (x, y), column, &text, style);
        x += column.width + 1;
    }
    if shown.has_cursor {
        put_style(buffer, y, picture.theme.reversed());
    }
}

/// The name of a row, behind its mark.
fn name(
    picture: &Picture<'_>,
    columns: &Columns,
    service: &ServiceSample,
    (server, condition): (Option<&ServerSample>, Condition),
    is_open: bool,
) -> String {
    let (labels, ellipsis) = (picture.labels, picture.theme.ellipsis());
    let mark = match (service.servers.is_empty(), is_open) {
        (true, _) => " ",
        (false, true) => "-",
        (false, false) => "+",
    };
    if !columns.have_condition() {
        let letter = Some(condition.letter()).filter(|letter| !letter.is_empty());
        let (mark, text) = match server {
            Some(server) => (letter.unwrap_or(" "), server_text(server.key(), labels)),
            None => (mark, key_text(service.key(), labels)),
        };
        // Without the protocol, an address and its port fit.
        let text = text.rsplit(' ').next().unwrap_or_default();
        return format!("{mark}{}", shortened(text, columns.names.saturating_sub(1), ellipsis));
    }
    let text = match server {
        Some(server) => format!("  -> {}", server_text(server.key(), labels)),
        None => format!("{mark} {}", service_text(service, labels)),
    };
    match server {
        None if text.chars().count() > columns.names => {
            let text = format!("{mark} {}", key_text(service.key(), labels));
            shortened(&text, columns.names, ellipsis)
        }
        _ => shortened(&text, columns.names, ellipsis),
    }
}

fn graph(picture: &Picture<'_>, service: &ServiceSample, width: usize) -> String {
    let history = picture.history;
    let Some(track) = history.track(service.key()) else { return String::new() };
    let measure = picture.measure;
    let cells = track.cells(measure, width, history.most());
    picture.theme.graph_text(&cells, track.highest(measure))
}

fn service_cell(content: Content, service: &ServiceSample) -> String {
    match content {
        Content::Condition => service.condition.word().to_owned(),
        Content::ConditionLetter => service.condition.letter().to_owned(),
        Content::Active => short(as_float(service.active)),
        Content::Inactive => short(as_float(service.inactive)),
        Content::Weight | Content::Forwarding | Content::Graph => String::new(),
        rate => rate_cell(rate, service.rates()),
    }
}

fn server_cell(content: Content, server: &ServerSample) -> String {
    let state = &server.state;
    match content {
        Content::Condition => server.condition.word().to_owned(),
        Content::ConditionLetter => server.condition.letter().to_owned(),
        Content::Active => short(state.active_connections.into()),
        Content::Inactive => short(state.inactive_connections.into()),
        Content::Weight => short(state.server.weight.into()),
        Content::Forwarding => forwarding_name(state.server.forwarding).to_owned(),
        Content::Graph => String::new(),
        rate => rate_cell(rate, server.rates()),
    }
}

fn rate_cell(content: Content, rates: Option<PerSecond>) -> String {
    let Some(rates) = rates else { return "-".to_owned() };
    short(match content {
        Content::Connections => rates.connections,
        Content::Packets => rates.packets(),
        Content::IncomingPackets => rates.incoming_packets,
        Content::OutgoingPackets => rates.outgoing_packets,
        Content::IncomingBytes => rates.incoming_bytes,
        Content::OutgoingBytes => rates.outgoing_bytes,
        _ => rates.bytes(),
    })
}

/// Draws a text in the place of the table.
fn draw_text(
    buffer: &mut Buffer,
    picture: &Picture<'_>,
    view: &mut View,
    parts: Parts,
    title: &str,
    lines: &[Vec<Part>],
) {
    if parts.titles > 0 {
        put_bar(buffer, parts.header, title);
        put_style(buffer, parts.header, picture.theme.reversed());
    }
    let first = view.fit_text(lines.len(), parts.rows);
    for (place, line) in lines.iter().skip(first).take(parts.rows).enumerate() {
        put_parts(buffer, parts.header + parts.titles + place, line.clone());
    }
}

/// Draws the last lines: the graph of the service under the cursor, and the keys.
fn draw_footer(buffer: &mut Buffer, picture: &Picture<'_>, view: &View, parts: Parts) {
    let (width, height) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    if parts.footer > 1 {
        put_parts(buffer, height - 2, header::graph_line(picture, view, width));
    }
    let last = header::last_line(picture, view, width);
    // On a small screen, only a text that must be seen takes the last row of the table.
    if height > 0 && (parts.footer > 0 || view.is_typing || picture.failure.is_some()) {
        put(buffer, 0, height - 1, &" ".repeat(width), Style::new());
        put_parts(buffer, height - 1, last);
    }
}

/// A text of at most some characters. The middle of a longer one is left out: its end tells more than its middle, such
/// as a port.
fn shortened(text: &str, most: usize, ellipsis: &str) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let end = kept * 2 / 5;
    let start: String = text.chars().take(kept - end).collect();
    let end: String = text.chars().skip(length - end).collect();
    match most {
        0 => String::new(),
        _ => format!("{start}{ellipsis}{end}"),
    }
}

/// A coordinate of a buffer. A screen has at most 65535 cells in each direction.
fn coordinate(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// Writes a text into a line, as much as fits. Returns the place behind it.
fn put(buffer: &mut Buffer, x: usize, y: usize, text: &str, style: Style) -> usize {
    if x >= usize::from(buffer.area.width) || y >= usize::from(buffer.area.height) {
        return x;
    }
    let (end, _) = buffer.set_stringn(coordinate(x), coordinate(y), text, usize::MAX, style);
    usize::from(end)
}

fn put_parts(buffer: &mut Buffer, y: usize, parts: Vec<Part>) {
    let mut x = 0;
    for (text, style) in parts {
        x = put(buffer, x, y, &text, style);
    }
}

/// Writes a text at the side of a column on which its cells begin, behind a blank.
fn put_cell(
    buffer: &mut Buffer,
    (x, y): (usize, usize),
    column: &Column,
    text: &str,
    style: Style,
) {
    let width = column.width;
    let text = match column.content.is_left() {
        true => format!(" {text:<width$}"),
        false => format!(" {text:>width$}"),
    };
    put(buffer, x, y, &text, style);
}

/// Writes a text into a line that is otherwise blank.
fn put_bar(buffer: &mut Buffer, y: usize, text: &str) {
    let width = usize::from(buffer.area.width);
    put(buffer, 0, y, &format!("{text:<width$}"), Style::new());
}

/// Gives a whole line a style.
fn put_style(buffer: &mut Buffer, y: usize, style: Style) {
    let width = usize::from(buffer.area.width);
    put_over(buffer, y, width, style);
}

/// Gives the beginning of a line a style.
fn put_over(buffer: &mut Buffer, y: usize, width: usize, style: Style) {
    for x in 0..width {
        if let Some(cell) = buffer.cell_mut((coordinate(x), coordinate(y))) {
            cell.set_style(style);
        }
    }
}

/// As many texts as fit a width, two blanks between them. A text that does not fit is left out.
fn joined(parts: impl IntoIterator<Item = Part>, width: usize) -> Vec<Part> {
    let mut line: Vec<Part> = Vec::new();
    let mut used = 0;
    for (text, style) in parts {
        let length = text.chars().count();
        let gap = if used == 0 { 0 } else { 2 };
        if length == 0 || used + gap + length > width {
            continue;
        }
        if gap > 0 {
            line.push((" ".repeat(gap), Style::new()));
        }
        line.push((text, style));
        used += gap + length;
    }
    line
}

/// The number of characters of a line.
fn length(parts: &[Part]) -> usize {
    parts.iter().map(|(text, _)| text.chars().count()).sum()
}

/// A line with a text at its right end, if there is room.
fn with_end(mut line: Vec<Part>, end: Part, width: usize) -> Vec<Part> {
    let used = length(&line);
    let needed = end.0.chars().count();
    if used + needed + 2 <= width {
        line.push((" ".repeat(width - used - needed), Style::new()));
        line.push(end);
    }
    line
}
