//! The findings as a document.

use std::io::{self, Write};

use serde::Serialize;

use super::{Finding, Severity};
use crate::output::{Document, counted};

/// The findings, and the facts that could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings; the most severe come first.
    pub findings: Vec<Finding>,
    /// Sentences about facts that could not be seen.
    pub unseen: Vec<String>,
    /// The columns of the text.
    #[serde(skip)]
    pub width: usize,
    /// Codes and severities get colours.
    #[serde(skip)]
    pub has_colours: bool,
}

impl Report {
    /// True if a finding is above a note.
    pub fn has_faults(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity < Severity::Note)
    }
}

impl Document for Report {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        for Finding { code, severity, seen, why, commands } in &self.findings {
            let (begin, end) = if self.has_colours { severity.colours() } else { ("", "") };
            writeln!(out, "{begin}{code} {}{end}", severity.name())?;
            write_wrapped(out, &format!("{seen}."), self.width)?;
            write_wrapped(out, why, self.width)?;
            for mend in commands {
                let machine = mend.machine.as_deref().unwrap_or_default();
                let remark = if mend.is_template { "  # replace the word in capitals" } else { "" };
                writeln!(out, "    {machine}# {}{remark}", mend.command)?;
            }
            writeln!(out)?;
        }
        for sentence in &self.unseen {
            write_wrapped(out, sentence, self.width)?;
        }
        let count = |severity| {
            let number = self.findings.iter().filter(|one| one.severity == severity).count();
            counted(number, severity.name())
        };
        let [errors, warnings, notes] =
            [Severity::Error, Severity::Warning, Severity::Note].map(count);
        writeln!(out, "{errors}, {warnings}, {notes}.")?;
        if let Some(first) = self.findings.first() {
            writeln!(out, "`ipvsadm --doctor={}' explains a finding.", first.code)?;
        }
        Ok(())
    }
}

/// Writes a paragraph with an indent of two columns.
fn write_wrapped(out: &mut Vec<u8>, text: &str, width: usize) -> io::Result<()> {
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > width {
            writeln!(out)?;
            column = 0;
        }
        let space = if column == 0 { "  " } else { " " };
        write!(out, "{space}{word}")?;
        column += space.len() + word.len();
    }
    writeln!(out)
}
