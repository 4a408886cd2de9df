//! `/proc/net/ip_vs_status`: the load of the tables of a network namespace, from Linux 7.1 on.

use std::io::Read;

use super::NetFile;
use super::lines::Lines;
use crate::error::Error;

/// A line of the file: a title and its value, which may be several words. The kernel may add and change titles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusLine {
    /// The title, such as `Conn buckets`.
    pub title: String,
    /// The value, such as `256 (8 bits, lfactor -4)`.
    pub value: String,
}

/// Reads a text in the form of `/proc/net/ip_vs_status`: a title, a colon, blanks, and a value in each line.
///
/// # Errors
/// When the text cannot be read, or a line lacks the colon.
pub fn read_status(reader: impl Read) -> Result<Vec<StatusLine>, Error> {
    let mut lines = Lines::new(NetFile::Status, reader);
    let mut status = Vec::new();
    while let Some(line) = lines.next()? {
        let text = String::from_utf8_lossy(line);
        let (title, value) =
            text.split_once(':').ok_or_else(|| NetFile::Status.unexpected(line))?;
        let (title, value) = (title.trim().to_owned(), value.trim().to_owned());
        status.push(StatusLine { title, value });
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that Linux 7.1 prints (`ip_vs_status_show`), with a tab after each colon.
    const FILE: &str = "\
Conns:\t5
Conn buckets:\t256 (8 bits, lfactor -4)
Conn buckets empty:\t251 (98%)
Conn buckets len-1:\t5 (100%)
Services:\t1
Service buckets:\t16 (4 bits, lfactor -3)
Service buckets empty:\t15 (93%)
Service buckets len-1:\t1 (100%)
Stats thread slots:\t1 (max 16)
Stats chain max len:\t16
Stats thread ests:\t38400
";

    #[test]
    fn each_line_has_a_title_and_a_value() {
        let lines = read_status(FILE.as_bytes()).unwrap();
        let expected = [
            ("Conns", "5"),
            ("Conn buckets", "256 (8 bits, lfactor -4)"),
            ("Conn buckets empty", "251 (98%)"),
            ("Conn buckets len-1", "5 (100%)"),
            ("Services", "1"),
            ("Service buckets", "16 (4 bits, lfactor -3)"),
            ("Service buckets empty", "15 (93%)"),
            ("Service buckets len-1", "1 (100%)"),
            ("Stats thread slots", "1 (max 16)"),
            ("Stats chain max len", "16"),
            ("Stats thread ests", "38400"),
        ];
        let expected =
            expected.map(|(title, value)| StatusLine { title: title.into(), value: value.into() });
        assert_eq!(lines, expected);
        assert!(read_status("Conns 5\n".as_bytes()).is_err());
        // A namespace without connections and services has no tables.
        let empty = "Conns:\t0\nConn buckets:\t0 (0 bits, lfactor 0)\nServices:\t0\n\
            Service buckets:\t0 (0 bits, lfactor 0)\n";
        let lines = read_status(empty.as_bytes()).unwrap();
        assert_eq!(lines[1].value, "0 (0 bits, lfactor 0)");
    }
}
