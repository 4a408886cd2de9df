//! The commands of a stream, one a line: splits and parses them, and sends their changes to the kernel.
//!
//! Lines take effect in order. Changes are sent to the kernel many at a time as long as the stream has more to read.
//! When the stream pauses, all complete lines take effect before the next read. Memory does not depend on the number of
//! lines.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Error;
use super::session::Session;
use crate::rules_file::is_document;
use ipvs::model::{Change, Request};
use ipvs_rules::{Command, Line, LineError, Parsed, first_line, other_interpreter, parse_line};

/// The number of changes that are sent together: several full datagrams.
const BATCH: usize = 256;

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The number of bytes that are read at once.
const ROOM: usize = 64 * 1024;

/// An event that the caller handles.
#[derive(Debug)]
pub enum Event {
    /// A command that is not a plain change, or any if no change is made. All lines before it have taken effect.
    Do {
        /// The number of its line, from 1.
        line: u64,
        /// The command.
        command: Command,
    },
    /// A line that is not a command.
    Wrong {
        /// The number of the line, from 1.
        line: u64,
        /// The fault of the line.
        error: LineError,
    },
    /// A change that the kernel refused.
    Refused {
        /// The number of its line, from 1.
        line: u64,
        /// The refusal.
        error: Error,
    },
}

/// The commands on a stream.
#[derive(Debug)]
pub struct CommandStream<I> {
    input: I,
    buffer: Vec<u8>,
    /// The start of the next line in the buffer.
    start: usize,
    has_ended: bool,
    /// The error that ended the stream before its end.
    broken: Option<io::Error>,
    /// A line is too long: the rest of the line is skipped.
    is_skipping: bool,
    /// The number of the line, or of its first part.
    number: u64,
    next_number: u64,
    due: Due,
}

/// Changes that are parsed and not yet sent, and events that the caller has not seen.
#[derive(Debug)]
struct Due {
    changes: Vec<Change>,
    /// The line of each change.
    numbers: Vec<u64>,
    events: VecDeque<Event>,
    /// The caller gets changes too, and none is sent.
    is_dry: bool,
}

impl<I: Read + AsFd> CommandStream<I> {
    /// Reads commands from a stream.
    pub fn new(input: I) -> Self {
        Self {
            input,
            buffer: Vec::with_capacity(ROOM),
            start: 0,
            has_ended: false,
            broken: None,
            is_skipping: false,
            number: 0,
            next_number: 1,
            due: Due {
                changes: Vec::with_capacity(BATCH),
                numbers: Vec::with_capacity(BATCH),
                events: VecDeque::new(),
                is_dry: false,
            },
        }
    }

    /// Reads commands from a stream, and hands all of them to the caller. No change is made.
    pub fn without_changes(input: I) -> Self {
        let mut stream = Self::new(input);
        stream.due.is_dry = true;
        stream
    }

    /// Applies changes up to the next event. At the end of the stream, there is none.
    ///
    /// # Errors
    /// When the stream cannot be read, or the socket fails.
    pub fn next(&mut self, session: &mut Session) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.due.events.pop_front() {
                return Ok(Some(event));
            }
            if self.read_line(session)? {
                continue;
            }
            if self.has_ended {
                self.due.flush(session)?;
                if self.due.events.is_empty() {
                    return self.broken.take().map_or(Ok(None), |error| Err(Error::Input(error)));
                }
            } else {
                if !is_ready(&self.input, Some(&AT_ONCE)) {
                    self.due.flush(session)?;
                }
                self.fill();
            }
        }
    }

    /// Takes the next whole line out of the buffer, if there is one.
    fn read_line(&mut self, session: &mut Session) -> Result<bool, Error> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let (line, is_whole) = match first_line(rest) {
            Some(line) => (line, true),
            None if rest.len() > LineError::MAX_LENGTH => (Line::last(rest), self.has_ended),
            None if self.has_ended && !rest.is_empty() => (Line::last(rest), true),
            None => return Ok(false),
        };
        let next = self.buffer.len() - line.rest.len();
        let was_skipping = std::mem::replace(&mut self.is_skipping, !is_whole);
        if was_skipping {
            self.next_number += line.count - 1;
            self.start = next;
            return Ok(true);
        }
        self.number = self.next_number;
        self.next_number += line.count;
        let script = if self.number == 1 { other_interpreter(line.text) } else { None };
        if let Some(program) = script {
            return Err(Error::Script { program });
        }
        if self.number == 1 && is_document(line.text) {
            return Err(Error::Document);
        }
        match parse_line(line.text) {
            Ok(None) => {}
            Ok(Some(parsed)) => {
                if let Parsed::Waiting(_) = parsed {
                    // A look-up may take long, so all lines before this one take effect first.
                    self.due.flush(session)?;
                }
                let command = session.resolve(parsed).map_err(LineError::from);
                self.due.add(self.number, command, session)?;
            }
            Err(error) => self.due.add(self.number, Err(error), session)?,
        }
        self.start = next;
        Ok(true)
    }

    /// Reads more of the stream. A read error is reported once all lines before it have taken effect.
    fn fill(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + ROOM, 0);
        let room = self.buffer.get_mut(filled..).unwrap_or_default();
        let length = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_ready(&self.input, None);
                }
                result => break result,
            }
        };
        match length {
            Ok(length) => {
                self.buffer.truncate(filled + length);
                self.has_ended = length == 0;
            }
            Err(error) => {
                // The line is incomplete.
                self.buffer.clear();
                self.has_ended = true;
                self.broken = Some(error);
            }
        }
    }
}

impl Due {
    fn add(
        &mut self,
        line: u64,
        command: Result<Command, LineError>,
        session: &mut Session,
    ) -> Result<(), Error> {
        match command {
            Ok(Command::Request(Request::Change(change))) if !self.is_dry => {
                // The lines before a `-C` are reported as refused before the table is cleared.
                if change == Change::Flush || self.changes.len() >= BATCH {
                    self.flush(session)?;
                }
                self.changes.push(change);
                self.numbers.push(line);
            }
            Ok(command) => {
                self.flush(session)?;
                self.events.push_back(Event::Do { line, command });
            }
            Err(error) => {
                // The refusals of the lines before this one are reported first.
                self.flush(session)?;
                self.events.push_back(Event::Wrong { line, error });
            }
        }
        Ok(())
    }

    /// Sends the changes to the kernel.
    fn flush(&mut self, session: &mut Session) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let outcome = session.client()?.apply_all(&self.changes)?;
        for failure in outcome.into_failures() {
            let line = self.numbers.get(failure.index).copied().unwrap_or_default();
            let error = failure.error.into();
            self.events.push_back(Event::Refused { line, error });
        }
        self.changes.clear();
        self.numbers.clear();
        Ok(())
    }
}

/// Returns whether a read returns at once, now or within the time. The read itself reports errors of the stream.
fn is_ready(input: &impl AsFd, time: Option<&Timespec>) -> bool {
    let mut ready = [PollFd::new(input, PollFlags::IN)];
    poll(&mut ready, time).is_ok_and(|count| count > 0)
}
