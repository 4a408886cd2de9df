//! A terminal for ipvsadm-top, and the key that ends it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The emulator's end of a terminal.
pub struct Terminal(File);

impl Terminal {
    /// Makes a terminal of 80 x 24 the standard input and output of a program.
    pub fn attach_to(command: &mut Command) -> anyhow::Result<Self> {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&emulator)?;
        unlockpt(&emulator)?;
        let name = ptsname(&emulator, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program_end = open(&name, flags, Mode::empty())?;
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&emulator, size)?;
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command.stdin(program_end.try_clone()?).stdout(program_end);
        Ok(Self(emulator.into()))
    }

    /// Types `q` half an interval after the last of some samples, and returns when the program has ended.
    pub fn quit_after(mut self, samples: u32) -> anyhow::Result<()> {
        let mut output = self.0.try_clone()?;
        let (sender, first_output) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The kernel reports an error when the program's end is closed.
            while output.read(&mut buffer).is_ok_and(|length| length > 0) {
                let _ = sender.send(());
            }
        });
        // The first sample is on the screen at once.
        first_output.recv().context("nothing was shown")?;
        thread::sleep(INTERVAL * (samples - 1) + INTERVAL / 2);
        self.0.write_all(b"q")?;
        let _ = reader.join();
        Ok(())
    }
}
