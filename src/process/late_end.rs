//! The end of a full-screen program whose terminal takes no more output.
//!
//! Such a program waits inside a picture and reads no signal. A thread sees the signal that waits. It first discards the
//! output that the terminal has not taken, which lets the program end by itself, and later ends the process.

use std::io;
use std::os::fd::AsFd;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::full_screen::{discard_output, restore};
use super::signals::status;

/// The time that the program has for its next wait, and for its end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Ends the process after a signal, unless the process ends by itself.
#[derive(Clone, Debug)]
pub(super) struct LateEnd {
    /// The number of waits that the program has begun.
    waits: Arc<AtomicUsize>,
}

impl LateEnd {
    /// Starts the thread. `ending` has the signals that end the program; the thread reads one only to end the process.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(ending: SignalFd) -> io::Result<Self> {
        let late_end = Self { waits: Arc::default() };
        let watcher = late_end.clone();
        thread::Builder::new().spawn(move || {
            if let Some(signal) = watcher.signal_of_stuck_program(&ending) {
                restore_soon();
                process::exit(status(signal));
            }
        })?;
        Ok(late_end)
    }

    /// Notes that the program waits, and so reads signals.
    pub(super) fn note_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// The program has read a signal: the program ends, or the process is ended.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn end_soon(&self, signal: i32) -> io::Result<()> {
        thread::Builder::new().spawn(move || {
            thread::sleep(PATIENCE);
            discard_output();
            thread::sleep(PATIENCE);
            restore_soon();
            process::exit(status(signal));
        })?;
        Ok(())
    }

    /// Waits for a signal that the program does not read.
    fn signal_of_stuck_program(&self, ending: &SignalFd) -> Option<i32> {
        loop {
            match poll(&mut [PollFd::new(&ending.as_fd(), PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
            let waits = self.waits.load(Ordering::Relaxed);
            let is_stuck = || {
                thread::sleep(PATIENCE);
                self.waits.load(Ordering::Relaxed) == waits
            };
            if !is_stuck() {
                continue;
            }
            discard_output();
            if !is_stuck() {
                continue;
            }
            if let Ok(Some(signal)) = ending.read_signal() {
                return i32::try_from(signal.ssi_signo).ok();
            }
        }
    }
}

/// Restores the terminal, or gives up soon.
fn restore_soon() {
    let (restored, is_restored) = mpsc::channel();
    let restoring = thread::Builder::new().spawn(move || {
        restore();
        let _ = restored.send(());
    });
    if restoring.is_ok() {
        let _ = is_restored.recv_timeout(PATIENCE);
    }
}
