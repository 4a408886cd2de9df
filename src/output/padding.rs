//! Columns: texts padded with blanks to a width, never cut.

use std::fmt;
use std::io::Write;

use ipvs_rules::EndpointText;

/// Appends a text and blanks up to the width, which counts bytes.
pub(super) fn left(out: &mut Vec<u8>, text: &str, width: usize) {
    let end = out.len() + width;
    out.extend_from_slice(text.as_bytes());
    pad(out, end);
}

/// Appends an address with its port and blanks up to the width.
#[inline]
pub(super) fn left_endpoint(out: &mut Vec<u8>, endpoint: &EndpointText<'_>, width: usize) {
    let start = out.len();
    match endpoint.numbers() {
        // The text has blanks behind it.
        Some((text, length)) => {
            out.extend_from_slice(&text);
            out.truncate(start + length.max(width));
        }
        None => endpoint.append_to(out),
    }
    pad(out, start + width);
}

/// Appends a number and blanks up to the width.
pub(super) fn left_number(out: &mut Vec<u8>, number: u32, width: usize) {
    let end = out.len() + width;
    match u8::try_from(number) {
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
    pad(out, end);
}

/// Appends blanks and a number that ends at the width.
pub(super) fn right_number(out: &mut Vec<u8>, number: u64, width: usize) {
    let end = out.len() + width;
    match u8::try_from(number) {
        Ok(digit @ 0..10) => {
            pad(out, end.saturating_sub(1));
            out.push(b'0' + digit);
        }
        _ => {
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(number);
            pad(out, end.saturating_sub(digits.len()));
            out.extend_from_slice(digits.as_bytes());
        }
    }
}

/// Appends blanks up to a length of the whole text.
pub(super) fn pad(out: &mut Vec<u8>, end: usize) {
    const BLANKS: [u8; 32] = [b' '; 32];
    match end.checked_sub(out.len()) {
        None | Some(0) => {}
        // An array of a fixed size is copied without a call.
        Some(missing) if missing <= BLANKS.len() => {
            out.extend_from_slice(&BLANKS);
            out.truncate(end);
        }
        Some(_) => out.resize(end, b' '),
    }
}

/// Appends formatted text.
pub(super) fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}
