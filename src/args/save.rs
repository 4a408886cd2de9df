//! The command line of ipvsadm-save.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};
use ipvs_rules::{DigestedWeights, Save, SaveForm, UnknownDigest};

use super::invocation::{Invocation, file, file_argument, flag, parse, program, scopes, within};
use crate::errors::Failure;

fn command() -> Command {
    const NUMERIC: &str =
        "Save addresses and ports as numbers; by default, as names that resolve to nothing else";

    let numeric = Arg::new("numeric").short('n').help(NUMERIC).action(ArgAction::SetTrue);
    program("ipvsadm-save", "Saves the IPVS table as lines that ipvsadm-restore takes.")
        .arg(numeric.overrides_with("numeric"))
        .arg(flag("all", "Save the timeouts and the running sync daemons too"))
        .arg(flag("allow-empty", "Save an empty table over a file that holds rules"))
        .arg(within().conflicts_with("all"))
        .arg(flag("json", "Save a JSON document, with numbers instead of names"))
        .arg(
            Arg::new("digest")
                .long("digest")
                .value_name("all")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value(NO_VALUE)
                .value_parser(digest)
                .conflicts_with_all(["all", "allow-empty", "json", "FILE"])
                .help("Print the SHA-256 digest of the lines without weights, or of all that they say"),
        )
        .arg(file_argument("The file, replaced as a whole; standard output if - or omitted"))
}

/// Parses the command line of ipvsadm-save.
///
/// # Errors
/// The first word that is wrong.
pub fn save_arguments(words: Vec<OsString>) -> Result<Invocation<Save>, Failure> {
    parse(command(), words, |mut matches| {
        let form = match (matches.remove_one("digest"), matches.get_flag("json")) {
            (Some(weights), _) => SaveForm::Digest(weights),
            (None, true) => SaveForm::Json,
            (None, false) => SaveForm::Lines,
        };
        Save {
            is_numeric: matches.get_flag("numeric") || form != SaveForm::Lines,
            service: None,
            scopes: scopes(&mut matches),
            with_settings: matches.get_flag("all"),
            may_be_empty: matches.get_flag("allow-empty"),
            file: file(&mut matches),
            form,
        }
    })
}

/// The value of an option that has none. No word of a command line holds a NUL.
const NO_VALUE: &str = "\0";

fn digest(text: &str) -> Result<DigestedWeights, UnknownDigest> {
    match text {
        NO_VALUE => Ok(DigestedWeights::Omitted),
        text => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_table_of_options() {
        command().debug_assert();
    }
}
