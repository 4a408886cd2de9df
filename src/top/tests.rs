//! Pictures of whole screens, each compared with a file. `UPDATE=1 cargo test --features top --lib top` writes the files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ipvs::model::{Counters, Info, RealServer, RealServerState, ServiceState, VirtualService};
use ipvs::state::ServiceSnapshot;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::connections::ConnectionsOf;
use super::draw::{Picture, draw};
use super::history::History;
use super::keys::{Action, Typed};
use super::sample::{Conntrack, Reading, Sample};
use super::screen::Screen;
use super::theme::Theme;
use super::view::View;
use crate::resolve::Labels;

/// A reading at a time in seconds.
pub(super) fn reading(time: u64, services: Vec<ServiceSnapshot>) -> Reading {
    Reading {
        time: Duration::from_secs(time),
        info: Info::new(ipvs::model::Version { major: 1, minor: 2, patch: 1 }, 4096),
        services,
        has_counters: true,
        totals: Some(Counters::default()),
        conntrack: None,
    }
}

/// A service without counters.
pub(super) fn service(key: &str, servers: Vec<RealServerState>) -> ServiceSnapshot {
    let service = ServiceState::new(VirtualService::new(key.parse().unwrap()));
    ServiceSnapshot { service, servers }
}

/// A masqueraded real server without connections.
pub(super) fn server(key: &str, weight: u32) -> RealServerState {
    let mut server = RealServer::new(key.parse().unwrap());
    server.weight = weight;
    server.forwarding = ipvs::model::Forwarding::Masquerading;
    RealServerState::new(server)
}

fn counters(counters: &mut Counters, connections: u64) {
    counters.connections = connections;
    counters.incoming_packets = connections * 10;
    counters.outgoing_packets = connections * 8;
    counters.incoming_bytes = connections * 1_500;
    counters.outgoing_bytes = connections * 40_000;
}

/// The table of the pictures at a time, under traffic that rises and falls.
fn table(time: u64) -> Reading {
    let sum =
        |heights: &[u64]| heights.iter().cycle().take(usize::try_from(time).unwrap() + 1).sum();
    let (web, dns) = (sum(&[10, 40, 90, 120, 80, 30]), sum(&[1000, 1500, 1200]));
    let mut busy = server("10.1.0.1:8080", 100);
    (busy.active_connections, busy.inactive_connections) = (120, 1234);
    counters(&mut busy.counters, web * 2 / 3);
    let mut full = server("10.1.0.2:8080", 100);
    (full.active_connections, full.inactive_connections) = (40, 10);
    full.server.upper_threshold = 50;
    counters(&mut full.counters, web / 3);
    let drained = server("10.1.0.3:8080", 0);
    let mut web_service = service("tcp 10.0.0.1:80", vec![busy, full, drained]);
    counters(&mut web_service.service.counters, web);

    let mut resolver = server("10.1.0.9:53", 1);
    resolver.inactive_connections = 56_789;
    counters(&mut resolver.counters, dns);
    let mut dns_service = service("udp 10.0.0.1:53", vec![resolver]);
    counters(&mut dns_service.service.counters, dns);

    let spare = vec![server("[2001:db8:1234:5678:9abc:def0:1234:5678]:443", 1)];
    let long = service("tcp [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:443", spare);
    let services = vec![web_service, long, dns_service, service("fwmark 7 ipv6", Vec::new())];
    let mut services: Vec<ServiceSnapshot> = services;
    services.sort_by_key(|service| service.service.service.key);
    let mut reading = reading(time, services);
    counters(reading.totals.as_mut().unwrap(), web + dns);
    reading.conntrack = Some(Conntrack { entries: 16_384, limit: 65_536 });
    reading
}

/// A program without a terminal.
struct Rehearsal {
    sample: Sample,
    history: History,
    view: View,
    theme: Theme,
    failure: Option<&'static str>,
    connections: Option<ConnectionsOf>,
}

impl Rehearsal {
    /// The program after 90 seconds.
    fn new() -> Self {
        let interval = Duration::from_secs(1);
        let mut history = History::new(interval);
        let mut sample: Option<Sample> = None;
        for time in 0..90 {
            let next = Sample::new(table(time), sample.as_ref());
            history.add(&next);
            sample = Some(next);
        }
        Self {
            sample: sample.unwrap(),
            history,
            view: View::new(true),
            theme: Theme { has_colours: true, has_unicode: true },
            failure: None,
            connections: None,
        }
    }

    fn act(&mut self, actions: &[Action]) -> &mut Self {
        for action in actions {
            self.view.arrange(&self.sample, &Labels::numeric());
            self.view.act(*action, &self.sample);
        }
        self
    }

    fn buffer(&mut self, columns: u16, lines: u16) -> Buffer {
        let labels = Labels::numeric();
        self.view.arrange(&self.sample, &labels);
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, lines));
        let picture = Picture {
            sample: &self.sample,
            history: &self.history,
            labels: &labels,
            theme: self.theme,
            namespace: None,
            interval: Duration::from_secs(1),
            measure: self.view.order.measure(self.sample.has_counters),
            failure: self.failure,
            connections: self.connections.as_ref(),
        };
        draw(&mut buffer, &picture, &mut self.view);
        buffer
    }

    /// Compares the screen with a file, through a backend.
    fn assert_screen(&mut self, name: &str, columns: u16, lines: u16) {
        let buffer = self.buffer(columns, lines);
        let mut screen = Screen::new(TestBackend::new(columns, lines));
        screen.show(buffer.clone()).unwrap();
        let text = text_of(&buffer);
        let path = format!("src/top/screens/{name}-{columns}x{lines}.txt");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(text, expected, "{}", path.display());
        }
    }
}

/// The lines of a buffer without blanks at their ends.
fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (200, 60), (20, 5)];

#[test]
fn table_fits_each_size() {
    for (columns, lines) in SIZES {
        Rehearsal::new().act(&[Action::ToggleAll]).assert_screen("table", columns, lines);
    }
}

#[test]
fn help_fits_each_size() {
    for (columns, lines) in SIZES {
        Rehearsal::new().act(&[Action::Help]).assert_screen("help", columns, lines);
    }
}

#[test]
fn connections_fit_each_size() {
    use ipvs::model::ConnectionState as State;
    for (columns, lines) in SIZES {
        let mut program = Rehearsal::new();
        program.act(&[Action::Connections]);
        let (service, server) = program.view.selected(&program.sample).unwrap();
        let clients =
            (1..=40_u8).map(|n| (std::net::Ipv4Addr::new(192, 0, 2, n).into(), 80 / u64::from(n)));
        program.connections = Some(ConnectionsOf {
            service,
            server,
            count: 1354,
            templates: 12,
            states: vec![(State::Established, 120), (State::TimeWait, 1234)],
            clients: clients.collect(),
            client_count: 412,
        });
        program.assert_screen("connections", columns, lines);
    }
}

#[test]
fn filter_is_shown_while_it_is_typed_and_later() {
    for (columns, lines) in SIZES {
        let mut program = Rehearsal::new();
        program.act(&[Action::Filter]);
        for character in "udp".chars() {
            program.view.take(Typed::Character(character));
        }
        program.assert_screen("filter", columns, lines);
    }
    let mut program = Rehearsal::new();
    program.view.filter = "nothing".to_owned();
    let text = text_of(&program.buffer(80, 24));
    assert!(text.contains("\n  no service and no real server contains `nothing'\n"), "{text}");
    assert!(text.contains("  filter: nothing  "), "{text}");
}

#[test]
fn without_rights_the_screen_has_the_numbers_of_proc() {
    let mut program = Rehearsal::new();
    program.sample.has_counters = false;
    program.act(&[Action::Expand]).assert_screen("without-root", 80, 24);
}

#[test]
fn limits_leave_out_a_table_that_does_not_exist_yet() {
    let limits = |size, limit| {
        let mut program = Rehearsal::new();
        program.sample.info.table_size = size;
        program.sample.conntrack = Some(Conntrack { entries: 0, limit });
        let text = text_of(&program.buffer(80, 24));
        text.lines().find(|line| line.starts_with("Limits:")).unwrap().to_owned()
    };
    assert!(limits(4096, 8).contains("table size 4096  conntrack 0 of 8 (0 %)"));
    let without = limits(0, 0);
    assert!(!without.contains("table size") && without.contains("0 of 0 (0 %)"), "{without}");
}

#[test]
fn frozen_picture_and_failure_are_marked() {
    let mut program = Rehearsal::new();
    program.act(&[Action::Freeze]);
    program.failure = Some("Memory allocation problem\u{1b}[2J");
    let text = text_of(&program.buffer(80, 24));
    assert!(text.lines().next().unwrap().ends_with("  FROZEN"), "{text}");
    assert!(text.ends_with("\nMemory allocation problem\\u{1b}[2J\n"), "{text}");
    let small = text_of(&program.buffer(20, 5));
    assert!(small.starts_with("FROZEN"), "{small}");
    assert!(small.contains("Memory"), "{small}");
}

#[test]
fn conditions_have_a_word_and_a_colour_only_if_there_are_some() {
    let mut program = Rehearsal::new();
    program.act(&[Action::ToggleAll]);
    let mut colours = |has_colours| {
        program.theme.has_colours = has_colours;
        let buffer = program.buffer(80, 24);
        let text = text_of(&buffer);
        let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap();
        ["overload ", "drained ", "idle "].map(|word| {
            // The header has the words too, but its line is not a row.
            let y = line("10.1.0.1:8080")
                + text
                    .lines()
                    .skip(line("10.1.0.1:8080"))
                    .position(|line| line.contains(word))
                    .unwrap();
            buffer[(5, u16::try_from(y).unwrap())].fg
        })
    };
    assert_eq!(colours(true), [Color::Red, Color::Yellow, Color::DarkGray]);
    assert_eq!(colours(false), [Color::Reset; 3]);
    let buffer = program.buffer(80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    // The cursor is on the first row.
    assert!(buffer[(0, 4)].modifier.contains(Modifier::REVERSED));
    assert!(!buffer[(0, 5)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn every_size_is_drawn_in_every_mode() {
    let mut program = Rehearsal::new();
    for actions in
        [&[][..], &[Action::ToggleAll, Action::Last], &[Action::Connections], &[Action::Help]]
    {
        program.act(actions);
        for columns in [0, 1, 2, 7, 13, 40, 59, 60, 99, 100, 119, 120, 300] {
            for lines in 0..30 {
                program.buffer(columns, lines);
            }
        }
    }
    program.sample.services.clear();
    let text = text_of(&program.act(&[Action::Back]).buffer(80, 24));
    assert!(text.contains("\n  no virtual services\n"), "{text}");
}
