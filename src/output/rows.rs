//! The rows of a document that is printed while it is read, and the buffer in which they wait for their stream.

use std::io::{self, Write};

/// A document that is printed row by row while it is read, so that memory does not depend on its length.
pub trait Rows<R: ?Sized> {
    /// Writes the beginning of the document.
    ///
    /// # Errors
    /// When it cannot be written.
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// Writes a row.
    ///
    /// # Errors
    /// When it cannot be written.
    fn row(&mut self, out: &mut Vec<u8>, row: &R) -> io::Result<()>;

    /// Writes the end of the document.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// The number of bytes that are written at once.
const CAPACITY: usize = 64 * 1024;

/// A stream that gets many rows in one write.
pub struct Buffered<'a> {
    stream: &'a mut dyn Write,
    buffer: Vec<u8>,
}

impl<'a> Buffered<'a> {
    /// Buffers rows for a stream.
    pub fn new(stream: &'a mut dyn Write) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Adds rows to the buffer, and writes the buffer when it is full.
    ///
    /// # Errors
    /// When the rows or the buffer cannot be written.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        write(&mut self.buffer)?;
        if self.buffer.len() >= CAPACITY { self.finish() } else { Ok(()) }
    }

    /// Writes the rest of the buffer. Rows that are dropped before this were not printed.
    ///
    /// # Errors
    /// When the buffer cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
