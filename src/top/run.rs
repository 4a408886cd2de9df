//! The loop of the program: waits for keys, signals and the next sample, and shows a picture after each.

use std::fs::File;
use std::io::{self, BufWriter};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use crossterm::style::force_color_output;
use ipvs::model::ServiceKey;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::connections::ConnectionsOf;
use super::draw::{Picture, draw};
use super::history::History;
use super::keys::{action, typed};
use super::names::Names;
use super::sample::Sample;
use super::screen::Screen;
use super::source::read;
use super::theme::Theme;
use super::view::{Effect, Mode, View};
use crate::commands::{Error, Session};
use crate::process::{FullScreen, INTERRUPT, WaitingStream, Wakeup, Wakeups};
use crate::resolve::Labels;

/// The options of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time between two samples.
    pub interval: Duration,
    /// Addresses and ports are numbers at first.
    pub is_numeric: bool,
    /// The network namespace as it was typed.
    pub namespace: Option<String>,
    /// The terminal gets colours.
    pub has_colours: bool,
    /// The terminal shows Unicode.
    pub has_unicode: bool,
}

/// The time between two looks for names while some are missing.
const NAMES_PAUSE: Duration = Duration::from_millis(200);
/// The least time for keys between two samples.
const KEYS_PAUSE: Duration = Duration::from_millis(100);
/// A wait that another event ends.
const LONG: Duration = Duration::from_secs(3600);
/// Counting connections takes at most one part in ten of the time.
const COUNT_PAUSE: u32 = 9;
/// The most lines and columns that are drawn. A terminal may claim any size, and each cell takes memory.
const MOST_CELLS: usize = 1000;

/// A terminal that goes away sends SIGHUP, but only to the processes of its session.
const HANG_UP: i32 = 1;

/// Shows the screen until a key or a signal ends it.
///
/// # Errors
/// When the table cannot be read at first, when there is no terminal, and when a signal other than SIGINT arrives.
pub fn run(settings: &Settings, session: &mut Session) -> Result<(), Error> {
    let start = Instant::now();
    // It may run modprobe, which gets the signal mask of the caller.
    let sample = Sample::new(read(session, start)?, None);
    let mut wakeups = Wakeups::new().map_err(Error::Signals)?;
    wakeups.end_late().map_err(Error::Signals)?;
    let names = Names::new(std::mem::take(&mut session.resolver));
    let terminal = FullScreen::of_standard_streams().map_err(Error::NoScreen)?;
    force_color_output(settings.has_colours);
    let output = terminal.output().map_err(Error::NoScreen)?;
    let screen = Screen::new(CrosstermBackend::new(BufWriter::new(output)));
    let mut history = History::new(settings.interval);
    history.add(&sample);
    let program = Program {
        settings,
        session,
        start,
        sample,
        history,
        view: View::new(settings.is_numeric),
        names,
        connections: None,
        next_count: start,
        failure: None,
        terminal,
        screen,
        wakeups,
    };
    program.run()
}

/// The program while it runs.
struct Program<'a> {
    settings: &'a Settings,
    session: &'a mut Session,
    start: Instant,
    sample: Sample,
    history: History,
    view: View,
    names: Names,
    connections: Option<ConnectionsOf>,
    /// Connections are counted again from this time on.
    next_count: Instant,
    failure: Option<String>,
    screen: Screen<CrosstermBackend<BufWriter<WaitingStream<File>>>>,
    // The fields are dropped in this order: the terminal is restored before the signals that wait take effect.
    terminal: FullScreen,
    wakeups: Wakeups,
}

impl Program<'_> {
    fn run(mut self) -> Result<(), Error> {
        let mut next = Instant::now() + self.settings.interval;
        loop {
            self.show().map_err(Error::Output)?;
            let mut time = if self.view.is_frozen { LONG } else { remaining(next) };
            if self.names.is_waiting() && !self.view.is_numeric {
                time = time.min(NAMES_PAUSE);
            }
            let wakeup = self.wakeups.wait(self.terminal.input(), time).map_err(Error::Signals)?;
            match wakeup {
                Wakeup::Time => {}
                Wakeup::Keys => match self.take_keys().map_err(Error::Input)? {
                    Effect::Quit => return Ok(()),
                    Effect::Suspend => Wakeups::suspend_job(),
                    Effect::Redraw => self.screen.forget(),
                    Effect::Resume => next = Instant::now(),
                    Effect::Show => {}
                },
                Wakeup::Resized => self.screen.forget(),
                Wakeup::Stop => {
                    self.terminal.leave();
                    self.wakeups.stop().map_err(Error::Signals)?;
                    self.terminal.enter_again().map_err(Error::NoScreen)?;
                    self.screen.forget();
                }
                Wakeup::Continued => {
                    if !self.terminal.is_entered() {
                        self.terminal.enter_again().map_err(Error::NoScreen)?;
                    }
                    self.screen.forget();
                }
                Wakeup::Signal(INTERRUPT) => return Ok(()),
                Wakeup::Signal(signal) => return Err(Error::Stopped { signal }),
                Wakeup::Gone => return Err(Error::Stopped { signal: HANG_UP }),
            }
            if !self.view.is_frozen && remaining(next).is_zero() {
                self.take_sample();
                next = (next + self.settings.interval).max(Instant::now() + KEYS_PAUSE);
            }
        }
    }

    /// Reads the table. After a failure, the last sample stays on the screen.
    fn take_sample(&mut self) {
        match read(self.session, self.start) {
            Ok(reading) => {
                self.sample = Sample::new(reading, Some(&self.sample));
                self.history.add(&self.sample);
                self.failure = None;
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Carries out all keys that have arrived. Keys that quit or suspend come before the others.
    fn take_keys(&mut self) -> io::Result<Effect> {
        let mut effect = Effect::Show;
        while event::poll(Duration::ZERO)? {
            let Event::Key(key) = event::read()? else { continue };
            let next = match self.view.is_typing {
                true => typed(key).map(|typed| self.view.take(typed)),
                false => action(key).map(|action| self.view.act(action, &self.sample)),
            };
            match next {
                Some(Effect::Quit) => return Ok(Effect::Quit),
                Some(Effect::Suspend) => return Ok(Effect::Suspend),
                Some(next) if next != Effect::Show => effect = next,
                _ => {}
            }
            // The next key may refer to a row that this one has moved.
            self.arrange();
        }
        Ok(effect)
    }

    fn arrange(&mut self) {
        let numeric = Labels::numeric();
        let labels = if self.view.is_numeric { &numeric } else { self.names.labels() };
        self.view.arrange(&self.sample, labels);
    }

    fn show(&mut self) -> io::Result<()> {
        self.arrange();
        self.count_connections();
        let numeric = Labels::numeric();
        if !self.view.is_numeric {
            let addresses = shown_addresses(&self.view, &self.sample, self.connections.as_ref());
            if self.names.ask(addresses) {
                self.arrange();
            }
        }
        let labels = if self.view.is_numeric { &numeric } else { self.names.labels() };
        let (lines, columns) = self.terminal.size();
        let cells = |count: usize| u16::try_from(count.min(MOST_CELLS)).unwrap_or_default();
        let mut buffer = Buffer::empty(Rect::new(0, 0, cells(columns), cells(lines)));
        let Settings { interval, ref namespace, has_colours, has_unicode, .. } = *self.settings;
        let picture = Picture {
            sample: &self.sample,
            history: &self.history,
            labels,
            theme: Theme { has_colours, has_unicode },
            namespace: namespace.as_deref(),
            interval,
            measure: self.view.order.measure(self.sample.has_counters),
            failure: self.failure.as_deref(),
            connections: self.connections.as_ref(),
        };
        draw(&mut buffer, &picture, &mut self.view);
        self.screen.show(buffer)
    }

    /// Counts the connections of the row under the cursor, while they are shown.
    fn count_connections(&mut self) {
        let selected = self.view.selected(&self.sample);
        let Some(row) = selected.filter(|_| self.view.mode == Mode::Connections) else {
            self.connections = None;
            return;
        };
        let is_known = self.connections.as_ref().is_some_and(|it| (it.service, it.server) == row);
        let begin = Instant::now();
        if is_known && (self.view.is_frozen || begin < self.next_count) {
            return;
        }
        match ConnectionsOf::read(self.session.namespace(), &self.sample, row) {
            Ok(found) => self.connections = Some(found),
            Err(error) => self.failure = Some(error.to_string()),
        }
        let pause = (begin.elapsed() * COUNT_PAUSE).max(self.settings.interval / 2);
        self.next_count = Instant::now() + pause;
    }
}

fn remaining(next: Instant) -> Duration {
    next.saturating_duration_since(Instant::now())
}

/// The addresses on the screen.
fn shown_addresses(
    view: &View,
    sample: &Sample,
    connections: Option<&ConnectionsOf>,
) -> Vec<IpAddr> {
    let clients = connections.into_iter().flat_map(|found| &found.clients);
    let mut addresses: Vec<IpAddr> = clients.map(|(client, _)| *client).collect();
    for shown in view.rows() {
        let Some(service) = sample.services.get(shown.row.service) else { continue };
        match shown.row.server.and_then(|server| service.servers.get(server)) {
            Some(server) => addresses.push(server.key().address),
            None => match *service.key() {
                ServiceKey::Address { address, .. } => addresses.push(address),
                ServiceKey::Fwmark { .. } => {}
            },
        }
    }
    addresses
}
