//! Waits for the next event of a full-screen program: a key, a signal, or the end of a time.
//!
//! The signals are blocked and read from a descriptor, so they arrive between two pictures and never inside one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::kill_current_process_group;

use super::late_end::LateEnd;
use super::signals::{ENDING, ignored_signals};

/// The event that ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// The time is over.
    Time,
    /// The terminal has keys.
    Keys,
    /// The terminal has another size.
    Resized,
    /// SIGTSTP waits: [`Wakeups::stop`] lets it stop the process.
    Stop,
    /// The process was stopped and goes on.
    Continued,
    /// A signal ends the program.
    Signal(i32),
    /// The terminal is gone.
    Gone,
}

/// The signals of a full-screen program. They are blocked while this value exists, in the calling thread and in all
/// threads that it starts.
#[derive(Debug)]
pub struct Wakeups {
    signals: SignalFd,
    stopping: SignalFd,
    blocked: SigSet,
    late_end: Option<LateEnd>,
}

impl Wakeups {
    /// Blocks the signals. Signals that the process ignores, such as SIGHUP under nohup(1), stay ignored.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn new() -> io::Result<Self> {
        let ignored = ignored_signals();
        let is_caught = |signal: &Signal| ignored & (1 << (*signal as i32 - 1)) == 0;
        let ending = ENDING.iter().filter_map(|signal| Signal::try_from(signal.as_raw()).ok());
        let read: SigSet =
            ending.filter(is_caught).chain([Signal::SIGCONT, Signal::SIGWINCH]).collect();
        let stopping: SigSet = [Signal::SIGTSTP].into_iter().filter(is_caught).collect();
        let blocked: SigSet = read.iter().chain(stopping.iter()).collect();
        blocked.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self {
            signals: SignalFd::with_flags(&read, flags)?,
            stopping: SignalFd::with_flags(&stopping, flags)?,
            blocked,
            late_end: None,
        })
    }

    /// From now on a signal ends the process even while the terminal takes no more output.
    ///
    /// # Errors
    /// When the kernel gives no descriptor, or the thread that waits for signals cannot be started.
    pub fn end_late(&mut self) -> io::Result<()> {
        let is_other = |signal: &Signal| {
            matches!(signal, Signal::SIGCONT | Signal::SIGWINCH | Signal::SIGTSTP)
        };
        let ending: SigSet = self.blocked.iter().filter(|signal| !is_other(signal)).collect();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        self.late_end = Some(LateEnd::start(SignalFd::with_flags(&ending, flags)?)?);
        Ok(())
    }

    /// Waits for a key on a terminal or a signal, at most for a time.
    ///
    /// # Errors
    /// When the descriptors cannot be waited for.
    pub fn wait(&self, keys: &impl AsFd, time: Duration) -> io::Result<Wakeup> {
        if let Some(late_end) = &self.late_end {
            late_end.note_wait();
        }
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let waited: [BorrowedFd<'_>; 3] =
            [self.signals.as_fd(), self.stopping.as_fd(), keys.as_fd()];
        let mut waited =
            waited.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        match poll(&mut waited, Some(&time)) {
            Ok(0) | Err(Errno::INTR) => return Ok(Wakeup::Time),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [signals, stopping, keys] = waited.map(|descriptor| descriptor.revents());
        if signals.contains(PollFlags::IN) {
            return Ok(self.read_signal()?.unwrap_or(Wakeup::Time));
        }
        if stopping.contains(PollFlags::IN) {
            return Ok(Wakeup::Stop);
        }
        // The kernel also marks the descriptor of a terminal that is gone as readable.
        match keys.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            true => Ok(Wakeup::Gone),
            false => Ok(Wakeup::Keys),
        }
    }

    /// Takes the next signal off the descriptor.
    fn read_signal(&self) -> io::Result<Option<Wakeup>> {
        let Some(information) = self.signals.read_signal()? else { return Ok(None) };
        let number = i32::try_from(information.ssi_signo).unwrap_or_default();
        Ok(Some(match Signal::try_from(number) {
            Ok(Signal::SIGWINCH) => Wakeup::Resized,
            Ok(Signal::SIGCONT) => Wakeup::Continued,
            _ => {
                if let Some(late_end) = &self.late_end {
                    late_end.end_soon(number)?;
                }
                Wakeup::Signal(number)
            }
        }))
    }

    /// Lets SIGTSTP stop the process, and returns when it goes on. The kernel discards the signal where no shell could
    /// continue the process.
    ///
    /// # Errors
    /// When the signal mask cannot be changed.
    pub fn stop(&self) -> io::Result<()> {
        let stopping: SigSet = [Signal::SIGTSTP].into_iter().collect();
        stopping.thread_unblock()?;
        stopping.thread_block()?;
        Ok(())
    }

    /// Sends SIGTSTP to the processes of the terminal's job, as Ctrl-Z does while a terminal has its usual modes.
    pub fn suspend_job() {
        // Without the right to signal one of them, the others still got it.
        let _ = kill_current_process_group(rustix::process::Signal::TSTP);
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        // The mask of a process that ends matters only for signals that wait; they end it.
        let _ = self.blocked.thread_unblock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread;

    /// A thread has its own mask, and a signal of the thread reaches no other.
    fn on_a_thread(work: impl FnOnce() + Send + 'static) {
        thread::spawn(work).join().unwrap();
    }

    fn raise(signal: Signal) {
        nix::sys::pthread::pthread_kill(nix::sys::pthread::pthread_self(), signal).unwrap();
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn signals_come_before_keys_and_one_by_one() {
        on_a_thread(|| {
            let wakeups = Wakeups::new().unwrap();
            let (keys, mut typist) = UnixStream::pair().unwrap();
            assert_eq!(wakeups.wait(&keys, Duration::ZERO).unwrap(), Wakeup::Time);
            typist.write_all(b"q").unwrap();
            raise(Signal::SIGWINCH);
            raise(Signal::SIGTERM);
            let mut seen = [(); 3].map(|()| wakeups.wait(&keys, LONG).unwrap());
            seen[..2].sort_by_key(|wakeup| *wakeup != Wakeup::Resized);
            assert_eq!(seen, [Wakeup::Resized, Wakeup::Signal(15), Wakeup::Keys]);
            drop(typist);
            assert_eq!(wakeups.wait(&keys, LONG).unwrap(), Wakeup::Gone);
        });
    }

    #[test]
    fn request_to_stop_waits_until_it_is_allowed() {
        on_a_thread(|| {
            let wakeups = Wakeups::new().unwrap();
            let (keys, _typist) = UnixStream::pair().unwrap();
            raise(Signal::SIGTSTP);
            for _ in 0..2 {
                assert_eq!(wakeups.wait(&keys, LONG).unwrap(), Wakeup::Stop);
            }
            // SIGCONT takes back a request to stop, so the test itself does not stop.
            raise(Signal::SIGCONT);
            assert_eq!(wakeups.wait(&keys, LONG).unwrap(), Wakeup::Continued);
            assert_eq!(wakeups.wait(&keys, Duration::ZERO).unwrap(), Wakeup::Time);
        });
    }
}
