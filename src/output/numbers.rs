//! The numbers of `--stats` and `--rate`: nine columns, shortened where they need more.

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
    match (number, digits) {
        // An array of a fixed size is copied without a call.
        (0..100_000_000, _) => out.extend_from_slice(&nine_columns(number)),
        (_, Digits::All) => all_digits(out, number),
        (_, Digits::Shortened) => shortened(out, number),
    }
}

/// The digits of a number of at most eight, behind blanks.
fn nine_columns(number: u64) -> [u8; 9] {
    let mut columns = [b' '; 9];
    let mut rest = number;
    for column in columns.iter_mut().rev() {
        *column = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    columns
}

#[cold]
fn all_digits(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cold]
fn shortened(out: &mut Vec<u8>, number: u64) {
    let (divisor, letter) = match number {
        ..1_000_000_000 => (1_000, b'K'),
        1_000_000_000..100_000_000_000 => (1_000_000, b'M'),
        100_000_000_000..100_000_000_000_000 => (1_000_000_000, b'G'),
        _ => (1_000_000_000_000, b'T'),
    };
    let [_, columns @ ..] = nine_columns(number / divisor);
    out.extend_from_slice(&columns);
    out.push(letter);
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
