//! One line of a terminal that shows a state and is overwritten by the next one.

use std::io::{self, IsTerminal, Write};

use super::terminal::terminal_width;

/// The state of a command that takes long, on the terminal behind standard error. Anywhere else nothing is shown.
#[derive(Debug)]
pub struct StatusLine {
    is_terminal: bool,
    /// The cursor is behind the line.
    is_open: bool,
}

impl StatusLine {
    /// A line that is not shown yet.
    pub fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), is_open: false }
    }

    /// Replaces the line by a text, up to the terminal's width.
    pub fn show(&mut self, text: &str) {
        if self.is_terminal {
            let width = terminal_width(&io::stderr()).saturating_sub(1);
            let text: String = text.chars().take(width).collect();
            // `ESC [ K` clears the rest of an earlier, longer text.
            self.write(&format!("\r{text}\u{1b}[K"));
            self.is_open = true;
        }
    }

    /// Prints a line that stays.
    pub fn note(&mut self, text: &str) {
        if self.is_terminal {
            self.end();
            self.write(&format!("{text}\n"));
        }
    }

    /// Ends the line, so that a message begins a new one.
    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.write("\n");
        }
    }

    fn write(&self, text: &str) {
        // Without a standard error nobody sees the state.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl Default for StatusLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.end();
    }
}
