//! JSON: numbers only, nothing shortened.
//!
//! Each list of a document has one entry a line, so that a program can read a long one as a stream.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::rows::Rows;

/// Writes a document and the end of its line.
pub(super) fn write_json(out: &mut Vec<u8>, document: &impl Serialize) -> io::Result<()> {
    let formatter = EntryPerLine { depth: 0, entry: 0, has_entries: false };
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    out.push(b'\n');
    Ok(())
}

/// Puts each entry of the outermost list, or of the lists of the outermost object, on a line of its own.
struct EntryPerLine {
    /// The number of objects and lists around the next value.
    depth: usize,
    /// The depth of these entries.
    entry: usize,
    has_entries: bool,
}

impl Formatter for EntryPerLine {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.depth == 0 {
            self.entry = 1;
        }
        self.depth += 1;
        self.has_entries = false;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.depth == self.entry && self.has_entries {
            writer.write_all(b"\n")?;
        }
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        CompactFormatter.begin_array_value(writer, first)?;
        if self.depth == self.entry { writer.write_all(b"\n") } else { Ok(()) }
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_entries = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.depth == 0 {
            self.entry = 2;
        }
        self.depth += 1;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(writer)
    }
}

/// An object with the fields of `head` and one list, which is printed row by row.
#[derive(Clone, Copy, Debug)]
pub struct JsonRows<H> {
    head: H,
    list: &'static str,
    has_rows: bool,
}

impl<H: Serialize> JsonRows<H> {
    /// A document with these fields before its list. `head` serializes as an object, or as `null` for no fields.
    pub const fn new(head: H, list: &'static str) -> Self {
        Self { head, list, has_rows: false }
    }
}

impl<H> JsonRows<H> {
    /// Begins the line of the next row.
    pub(super) fn separate(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.has_rows { b",\n" } else { b"\n" });
        self.has_rows = true;
    }
}

impl<H: Serialize, R: Serialize + ?Sized> Rows<R> for JsonRows<H> {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let head = serde_json::to_vec(&self.head)?;
        match head.strip_suffix(b"}") {
            Some(fields) => {
                out.extend_from_slice(fields);
                out.push(b',');
            }
            None => out.push(b'{'),
        }
        write!(out, "\"{}\":[", self.list)
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &R) -> io::Result<()> {
        self.separate(out);
        Ok(serde_json::to_writer(out, row)?)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(if self.has_rows { b"\n]}\n" } else { b"]}\n" });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Table {
        version: &'static str,
        services: Vec<Vec<u32>>,
    }

    #[derive(Serialize)]
    struct Head {
        version: &'static str,
    }

    fn by_rows(services: &[Vec<u32>]) -> Vec<u8> {
        let mut rows = JsonRows::new(Head { version: "1.2.1" }, "services");
        let mut out = Vec::new();
        Rows::<Vec<u32>>::begin(&mut rows, &mut out).unwrap();
        for service in services {
            rows.row(&mut out, service).unwrap();
        }
        Rows::<Vec<u32>>::end(&mut rows, &mut out).unwrap();
        out
    }

    #[test]
    fn rows_are_the_same_document_as_the_whole() {
        for services in [vec![], vec![vec![]], vec![vec![1, 2], vec![], vec![3]]] {
            let mut whole = Vec::new();
            let rows = by_rows(&services);
            write_json(&mut whole, &Table { version: "1.2.1", services }).unwrap();
            assert_eq!(String::from_utf8(whole).unwrap(), String::from_utf8(rows).unwrap());
        }
    }

    #[test]
    fn list_has_one_entry_a_line() {
        assert_eq!(
            String::from_utf8(by_rows(&[vec![1, 2], vec![]])).unwrap(),
            "{\"version\":\"1.2.1\",\"services\":[\n[1,2],\n[]\n]}\n"
        );
        let mut out = Vec::new();
        let mut rows = JsonRows::new((), "connections");
        Rows::<u32>::begin(&mut rows, &mut out).unwrap();
        Rows::<u32>::end(&mut rows, &mut out).unwrap();
        assert_eq!(out, b"{\"connections\":[]}\n");
    }
}
