//! A document that is complete before it is printed, as text or as JSON.

use std::io;

use ipvs_rules::OutputFormat;
use serde::Serialize;

use super::json::write_json;

/// A document that is complete before it is printed.
pub trait Document: Serialize {
    /// Writes the document for people.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// Writes a document in one of the formats.
///
/// # Errors
/// When it cannot be written.
pub fn write_document(
    out: &mut Vec<u8>,
    document: &impl Document,
    format: OutputFormat,
) -> io::Result<()> {
    match format {
        OutputFormat::Text => document.write_text(out),
        OutputFormat::Json => write_json(out, document),
    }
}
