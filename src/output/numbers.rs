//! The numbers of `--stats` and `--rate`: nine columns, shortened where they need more.

use super::padding::right;

/// The form of large numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    /// All digits; the columns move.
    All,
    /// From 100,000,000 on in thousands (K), millions (M), billions (G) or trillions (T).
    Shortened,
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, number: u64, digits: Digits) {
    let (divisor, letter) = match number {
        _ if digits == Digits::All => return full(out, number),
        0..100_000_000 => return full(out, number),
        100_000_000..1_000_000_000 => (1_000, b'K'),
        1_000_000_000..100_000_000_000 => (1_000_000, b'M'),
        100_000_000_000..100_000_000_000_000 => (1_000_000_000, b'G'),
        _ => (1_000_000_000_000, b'T'),
    };
    right(out, number / divisor, 8);
    out.push(letter);
}

fn full(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    right(out, number, 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: u64, digits: Digits) -> String {
        let mut out = Vec::new();
        number(&mut out, value, digits);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn number_is_full_up_to_eight_digits_and_shortened_beyond() {
        for (value, text) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_949_999_999, "   99949M"),
            (100_000_000_000, "     100G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(shown(value, Digits::Shortened), text);
        }
    }

    #[test]
    fn exact_number_has_all_digits() {
        assert_eq!(shown(100_000_000, Digits::All), " 100000000");
        assert_eq!(shown(7, Digits::All), "        7");
    }
}
