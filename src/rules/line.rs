//! A line of a rules file to words.

use thiserror::Error;

use super::RuleError;

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LineError {
    /// Its bytes are not UTF-8.
    #[error("not UTF-8 text from byte {0} on")]
    NotUtf8(usize),
    /// It has a NUL in it.
    #[error("a NUL byte, byte {0}")]
    Nul(usize),
    /// It does not end within [`LineError::MAX_LENGTH`] bytes.
    #[error("longer than {max} bytes", max = Self::MAX_LENGTH)]
    TooLong,
    /// What it says is no rule.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl LineError {
    /// The most bytes in a line: many times what the longest rule needs.
    pub const MAX_LENGTH: usize = 64 * 1024;
}

/// As many words as nearly every line has, so that room is made once.
const WORDS: usize = 16;

/// Splits a line at blanks, tabs and carriage returns. There is no quoting. A word that is `ipvsadm` is left
/// out, and so is everything from a `#` on that begins a word.
///
/// # Errors
/// When the bytes are not text, or too many.
pub fn words(line: &[u8]) -> Result<Vec<&str>, LineError> {
    if line.len() > LineError::MAX_LENGTH {
        return Err(LineError::TooLong);
    }
    if let Some(place) = memchr::memchr(0, line) {
        return Err(LineError::Nul(place + 1));
    }
    let line = str::from_utf8(line).map_err(|error| LineError::NotUtf8(error.valid_up_to() + 1))?;
    // Some editors put a byte order mark before the first line.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let mut words = Vec::with_capacity(WORDS);
    let mut rest = line;
    while !rest.is_empty() {
        // By bytes: to look for one of several characters takes ten times as long.
        let end = rest.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let word = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        rest = rest.get(word.len() + 1..).unwrap_or_default();
        if word.starts_with('#') {
            break;
        }
        if !word.is_empty() && word != "ipvsadm" {
            words.push(word);
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks_and_the_program_is_not_one() {
        let words = words(b"  ipvsadm -A\t-t 10.0.0.1:80 \r\n").unwrap();
        assert_eq!(words, ["-A", "-t", "10.0.0.1:80"]);
    }

    #[test]
    fn byte_order_mark_is_no_part_of_a_word() {
        assert_eq!(words("\u{feff}-C".as_bytes()).unwrap(), ["-C"]);
    }

    #[test]
    fn comment_begins_at_the_start_or_after_a_blank() {
        assert_eq!(words(b"# all of it").unwrap(), [""; 0]);
        assert_eq!(words(b"-C # the rest").unwrap(), ["-C"]);
        assert_eq!(words(b"-s a#b").unwrap(), ["-s", "a#b"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        assert!(matches!(words(b"-C \xff"), Err(LineError::NotUtf8(4))));
        assert!(matches!(words(b"-C\0"), Err(LineError::Nul(3))));
        assert!(matches!(words(&[b'x'; 1 << 20]), Err(LineError::TooLong)));
    }
}
