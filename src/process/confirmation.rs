//! A question on the controlling terminal that has to be answered in time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp};
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use signal_hook::flag::register_usize;

/// The longest wait of one poll(2). A signal that arrives just before it does not end it.
const SLICE: Duration = Duration::from_millis(200);

/// The controlling terminal, whatever the standard streams are.
#[derive(Debug)]
pub struct Confirmation {
    terminal: File,
    /// The number of a signal that would have stopped the process, or 0.
    stopped_by: Arc<AtomicUsize>,
}

/// The signals by which a terminal stops a process, such as that of Ctrl-Z. A process that is stopped undoes nothing.
const STOPPING: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// The end of a wait for a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Somebody pressed Enter.
    Confirmed,
    /// Nobody did in time.
    TimedOut,
    /// The terminal went away, or its input ended.
    Gone,
    /// This signal arrived.
    Signal(i32),
}

impl Confirmation {
    /// Opens the terminal. From now on the terminal cannot stop the process: [`Self::ask`] returns the signal.
    ///
    /// # Errors
    /// When the process has no terminal, or a signal handler cannot be installed.
    pub fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let stopped_by = Arc::new(AtomicUsize::new(0));
        for number in STOPPING.map(Signal::as_raw) {
            let noted = usize::try_from(number).unwrap_or_default();
            register_usize(number, Arc::clone(&stopped_by), noted)?;
        }
        Ok(Self { terminal, stopped_by })
    }

    /// False if the process is in the background of its terminal, which then refuses it the keys.
    pub fn is_in_foreground(&self) -> bool {
        // In a PID namespace, the foreground may be a process that has no number there.
        tcgetpgrp(&self.terminal).map_or(true, |group| group == getpgrp())
    }

    /// The signal that would have stopped the process.
    fn stopping_signal(&self) -> Option<i32> {
        i32::try_from(self.stopped_by.load(Ordering::Relaxed)).ok().filter(|&number| number > 0)
    }

    /// Asks, and waits for Enter. Keys that were pressed earlier do not count. `signal` tells the signal that has
    /// arrived.
    pub fn ask(
        &mut self,
        question: &str,
        time: Duration,
        signal: impl Fn() -> Option<i32>,
    ) -> Answer {
        if !self.is_in_foreground() {
            return Answer::Gone;
        }
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        if self.terminal.write_all(question.as_bytes()).is_err() {
            return Answer::Gone;
        }
        let start = Instant::now();
        loop {
            match signal().or_else(|| self.stopping_signal()) {
                // The kernel sends it when the terminal goes away.
                Some(number) if number == Signal::HUP.as_raw() => return Answer::Gone,
                Some(number) => return Answer::Signal(number),
                None => {}
            }
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                let _ = self.terminal.write_all(b"\n");
                return Answer::TimedOut;
            }
            let slice = left.min(SLICE);
            let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() };
            let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
            match poll(&mut ready, Some(&slice)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return Answer::Gone,
            }
            let mut keys = [0; 256];
            match self.terminal.read(&mut keys) {
                Ok(0) => return Answer::Gone,
                Ok(count) if keys.iter().take(count).any(|key| b"\r\n".contains(key)) => {
                    return Answer::Confirmed;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Answer::Gone,
            }
        }
    }
}
