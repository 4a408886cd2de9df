//! The command line of ipvsadm-restore.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::invocation::{
    Invocation, file, file_argument, flag, parse, program, scopes, seconds, within,
};
use crate::errors::Failure;
use ipvs::model::Scope;
use ipvs_rules::OutputFormat;

/// The seconds that a restore waits for another to end: without `--wait`, and with a `--wait` that has no number.
const PATIENCE: &str = "5";
const FOR_EVER: &str = "4294967295";

/// The task of ipvsadm-restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMode {
    /// Parses it.
    Check,
    /// Shows the changes that a restore would make.
    Diff(OutputFormat),
    /// Counts these changes as metrics.
    Metrics,
    /// Restores it.
    Restore,
}

/// The entries of the kernel that a file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They are deleted.
    Replaced,
    /// They stay.
    Kept,
}

/// The weights of real servers that are both in the kernel and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The file's.
    Replaced,
    /// The kernel's, unless a line edits the server.
    Kept,
}

/// The condition under which a restore may leave the kernel without a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyTable {
    /// The input describes that table, or the kernel has no services to lose. An input without a rule most likely comes
    /// from a command that failed.
    IfDescribed,
    /// Always.
    Allowed,
    /// Never.
    Refused,
}

/// The arguments of ipvsadm-restore.
#[derive(Clone, Debug)]
pub struct RestoreArguments {
    /// The task.
    pub mode: RestoreMode,
    /// The fate of entries that the file does not name.
    pub existing: Existing,
    /// The condition under which the table may become empty.
    pub empty_table: EmptyTable,
    /// The weights of servers that exist.
    pub weights: Weights,
    /// The part of the table that the file describes; all of it if there is none.
    pub scopes: Vec<Scope>,
    /// How long it waits for a confirmation; `None` if it needs none.
    pub confirmation: Option<Duration>,
    /// How long it waits for another restore to end.
    pub patience: Duration,
    /// The file of the metrics; `None` for standard output.
    pub metrics_file: Option<PathBuf>,
    /// The file; `None` for standard input.
    pub file: Option<PathBuf>,
}

fn command() -> Command {
    const ABOUT: &str = "Makes the IPVS table equal to a rules file: entirely or, if the kernel refuses a change, not at \
                         all. Entries that stay the same are not touched.";

    program("ipvsadm-restore", ABOUT)
        .arg(flag("check", "Only parse the file, and report its errors").conflicts_with("diff"))
        .arg(flag("diff", "Only print the changes as lines; exit 1 if there are any"))
        .arg(
            flag("json", "With --diff: print the changes as JSON, before and after")
                .requires("diff")
                .conflicts_with("metrics"),
        )
        .arg(
            Arg::new("metrics")
                .long("metrics")
                .value_name("FILE")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("-")
                .value_parser(value_parser!(PathBuf))
                .requires("diff")
                .help("With --diff: count the changes as metrics for Prometheus, or replace FILE with them"),
        )
        .arg(flag(
            "noflush",
            "Apply the file to the existing table; entries that it does not name stay",
        ))
        .arg(
            flag("allow-empty", "Clear the table even if the file has no rule")
                .conflicts_with("no-empty"),
        )
        .arg(flag("no-empty", "Refuse a file that leaves no virtual service"))
        .arg(flag("keep-weights", "Keep the weights of servers that the kernel has"))
        .arg(within())
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("SECONDS")
                .num_args(0..=1)
                .require_equals(true)
                .default_value(PATIENCE)
                .default_missing_value(FOR_EVER)
                .value_parser(value_parser!(u32))
                .help(
                    "Wait at most this long for another restore to end; without a number, for ever",
                ),
        )
        .arg(
            Arg::new("confirm")
                .long("confirm")
                .value_name("SECONDS")
                .value_parser(seconds)
                .conflicts_with_all(["check", "diff"])
                .help("Undo everything unless Enter is pressed on the terminal in time"),
        )
        .arg(file_argument("The file; standard input if - or omitted"))
}

/// Parses the command line of ipvsadm-restore.
///
/// # Errors
/// The first word that is wrong.
pub fn restore_arguments(words: Vec<OsString>) -> Result<Invocation<RestoreArguments>, Failure> {
    parse(command(), words, arguments)
}

fn arguments(mut matches: ArgMatches) -> RestoreArguments {
    let metrics: Option<PathBuf> = matches.remove_one("metrics");
    RestoreArguments {
        mode: match (matches.get_flag("check"), matches.get_flag("diff")) {
            (true, _) => RestoreMode::Check,
            (_, true) if metrics.is_some() => RestoreMode::Metrics,
            (_, true) if matches.get_flag("json") => RestoreMode::Diff(OutputFormat::Json),
            (_, true) => RestoreMode::Diff(OutputFormat::Text),
            _ => RestoreMode::Restore,
        },
        existing: if matches.get_flag("noflush") { Existing::Kept } else { Existing::Replaced },
        empty_table: match (matches.get_flag("allow-empty"), matches.get_flag("no-empty")) {
            (true, _) => EmptyTable::Allowed,
            (_, true) => EmptyTable::Refused,
            _ => EmptyTable::IfDescribed,
        },
        weights: if matches.get_flag("keep-weights") { Weights::Kept } else { Weights::Replaced },
        scopes: scopes(&mut matches),
        patience: Duration::from_secs(matches.get_one("wait").map_or(0, |&s: &u32| s.into())),
        confirmation: matches
            .get_one("confirm")
            .map(|&seconds: &u32| Duration::from_secs(seconds.into())),
        metrics_file: metrics.filter(|path| path.as_os_str() != "-"),
        file: file(&mut matches),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::invocation::Request;

    fn read(words: &[&str]) -> RestoreArguments {
        match restore_arguments(words.iter().map(OsString::from).collect()) {
            Ok(Invocation { request: Request::Run(arguments), .. }) => arguments,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn clap_accepts_the_table_of_options() {
        command().debug_assert();
    }

    #[test]
    fn wait_has_a_default_a_number_or_no_end() {
        let seconds = |words: &[&str]| read(words).patience.as_secs();
        assert_eq!(seconds(&[]), 5);
        assert_eq!(seconds(&["--wait=0", "rules"]), 0);
        assert_eq!(seconds(&["--wait", "rules"]), u64::from(u32::MAX));
    }

    #[test]
    fn lone_dash_is_standard_input() {
        assert_eq!(read(&["-"]).file, None);
        assert_eq!(read(&["rules"]).file, Some("rules".into()));
    }
}
