//! The looks of the screen: colours, and the characters of graphs. No meaning depends on a colour alone.

use ratatui::style::{Color, Modifier, Style};

use super::sample::Condition;

/// The heights of a graph's cells, lowest first.
const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The same for terminals without Unicode.
const ASCII: [&str; 8] = ["_", ".", ":", "-", "=", "+", "*", "#"];

/// The looks of the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    /// The terminal gets colours.
    pub(super) has_colours: bool,
    /// The terminal shows Unicode.
    pub(super) has_unicode: bool,
}

impl Theme {
    /// The style of a row by its condition.
    pub(super) fn condition(self, condition: Condition) -> Style {
        let colour = match condition {
            Condition::Serving => return Style::new(),
            Condition::Idle => Color::DarkGray,
            Condition::Drained | Condition::Empty => Color::Yellow,
            Condition::Overloaded => Color::Red,
        };
        self.coloured(colour)
    }

    /// The style of graphs.
    pub(super) fn graph(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// The style of a message about a failure.
    pub(super) fn failure(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// The style of names and keys.
    pub(super) const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of the titles of columns, and of the row under the cursor.
    pub(super) const fn reversed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// The mark of a text that is cut.
    pub(super) const fn ellipsis(self) -> &'static str {
        if self.has_unicode { "…" } else { "~" }
    }

    /// A graph: each number as one character, relative to the highest.
    pub(super) fn graph_text(self, cells: &[Option<f32>], highest: f32) -> String {
        let heights = if self.has_unicode { BLOCKS } else { ASCII };
        let cell = |cell: &Option<f32>| {
            let Some(number) = *cell else { return " " };
            let share = if highest > 0.0 { number / highest } else { 0.0 };
            // Only zero has the lowest height, so that little traffic differs from none.
            let height = if number > 0.0 { share.mul_add(6.0, 1.0).ceil() } else { 0.0 };
            let above = (1_u8..8).filter(|&place| f32::from(place) <= height).count();
            heights.get(above).copied().unwrap_or(" ")
        };
        cells.iter().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_has_a_character_for_each_number() {
        let theme = Theme { has_colours: false, has_unicode: true };
        let cells = [None, Some(0.0), Some(0.01), Some(4.0), Some(8.0)];
        assert_eq!(theme.graph_text(&cells, 8.0), " ▁▃▅█");
        let ascii = Theme { has_unicode: false, ..theme };
        assert_eq!(ascii.graph_text(&cells, 8.0), " _:=#");
        assert_eq!(ascii.graph_text(&[Some(0.0)], 0.0), "_");
    }

    #[test]
    fn without_colours_no_style_has_one() {
        let theme = Theme { has_colours: false, has_unicode: true };
        for condition in [Condition::Idle, Condition::Drained, Condition::Overloaded] {
            assert_eq!(theme.condition(condition), Style::new());
            assert_ne!(condition.word(), "");
            assert_ne!(condition.letter(), "");
        }
        assert_eq!(theme.failure().fg, None);
    }
}
