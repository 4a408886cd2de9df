//! The screens of ipvsadm-top as texts and pictures: without the numbers of the traffic, and as SVG.

use std::fmt::Write as _;

use vt100::{Color, Screen};

/// The titles of the columns whose numbers depend on the traffic.
const RATES: [&str; 7] =
    ["Conn/s", "Pkt/s", "Byte/s", "InPkt/s", "OutPkt/s", "InByte/s", "OutByte/s"];

/// The titles of the columns whose numbers also depend on the traffic if connections are opened and closed.
const CONNECTIONS: [&str; 2] = ["Active", "InAct"];

/// A screen without the numbers that depend on the traffic: `#` in place of each, and `~` in place of each graph.
pub(crate) fn masked(screen: &str) -> String {
    masked_columns(screen, &RATES)
}

/// The same, also without the numbers of connections.
pub(crate) fn masked_with_connections(screen: &str) -> String {
    let screen = masked_columns(screen, &[&CONNECTIONS[..], &RATES].concat());
    let words: Vec<&str> = screen.split(' ').collect();
    let masked = words.iter().enumerate().map(|(place, word)| {
        let is_number = ["active", "inactive"].contains(words.get(place + 1).unwrap_or(&""));
        if is_number { "#" } else { word }
    });
    masked.collect::<Vec<_>>().join(" ")
}

fn masked_columns(screen: &str, columns: &[&str]) -> String {
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    let is_titles = |line: &&str| line.contains(" Active");
    let titles = lines.iter().position(is_titles).unwrap_or(lines.len());
    let ends_of = |titles: &str| -> Vec<usize> {
        let found =
            |title: &str| titles.find(&format!(" {title}")).map(|start| start + 1 + title.len());
        columns.iter().filter_map(|title| found(title)).collect()
    };
    let ends = lines.get(titles).map(|line| ends_of(line)).unwrap_or_default();
    let lines = lines.iter().enumerate().map(|(place, line)| {
        let is_row = place > titles && !line.contains(" at most ") && !line.starts_with('?');
        masked_line(line, if is_row { &ends } else { &[] }) + "\n"
    });
    lines.collect()
}

/// A line, in which the cells of some columns are rates. A column is known by its last cell.
fn masked_line(line: &str, ends: &[usize]) -> String {
    // The graph of the last line begins where the number before it ends.
    if let Some((before, _)) = line.split_once(" at most ") {
        return format!("{before} at most # ~");
    }
    let mut cells: Vec<char> = line.chars().collect();
    let count = cells.len();
    for &end in ends.iter().filter(|&&end| end <= count) {
        let mut place = end;
        while place > 0 && cells[place - 1] != ' ' {
            cells[place - 1] = if place == end { '#' } else { ' ' };
            place -= 1;
        }
    }
    let line: String = cells.into_iter().collect();
    let is_bar = |c: char| ('\u{2581}'..='\u{2588}').contains(&c);
    let line = match line.find(is_bar) {
        Some(start) => format!("{} ~", line[..start].trim_end()),
        None => line,
    };
    let words: Vec<&str> = line.split(' ').collect();
    let masked = words.iter().enumerate().map(|(place, word)| {
        let next = words.get(place + 1).copied().unwrap_or_default();
        let before = place.checked_sub(1).map(|place| words[place]).unwrap_or_default();
        let is_rate = ["conn/s", "pkt/s", "byte/s", "in,", "out"].contains(&next);
        if (line.starts_with("Total:") && is_rate) || before == "size" { "#" } else { word }
    });
    masked.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

const CELL: (usize, usize) = (9, 19);
/// The colours of a dark terminal: background and foreground.
const COLOURS: (&str, &str) = ("#1c1c1c", "#e4e4e4");

/// The colours of the theme, by their numbers.
fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Idx(1) => "#ff6c6c",
        Color::Idx(3) => "#e5c07b",
        Color::Idx(6) => "#56c8d8",
        Color::Idx(8) => "#8a8a8a",
        _ => COLOURS.1,
    }
}

/// A screen as a picture. Each line is one text, in which cells of the same look are together.
pub(crate) fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) = (usize::from(columns.get()) * CELL.0, usize::from(rows.get()) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n\
         <title>ipvsadm-top</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
        width + 16,
        height + 16,
        COLOURS.0
    );
    for row in 0..rows.get() {
        let mut runs: Vec<(u16, String, (Color, bool, bool))> = Vec::new();
        for column in 0..columns.get() {
            let cell = screen.cell(row, column).unwrap();
            let look = (cell.fgcolor(), cell.bold(), cell.inverse());
            let text = if cell.has_contents() { cell.contents() } else { " " };
            match runs.last_mut().filter(|(.., last)| *last == look) {
                Some((_, run, _)) => run.push_str(text),
                None => runs.push((column, text.to_owned(), look)),
            }
        }
        let top = usize::from(row) * CELL.1 + 8;
        for (column, text, _) in runs.iter().filter(|(.., (_, _, is_inverse))| *is_inverse) {
            let (x, width) = (usize::from(*column) * CELL.0 + 8, text.chars().count() * CELL.0);
            let height = CELL.1;
            let fill = COLOURS.1;
            writeln!(out, "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/>")
                .unwrap();
        }
        write!(out, "<text y=\"{}\" xml:space=\"preserve\">", top + 15).unwrap();
        for (column, text, (foreground, is_bold, is_inverse)) in runs {
            let x = usize::from(column) * CELL.0 + 8;
            let length = text.chars().count() * CELL.0;
            let fill = if is_inverse { COLOURS.0 } else { colour(foreground) };
            let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            write!(
                out,
                "<tspan x=\"{x}\" textLength=\"{length}\" fill=\"{fill}\"{weight}>{text}</tspan>"
            )
            .unwrap();
        }
        out.push_str("</text>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// The text of such a picture.
pub(crate) fn text_of_svg(svg: &str) -> String {
    let lines = svg.lines().filter(|line| line.starts_with("<text "));
    let lines: Vec<String> = lines
        .map(|line| {
            let parts = line.split('<').filter_map(|part| part.split_once('>'));
            let text: String = parts.map(|(_, text)| text).collect();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            text.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}
