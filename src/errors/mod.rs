//! Errors of the programs: 1.31's sentences for the kernel's refusals.

mod sentences;

pub use sentences::{conflict_sentence, io_text, sentence};
