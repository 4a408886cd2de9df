//! Numbers in five columns.

/// A number with at most five characters: up to 9999 in full, below ten with one decimal place, then in thousands (k),
/// millions (M), billions (G) and so on.
pub(super) fn short(number: f64) -> String {
    const LETTERS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if number < 9_999.5 {
        // A whole number below ten has no decimal place.
        let has_fraction = number < 9.95 && (number - number.round()).abs() >= 0.05;
        return if has_fraction { format!("{number:.1}") } else { format!("{number:.0}") };
    }
    let mut number = number;
    let mut letters = LETTERS.iter();
    let mut letter = letters.next().copied().unwrap_or_default();
    while number >= 999.5 {
        let Some(next) = letters.next() else { break };
        letter = next;
        number /= 1000.0;
    }
    match number < 99.95 {
        true => format!("{number:.1}{letter}"),
        false => format!("{number:.0}{letter}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_has_at_most_five_characters() {
        for (number, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.5, "0.5"),
            (7.0, "7"),
            (9.96, "10"),
            (9_999.0, "9999"),
            (9_999.6, "10.0k"),
            (99_960.0, "100k"),
            (999_499.0, "999k"),
            (999_500.0, "1.0M"),
            (12_345_678.0, "12.3M"),
            (1.5e19, "15.0E"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
    }
}
