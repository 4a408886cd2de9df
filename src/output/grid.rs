//! Tables for people that ipvsadm 1.31 does not have: titles, columns as wide as their cells, numbers to the right.
//!
//! On a terminal the table fits its width and the titles are bold: sentences are wrapped, and other cells are cut. Elsewhere the cells are whole and the text is
//! plain, for programs that split lines at blanks.

use std::fmt;
use std::io;

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::peaker::Priority;
use tabled::settings::{Alignment, Padding, Style, Width};

use super::padding::{append, pad};
use crate::process::{TerminalStyle, visible};

/// A column: its title, and the side on which its cells begin.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Texts.
    Text(&'static str),
    /// Numbers.
    Number(&'static str),
    /// Sentences, which continue on further lines of a terminal.
    Prose(&'static str),
}

impl Column {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) | Self::Prose(title) => title,
        }
    }
}

/// A table for people.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    text: Vec<u8>,
    /// The end of each cell in the text, row by row.
    ends: Vec<usize>,
}

/// The look of a [`Grid`].
#[derive(Clone, Copy, Debug)]
pub struct GridStyle {
    /// The terminal or the file that gets it.
    pub terminal: TerminalStyle,
    /// The table begins with a line of titles.
    pub has_header: bool,
}

impl Grid {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), text: Vec::new(), ends: Vec::new() }
    }

    /// Appends a row with a cell for each column.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        for cell in cells {
            self.text(cell);
        }
    }

    /// Appends a cell to the last row, or begins a row with it.
    pub fn text(&mut self, cell: impl fmt::Display) {
        self.written(|out| append(out, format_args!("{cell}")));
    }

    /// Appends a cell that a function writes.
    pub fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        append_cell(&mut self.text, write);
        self.ends.push(self.text.len());
    }

    /// Appends a cell of a number.
    pub fn number(&mut self, cell: u64) {
        self.text.extend_from_slice(itoa::Buffer::new().format(cell).as_bytes());
        self.ends.push(self.text.len());
    }

    /// The cells of each row.
    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        let mut start = 0;
        self.ends.chunks(self.columns.len().max(1)).map(move |ends| {
            let mut cell = start;
            start = ends.last().copied().unwrap_or(start);
            ends.iter().map(move |&end| {
                let text = self.text.get(cell..end).unwrap_or_default();
                cell = end;
                text
            })
        })
    }

    /// Writes the table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut Vec<u8>, style: GridStyle) -> io::Result<()> {
        match style.terminal.is_terminal {
            true => self.write_fitted(out, style),
            false => self.write_whole(out, style),
        }
        Ok(())
    }

    /// Writes the table as wide as its cells.
    fn write_whole(&self, out: &mut Vec<u8>, style: GridStyle) {
        let titles = || self.columns.iter().map(|column| column.title().as_bytes());
        let mut widths: Vec<usize> = match style.has_header {
            true => titles().map(<[u8]>::len).collect(),
            false => vec![0; self.columns.len()],
        };
        let width_of = if self.text.is_ascii() { <[u8]>::len } else { characters };
        for row in self.rows() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(width_of(cell));
            }
        }
        let columns = || self.columns.iter().copied().zip(widths.iter().copied());
        write_titles(out, columns(), style);
        for row in self.rows() {
            write_row(out, columns().zip(row), width_of);
            out.push(b'\n');
        }
    }

    /// Writes the table as wide as the terminal at most.
    fn write_fitted(&self, out: &mut Vec<u8>, style: GridStyle) {
        let GridStyle { terminal, has_header } = style;
        let has_prose = terminal.width >= LEAST_WIDTH_OF_PROSE
            && self.columns.iter().any(|column| matches!(column, Column::Prose(_)));
        let widths = match has_prose {
            true => vec![None; self.columns.len()],
            false => self.fitted_widths(style),
        };
        let mut builder = Builder::new();
        if has_header {
            builder
                .push_record(self.columns.iter().map(|column| column.title()).take(widths.len()));
        }
        for row in self.rows() {
            builder.push_record(row.map(String::from_utf8_lossy).take(widths.len()));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, GAP, 0, 0));
        for (place, (column, width)) in self.columns.iter().zip(widths).enumerate() {
            if matches!(column, Column::Number(_)) {
                table.modify(Columns::one(place), Alignment::right());
            }
            if let Some(width) = width {
                table.modify(Columns::one(place), Width::truncate(width).suffix(CUT));
            }
        }
        if has_prose {
            let widest = Priority::max(true);
            table.with(Width::wrap(terminal.width).keep_words(true).priority(widest));
        }
        for (line, text) in table.to_string().lines().enumerate() {
            let text = text.trim_end();
            let is_bold = line == 0 && has_header && terminal.has_colours;
            out.extend_from_slice(if is_bold { BOLD } else { b"" });
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(if is_bold { PLAIN } else { b"" });
            out.push(b'\n');
        }
    }

    /// The widths of the columns that fit: `None` for one that is not cut. A number is never cut, since a part of it is
    /// another number. Columns for which there is no room are left out, the last first.
    fn fitted_widths(&self, style: GridStyle) -> Vec<Option<usize>> {
        let mut cells = vec![0; self.columns.len()];
        for row in self.rows() {
            for (width, cell) in cells.iter_mut().zip(row) {
                *width = characters(cell).max(*width);
            }
        }
        let whole: Vec<usize> = (self.columns.iter().zip(&cells))
            .map(
                |(column, &cell)| {
                    if style.has_header { cell.max(column.title().len()) } else { cell }
                },
            )
            .collect();
        let least_widths = |of_text: usize| -> Vec<usize> {
            (self.columns.iter().zip(&cells).zip(&whole))
                .map(|((column, &cell), &whole)| match column {
                    Column::Number(_) => cell.max(FEWEST_OF_TITLE).min(whole),
                    Column::Text(_) | Column::Prose(_) => whole.min(of_text),
                })
                .collect()
        };
        let sum = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>();
        let room = style.terminal.width + GAP;
        // Texts are cut further only where no second column has room beside them.
        let mut fewest = Vec::new();
        let mut count = None;
        for of_text in FEWEST_OF_TEXT {
            fewest = least_widths(of_text);
            let fits = |count: &usize| sum(fewest.get(..*count).unwrap_or_default()) <= room;
            count = (1..=fewest.len()).rev().find(fits);
            if count >= Some(2) {
                break;
            }
        }
        let mut widths: Vec<usize> = whole.iter().copied().take(count.unwrap_or(1)).collect();
        // A first column that is too wide by itself is cut all the same.
        let least = |place: usize| {
            if count.is_none() { 0 } else { fewest.get(place).copied().unwrap_or(0) }
        };
        while sum(&widths) > room {
            let widest =
                widths.iter_mut().enumerate().filter(|(place, width)| **width > least(*place));
            let Some((_, width)) = widest.max_by_key(|(_, width)| **width) else { break };
            *width -= 1;
        }
        widths.iter().zip(&whole).map(|(&width, &whole)| (width < whole).then_some(width)).collect()
    }
}

/// Writes the line of titles as wide as the columns, if the style has one.
pub(super) fn write_titles(
    out: &mut Vec<u8>,
    columns: impl Iterator<Item = (Column, usize)>,
    style: GridStyle,
) {
    if !style.has_header {
        return;
    }
    let is_bold = style.terminal.has_colours;
    out.extend_from_slice(if is_bold { BOLD } else { b"" });
    let titles = columns.map(|(column, width)| ((column, width), column.title().as_bytes()));
    write_row(out, titles, <[u8]>::len);
    out.extend_from_slice(if is_bold { PLAIN } else { b"" });
    out.push(b'\n');
}

/// Writes the cells of columns with their widths, without the blanks at the end.
fn write_row<'a>(
    out: &mut Vec<u8>,
    cells: impl Iterator<Item = ((Column, usize), &'a [u8])>,
    width_of: impl Fn(&[u8]) -> usize,
) {
    let start = out.len();
    let mut gap = 0;
    for ((column, width), cell) in cells {
        let blanks = width - width_of(cell);
        let before = if matches!(column, Column::Number(_)) { blanks } else { 0 };
        pad(out, out.len() + gap + before);
        out.extend_from_slice(cell);
        gap = blanks - before + GAP;
    }
    let line = out.get(start..).unwrap_or_default().trim_ascii_end().len();
    out.truncate(start + line);
}

/// The blanks between two columns.
pub(super) const GAP: usize = 2;
/// The end of a cell that is cut.
const CUT: &str = "~";
/// The least width of a column of numbers, whose title may be cut.
const FEWEST_OF_TITLE: usize = 3;
/// The least width of a terminal on which sentences continue on further lines. Below it, each word would have its own.
const LEAST_WIDTH_OF_PROSE: usize = 40;
/// The least widths of a column of texts: `TCP 255.255.255.255:65535`, and less on narrow screens.
const FEWEST_OF_TEXT: [usize; 3] = [25, 12, 8];

const BOLD: &[u8] = b"\x1b[1m";
const PLAIN: &[u8] = b"\x1b[0m";

/// Appends a cell that a function writes, as one line of visible characters.
pub(super) fn append_cell(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    if let Some(cell) = out.get(start..).and_then(cleaned) {
        out.truncate(start);
        out.extend_from_slice(cell.as_bytes());
    }
}

/// A cell as one line of visible characters, unless it is such a line.
fn cleaned(cell: &[u8]) -> Option<String> {
    let is_clean = cell.iter().all(|byte| matches!(byte, b' '..=b'~'));
    (!is_clean).then(|| visible(&String::from_utf8_lossy(cell)).replace(['\n', '\t'], " "))
}

/// The number of characters of a cell.
pub(super) fn characters(cell: &[u8]) -> usize {
    match cell.is_ascii() {
        true => cell.len(),
        false => String::from_utf8_lossy(cell).chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool, has_colours: bool, has_header: bool) -> String {
        let mut grid = Grid::new([Column::Text("Client"), Column::Number("Connections")]);
        grid.push(["2001:db8:1234:5678::/64".to_owned(), "100000".to_owned()]);
        grid.push(["a\u{1b}[2Jb\n".to_owned(), "7".to_owned()]);
        let terminal = TerminalStyle { width: 24, has_colours, is_terminal };
        let mut out = Vec::new();
        grid.write(&mut out, GridStyle { terminal, has_header }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_cells_and_numbers_end_together() {
        assert_eq!(
            shown(false, false, true),
            "Client                   Connections\n\
             2001:db8:1234:5678::/64       100000\n\
             a\\u{1b}[2Jb                        7\n"
        );
        assert_eq!(
            shown(false, false, false),
            "2001:db8:1234:5678::/64  100000\n\
             a\\u{1b}[2Jb                   7\n"
        );
    }

    #[test]
    fn sentences_continue_on_further_lines_of_a_terminal_alone() {
        let mut grid = Grid::new([Column::Text("Name"), Column::Prose("Meaning")]);
        let sentence = "one two three four five seventh eight nine ten";
        grid.push(["conntrack".to_owned(), sentence.to_owned()]);
        let shown = |is_terminal, width| {
            let terminal = TerminalStyle { width, has_colours: false, is_terminal };
            let mut out = Vec::new();
            grid.write(&mut out, GridStyle { terminal, has_header: false }).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(false, 40), format!("conntrack  {sentence}\n"));
        let wrapped = "conntrack  one two three four five\n           seventh eight nine ten\n";
        assert_eq!(shown(true, 40), wrapped);
        assert_eq!(shown(true, 20), "conntrack  one two ~\n");
    }

    #[test]
    fn table_fits_a_terminal_and_its_titles_are_bold_there() {
        let text = shown(true, true, true);
        assert!(text.starts_with("\u{1b}[1mClient"), "{text}");
        let plain = shown(true, false, true);
        assert!(plain.lines().all(|line| line.chars().count() <= 24), "{plain}");
        assert!(plain.contains('~') && plain.contains("100000"), "{plain}");
    }

    #[test]
    fn number_is_never_cut_and_columns_without_room_are_left_out() {
        let mut grid = Grid::new([
            Column::Text("Service"),
            Column::Number("Connections"),
            Column::Number("Bytes"),
            Column::Number("Up"),
        ]);
        let row = ["TCP 10.0.0.1:80", "123456789", "18446744073709551615", "3"];
        grid.push(row.map(str::to_owned));
        let shown = |width| {
            let terminal = TerminalStyle { width, has_colours: false, is_terminal: true };
            let mut out = Vec::new();
            grid.write(&mut out, GridStyle { terminal, has_header: true }).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(54),
            "Service          Connections                 Bytes  Up\n\
             TCP 10.0.0.1:80    123456789  18446744073709551615   3\n"
        );
        assert_eq!(
            shown(52),
            "Service          Connecti~                 Bytes  Up\n\
             TCP 10.0.0.1:80  123456789  18446744073709551615   3\n"
        );
        assert_eq!(
            shown(48),
            "Service          Connecti~                 Bytes\n\
             TCP 10.0.0.1:80  123456789  18446744073709551615\n"
        );
        assert_eq!(shown(24), "Service       Connectio~\nTCP 10.0.0.~   123456789\n");
        assert_eq!(shown(19), "Service   Connecti~\nTCP 10.~  123456789\n");
        assert_eq!(shown(18), "Service\nTCP 10.0.0.1:80\n");
        assert_eq!(shown(4), "Ser~\nTCP~\n");
        for width in 1..60 {
            let text = shown(width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            let mut words = text.lines().nth(1).unwrap().split_whitespace();
            let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
            assert!(words.all(|word| !is_number(word) || row.contains(&word)), "{text}");
        }
    }
}
