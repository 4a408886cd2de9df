//! Shows pictures: writes the cells that differ from the picture before.
//!
//! ratatui's `Terminal` asks the terminal for the place of the cursor when it clears a screen. Terminals that do not answer
//! made it fail, so this type works on the backend alone.

use ratatui::backend::Backend;
use ratatui::buffer::Buffer;

/// A backend with the picture that it shows.
#[derive(Debug)]
pub(super) struct Screen<B> {
    backend: B,
    /// `None` if the content of the terminal is unknown.
    shown: Option<Buffer>,
}

impl<B: Backend> Screen<B> {
    /// A screen with unknown content.
    pub(super) const fn new(backend: B) -> Self {
        Self { backend, shown: None }
    }

    /// Takes the content of the terminal as unknown, so that the next picture is drawn as a whole.
    pub(super) fn forget(&mut self) {
        self.shown = None;
    }

    /// Shows a picture.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub(super) fn show(&mut self, picture: Buffer) -> Result<(), B::Error> {
        let shown = match self.shown.take().filter(|shown| shown.area == picture.area) {
            Some(shown) => shown,
            None => {
                self.backend.clear()?;
                Buffer::empty(picture.area)
            }
        };
        self.backend.draw(shown.diff_iter(&picture))?;
        self.backend.flush()?;
        self.shown = Some(picture);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;

    #[test]
    fn pictures_follow_each_other_and_a_new_size_clears_the_screen() {
        let mut screen = Screen::new(TestBackend::with_lines(["old text", "old text"]));
        screen.show(Buffer::with_lines(["one     ", "        "])).unwrap();
        screen.backend.assert_buffer_lines(["one     ", "        "]);
        screen.show(Buffer::with_lines(["two     ", "three   "])).unwrap();
        screen.backend.assert_buffer_lines(["two     ", "three   "]);
        // Another program has written to the terminal.
        screen.backend.draw([(0, 0, &Cell::new("X"))].into_iter()).unwrap();
        screen.forget();
        screen.show(Buffer::with_lines(["two     ", "three   "])).unwrap();
        screen.backend.assert_buffer_lines(["two     ", "three   "]);
        screen.backend.resize(4, 1);
        screen.show(Buffer::with_lines(["four"])).unwrap();
        screen.backend.assert_buffer_lines(["four"]);
    }
}
