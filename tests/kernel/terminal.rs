//! A terminal in memory: programs run on its end of a pseudoterminal, and the test sees its screen and types keys.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::{Parser, Screen};

use crate::wait::PATIENCE;

/// A terminal with the program that runs on it.
pub(crate) struct Terminal {
    /// `None` once it is closed.
    emulator: Option<File>,
    /// The program's end, held so that the modes can be read after the program has ended.
    program_end: OwnedFd,
    parser: Arc<Mutex<Parser>>,
    is_closing: Arc<AtomicBool>,
    is_paused: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    pub(crate) child: Child,
}

impl Terminal {
    /// Starts a program as the leader of a session on a new terminal.
    pub(crate) fn start(program: &Command, rows: u16, columns: u16) -> Terminal {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let emulator = emulator.unwrap();
        grantpt(&emulator).unwrap();
        unlockpt(&emulator).unwrap();
        let name = ptsname(&emulator, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program_end = open(&name, flags, Mode::empty()).unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args()).env_clear();
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        let end = || program_end.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        let parser = Arc::new(Mutex::new(Parser::new(positive(rows), positive(columns), 0)));
        set_size(&emulator, rows, columns);
        let child = command.spawn().unwrap();
        let emulator = File::from(emulator);
        let (output, shown) = (emulator.try_clone().unwrap(), Arc::clone(&parser));
        let is_closing = Arc::new(AtomicBool::new(false));
        let is_paused = Arc::new(AtomicBool::new(false));
        let (is_over, waits) = (Arc::clone(&is_closing), Arc::clone(&is_paused));
        let reader = thread::spawn(move || read(output, &shown, &is_over, &waits));
        let (emulator, reader) = (Some(emulator), Some(reader));
        Terminal { emulator, program_end, parser, is_closing, is_paused, reader, child }
    }

    /// Types keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.emulator.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the size, as a user does who drags the corner of a window.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(positive(rows), positive(columns));
        set_size(self.emulator.as_ref().unwrap(), rows, columns);
    }

    /// Reads no more output of the program, or goes on.
    pub(crate) fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// True while the terminal takes output of the program.
    pub(crate) fn takes_output(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.program_end, PollFlags::OUT)], Some(&now)).unwrap() > 0
    }

    /// The screen as it is now.
    pub(crate) fn screen(&self) -> Screen {
        self.parser.lock().unwrap().screen().clone()
    }

    /// Waits until the screen is as expected, and returns it. A picture may arrive in parts, so all that a test looks at in
    /// the screen belongs into the condition.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_expected: impl Fn(&Screen) -> bool) -> Screen {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if is_expected(&screen) {
                return screen;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}, in raw mode: {}, on the alternate screen: {}\n{}",
                self.is_raw(),
                screen.alternate_screen(),
                screen.contents()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen has a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> Screen {
        self.wait(text, |screen| screen.contents().contains(text))
    }

    /// True while keys arrive one by one and are not echoed.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.program_end).unwrap();
        !modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits until the program has ended and restored the terminal, and returns its status.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap().code();
        self.wait("the screen of before", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !self.is_raw()
        });
        status
    }

    /// Closes the emulator, as a user does who closes a window, and returns the status of the program.
    pub(crate) fn closed(&mut self) -> Option<i32> {
        self.is_closing.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap();
        self.emulator = None;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        // The program of a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shows the output of the program until the emulator is closed.
fn read(mut output: File, shown: &Mutex<Parser>, is_closing: &AtomicBool, is_paused: &AtomicBool) {
    let mut bytes = [0; 4096];
    let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    while !is_closing.load(Ordering::Relaxed) {
        if is_paused.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(20));
            continue;
        }
        if poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&pause)).unwrap() == 0 {
            continue;
        }
        // The terminal is gone when its last end is closed.
        let Ok(count) = output.read(&mut bytes) else { return };
        shown.lock().unwrap().process(&bytes[..count]);
    }
}

fn positive(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn set_size(terminal: &impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
