//! Columns: texts padded with blanks to a width, never cut.

use std::fmt;
use std::io::Write;

/// Appends a value and blanks up to the width, which counts bytes.
pub(super) fn left(out: &mut Vec<u8>, value: impl fmt::Display, width: usize) {
    let end = out.len() + width;
    append(out, format_args!("{value}"));
    if out.len() < end {
        out.resize(end, b' ');
    }
}

/// Appends formatted text.
pub(super) fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}
