//! The texts that take the place of the table: the help, and the connections of a row.

use ratatui::style::Style;

use super::{Part, Picture, key_text, server_text};
use crate::top::keys::HELP;
use crate::top::sample::Condition;
use crate::top::theme::Theme;
use crate::top::view::View;
use ipvs_rules::EndpointNames as _;

/// From this width on, the help has two columns, and so have the connections.
const TWO_COLUMNS: usize = 60;

/// The conditions and their meanings.
const CONDITIONS: [(Condition, &str); 4] = [
    (Condition::Idle, "no connections, and none since the last sample"),
    (Condition::Drained, "weight 0: no new connections"),
    (Condition::Overloaded, "the upper threshold is reached: no new connections"),
    (Condition::Empty, "the service has no real server"),
];

/// The lines of the help.
pub(super) fn help(width: usize, theme: Theme) -> Vec<Vec<Part>> {
    let mut lines = Vec::new();
    for (keys, meaning) in HELP {
        add(&mut lines, width, (keys.to_owned(), theme.strong()), meaning);
    }
    lines.push(Vec::new());
    for (condition, meaning) in CONDITIONS {
        let name = format!("{} ({})", condition.word(), condition.letter());
        add(&mut lines, width, (name, theme.condition(condition)), meaning);
    }
    lines
}

/// Adds a name and its meaning: in one line, or below each other on a narrow screen.
fn add(lines: &mut Vec<Vec<Part>>, width: usize, (name, style): Part, meaning: &str) {
    const NAME_CELLS: usize = 28;
    let meaning = |indent: &str| (format!("{indent}{meaning}"), Style::new());
    if width >= TWO_COLUMNS {
        lines.push(vec![(format!("  {name:<NAME_CELLS$}"), style), meaning("")]);
    } else {
        lines.push(vec![(name, style)]);
        lines.push(vec![meaning("  ")]);
    }
}

/// The title and the lines of the connections of a row.
pub(super) fn connections(
    picture: &Picture<'_>,
    view: &View,
    width: usize,
) -> (String, Vec<Vec<Part>>) {
    let Some((service, server)) = view.selected(picture.sample) else {
        return ("Connections".to_owned(), Vec::new());
    };
    let name = match server {
        Some(server) => format!(
            "{} -> {}",
            key_text(&service, picture.labels),
            server_text(&server, picture.labels)
        ),
        None => key_text(&service, picture.labels),
    };
    let found = picture.connections.filter(|it| (it.service, it.server) == (service, server));
    let Some(found) = found else {
        return (format!("Connections of {name}: counting"), Vec::new());
    };
    let title = format!(
        "Connections of {name}: {}, templates: {}, clients: {}",
        found.count, found.templates, found.client_count
    );
    let strong = picture.theme.strong();
    let states = found.states.iter().map(|(state, count)| (state.to_string(), *count));
    let clients = found.clients.iter().map(|(client, count)| {
        let name = picture.labels.host(*client).map(|name| crate::process::visible(name));
        (name.map_or_else(|| client.to_string(), |name| name.into_owned()), *count)
    });
    let (states, clients) = (block("State", states, strong), block("Client", clients, strong));
    if width < TWO_COLUMNS {
        return (title, states.into_iter().chain([Vec::new()]).chain(clients).collect());
    }
    let lines = states.len().max(clients.len());
    let mut states = states.into_iter();
    let mut clients = clients.into_iter();
    let beside = (0..lines).map(|_| {
        let mut line = states.next().unwrap_or_default();
        let used = super::length(&line);
        line.push((" ".repeat(SECOND_BLOCK.saturating_sub(used)), Style::new()));
        line.extend(clients.next().unwrap_or_default());
        line
    });
    (title, beside.collect())
}

/// The column in which the second block begins.
const SECOND_BLOCK: usize = 34;

/// A heading, and names with their numbers.
fn block(title: &str, rows: impl Iterator<Item = (String, u64)>, heading: Style) -> Vec<Vec<Part>> {
    let line = |name: &str, count: &str| format!("  {count:>8}  {name}");
    let rows = rows.map(|(name, count)| vec![(line(&name, &count.to_string()), Style::new())]);
    [vec![(line(title, "Number"), heading)]].into_iter().chain(rows).collect()
}
