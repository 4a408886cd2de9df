//! Tables for people that ipvsadm 1.31 does not have: titles, columns as wide as their cells, numbers to the right.
//!
//! On a terminal the table fits its width and the titles are bold: sentences are wrapped, and other cells are cut. Elsewhere the cells are whole and the text is
//! plain, for programs that split lines at blanks.

use std::borrow::Cow;
use std::io;

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::peaker::Priority;
use tabled::settings::{Alignment, Padding, Style, Width};

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
    fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) | Self::Prose(title) => title,
        }
    }
}

/// A table for people.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
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
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Appends a row with a cell for each column.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
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

    /// Writes the table as wide as its cells. A count by client may have 100,000 rows, for which tabled would take longer
    /// than the listing of the connections.
    fn write_whole(&self, out: &mut Vec<u8>, style: GridStyle) {
        let titles = self.columns.iter().map(|column| Cow::Borrowed(column.title())).collect();
        let titles: Option<Vec<Cow<'_, str>>> = style.has_header.then_some(titles);
        let rows: Vec<Vec<Cow<'_, str>>> =
            self.rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        let mut widths = vec![0; self.columns.len()];
        for row in titles.iter().chain(&rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(width_of(cell));
            }
        }
        let is_bold = style.terminal.has_colours;
        for (is_title, row) in
            titles.iter().map(|row| (true, row)).chain(rows.iter().map(|row| (false, row)))
        {
            if is_title && is_bold {
                out.extend_from_slice(BOLD);
            }
            let start = out.len();
            for ((column, &width), cell) in self.columns.iter().zip(&widths).zip(row) {
                let blanks = width - width_of(cell);
                let before = if matches!(column, Column::Number(_)) { blanks } else { 0 };
                out.resize(out.len() + before, b' ');
                out.extend_from_slice(cell.as_bytes());
                out.resize(out.len() + blanks - before + GAP, b' ');
            }
            let line = out.get(start..).unwrap_or_default().trim_ascii_end().len();
            out.truncate(start + line);
            if is_title && is_bold {
                out.extend_from_slice(PLAIN);
            }
            out.push(b'\n');
        }
    }

    /// Writes the table as wide as the terminal at most.
    fn write_fitted(&self, out: &mut Vec<u8>, style: GridStyle) {
        let GridStyle { terminal, has_header } = style;
        let mut builder = Builder::new();
        if has_header {
            builder.push_record(self.columns.iter().map(|column| column.title()));
        }
        for row in &self.rows {
            builder.push_record(row.iter().map(|cell| clean(cell)));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, GAP, 0, 0));
        for (place, column) in self.columns.iter().enumerate() {
            if matches!(column, Column::Number(_)) {
                table.modify(Columns::one(place), Alignment::right());
            }
        }
        let has_prose = self.columns.iter().any(|column| matches!(column, Column::Prose(_)));
        let widest = Priority::max(true);
        if has_prose {
            table.with(Width::wrap(terminal.width).keep_words(true).priority(widest));
        } else {
            table.with(Width::truncate(terminal.width).suffix("~").priority(widest));
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
}

/// The blanks between two columns.
const GAP: usize = 2;

const BOLD: &[u8] = b"\x1b[1m";
const PLAIN: &[u8] = b"\x1b[0m";

/// A cell as one line of visible characters.
fn clean(cell: &str) -> Cow<'_, str> {
    match cell.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Cow::Borrowed(cell),
        false => Cow::Owned(visible(cell).replace(['\n', '\t'], " ")),
    }
}

fn width_of(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { cell.chars().count() }
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
        grid.push(["conntrack".to_owned(), "one two three four five".to_owned()]);
        let shown = |is_terminal| {
            let terminal = TerminalStyle { width: 24, has_colours: false, is_terminal };
            let mut out = Vec::new();
            grid.write(&mut out, GridStyle { terminal, has_header: false }).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(false), "conntrack  one two three four five\n");
        let wrapped = "conntrack  one two\n           three four\n           five\n";
        assert_eq!(shown(true), wrapped);
    }

    #[test]
    fn table_fits_a_terminal_and_its_titles_are_bold_there() {
        let text = shown(true, true, true);
        assert!(text.starts_with("\u{1b}[1mClient"), "{text}");
        let plain = shown(true, false, true);
        assert!(plain.lines().all(|line| line.chars().count() <= 24), "{plain}");
        assert!(plain.contains('~') && plain.contains("100000"), "{plain}");
    }
}
