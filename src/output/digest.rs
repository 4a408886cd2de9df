//! The digest of saved rules: one word, by which the tables of many directors are compared.

use std::io::{self, Write};

use ipvs_rules::DigestedWeights;
use sha2::{Digest, Sha256};

/// Writes the SHA-256 digest of saved lines in hexadecimal digits, and the end of its line.
///
/// # Errors
/// When it cannot be written.
pub fn write_digest(out: &mut dyn Write, lines: &[u8], weights: DigestedWeights) -> io::Result<()> {
    let mut hash = Sha256::new();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        match (weights, weight(line)) {
            (DigestedWeights::Omitted, Some((before, behind))) => {
                hash.update(before);
                hash.update(behind);
            }
            _ => hash.update(line),
        }
    }
    for byte in hash.finalize() {
        write!(out, "{byte:02x}")?;
    }
    writeln!(out)
}

/// The parts of a line before and behind its weight, a blank in front of `-w` included.
fn weight(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const OPTION: &[u8] = b" -w ";

    let mut start = 0;
    loop {
        let place = start + memchr::memmem::find(line.get(start..)?, OPTION)?;
        let value = line.get(place + OPTION.len()..)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            return Some((line.get(..place)?, value.get(digits..)?));
        }
        start = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(lines: &str, weights: DigestedWeights) -> String {
        let mut out = Vec::new();
        write_digest(&mut out, lines.as_bytes(), weights).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digest_is_that_of_sha256sum() {
        // printf '' | sha256sum, and printf -- '-A -f 7 -s rr\n' | sha256sum
        for (lines, expected) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"),
            (
                "-A -f 7 -s rr\n",
                "5de2265437c55a1853d34a81d0269c6613688d712e6fae7107cba8f9faa1d62f\n",
            ),
        ] {
            for weights in [DigestedWeights::Omitted, DigestedWeights::Included] {
                assert_eq!(digest(lines, weights), expected);
            }
        }
    }

    #[test]
    fn digest_without_weights_is_that_of_the_lines_without_them() {
        use DigestedWeights::{Included, Omitted};

        for (line, without) in [
            ("-a -f 7 -r 10.0.0.1:0 -g -w 15 -x 9\n", "-a -f 7 -r 10.0.0.1:0 -g -x 9\n"),
            ("-a -f 7 -r 10.0.0.1:0 -g -w 1\n", "-a -f 7 -r 10.0.0.1:0 -g\n"),
            // The first number behind the option counts, as for sed.
            ("# -a -f 7 -w <5> -w 5 -w 6\n", "# -a -f 7 -w <5> -w 6\n"),
            ("-A -f 7 -s rr\n", "-A -f 7 -s rr\n"),
        ] {
            assert_eq!(digest(line, Omitted), digest(without, Included), "{line}");
            let twice = (line.repeat(2), without.repeat(2));
            assert_eq!(digest(&twice.0, Omitted), digest(&twice.1, Included), "{line}");
        }
        assert_ne!(digest("-w 1\n", Omitted), digest("-w 2\n", Included));
    }
}
