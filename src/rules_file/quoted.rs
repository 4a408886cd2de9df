//! Parts of a line as messages quote them: a line may be any 64 KiB, and a message must stay readable.

/// The most bytes of a word in a message. A message quotes a word twice at most, and [`SHOWN`] bytes of its line.
const WORD: usize = 60;

/// The most bytes of a line in front of a message.
const SHOWN: usize = 80;

/// Shortens the long words of a message, so that it quotes at most 200 bytes of a line.
pub fn shortened(message: &str) -> String {
    let words: Vec<String> = message.split(' ').map(|word| cut(word, WORD)).collect();
    words.join(" ")
}

/// The start of a line, with escapes for control characters.
pub fn quoted_line(line: &[u8]) -> String {
    // Escapes make the text longer; a backslash that joins a line with the next one makes three bytes a blank.
    let start = line.trim_ascii();
    let text = String::from_utf8_lossy(start.get(..3 * SHOWN + 1).unwrap_or(start));
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let text: String = text.chars().map(escaped).collect();
    cut(&text, SHOWN)
}

fn escaped(character: char) -> String {
    match character {
        control if control.is_control() => control.escape_debug().to_string(),
        other => other.to_string(),
    }
}

/// At most `most` bytes of a text, the closing dots among them.
fn cut(text: &str, most: usize) -> String {
    const DOTS: &str = "...";

    if text.len() <= most {
        return text.to_owned();
    }
    let most = most - DOTS.len();
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    format!("{}{DOTS}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Resolver;
    use crate::rules_file::RuleFile;

    #[test]
    fn message_quotes_at_most_200_bytes_of_its_line() {
        let long = "x.".repeat(20_000);
        for line in [
            format!("-A -t {long}.:80"),
            format!("-A -t 10.0.0.1:{long}"),
            format!("-A -t 10.0.0.1:80 -s {long}"),
            format!("-A -t 10.0.0.1:80 --{long}"),
            format!("-A -t 10.0.0.1:80 -M {long}"),
            format!("-A -t 10.0.0.1:80 -b {long}"),
            format!("-A -f {long}"),
            format!("--set 1 2 {long}"),
            format!("{long} {long} {long} {long}"),
            format!("-C {long}"),
            format!("--start-daemon {long}"),
            format!("\u{2014}{long}"),
        ] {
            let file = RuleFile::read(line.as_bytes(), &mut Resolver::new());
            let [bad] = file.bad_rules.as_slice() else { panic!("{line} is no bad line") };
            let message = bad.to_string();
            let quoted = message.matches("x.").count() * 2;
            assert!(quoted <= 200, "{quoted} bytes: {message}");
            assert!(message.len() < 400, "{message}");
        }
    }

    #[test]
    fn line_is_cut_between_characters_and_its_control_characters_are_escaped() {
        assert_eq!(quoted_line(b" -A\t-t\r\n"), "-A\\t-t");
        assert_eq!(quoted_line(b"\xff\x07"), "\u{fffd}\\u{7}");
        assert_eq!(quoted_line("\u{fc}'\"\\".as_bytes()), "\u{fc}'\"\\");
        let line = quoted_line("\u{fc}".repeat(100).as_bytes());
        assert_eq!(line, format!("{}...", "\u{fc}".repeat(38)));
        assert!(quoted_line(&[7; 100]).len() <= SHOWN);
    }
}
