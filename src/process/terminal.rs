//! The terminal behind a standard stream: its width, and whether it gets colours; and the journal behind one.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::fs::fstat;
use rustix::termios::tcgetwinsize;

/// The width where neither a terminal nor COLUMNS says another.
const DEFAULT_WIDTH: usize = 100;

/// The terminal or the file that gets a text.
#[derive(Clone, Copy, Debug)]
pub struct TerminalStyle {
    /// The columns of a line.
    pub width: usize,
    /// Headings and names get colours.
    pub has_colours: bool,
    /// Lines may be cut to the width, since a person reads them.
    pub is_terminal: bool,
}

impl TerminalStyle {
    /// The style of standard output.
    pub fn of_standard_output() -> Self {
        let stdout = io::stdout();
        Self {
            width: terminal_width(&stdout),
            has_colours: has_colours(&stdout),
            is_terminal: stdout.is_terminal(),
        }
    }
}

/// The lines and columns of the terminal behind a stream. `None` if the terminal does not tell.
pub(super) fn terminal_size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let size = tcgetwinsize(stream).ok()?;
    let (lines, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (lines > 0 && columns > 0).then_some((lines, columns))
}

/// The columns of the terminal behind a stream. Without a terminal, those of the variable COLUMNS, or 100.
pub(super) fn terminal_width(stream: &impl AsFd) -> usize {
    let of_terminal = || tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
    let of_variable = || env::var("COLUMNS").ok()?.parse().ok();
    let width = of_terminal().filter(|&width| width > 0).or_else(of_variable);
    width.filter(|&width| width > 0).unwrap_or(DEFAULT_WIDTH)
}

/// Tests whether people read a stream: it is a terminal, or the journal of a systemd unit. A script that captures the
/// stream compares it, so a note would disturb the script.
pub fn has_readers(stream: &(impl IsTerminal + AsFd)) -> bool {
    stream.is_terminal() || env::var("JOURNAL_STREAM").is_ok_and(|name| is_named(stream, &name))
}

/// Compares a stream with `DEVICE:INODE`, which systemd.exec(5) has in JOURNAL_STREAM. Children of a unit inherit the
/// variable but may write to another stream.
fn is_named(stream: &impl AsFd, name: &str) -> bool {
    fstat(stream).is_ok_and(|file| format!("{}:{}", file.st_dev, file.st_ino) == name)
}

/// The choice of the user; without one, each stream decides.
static CHOSEN: OnceLock<bool> = OnceLock::new();

/// From now on every stream gets colours, or none does. Only the first call counts.
pub fn choose_colours(are_wanted: bool) {
    let _ = CHOSEN.set(are_wanted);
}

/// Tests whether a stream gets colours. Unless [`choose_colours`] decides, a terminal gets them if it has some, and if
/// NO_COLOR is unset or empty.
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    if let Some(&chosen) = CHOSEN.get() {
        return chosen;
    }
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal()
        && !is_set("NO_COLOR")
        && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Tests whether the terminal of the process can move its cursor, by the variable TERM.
pub(super) fn has_cursor() -> bool {
    env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Tests whether the locale of the process has Unicode, as the variables of locale(7) name it.
#[cfg(feature = "top")]
pub fn has_unicode() -> bool {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn journal_is_found_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let metadata = file.metadata().unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        assert!(is_named(&file, &format!("{device}:{inode}")));
        for other in [format!("{device}:{}", inode + 1), "1:2".to_owned(), String::new()] {
            assert!(!is_named(&file, &other), "{other}");
        }
    }
}
