//! Signals that stop a restore or a drain, and the progress of a restore.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{process, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use signal_hook::flag::{register_conditional_shutdown, register_usize};
use signal_hook::low_level::pipe;

use ipvs::plan::Progress;

/// SIGINT, which Ctrl-C sends. It is the usual end of a program that runs until it is stopped.
pub const INTERRUPT: i32 = 2;

/// From this number of changes on, a terminal is shown how far they are.
const LARGE: usize = 10_000;

/// The signals whose default action ends a process (signal(7)). SIGKILL is left out, because nothing catches it. SIGILL,
/// SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and SIGSYS are left out, because they report a fault of the process itself.
pub(super) const ENDING: [Signal; 15] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::PIPE,
    Signal::ALARM,
    Signal::TERM,
    Signal::STKFLT,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
];

/// The real-time signals end a process too. The C library keeps the first of them for itself: with glibc they begin at
/// 34, with musl at 35, and sigaction(2) fails with `EINVAL` below that.
const REAL_TIME: RangeInclusive<i32> = 34..=64;

/// The exit status of a program that runs until it is stopped, after a signal.
pub(super) const fn status(signal: i32) -> i32 {
    if signal == INTERRUPT { 0 } else { 128 + signal }
}

/// Notes the signals that ask to stop, and shows progress on a terminal. One watch exists at a time.
#[derive(Debug)]
pub struct Watch {
    handlers: &'static Handlers,
    is_shown: bool,
    /// The cursor is behind a line of progress, which the next update overwrites.
    line_is_open: bool,
}

/// The values that the handlers share with the watches of the process.
#[derive(Debug)]
struct Handlers {
    /// Nothing is changed, so a signal may end the process at once.
    is_preparing: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

/// The handlers, once they are installed. They stay installed, because a signal without a handler of its own would be
/// ignored afterwards.
static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// The end of a pair of sockets to which every signal writes.
static WAKING: OnceLock<UnixStream> = OnceLock::new();

/// The end of a pair of sockets to which a new size of the terminal writes.
static RESIZES: OnceLock<UnixStream> = OnceLock::new();

impl Handlers {
    fn install(is_preparing: bool) -> io::Result<&'static Self> {
        if let Some(installed) = HANDLERS.get() {
            return Ok(installed);
        }
        let is_preparing = Arc::new(AtomicBool::new(is_preparing));
        let signal = Arc::new(AtomicUsize::new(0));
        for_each_signal(|number| {
            let noted = usize::try_from(number).unwrap_or_default();
            // A signal that arrives between the two is noted.
            register_usize(number, Arc::clone(&signal), noted)?;
            register_conditional_shutdown(number, 128 + number, Arc::clone(&is_preparing))?;
            Ok(())
        })?;
        Ok(HANDLERS.get_or_init(|| Self { is_preparing, signal }))
    }

    fn signal(&self) -> Option<i32> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number => i32::try_from(number).ok(),
        }
    }
}

/// Calls a function for each signal that ends a process, unless the process ignores it.
fn for_each_signal(mut install: impl FnMut(i32) -> io::Result<()>) -> io::Result<()> {
    let ignored = ignored_signals();
    for number in ENDING.map(Signal::as_raw).into_iter().chain(REAL_TIME) {
        if ignored & (1 << (number - 1)) != 0 {
            continue;
        }
        match install(number) {
            Err(error) if is_kept_by_c_library(number, &error) => {}
            result => result?,
        }
    }
    Ok(())
}

impl Watch {
    /// From now on every signal that ends a process ends this one with the status 128 plus its number. Signals that the
    /// process ignores, such as SIGHUP under nohup(1), stay ignored.
    ///
    /// # Errors
    /// When a signal handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        Handlers::install(true).map(Self::with)
    }

    /// As [`Self::new`] followed by [`Self::begin`], without a moment at which a signal ends the process.
    ///
    /// # Errors
    /// When a signal handler cannot be installed.
    pub fn begun() -> io::Result<Self> {
        let watch = Handlers::install(false).map(Self::with)?;
        watch.begin();
        Ok(watch)
    }

    fn with(handlers: &'static Handlers) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { handlers, is_shown, line_is_open: false }
    }

    /// From now on signals are only noted: [`Self::signal`] returns them.
    pub fn begin(&self) {
        self.handlers.is_preparing.store(false, Ordering::SeqCst);
    }

    /// The signal that arrived, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.handlers.signal()
    }

    /// Ends the process this time after a signal, unless the process has ended by itself. A program that waits for its
    /// reader or for a name server does not look at signals.
    ///
    /// # Errors
    /// When the sockets or the thread that wait for signals cannot be made.
    pub fn end_late(&self, patience: Duration) -> io::Result<()> {
        let (waking, handlers) = (waking()?, self.handlers);
        thread::Builder::new().spawn(move || {
            let signal = || handlers.signal();
            while signal().is_none() {
                match poll(&mut [PollFd::new(waking, PollFlags::IN)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => thread::sleep(patience),
                }
            }
            thread::sleep(patience);
            process::exit(signal().map_or(0, status));
        })?;
        Ok(())
    }

    /// From now on a new size of the terminal ends [`Self::wait`].
    ///
    /// # Errors
    /// When the sockets that end the wait cannot be made, or the signal handler cannot be installed.
    pub fn wake_at_resizes(&self) -> io::Result<()> {
        let (resizes, written) = UnixStream::pair()?;
        resizes.set_nonblocking(true)?;
        pipe::register(Signal::WINCH.as_raw(), written)?;
        RESIZES.get_or_init(|| resizes);
        Ok(())
    }

    /// Waits for a time, or until a signal or a new size of the terminal arrives.
    ///
    /// # Errors
    /// When the sockets that end the wait cannot be made.
    pub fn wait(&self, time: Duration) -> io::Result<()> {
        let waking = waking()?;
        // A signal from before the sockets existed wrote nothing to them.
        if self.signal().is_some() {
            return Ok(());
        }
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let resizes = RESIZES.get();
        let waited = [Some(waking), resizes].into_iter().flatten();
        let mut waited: Vec<_> = waited.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        match poll(&mut waited, Some(&time)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // The sizes until now are one change.
        while resizes.is_some_and(|mut sizes| sizes.read(&mut [0; 64]).is_ok_and(|read| read > 0)) {
        }
        Ok(())
    }
}

/// The sockets that every signal writes to, made at the first call.
fn waking() -> io::Result<&'static UnixStream> {
    if let Some(waking) = WAKING.get() {
        return Ok(waking);
    }
    let (waking, written) = UnixStream::pair()?;
    for_each_signal(|number| pipe::register(number, written.try_clone()?).map(|_| ()))?;
    Ok(WAKING.get_or_init(|| waking))
}

fn is_kept_by_c_library(signal: i32, error: &io::Error) -> bool {
    signal == *REAL_TIME.start() && Errno::from_io_error(error) == Some(Errno::INVAL)
}

/// The signals that are ignored, number N as bit N-1, as proc_pid_status(5) has them.
pub(super) fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

impl Progress for Watch {
    fn should_stop(&self) -> bool {
        self.signal().is_some()
    }

    fn done(&mut self, steps: usize, of: usize) {
        if self.is_shown && of >= LARGE {
            let end = if steps == of { "\n" } else { "" };
            // Without a standard error nobody sees the progress.
            let _ = write!(io::stderr(), "\r{steps} of {of} changes{end}");
            self.line_is_open = steps != of;
        }
    }
}

impl Drop for Watch {
    /// Ends the line of progress, so that a message begins a new one. A signal ends the process again.
    fn drop(&mut self) {
        self.handlers.is_preparing.store(true, Ordering::SeqCst);
        if self.line_is_open {
            let _ = writeln!(io::stderr());
        }
    }
}
