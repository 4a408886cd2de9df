//! The process and its surroundings: files that are replaced as a whole, standard streams, signals and the terminal.
//!
//! Knows files, descriptors and signals; knows no rules and no kernel table.

mod atomic_file;
mod clock;
mod confirmation;
#[cfg(feature = "top")]
mod full_screen;
#[cfg(feature = "top")]
mod late_end;
mod screen;
mod signals;
mod status_line;
mod streams;
mod terminal;
#[cfg(feature = "top")]
mod wakeups;

pub use atomic_file::AtomicFile;
pub use clock::utc_now;
pub use confirmation::{Answer, Confirmation};
#[cfg(feature = "top")]
pub use full_screen::FullScreen;
pub use screen::Screen;
pub use signals::{INTERRUPT, Watch};
pub use status_line::StatusLine;
pub use streams::{TerminalWriter, WaitingStream, visible};
#[cfg(feature = "top")]
pub use terminal::has_unicode;
pub use terminal::{TerminalStyle, choose_colours, has_colours, has_readers};
#[cfg(feature = "top")]
pub use wakeups::{Wakeup, Wakeups};
