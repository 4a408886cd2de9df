//! The keys and what they do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// An action that a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    /// Stop the process, as Ctrl-Z does everywhere.
    Suspend,
    /// Draw the whole screen again.
    Redraw,
    Help,
    /// Leave the help or the connections, or drop the filter.
    Back,
    /// Move the cursor by a number of rows.
    Move(isize),
    /// Move the cursor by a number of screens.
    MoveScreens(isize),
    First,
    Last,
    NextOrder,
    PreviousOrder,
    /// Begin to type a filter.
    Filter,
    /// Show or hide the servers of the service under the cursor.
    Toggle,
    Expand,
    Collapse,
    /// Show or hide the servers of all services.
    ToggleAll,
    Connections,
    Freeze,
    Names,
}

/// A key while a filter is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Character(char),
    Erase,
    EraseAll,
    Accept,
    Cancel,
    Suspend,
    Quit,
}

/// The lines of the help: keys, and what they do.
pub(super) const HELP: [(&str, &str); 13] = [
    ("Up Down PgUp PgDn Home End", "move the cursor; also k and j, g and G"),
    ("Enter or Space", "show or hide the real servers of a service"),
    ("Right, Left", "show them, hide them"),
    ("a", "show or hide the real servers of all services"),
    ("s, S", "sort by the next or by the previous column"),
    ("/", "filter: only rows that contain a text"),
    ("c", "connections of the row: states and clients"),
    ("f", "freeze the picture; again: go on"),
    ("n", "names or numbers"),
    ("Esc", "back; on the table: drop the filter"),
    ("Ctrl-L, Ctrl-Z", "draw again, suspend"),
    ("?", "this help"),
    ("q", "quit"),
];

/// The action of a key. `None` if it has none.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('l') => Some(Action::Redraw),
            KeyCode::Char('f') => Some(Action::MoveScreens(1)),
            KeyCode::Char('b') => Some(Action::MoveScreens(-1)),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q' | 'Q') => Action::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Esc => Action::Back,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::MoveScreens(-1),
        KeyCode::PageDown => Action::MoveScreens(1),
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Char('s') => Action::NextOrder,
        KeyCode::Char('S') => Action::PreviousOrder,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Enter | KeyCode::Char(' ') => Action::Toggle,
        KeyCode::Right => Action::Expand,
        KeyCode::Left => Action::Collapse,
        KeyCode::Char('a') => Action::ToggleAll,
        KeyCode::Char('c') => Action::Connections,
        KeyCode::Char('f') => Action::Freeze,
        KeyCode::Char('n') => Action::Names,
        _ => return None,
    })
}

/// The meaning of a key while a filter is typed.
pub(super) fn typed(key: KeyEvent) -> Option<Typed> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if has_control => Typed::Quit,
        KeyCode::Char('z') if has_control => Typed::Suspend,
        KeyCode::Char('u') if has_control => Typed::EraseAll,
        KeyCode::Char('h') if has_control => Typed::Erase,
        KeyCode::Char(character) if !has_control => Typed::Character(character),
        KeyCode::Backspace => Typed::Erase,
        KeyCode::Enter => Typed::Accept,
        KeyCode::Esc => Typed::Cancel,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    #[test]
    fn ctrl_c_and_ctrl_z_work_while_a_filter_is_typed() {
        assert_eq!(action(control('c')), Some(Action::Quit));
        assert_eq!(typed(control('c')), Some(Typed::Quit));
        assert_eq!(action(control('z')), Some(Action::Suspend));
        assert_eq!(typed(control('z')), Some(Typed::Suspend));
    }

    #[test]
    fn letters_are_actions_on_the_table_and_text_in_a_filter() {
        let q = plain(KeyCode::Char('q'));
        assert_eq!(action(q), Some(Action::Quit));
        assert_eq!(typed(q), Some(Typed::Character('q')));
        assert_eq!(action(plain(KeyCode::Char('x'))), None);
        let release = KeyEvent { kind: KeyEventKind::Release, ..q };
        assert_eq!((action(release), typed(release)), (None, None));
    }

    #[test]
    fn every_key_of_the_help_does_something() {
        for (keys, _) in HELP {
            for key in keys.split([',', ' ']).filter(|key| !["", "or"].contains(key)) {
                let event = match key {
                    "Up" => plain(KeyCode::Up),
                    "Down" => plain(KeyCode::Down),
                    "PgUp" => plain(KeyCode::PageUp),
                    "PgDn" => plain(KeyCode::PageDown),
                    "Home" => plain(KeyCode::Home),
                    "End" => plain(KeyCode::End),
                    "Enter" => plain(KeyCode::Enter),
                    "Space" => plain(KeyCode::Char(' ')),
                    "Right" => plain(KeyCode::Right),
                    "Left" => plain(KeyCode::Left),
                    "Esc" => plain(KeyCode::Esc),
                    "Ctrl-L" => control('l'),
                    "Ctrl-Z" => control('z'),
                    letter => plain(KeyCode::Char(letter.chars().next().unwrap())),
                };
                assert!(action(event).is_some(), "{key}");
            }
        }
    }
}
