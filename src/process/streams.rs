//! Standard streams that wait where another program made them non-blocking, and that send no control characters to a
//! terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// A stream that blocks, even if its descriptor is non-blocking: the flag belongs to the open file, which other
/// programs share.
#[derive(Debug)]
pub struct WaitingStream<F>(pub F);

impl<F: AsFd> WaitingStream<F> {
    fn retry(
        &self,
        flags: PollFlags,
        mut call: impl FnMut(&F) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        loop {
            match call(&self.0) {
                Err(Errno::INTR) => {}
                // A failed poll shows in the next call.
                Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&self.0, flags)], None)),
                result => return Ok(result?),
            }
        }
    }
}

impl<F: AsFd> Read for WaitingStream<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |stream| rustix::io::read(stream, &mut *buffer))
    }
}

impl<F: AsFd> Write for WaitingStream<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |stream| rustix::io::write(stream, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The escape sequences of help and tables. They change letters alone, so they do no harm in the name of an interface.
const STYLES: [&[u8]; 4] = [b"\x1b[0m", b"\x1b[1m", b"\x1b[4m", b"\x1b[1;4m"];

/// Makes control characters in a text visible (an interface may be named with them), except for bold and underlined
/// letters. A character may arrive in parts.
#[derive(Debug, Default)]
pub struct VisibleText {
    /// The last byte was the first half of a UTF-8 character from U+0080 to U+00BF. It waits for the second.
    is_after_c2: bool,
    /// The beginning of an escape sequence of [`STYLES`]. It waits for the rest.
    style: Vec<u8>,
}

impl VisibleText {
    /// Appends a part of the text as a terminal gets it.
    pub fn show(&mut self, bytes: &[u8], shown: &mut Vec<u8>) {
        for &byte in bytes {
            if self.style.is_empty() && byte != 0x1b {
                self.show_byte(byte, shown);
                continue;
            }
            self.style.push(byte);
            if STYLES.contains(&self.style.as_slice()) {
                shown.append(&mut self.style);
            } else if !STYLES.iter().any(|style| style.starts_with(&self.style)) {
                for byte in std::mem::take(&mut self.style) {
                    self.show_byte(byte, shown);
                }
            }
        }
    }

    fn show_byte(&mut self, byte: u8, shown: &mut Vec<u8>) {
        let is_after_c2 = std::mem::replace(&mut self.is_after_c2, byte == 0xc2);
        let is_control = match byte {
            b'\n' | b'\t' | 0xc2 => false,
            0x80..=0x9f => is_after_c2,
            byte => byte.is_ascii_control(),
        };
        if is_after_c2 && !is_control {
            shown.push(0xc2);
        }
        match byte {
            0xc2 => {}
            byte if is_control => shown.extend(format!("\\u{{{byte:x}}}").bytes()),
            byte => shown.push(byte),
        }
    }
}

/// Writes to a stream; a terminal gets [`VisibleText`].
#[derive(Debug)]
pub struct TerminalWriter<F> {
    stream: WaitingStream<F>,
    is_terminal: bool,
    text: VisibleText,
}

impl<F: AsFd + IsTerminal> TerminalWriter<F> {
    /// Looks whether the stream is a terminal.
    pub fn new(stream: F) -> Self {
        let is_terminal = stream.is_terminal();
        Self { stream: WaitingStream(stream), is_terminal, text: VisibleText::default() }
    }
}

impl<F: AsFd> Write for TerminalWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.stream.write(bytes);
        }
        let mut shown = Vec::with_capacity(bytes.len());
        self.text.show(bytes, &mut shown);
        self.stream.write_all(&shown)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A text without control characters but for ends of lines: escape sequences show instead of taking effect.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            // Writing to memory does not fail.
            let _ = write!(shown, "{}", character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    #[test]
    fn control_characters_show_and_all_else_stays() {
        assert_eq!(
            visible("b\u{fc}ro\t1\n\u{1b}[2J\u{9b}\u{7f}\r"),
            "b\u{fc}ro\t1\n\\u{1b}[2J\\u{9b}\\u{7f}\\r"
        );
        assert!(matches!(visible("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn terminal_gets_no_control_characters_and_a_pipe_gets_every_byte() {
        let text =
            "b\u{fc}ro\t\u{1b}[2J\u{9b}\u{7f}\u{1b}[1mbold\u{1b}[0m\u{1b}[1;31m\u{1b}\u{1b}]\n";
        let shown = "b\u{fc}ro\t\\u{1b}[2J\\u{9b}\\u{7f}\u{1b}[1mbold\u{1b}[0m\\u{1b}[1;31m\\u{1b}\\u{1b}]\n";
        for (is_terminal, expected) in [(true, shown), (false, text)] {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut writer = TerminalWriter {
                stream: WaitingStream(near),
                is_terminal,
                text: VisibleText::default(),
            };
            for byte in text.bytes() {
                writer.write_all(&[byte]).unwrap();
            }
            drop(writer);
            let mut received = String::new();
            far.read_to_string(&mut received).unwrap();
            assert_eq!(received, expected);
        }
    }

    #[test]
    fn non_blocking_stream_is_waited_for() {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let content = vec![7; 4 << 20];
        let writer = thread::spawn({
            let content = content.clone();
            move || WaitingStream(near).write_all(&content)
        });
        let mut received = Vec::new();
        WaitingStream(far).read_to_end(&mut received).unwrap();
        writer.join().unwrap().unwrap();
        assert_eq!(received, content);
    }
}
