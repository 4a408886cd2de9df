//! Sentences out of comments, Markdown and manual pages: without code, headings and quotes.

use std::path::Path;

/// A sentence and the line on which its paragraph begins.
pub(crate) struct Sentence {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The kinds of files with prose.
#[derive(Clone, Copy)]
enum Kind {
    Rust,
    /// Rust with help texts in string literals.
    Table,
    Markdown,
    Manual,
    /// Shell, make, TOML and units: comments begin with `#`.
    Hash,
}

/// The files whose string literals are help texts.
const HELP_TEXTS: [&str; 2] =
    ["crates/ipvs-rules/src/table/commands.rs", "crates/ipvs-rules/src/table/options.rs"];

/// The kind of a file by its name. A file without an ending counts if it begins with a comment.
fn kind(path: &Path, text: &str) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    match name.rsplit_once('.') {
        Some((_, "rs")) if HELP_TEXTS.iter().any(|&texts| path == Path::new(texts)) => {
            Some(Kind::Table)
        }
        Some((_, "rs")) => Some(Kind::Rust),
        Some((_, "md")) => Some(Kind::Markdown),
        Some((_, "5" | "8")) => Some(Kind::Manual),
        Some((_, "sh" | "toml" | "fish" | "bash" | "service")) => Some(Kind::Hash),
        None if text.starts_with('#') || name == "Makefile" => Some(Kind::Hash),
        _ => None,
    }
}

/// The sentences of a file; none if it has no prose to check.
pub(crate) fn sentences_of(path: &Path, text: &str) -> Vec<Sentence> {
    let lines = match kind(path, text) {
        Some(Kind::Rust) => comment_lines(text, &["//!", "///", "//"]),
        Some(Kind::Table) => {
            let mut lines = comment_lines(text, &["//!", "///", "//"]);
            for (line, literal) in literals(text) {
                lines[line] = format!("- {literal}");
            }
            lines
        }
        Some(Kind::Hash) => comment_lines(text, &["#"]),
        Some(Kind::Markdown) => text.lines().map(str::to_owned).collect(),
        Some(Kind::Manual) => text.lines().map(manual_line).collect(),
        None => Vec::new(),
    };
    let mut sentences = Vec::new();
    for (line, paragraph) in paragraphs(&lines) {
        sentences.extend(split(&paragraph).into_iter().map(|text| Sentence { line, text }));
    }
    sentences
}

/// For each line its comment, or an empty text.
fn comment_lines(text: &str, markers: &[&str]) -> Vec<String> {
    let comment = |line: &str| {
        let line = line.trim_start();
        let found = markers.iter().find_map(|marker| line.strip_prefix(marker));
        found
            .filter(|_| !line.starts_with("#!") && !line.starts_with("#["))
            .unwrap_or("")
            .to_owned()
    };
    text.lines().map(comment).collect()
}

/// String literals of at least three words, outside comments, with the index of their first line.
fn literals(text: &str) -> Vec<(usize, String)> {
    let mut literals = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        if open.is_none() && line.trim_start().starts_with("//") {
            continue;
        }
        for (index, part) in line.split('"').enumerate() {
            if index > 0 {
                match open.take() {
                    Some(literal) => literals.push(literal),
                    None => open = Some((number, String::new())),
                }
            }
            if let Some((_, literal)) = &mut open {
                literal.push_str(part.trim_start().trim_end_matches('\\'));
            }
        }
    }
    literals.retain(|(_, literal)| literal.split_whitespace().count() > 2);
    literals
}

/// A line of a manual page as text: fonts and escapes removed, macros that end a paragraph as an empty line.
fn manual_line(line: &str) -> String {
    let text = match line.strip_prefix('.') {
        None => line,
        Some("EX" | "EE") => return "```".to_owned(),
        Some(request) => match request.split_once(' ') {
            Some(("B" | "I" | "BR" | "RB" | "IR" | "RI" | "BI", words)) => words,
            _ => return String::new(),
        },
    };
    let text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "");
    ["\\fB", "\\fI", "\\fR", "\\fP"].iter().fold(text, |text, font| text.replace(font, "`"))
}

/// Paragraphs with the number of their first line. Code, headings and rows of tables are left out.
fn paragraphs(lines: &[String]) -> Vec<(usize, String)> {
    let mut paragraphs = Vec::new();
    let mut current: Option<(usize, String)> = None;
    let mut is_code = false;
    for (number, line) in (1..).zip(lines) {
        let text = line.trim();
        let is_fence = text.starts_with("```") || text.starts_with("~~~");
        is_code ^= is_fence;
        let is_item = ["- ", "* ", "+ "].iter().any(|marker| text.starts_with(marker));
        let is_left_out = is_fence
            || is_code
            || text.is_empty()
            || text.starts_with(['#', '|', '<', '['])
            || line.starts_with("     ");
        if is_left_out || is_item {
            paragraphs.extend(current.take());
        }
        if is_left_out {
            continue;
        }
        let text = if is_item { text[2..].trim() } else { text };
        match &mut current {
            Some((_, paragraph)) => {
                paragraph.push(' ');
                paragraph.push_str(text);
            }
            None => current = Some((number, text.to_owned())),
        }
    }
    paragraphs.extend(current);
    paragraphs
}

/// The sentences of a paragraph. Code between backticks counts as one word.
fn split(paragraph: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut is_code = false;
    let mut characters = paragraph.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '`' {
            if !is_code {
                sentence.push('`');
            }
            is_code = !is_code;
            continue;
        }
        if is_code {
            if !character.is_whitespace() {
                sentence.push(character);
            }
            continue;
        }
        sentence.push(character);
        let is_end = matches!(character, '.' | '!' | '?' | ':' | ';')
            && characters.peek().is_none_or(|next| next.is_whitespace());
        if is_end {
            sentences.push(std::mem::take(&mut sentence).trim().to_owned());
        }
    }
    sentences.push(sentence.trim().to_owned());
    sentences.retain(|sentence| sentence.split_whitespace().count() > 1);
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_run_over_lines_and_leave_code_out() {
        let text = "//! One sentence\n//! over two lines. Another.\n//!\n//! ```\n//! let code = 1;\n//! ```\nfn f() {}\n";
        let found = sentences_of(Path::new("a.rs"), text);
        let found: Vec<(usize, &str)> =
            found.iter().map(|sentence| (sentence.line, sentence.text.as_str())).collect();
        assert_eq!(found, [(1, "One sentence over two lines.")]);
    }

    #[test]
    fn scripts_without_an_ending_and_help_texts_are_read() {
        let texts = |path: &str, text: &str| -> Vec<String> {
            let found = sentences_of(Path::new(path), text);
            found.into_iter().map(|sentence| sentence.text).collect()
        };
        let script = "#!/bin/sh\n# Runs a test.\ntrue\n";
        assert_eq!(texts("tests/run", script), ["Runs a test."]);
        assert!(texts("LICENSE", "MIT License text\n").is_empty());
        let table = "row(\"all\", \"Save the \\\n     whole table\"),\nrow(\"List the table\"),\n";
        let path = "crates/ipvs-rules/src/table/options.rs";
        assert_eq!(texts(path, table), ["Save the whole table", "List the table"]);
    }
}
