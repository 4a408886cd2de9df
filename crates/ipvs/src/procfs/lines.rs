//! A file line by line through one buffer.

use std::fs::File;
use std::io::{self, Read};

use super::NetFile;
use crate::error::{Error, Operation};

/// The size of the buffer. The kernel returns at most a page a read, or one entry that is longer.
const CAPACITY: usize = 8 * 1024;

/// The lines of a file. Memory stays constant: the buffer grows only for a line that is longer.
#[derive(Debug)]
pub(super) struct Lines<R = File> {
    path: NetFile,
    reader: R,
    buffer: Vec<u8>,
    /// The bytes that are read and not yet returned: from `start` to `end`.
    start: usize,
    end: usize,
}

impl<R: Read> Lines<R> {
    /// Reads lines from an open file; the path serves errors alone.
    pub(super) fn new(path: NetFile, reader: R) -> Self {
        Self { path, reader, buffer: vec![0; CAPACITY], start: 0, end: 0 }
    }

    /// The next line without its newline. `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', unread) {
                let line = self.start..self.start + length;
                self.start = line.end + 1;
                return Ok(self.buffer.get(line));
            }
            if self.fill()? == 0 {
                let rest = self.start..self.end;
                self.start = self.end;
                return Ok(if rest.is_empty() { None } else { self.buffer.get(rest) });
            }
        }
    }

    /// The file that the lines are read from.
    pub(super) const fn path(&self) -> NetFile {
        self.path
    }

    /// Reads more behind the bytes that are left.
    fn fill(&mut self) -> Result<usize, Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(length) => {
                    self.end += length;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.path.failed(Operation::ReadFile, error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a few bytes a read, as a slow or interrupted file does.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1000);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn lines_are_whole_however_the_file_is_read() {
        let long = "x".repeat(3 * CAPACITY);
        let text = format!("one\n\nthree\n{long}\nlast");
        let mut lines = Lines::new(NetFile::Services, Dribble(text.as_bytes()));
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(read, ["one", "", "three", &long, "last"]);
    }
}
