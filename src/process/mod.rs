//! The process and its surroundings: files that are replaced as a whole, standard streams, signals and the terminal.
//!
//! Knows files, descriptors and signals; knows no rules and no kernel table.

mod atomic_file;
mod clock;
mod confirmation;
mod screen;
mod signals;
mod status_line;
mod streams;
mod terminal;

pub use atomic_file::AtomicFile;
pub use clock::utc_now;
pub use confirmation::{Answer, Confirmation};
pub use screen::Screen;
pub use signals::Watch;
pub use status_line::StatusLine;
pub use streams::{TerminalWriter, WaitingStream, visible};
pub use terminal::{TerminalStyle, choose_colours, has_colours, has_readers};
