//! A question on the controlling terminal that has to be answered in time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::termios::{QueueSelector, tcflush};

/// The longest wait of one poll(2). A signal that arrives just before it does not end it.
const SLICE: Duration = Duration::from_millis(200);

/// The controlling terminal, whatever the standard streams are.
#[derive(Debug)]
pub struct Confirmation {
    terminal: File,
}

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
    /// Opens the terminal.
    ///
    /// # Errors
    /// When the process has none.
    pub fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        Ok(Self { terminal })
    }

    /// Asks, and waits for Enter. Keys that were pressed earlier do not count. `signal` tells the signal that has
    /// arrived.
    pub fn ask(
        &mut self,
        question: &str,
        time: Duration,
        signal: impl Fn() -> Option<i32>,
    ) -> Answer {
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        if self.terminal.write_all(question.as_bytes()).is_err() {
            return Answer::Gone;
        }
        let start = Instant::now();
        loop {
            match signal() {
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
