//! The choices of the user: the order, the filter, the services that show their servers, and the place of the
//! cursor.

use std::collections::HashSet;

use ipvs::model::{Family, RealServerKey, ServiceKey};

use super::keys::{Action, Typed};
use super::order::Order;
use super::sample::{Sample, ServerSample, ServiceSample};
use crate::process::visible;
use crate::resolve::Labels;

/// The part of the program that the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    Help,
    /// The connections of the row under the cursor.
    Connections,
}

/// A row of the table: a service, or one of its real servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The place of the service in the sample.
    pub(super) service: usize,
    /// The place of the real server in its service.
    pub(super) server: Option<usize>,
}

/// A row on the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShownRow {
    pub(super) row: Row,
    /// A service that shows its servers.
    pub(super) is_open: bool,
    pub(super) has_cursor: bool,
}

/// The identity of a row, which does not depend on the order.
pub(super) type RowKey = (ServiceKey, Option<RealServerKey>);

/// The effect of a key on the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The picture changed, if anything did.
    Show,
    Redraw,
    Suspend,
    Quit,
    /// The picture was frozen, and goes on now.
    Resume,
}

/// The choices of the user, and the rows that they make of a sample.
#[derive(Debug)]
pub(super) struct View {
    pub(super) mode: Mode,
    pub(super) order: Order,
    pub(super) is_frozen: bool,
    pub(super) is_numeric: bool,
    /// The text that rows contain; empty for all rows.
    pub(super) filter: String,
    /// A filter is being typed.
    pub(super) is_typing: bool,
    /// The filter before the typing began.
    earlier_filter: String,
    /// All services show their servers, except for those in `changed`; or none, except for those.
    all_expanded: bool,
    changed: HashSet<ServiceKey>,
    rows: Vec<Row>,
    /// The place of the cursor among the rows.
    cursor: usize,
    /// The row that the cursor follows. `None` until the cursor is moved: it stays at the top.
    followed: Option<RowKey>,
    /// The first row on the screen.
    first: usize,
    /// The number of rows on the screen.
    height: usize,
    /// The first line of the help or of the connections on the screen.
    first_line: usize,
}

impl View {
    /// The view at the start.
    pub(super) fn new(is_numeric: bool) -> Self {
        Self {
            mode: Mode::Table,
            order: Order::Key,
            is_frozen: false,
            is_numeric,
            filter: String::new(),
            is_typing: false,
            earlier_filter: String::new(),
            all_expanded: false,
            changed: HashSet::new(),
            rows: Vec::new(),
            cursor: 0,
            followed: None,
            first: 0,
            height: 1,
            first_line: 0,
        }
    }

    /// Makes the rows of a sample, and keeps the cursor on its row.
    pub(super) fn arrange(&mut self, sample: &Sample, labels: &Labels) {
        let mut rows = Vec::with_capacity(sample.services.len());
        let filter = self.filter.to_lowercase();
        for place in self.sorted_services(sample) {
            let Some(service) = sample.services.get(place) else { continue };
            let is_match = filter.is_empty() || contains(&service_text(service, labels), &filter);
            let is_wanted = |server: &ServerSample| {
                is_match || contains(&server_text(server.key(), labels), &filter)
            };
            let has_match = is_match || service.servers.iter().any(is_wanted);
            if !has_match {
                continue;
            }
            rows.push(Row { service: place, server: None });
            // A service that is here because of its servers shows them.
            if self.is_expanded(service.key()) || !is_match {
                let servers = self.sorted_servers(service).into_iter();
                let servers = servers
                    .filter(|&server| service.servers.get(server).is_some_and(is_wanted))
                    .map(|server| Row { service: place, server: Some(server) });
                rows.extend(servers);
            }
        }
        self.rows = rows;
        self.follow(sample);
        self.scroll();
    }

    fn sorted_services(&self, sample: &Sample) -> Vec<usize> {
        let number = |service: &ServiceSample| {
            self.order.number(service.active, service.inactive, service.rates())
        };
        self.order.sorted(sample.services.iter().map(number))
    }

    fn sorted_servers(&self, service: &ServiceSample) -> Vec<usize> {
        let number = |server: &ServerSample| {
            let (active, inactive) =
                (server.state.active_connections, server.state.inactive_connections);
            self.order.number(active.into(), inactive.into(), server.rates())
        };
        self.order.sorted(service.servers.iter().map(number))
    }

    fn is_expanded(&self, key: &ServiceKey) -> bool {
        self.all_expanded != self.changed.contains(key)
    }

    /// Moves the cursor to the row that it follows. If this row is gone, the cursor keeps its place.
    fn follow(&mut self, sample: &Sample) {
        let found = match self.followed {
            None => Some(0),
            Some((service, server)) => self.place_of(sample, (service, server)).or_else(|| {
                // A server that is hidden leads to its service.
                server.and_then(|_| self.place_of(sample, (service, None)))
            }),
        };
        let last = self.rows.len().saturating_sub(1);
        self.cursor = found.unwrap_or(self.cursor).min(last);
        if self.followed.is_some() && found.is_none() {
            self.followed = self.key_at(sample, self.cursor);
        }
    }

    fn place_of(&self, sample: &Sample, key: RowKey) -> Option<usize> {
        let (service, server) = key;
        let place = sample.services.binary_search_by_key(&&service, |it| it.key()).ok()?;
        let server = match server {
            None => None,
            Some(server) => {
                let servers = &sample.services.get(place)?.servers;
                Some(servers.binary_search_by_key(&&server, |it| it.key()).ok()?)
            }
        };
        self.rows.iter().position(|row| *row == Row { service: place, server })
    }

    fn key_at(&self, sample: &Sample, place: usize) -> Option<RowKey> {
        let row = self.rows.get(place)?;
        let service = sample.services.get(row.service)?;
        let server = match row.server {
            None => None,
            Some(server) => Some(*service.servers.get(server)?.key()),
        };
        Some((*service.key(), server))
    }

    /// Adapts the rows on the screen to its height and to the cursor.
    pub(super) fn fit(&mut self, height: usize) {
        self.height = height.max(1);
        self.scroll();
    }

    /// Adapts the first line of a text to its length and to the height of the screen, and returns it.
    pub(super) fn fit_text(&mut self, lines: usize, height: usize) -> usize {
        self.first_line = self.first_line.min(lines.saturating_sub(height));
        self.first_line
    }

    fn scroll(&mut self) {
        let last_first = self.rows.len().saturating_sub(self.height);
        let lowest = (self.cursor + 1).saturating_sub(self.height);
        self.first = self.first.clamp(lowest, self.cursor.max(lowest)).min(last_first);
    }

    /// The rows on the screen.
    pub(super) fn rows(&self) -> impl Iterator<Item = ShownRow> {
        let places = self.first..self.rows.len().min(self.first + self.height);
        places.filter_map(|place| {
            let row = *self.rows.get(place)?;
            let next = self.rows.get(place + 1);
            let is_open = row.server.is_none() && next.is_some_and(|it| it.service == row.service);
            Some(ShownRow { row, is_open, has_cursor: place == self.cursor })
        })
    }

    /// The number of rows above the screen, and below it.
    pub(super) fn hidden(&self) -> (usize, usize) {
        (self.first, self.rows.len().saturating_sub(self.first + self.height))
    }

    /// The row under the cursor.
    pub(super) fn selected(&self, sample: &Sample) -> Option<RowKey> {
        self.key_at(sample, self.cursor)
    }

    /// Carries out an action on a sample.
    pub(super) fn act(&mut self, action: Action, sample: &Sample) -> Effect {
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Redraw => return Effect::Redraw,
            Action::Help => self.toggle_mode(Mode::Help),
            Action::Connections => {
                if self.selected(sample).is_some() {
                    // The cursor stays on the row whose connections are shown.
                    self.followed = self.selected(sample);
                    self.toggle_mode(Mode::Connections);
                }
            }
            Action::Back if self.mode != Mode::Table => self.mode = Mode::Table,
            Action::Back => self.filter.clear(),
            Action::Move(by) if self.mode != Mode::Table => self.scroll_text(by),
            Action::MoveScreens(by) if self.mode != Mode::Table => {
                self.scroll_text(by.saturating_mul(self.height.try_into().unwrap_or(isize::MAX)));
            }
            Action::First if self.mode != Mode::Table => self.first_line = 0,
            Action::Last if self.mode != Mode::Table => self.first_line = usize::MAX,
            Action::Move(by) => self.go(sample, self.cursor.saturating_add_signed(by)),
            Action::MoveScreens(by) => {
                let rows = by.saturating_mul(self.height.try_into().unwrap_or(isize::MAX));
                self.go(sample, self.cursor.saturating_add_signed(rows));
            }
            Action::First => {
                self.followed = None;
                self.cursor = 0;
                self.scroll();
            }
            Action::Last => self.go(sample, usize::MAX),
            Action::NextOrder => self.order = self.order.next(),
            Action::PreviousOrder => self.order = self.order.previous(),
            Action::Filter => {
                self.mode = Mode::Table;
                self.is_typing = true;
                self.earlier_filter.clone_from(&self.filter);
            }
            Action::Toggle => self.expand(sample, None),
            Action::Expand => self.expand(sample, Some(true)),
            Action::Collapse => self.expand(sample, Some(false)),
            Action::ToggleAll => {
                self.all_expanded = !self.all_expanded;
                self.changed.clear();
            }
            Action::Freeze => {
                self.is_frozen = !self.is_frozen;
                return if self.is_frozen { Effect::Show } else { Effect::Resume };
            }
            Action::Names => self.is_numeric = !self.is_numeric,
        }
        Effect::Show
    }

    /// Takes a key of the filter.
    pub(super) fn take(&mut self, typed: Typed) -> Effect {
        match typed {
            Typed::Character(character) => self.filter.push(character),
            Typed::Erase => drop(self.filter.pop()),
            Typed::EraseAll => self.filter.clear(),
            Typed::Accept => self.is_typing = false,
            Typed::Cancel => {
                self.is_typing = false;
                self.filter = std::mem::take(&mut self.earlier_filter);
            }
            Typed::Suspend => return Effect::Suspend,
            Typed::Quit => return Effect::Quit,
        }
        Effect::Show
    }

    fn scroll_text(&mut self, by: isize) {
        self.first_line = self.first_line.saturating_add_signed(by);
    }

    fn toggle_mode(&mut self, mode: Mode) {
        self.first_line = 0;
        self.mode = if self.mode == mode { Mode::Table } else { mode };
    }

    fn go(&mut self, sample: &Sample, place: usize) {
        self.cursor = place.min(self.rows.len().saturating_sub(1));
        self.followed = self.selected(sample);
        self.scroll();
    }

    fn expand(&mut self, sample: &Sample, wanted: Option<bool>) {
        let Some((key, _)) = self.selected(sample) else { return };
        let is_expanded = self.is_expanded(&key);
        if wanted == Some(is_expanded) {
            return;
        }
        // From a server that is hidden now, the cursor goes to its service.
        self.followed = Some((key, None));
        if !self.changed.remove(&key) {
            self.changed.insert(key);
        }
    }
}

fn contains(text: &str, filter: &str) -> bool {
    text.to_lowercase().contains(filter)
}

/// A service as the screen shows it: `TCP 10.0.0.1:80 wrr`.
pub(super) fn service_text(service: &ServiceSample, labels: &Labels) -> String {
    format!(
        "{} {}",
        key_text(service.key(), labels),
        visible(service.state.service.scheduler.as_str())
    )
}

/// The key of a service as the screen shows it.
pub(super) fn key_text(key: &ServiceKey, labels: &Labels) -> String {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let endpoint = labels.endpoint(address, port, Some(protocol)).to_string();
            format!("{protocol} {}", visible(&endpoint))
        }
        ServiceKey::Fwmark { mark, family: Family::Ipv4 } => format!("FWM {mark}"),
        ServiceKey::Fwmark { mark, family: Family::Ipv6 } => format!("FWM {mark} IPv6"),
    }
}

/// A real server as the screen shows it.
pub(super) fn server_text(key: &RealServerKey, labels: &Labels) -> String {
    let endpoint = labels.endpoint(key.address, key.port, None).to_string();
    visible(&endpoint).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{reading, server, service};

    /// Three services with two servers each, whose connections differ.
    fn sample() -> Sample {
        let of = |(key, active): (&str, [u32; 2])| {
            let mut servers = vec![server("10.1.0.1:80", 1), server("10.1.0.2:80", 1)];
            for (server, active) in servers.iter_mut().zip(active) {
                server.active_connections = active;
            }
            service(key, servers)
        };
        let services =
            [("tcp 10.0.0.1:80", [1, 2]), ("tcp 10.0.0.2:80", [5, 9]), ("fwmark 7", [3, 0])];
        let mut services: Vec<_> = services.into_iter().map(of).collect();
        services.sort_by_key(|service| service.service.service.key);
        Sample::new(reading(0, services), None)
    }

    /// The rows of a view: the text of services, and `-` with the last number of the address of servers. The cursor is
    /// `>`.
    fn shown(view: &mut View, sample: &Sample) -> Vec<String> {
        let labels = Labels::numeric();
        view.arrange(sample, &labels);
        view.rows()
            .map(|ShownRow { row, has_cursor, .. }| {
                let service = &sample.services[row.service];
                let text = match row.server {
                    None => key_text(service.key(), &labels),
                    Some(server) => format!("-{}", service.servers[server].key()),
                };
                let text =
                    text.replace("TCP 10.0.0.", "").replace("10.1.0.", "").replace(":80", "");
                if has_cursor { format!(">{text}") } else { text }
            })
            .collect()
    }

    fn view(actions: &[Action]) -> (View, Sample) {
        let (mut view, sample) = (View::new(true), sample());
        view.fit(20);
        for action in actions {
            view.arrange(&sample, &Labels::numeric());
            view.act(*action, &sample);
        }
        (view, sample)
    }

    #[test]
    fn services_are_sorted_by_the_chosen_number_and_servers_too() {
        let (mut view, sample) = view(&[Action::ToggleAll]);
        assert_eq!(
            shown(&mut view, &sample),
            [">1", "-1", "-2", "2", "-1", "-2", "FWM 7", "-1", "-2"]
        );
        view.act(Action::NextOrder, &sample);
        assert_eq!(view.order.name(), "active");
        // Without a move, the cursor stays at the top.
        assert_eq!(
            shown(&mut view, &sample),
            [">2", "-2", "-1", "1", "-2", "-1", "FWM 7", "-1", "-2"]
        );
        view.act(Action::PreviousOrder, &sample);
        assert_eq!(view.order, Order::Key);
        view.act(Action::PreviousOrder, &sample);
        assert_eq!(view.order, Order::Bytes);
    }

    #[test]
    fn cursor_follows_its_row_when_the_order_changes() {
        let (mut view, sample) = view(&[Action::Expand, Action::Move(2), Action::NextOrder]);
        assert_eq!(shown(&mut view, &sample), ["2", "1", ">-2", "-1", "FWM 7"]);
        // The server is hidden with its service, to which the cursor goes.
        view.act(Action::Collapse, &sample);
        assert_eq!(shown(&mut view, &sample), ["2", ">1", "FWM 7"]);
        view.act(Action::First, &sample);
        view.act(Action::PreviousOrder, &sample);
        assert_eq!(shown(&mut view, &sample), [">1", "2", "FWM 7"]);
    }

    #[test]
    fn cursor_keeps_its_place_if_its_row_is_deleted() {
        let (mut view, mut sample) = view(&[Action::Move(1)]);
        sample.services.remove(1);
        assert_eq!(shown(&mut view, &sample), ["1", ">FWM 7"]);
        sample.services.clear();
        assert_eq!(shown(&mut view, &sample), Vec::<String>::new());
        assert_eq!(view.selected(&sample), None);
        view.act(Action::Last, &sample);
        view.act(Action::Toggle, &sample);
        assert_eq!(view.act(Action::Connections, &sample), Effect::Show);
        assert_eq!(view.mode, Mode::Table);
    }

    #[test]
    fn screen_scrolls_with_the_cursor() {
        let (mut view, sample) = view(&[Action::ToggleAll]);
        view.fit(3);
        assert_eq!(shown(&mut view, &sample), [">1", "-1", "-2"]);
        view.act(Action::MoveScreens(1), &sample);
        assert_eq!(shown(&mut view, &sample), ["-1", "-2", ">2"]);
        assert_eq!(view.hidden(), (1, 5));
        view.act(Action::Last, &sample);
        assert_eq!(shown(&mut view, &sample), ["FWM 7", "-1", ">-2"]);
        view.act(Action::Move(-2), &sample);
        assert_eq!(shown(&mut view, &sample), [">FWM 7", "-1", "-2"]);
        view.fit(100);
        assert_eq!(shown(&mut view, &sample).len(), 9);
        assert_eq!(view.hidden(), (0, 0));
    }

    #[test]
    fn filter_finds_services_and_servers_and_can_be_cancelled() {
        let (mut view, sample) = view(&[Action::Filter]);
        let typed = |view: &mut View, keys: &str| {
            for key in keys.chars() {
                view.take(Typed::Character(key));
            }
            shown(view, &sample)
        };
        assert_eq!(typed(&mut view, "fw"), [">FWM 7"]);
        assert!(view.is_typing);
        view.take(Typed::EraseAll);
        assert_eq!(typed(&mut view, "10.1.0.2"), [">1", "-2", "2", "-2", "FWM 7", "-2"]);
        view.take(Typed::Accept);
        view.act(Action::Filter, &sample);
        assert_eq!(typed(&mut view, "x"), Vec::<String>::new());
        view.take(Typed::Erase);
        view.take(Typed::Character('7'));
        view.take(Typed::Cancel);
        assert_eq!((view.filter.as_str(), view.is_typing), ("10.1.0.2", false));
        view.act(Action::Back, &sample);
        assert_eq!(shown(&mut view, &sample).len(), 3);
    }

    #[test]
    fn help_and_connections_replace_the_table_until_they_are_left() {
        let (mut view, sample) = view(&[Action::Connections]);
        assert_eq!(view.mode, Mode::Connections);
        view.act(Action::Help, &sample);
        assert_eq!(view.mode, Mode::Help);
        view.filter = "x".to_owned();
        view.act(Action::Back, &sample);
        assert_eq!((view.mode, view.filter.as_str()), (Mode::Table, "x"));
        assert_eq!(view.act(Action::Freeze, &sample), Effect::Show);
        assert_eq!(view.act(Action::Freeze, &sample), Effect::Resume);
    }
}
