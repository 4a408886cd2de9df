//! A file line by line through one buffer.

use std::fs::File;
use std::io::{self, Read};

use super::Error;

/// The kernel hands out at most a page a read, or one entry that is longer.
const ROOM: usize = 64 * 1024;

/// Calls `each` with every line of a file but for the newlines.
pub(super) fn for_each_line<E: From<Error>>(
    path: &'static str,
    each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|source| Error::Open { path, source })?;
    split(path, file, each)
}

fn split<E: From<Error>>(
    path: &'static str,
    mut file: impl Read,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; ROOM];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        match file.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Read { path, source }.into()),
        }
        let mut used = 0;
        for end in memchr::memchr_iter(b'\n', buffer.get(..filled).unwrap_or_default()) {
            each(buffer.get(used..end).unwrap_or_default())?;
            used = end + 1;
        }
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
    match buffer.get(..filled) {
        Some(rest) if !rest.is_empty() => each(rest),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes a read, as a slow or interrupted file does.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let room = buffer.len().min(1000);
            self.0.read(&mut buffer[..room])
        }
    }

    #[test]
    fn lines_are_whole_however_the_file_is_read() {
        let long = "x".repeat(3 * ROOM);
        let text = format!("one\n\nthree\n{long}\nlast");
        let mut lines = Vec::new();
        split("a file", Dribble(text.as_bytes()), |line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            Ok::<_, Error>(())
        })
        .unwrap();
        assert_eq!(lines, ["one", "", "three", &long, "last"]);
    }
}
