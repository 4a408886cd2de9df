//! Numbers with their nouns, for sentences.

use std::fmt::Display;

/// A number with a noun, in the plural unless the number is 1.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, noun: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_a_plural() {
        assert_eq!(counted(1_u64, "connection"), "1 connection");
        assert_eq!(counted(0_usize, "connection"), "0 connections");
        assert_eq!(counted(2_u32, "real server"), "2 real servers");
    }
}
