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
    Markdown,
    Manual,
    /// Shell, make and TOML: comments begin with `#`.
    Hash,
}

fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "rs" => Some(Kind::Rust),
        "md" => Some(Kind::Markdown),
        "5" | "8" => Some(Kind::Manual),
        "sh" | "toml" | "fish" | "bash" => Some(Kind::Hash),
        _ if name == "Makefile" => Some(Kind::Hash),
        _ => None,
    }
}

/// Whether a file has prose to check.
pub(crate) fn has_prose(path: &Path) -> bool {
    kind(path).is_some() && !path.starts_with("tests/prose")
}

/// The sentences of a file.
pub(crate) fn sentences_of(path: &Path, text: &str) -> Vec<Sentence> {
    let lines = match kind(path) {
        Some(Kind::Rust) => comment_lines(text, &["//!", "///", "//"]),
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
}
