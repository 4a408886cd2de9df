//! The command lines of ipvsadm-save and ipvsadm-restore: clap reads them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::commands::EmptyTable;
use crate::commands::Existing;
use ipvs_rules::Save;

/// How many seconds a restore waits for another to end: with no `--wait`, and with one that has no number.
const PATIENCE: &str = "5";
const FOR_EVER: &str = "4294967295";

/// What ipvsadm-restore is to do with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Read it.
    Check,
    /// Show what would change.
    Diff,
    /// Restore it.
    Restore,
}

/// ipvsadm-restore's command line.
#[derive(Clone, Debug)]
pub(super) struct RestoreArguments {
    pub(super) mode: Mode,
    pub(super) existing: Existing,
    pub(super) empty_table: EmptyTable,
    pub(super) patience: Duration,
    /// `None` for standard input.
    pub(super) file: Option<PathBuf>,
}

fn program(name: &'static str, about: &'static str) -> Command {
    Command::new(name).version(env!("CARGO_PKG_VERSION")).about(about).disable_help_subcommand(true)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn file_argument(help: &'static str) -> Arg {
    Arg::new("FILE").help(help).value_parser(value_parser!(PathBuf))
}

fn file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one::<PathBuf>("FILE").filter(|file| file.as_os_str() != "-").cloned()
}

/// ipvsadm-save's options.
pub(super) fn save_command() -> Command {
    program("ipvsadm-save", "Saves the IPVS table as lines that ipvsadm-restore takes.")
        .arg(
            Arg::new("numeric")
                .short('n')
                .help(
                    "Addresses and ports as numbers; without it, those names that lead back alone",
                )
                .action(ArgAction::SetTrue)
                .overrides_with("numeric"),
        )
        .arg(flag("all", "Save the timeouts and the running sync daemons too"))
        .arg(flag("allow-empty", "Save an empty table over a file that holds rules"))
        .arg(file_argument("The file, replaced as a whole; standard output if - or not given"))
}

/// Reads ipvsadm-save's command line.
pub(super) fn save_arguments(words: &[&str]) -> Result<Save, clap::Error> {
    let matches = save_command().no_binary_name(true).try_get_matches_from(words)?;
    Ok(Save {
        is_numeric: matches.get_flag("numeric"),
        service: None,
        with_settings: matches.get_flag("all"),
        file: file(&matches),
        may_be_empty: matches.get_flag("allow-empty"),
    })
}

/// ipvsadm-restore's options.
pub(super) fn restore_command() -> Command {
    program(
        "ipvsadm-restore",
        "Makes the IPVS table what a rules file says: all of it or, if the kernel refuses a change, nothing. \
         What stays the same is not touched.",
    )
    .arg(flag("check", "Only read the file, and say what is wrong with it").conflicts_with("diff"))
    .arg(flag("diff", "Only print the changes as lines; exit 1 if there are any"))
    .arg(flag("noflush", "Carry the file out on the table that is there; what it does not name stays"))
    .arg(flag("allow-empty", "Clear the table, too, if the file has no rule").conflicts_with("no-empty"))
    .arg(flag("no-empty", "Refuse any file that leaves no virtual service"))
    .arg(
        Arg::new("wait")
            .long("wait")
            .value_name("SECONDS")
            .num_args(0..=1)
            .require_equals(true)
            .default_value(PATIENCE)
            .default_missing_value(FOR_EVER)
            .value_parser(value_parser!(u32))
            .help("Wait so long for another restore to end; without a number, for ever"),
    )
    .arg(file_argument("The file; standard input if - or not given"))
}

/// Reads ipvsadm-restore's command line.
pub(super) fn restore_arguments(words: &[&str]) -> Result<RestoreArguments, clap::Error> {
    let matches = restore_command().no_binary_name(true).try_get_matches_from(words)?;
    Ok(RestoreArguments {
        mode: match (matches.get_flag("check"), matches.get_flag("diff")) {
            (true, _) => Mode::Check,
            (_, true) => Mode::Diff,
            _ => Mode::Restore,
        },
        existing: if matches.get_flag("noflush") { Existing::Kept } else { Existing::Replaced },
        empty_table: match (matches.get_flag("allow-empty"), matches.get_flag("no-empty")) {
            (true, _) => EmptyTable::Allowed,
            (_, true) => EmptyTable::Refused,
            _ => EmptyTable::IfDescribed,
        },
        patience: Duration::from_secs(matches.get_one("wait").map_or(0, |&s: &u32| s.into())),
        file: file(&matches),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_ones_that_clap_accepts() {
        save_command().debug_assert();
        restore_command().debug_assert();
    }

    #[test]
    fn wait_has_a_default_a_number_or_no_end() {
        let seconds = |words: &[&str]| restore_arguments(words).unwrap().patience.as_secs();
        assert_eq!(seconds(&[]), 5);
        assert_eq!(seconds(&["--wait=0", "rules"]), 0);
        assert_eq!(seconds(&["--wait", "rules"]), u64::from(u32::MAX));
    }

    #[test]
    fn lone_dash_is_standard_input() {
        assert_eq!(restore_arguments(&["-"]).unwrap().file, None);
        assert_eq!(restore_arguments(&["rules"]).unwrap().file, Some("rules".into()));
        assert!(restore_arguments(&["--check", "--diff"]).is_err());
        assert!(restore_arguments(&["one", "two"]).is_err());
    }
}
