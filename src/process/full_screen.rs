//! A terminal in full-screen mode: its keys arrive one by one, and pictures go to the alternate screen.
//!
//! Every way out restores the terminal: [`FullScreen::leave`], the end of the value, and a panic of any thread. Knows no
//! picture and no key.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::{Mutex, Once};

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr,
};

use super::streams::WaitingStream;
use super::terminal::{has_cursor, terminal_size};

/// The terminal that is in full-screen mode. A panic hook has no other way to find it.
static ENTERED: Mutex<Option<Entered>> = Mutex::new(None);

/// The time in which a terminal may take the last picture.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// The panic hook is installed once.
static HOOK: Once = Once::new();

/// A terminal in full-screen mode.
#[derive(Debug)]
pub struct FullScreen {
    /// The keys arrive here.
    input: File,
    /// The pictures go here.
    output: File,
}

#[derive(Debug)]
struct Entered {
    input: OwnedFd,
    output: OwnedFd,
    /// The modes before.
    modes: Termios,
}

impl FullScreen {
    /// Brings the terminal behind standard output into full-screen mode. Its keys come from standard input if that is a
    /// terminal, otherwise from /dev/tty.
    ///
    /// # Errors
    /// When there is no terminal, or its modes cannot be set.
    pub fn of_standard_streams() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("standard output is not a terminal"));
        }
        if !has_cursor() {
            return Err(io::Error::other("the terminal cannot move its cursor (TERM)"));
        }
        let input = match io::stdin().is_terminal() {
            true => io::stdin().as_fd().try_clone_to_owned()?,
            false => File::open("/dev/tty")?.into(),
        };
        Self::enter(input, io::stdout().as_fd().try_clone_to_owned()?)
    }

    /// Brings a terminal into full-screen mode.
    ///
    /// # Errors
    /// When it is not a terminal, or its modes cannot be set.
    fn enter(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        HOOK.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |information| {
                // The message of the panic has to be readable.
                restore();
                previous(information);
            }));
        });
        let screen = Self { input: input.into(), output: output.into() };
        screen.enter_again()?;
        Ok(screen)
    }

    /// Brings the terminal into full-screen mode after [`Self::leave`], or after another program has changed its modes.
    ///
    /// # Errors
    /// When its modes cannot be set.
    pub fn enter_again(&self) -> io::Result<()> {
        restore();
        let modes = tcgetattr(&self.input)?;
        let mut raw = modes.clone();
        raw.make_raw();
        if let Ok(mut entered) = ENTERED.lock() {
            let input = self.input.try_clone()?.into();
            let output = self.output.try_clone()?.into();
            *entered = Some(Entered { input, output, modes });
        }
        tcsetattr(&self.input, OptionalActions::Now, &raw)?;
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, Hide)?;
        WaitingStream(&self.output).write_all(&bytes)
    }

    /// Restores the terminal.
    pub fn leave(&self) {
        restore();
    }

    /// Tests whether the modes are still those of the full-screen mode. A shell sets its own while the process is
    /// stopped.
    pub fn is_entered(&self) -> bool {
        tcgetattr(&self.input).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON))
    }

    /// The descriptor on which the keys arrive.
    pub const fn input(&self) -> &File {
        &self.input
    }

    /// A stream for pictures.
    ///
    /// # Errors
    /// When the descriptor cannot be duplicated.
    pub fn output(&self) -> io::Result<WaitingStream<File>> {
        Ok(WaitingStream(self.output.try_clone()?))
    }

    /// The lines and columns of the terminal; 24 and 80 if it does not tell.
    pub fn size(&self) -> (usize, usize) {
        terminal_size(&self.output).unwrap_or((24, 80))
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, if one is in full-screen mode. A terminal that is gone cannot be restored.
pub(super) fn restore() {
    // During a panic the lock may be held, and waiting would never end.
    let Some(entered) = ENTERED.try_lock().ok().and_then(|mut entered| entered.take()) else {
        return;
    };
    // The modes come first: the terminal may take no output.
    let _ = tcsetattr(&entered.input, OptionalActions::Now, &entered.modes);
    let mut writable = [PollFd::new(&entered.output, PollFlags::OUT)];
    if poll(&mut writable, Some(&PATIENCE)) == Ok(0) {
        // Pictures wait that nobody will see.
        let _ = tcflush(&entered.output, QueueSelector::OFlush);
    }
    let mut bytes = Vec::new();
    if queue!(bytes, ResetColor, Show, LeaveAlternateScreen).is_ok() {
        let _ = WaitingStream(File::from(entered.output)).write_all(&bytes);
    }
}

/// Discards the output that a terminal in full-screen mode has not taken yet.
pub(super) fn discard_output() {
    let entered = ENTERED.try_lock().ok();
    if let Some(entered) = entered.as_deref().and_then(Option::as_ref) {
        let _ = tcflush(&entered.output, QueueSelector::OFlush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::Winsize;
    use std::io::Read;
    use std::panic::catch_unwind;

    const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
    const LEAVE: &str = "\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";

    /// A terminal: the end of its emulator, and the end of the program.
    fn terminal() -> (File, OwnedFd) {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&emulator).unwrap();
        unlockpt(&emulator).unwrap();
        let name = ptsname(&emulator, Vec::new()).unwrap();
        let program = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        (emulator.into(), program)
    }

    fn is_raw(terminal: &OwnedFd) -> bool {
        let modes = tcgetattr(terminal).unwrap();
        !modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn shown(emulator: &mut File) -> String {
        let mut bytes = [0; 256];
        let count = emulator.read(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// One test, since a process has one terminal in full-screen mode.
    #[test]
    fn terminal_is_restored_when_the_screen_is_left_and_at_a_panic() {
        let (mut emulator, program) = terminal();
        let size = Winsize { ws_row: 5, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&program, size).unwrap();
        let duplicate = || program.try_clone().unwrap();

        let screen = FullScreen::enter(duplicate(), duplicate()).unwrap();
        assert!(is_raw(&program) && screen.is_entered());
        assert_eq!(screen.size(), (5, 20));
        assert_eq!(shown(&mut emulator), ENTER);
        screen.leave();
        assert!(!is_raw(&program) && !screen.is_entered());
        assert_eq!(shown(&mut emulator), LEAVE);

        screen.enter_again().unwrap();
        assert!(is_raw(&program));
        assert_eq!(shown(&mut emulator), ENTER);
        drop(screen);
        assert!(!is_raw(&program));
        assert_eq!(shown(&mut emulator), LEAVE);

        // A terminal that takes no more output.
        let screen = FullScreen::enter(duplicate(), duplicate()).unwrap();
        while poll(&mut [PollFd::new(&program, PollFlags::OUT)], Some(&PATIENCE)) == Ok(1) {
            rustix::io::write(&program, b"a picture").unwrap();
        }
        drop(screen);
        assert!(!is_raw(&program));
        let mut rest = shown(&mut emulator);
        while !rest.ends_with(LEAVE) {
            rest += &shown(&mut emulator);
        }

        let screen = FullScreen::enter(duplicate(), duplicate()).unwrap();
        assert_eq!(shown(&mut emulator), ENTER);
        // The hook runs before the stack unwinds, so it restores even where a panic aborts. Forgetting the value shows
        // that its end is not needed.
        std::mem::forget(screen);
        let panicked = std::thread::spawn(|| catch_unwind(|| panic!("a test of the panic hook")));
        assert!(panicked.join().unwrap().is_err());
        assert!(!is_raw(&program));
        assert_eq!(shown(&mut emulator), LEAVE);
    }
}
