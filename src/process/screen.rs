//! A terminal on which each picture takes the place of the one before.
//!
//! The pictures stay on the normal screen, and the terminal's modes stay as they are, so nothing has to be restored when the
//! process is killed.

use std::io::{self, IsTerminal, Write};

use super::streams::{VisibleText, WaitingStream};
use super::terminal::{has_cursor, terminal_size};

/// The size of a terminal that does not tell its own.
const DEFAULT_SIZE: (usize, usize) = (24, 80);

/// The terminal behind standard output.
#[derive(Debug)]
pub struct Screen {
    has_picture: bool,
}

/// The beginning of a text, as much as fits on the screen. The rest is counted and dropped, so that memory does not
/// depend on its length.
#[derive(Debug)]
pub struct Picture {
    lines: usize,
    columns: usize,
    text: Vec<u8>,
    /// The number of complete lines that were written.
    written: usize,
}

impl Screen {
    /// The screen, if standard output is a terminal that can move its cursor.
    pub fn of_standard_output() -> Option<Self> {
        (io::stdout().is_terminal() && has_cursor()).then_some(Self { has_picture: false })
    }

    /// An empty picture of the size that the terminal has now.
    pub fn picture(&self) -> Picture {
        let (lines, columns) = terminal_size(&io::stdout()).unwrap_or(DEFAULT_SIZE);
        Picture { lines, columns, text: Vec::new(), written: 0 }
    }

    /// Replaces the picture on the screen.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub fn show(&mut self, picture: &Picture) -> io::Result<()> {
        let clearing: &[u8] = if self.has_picture { b"\x1b[H" } else { b"\x1b[H\x1b[2J" };
        self.has_picture = true;
        let mut shown = clearing.to_vec();
        picture.draw(&mut shown);
        WaitingStream(io::stdout()).write_all(&shown)
    }
}

impl Picture {
    /// Appends the lines. Each clears its row first: after a line as wide as the screen, a terminal would clear the last
    /// character. The rest of the screen is cleared behind the last line.
    fn draw(&self, shown: &mut Vec<u8>) {
        // The last row is for the cursor, unless it is the only one.
        let has_cursor_row = self.lines > 1;
        let rows = self.lines - usize::from(has_cursor_row);
        let kept = if self.written <= rows { rows } else { rows.saturating_sub(1) };
        let mut lines: Vec<&[u8]> = self.text.split_inclusive(|&byte| byte == b'\n').collect();
        lines.truncate(kept);
        let more = format!("({} more lines)", self.written - lines.len());
        if self.written > rows {
            lines.push(more.as_bytes());
        }
        let mut visible = VisibleText::default();
        for line in lines {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            shown.extend_from_slice(b"\x1b[K");
            visible.show(cut(line, self.columns), shown);
            shown.extend_from_slice(if has_cursor_row { b"\r\n" } else { b"" });
        }
        if has_cursor_row {
            shown.extend_from_slice(b"\x1b[J");
        }
    }
}

impl Write for Picture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.written < self.lines {
                self.text.extend_from_slice(line);
            }
            self.written += usize::from(line.ends_with(b"\n"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The beginning of a line that fits the columns. A line with a style fits already.
fn cut(line: &[u8], columns: usize) -> &[u8] {
    if line.len() <= columns || line.contains(&0x1b) {
        return line;
    }
    let starts = line.iter().enumerate().filter(|(_, byte)| !matches!(byte, 0x80..=0xbf));
    let end = starts.map(|(place, _)| place).nth(columns);
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: usize, columns: usize, text: &str) -> String {
        let mut picture = Picture { lines, columns, text: Vec::new(), written: 0 };
        for part in text.as_bytes().chunks(3) {
            picture.write_all(part).unwrap();
        }
        let mut shown = Vec::new();
        picture.draw(&mut shown);
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn picture_that_fits_is_shown_whole_and_clears_the_rest() {
        assert_eq!(
            drawn(3, 80, "\u{1b}[1mone\u{1b}[0m\ntwo\n"),
            "\u{1b}[K\u{1b}[1mone\u{1b}[0m\r\n\u{1b}[Ktwo\r\n\u{1b}[J"
        );
    }

    #[test]
    fn picture_is_cut_to_the_screen_and_control_characters_show() {
        assert_eq!(
            drawn(4, 14, "b\u{fc}ro123456789012\na\u{1b}[2J\n3\n4\n5\n"),
            "\u{1b}[Kb\u{fc}ro1234567890\r\n\u{1b}[Ka\\u{1b}[2J\r\n\u{1b}[K(3 more lines)\r\n\u{1b}[J"
        );
    }

    #[test]
    fn picture_never_scrolls_the_screen() {
        for (lines, columns, expected) in [
            (1, 1, "\u{1b}[K("),
            (1, 80, "\u{1b}[K(5 more lines)"),
            (2, 3, "\u{1b}[K(5 \r\n\u{1b}[J"),
            (3, 3, "\u{1b}[K1\r\n\u{1b}[K(4 \r\n\u{1b}[J"),
        ] {
            assert_eq!(drawn(lines, columns, "1\n2\n3\n4\n5\n"), expected, "{lines}x{columns}");
        }
        assert_eq!(drawn(1, 80, "1\n"), "\u{1b}[K1");
    }
}
