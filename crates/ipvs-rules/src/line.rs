//! Splits a text into lines, and a line into words.

use std::str::Utf8Error;

use thiserror::Error;

use crate::error::RuleError;

/// The fault of a line.
#[derive(Debug, Error)]
pub enum LineError {
    /// The bytes are not UTF-8 from this one on, counted from 1.
    #[error("not UTF-8 text from byte {0} on")]
    NotUtf8(usize),
    /// A NUL byte, counted from 1.
    #[error("a NUL byte, byte {0}")]
    Nul(usize),
    /// The line is longer than [`LineError::MAX_LENGTH`] bytes.
    #[error("longer than {max} bytes", max = Self::MAX_LENGTH)]
    TooLong,
    /// It ends with a `\`, and nothing follows that it could be joined with.
    #[error(
        "unexpected argument \\ (at the end of a line it joins the next, and this is the last)"
    )]
    NoNextLine,
    /// The words are not a command.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl LineError {
    /// The most bytes in a line: many times what the longest rule needs.
    pub const MAX_LENGTH: usize = 64 * 1024;
}

/// A line of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes without the newline at its end.
    pub text: &'a [u8],
    /// The number of lines of the file that it takes: more than one if they are joined.
    pub count: u64,
    /// The text behind it.
    pub rest: &'a [u8],
}

impl<'a> Line<'a> {
    /// The whole of a text whose last newline is missing.
    pub fn last(text: &'a [u8]) -> Self {
        let count = memchr::memchr_iter(b'\n', text).count() as u64 + 1;
        Self { text, count, rest: b"" }
    }
}

/// The first line of a text. A line that ends with a word `\` includes the next. Returns `None` if the newline at the end
/// is missing.
#[inline]
pub fn first_line(text: &[u8]) -> Option<Line<'_>> {
    let mut start = 0;
    let mut count = 1;
    loop {
        let end = start + memchr::memchr(b'\n', text.get(start..)?)?;
        let line = text.get(..end)?;
        if !is_continued(line) {
            return Some(Line { text: line, count, rest: text.get(end + 1..)? });
        }
        start = end + 1;
        count += 1;
    }
}

/// The lines of a whole text with their numbers, from 1; a joined line has the number of its first part. The last line
/// may lack its newline.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = text;
    let mut next = 1;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let line = first_line(rest)
            .unwrap_or_else(|| Line::last(rest.strip_suffix(b"\n").unwrap_or(rest)));
        rest = line.rest;
        let number = next;
        next += line.count;
        Some((number, line.text))
    })
}

/// Splits a line at blanks, tabs and line ends. There is no quoting. The word `ipvsadm` is skipped, and so are its path as
/// the first word, a `\` before a newline, and a comment: everything from a word that begins with `#`.
///
/// # Errors
/// When the bytes are not text, the line is too long, or it ends with a `\` that joins it with a next line.
pub fn words(line: &[u8]) -> Result<Words<'_>, LineError> {
    if line.len() > LineError::MAX_LENGTH {
        return Err(LineError::TooLong);
    }
    if let Some(place) = memchr::memchr(0, line) {
        return Err(LineError::Nul(place + 1));
    }
    let line = match std::str::from_utf8(line) {
        Ok(line) => line,
        Err(error) => before_comment(line, &error)?,
    };
    if is_continued(line.strip_suffix('\n').unwrap_or(line).as_bytes()) {
        return Err(LineError::NoNextLine);
    }
    // Some editors write a byte order mark before the first line.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    Ok(Words { rest: after_program_path(line) })
}

/// A line without its first word, if that is the path of ipvsadm, as scripts have it.
fn after_program_path(line: &str) -> &str {
    let start = line.trim_start_matches([' ', '\t']);
    if start.starts_with('-') {
        return line;
    }
    let (word, rest) = start.split_once([' ', '\t', '\r', '\n']).unwrap_or((start, ""));
    if word.ends_with("/ipvsadm") && !word.starts_with('#') { rest } else { line }
}

/// Tests whether a line includes the next: it ends with the word `\`, outside a comment.
fn is_continued(line: &[u8]) -> bool {
    let Some(before) = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"\\") else {
        return false;
    };
    let last_line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let is_word = last_line.last().is_none_or(is_blank);
    is_word && !last_line.split(is_blank).any(|word| word.starts_with(b"#"))
}

/// The program that runs a text, if its first line says so and it is another than ipvsadm or ipvsadm-restore.
pub fn other_interpreter(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let rest = text.strip_prefix(b"#!")?;
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.get(..PATH_MAX).unwrap_or(line));
    let mut words = line.split_ascii_whitespace();
    // A comment may begin with a `!`.
    let path = words.next().filter(|path| path.starts_with('/'))?;
    let is = |path: &str, name| path.rsplit('/').next() == Some(name);
    let run = match is(path, "env") {
        true => words.find(|word| !word.starts_with('-')).unwrap_or(path),
        false => path,
    };
    let is_ours = is(run, "ipvsadm") || is(run, "ipvsadm-restore");
    (!is_ours).then(|| run.to_owned())
}

/// The longest path that the kernel takes.
const PATH_MAX: usize = 4096;

/// The text before a comment, if only the comment has bytes that are not text.
#[cold]
fn before_comment<'a>(line: &'a [u8], error: &Utf8Error) -> Result<&'a str, LineError> {
    let place = error.valid_up_to();
    let text =
        line.get(..place).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let comments = [" #", "\t#", "\r#"];
    let comment = comments.iter().filter_map(|comment| text.find(comment)).min();
    match comment {
        _ if text.starts_with('#') => Ok(""),
        Some(comment) => Ok(text.get(..comment).unwrap_or_default()),
        None => Err(LineError::NotUtf8(place + 1)),
    }
}

/// The iterator that [`words`] returns.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    /// Returns whether there is no word.
    pub(crate) fn is_empty(&self) -> bool {
        // Most lines begin with their command.
        !self.rest.starts_with('-') && self.clone().next().is_none()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let rest = self.rest;
            // Bytes are searched faster than characters: `cargo bench --bench parts`.
            let end = rest.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            let (word, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            self.rest = behind.get(1..).unwrap_or_default();
            match word.as_bytes() {
                [b'#', ..] => self.rest = "",
                [] | b"ipvsadm" => {}
                b"\\" if joins(behind) => {}
                _ => return Some(word),
            }
        }
        None
    }
}

/// Tests for a newline at the start.
fn joins(next: &str) -> bool {
    next.starts_with('\n') || next.starts_with("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[u8]) -> Vec<&str> {
        words(line).unwrap().collect()
    }

    #[test]
    fn text_is_split_at_newlines_and_the_last_may_be_missing() {
        for text in [&b"-C\n\n-Z"[..], b"-C\n\n-Z\n"] {
            let lines: Vec<_> = lines(text).collect();
            assert_eq!(lines, [(1, &b"-C"[..]), (2, b""), (3, b"-Z")]);
        }
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(first_line(b"-C\n-Z"), Some(Line { text: b"-C", count: 1, rest: b"-Z" }));
        assert_eq!(first_line(b"-Z"), None);
    }

    #[test]
    fn words_are_split_at_blanks_and_the_program_is_skipped() {
        assert_eq!(split(b"  ipvsadm -A\t-t 10.0.0.1:80 \r\n"), ["-A", "-t", "10.0.0.1:80"]);
    }

    #[test]
    fn path_of_the_program_is_left_out_as_its_name_is() {
        for line in
            ["/sbin/ipvsadm -C", "  ./ipvsadm\t-C", "$BIN/ipvsadm -C", "\u{feff}/sbin/ipvsadm -C"]
        {
            assert_eq!(split(line.as_bytes()), ["-C"], "{line}");
        }
        assert_eq!(split(b"-A /sbin/ipvsadm"), ["-A", "/sbin/ipvsadm"]);
        assert_eq!(split(b"#/sbin/ipvsadm -C"), [""; 0]);
        assert_eq!(split(b"/sbin/ipvsadm"), [""; 0]);
    }

    fn numbered(text: &str) -> Vec<(u64, Vec<&str>)> {
        let lines = lines(text.as_bytes());
        lines.map(|(number, line)| (number, split(line))).collect()
    }

    #[test]
    fn backslash_behind_a_blank_joins_a_line_with_the_next() {
        for end in ["\n", "\r\n"] {
            let text = "-A -t V \\\n  -s rr \\\n\\\n-p # \\\n-C \\ \\".replace('\n', end);
            let lines = super::lines(text.as_bytes()).collect::<Vec<_>>();
            let [(1, first), (5, last)] = lines.as_slice() else { panic!("{lines:?}") };
            assert_eq!(split(first), ["-A", "-t", "V", "-s", "rr", "-p"]);
            assert!(matches!(words(last), Err(LineError::NoNextLine)));
        }
        assert_eq!(
            numbered("-a\\\n-b \\ \n# \\\n-c"),
            [(1, vec!["-a\\"]), (2, vec!["-b", "\\"]), (3, vec![]), (4, vec!["-c"]),]
        );
        assert!(matches!(words(b"-C \\"), Err(LineError::NoNextLine)));
        assert!(matches!(words(b"-C \\\n"), Err(LineError::NoNextLine)));
        assert_eq!(first_line(b"-C \\\n"), None);
    }

    #[test]
    fn first_line_names_another_program() {
        for (text, program) in [
            ("#!/bin/sh\n-C", Some("/bin/sh")),
            ("#! /bin/bash -x\r\n-C", Some("/bin/bash")),
            ("#!/usr/bin/env bash", Some("bash")),
            ("#!/usr/bin/env -S ipvsadm -R\n", None),
            ("#!/usr/sbin/ipvsadm -R\r\n", None),
            ("#!/usr/sbin/ipvsadm-restore\n", None),
            ("#!!! by hand !!!\n", None),
            ("#!\n#!/bin/sh\n", None),
            ("-C\n#!/bin/sh", None),
        ] {
            assert_eq!(other_interpreter(text.as_bytes()).as_deref(), program, "{text:?}");
        }
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        assert_eq!(split("\u{feff}-C".as_bytes()), ["-C"]);
    }

    #[test]
    fn comment_begins_at_the_start_or_after_a_blank() {
        assert_eq!(split(b"# all of it"), [""; 0]);
        assert_eq!(split(b"-C # the rest"), ["-C"]);
        assert_eq!(split(b"-s a#b"), ["-s", "a#b"]);
    }

    #[test]
    fn comment_need_not_be_text() {
        assert_eq!(split(b"# B\xfcro"), [""; 0]);
        assert_eq!(split(b"-C\t# B\xfcro"), ["-C"]);
        assert!(matches!(words(b"-s a#\xfc"), Err(LineError::NotUtf8(6))));
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_their_place() {
        assert!(matches!(words(b"-C \xff"), Err(LineError::NotUtf8(4))));
        assert!(matches!(words(b"-C\0"), Err(LineError::Nul(3))));
        assert!(matches!(words(&[b'x'; 1 << 20]), Err(LineError::TooLong)));
    }
}
