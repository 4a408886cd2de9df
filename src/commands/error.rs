//! The errors of the commands, and their messages.

use std::io;
use std::path::{Path, PathBuf};

use ipvs::ServiceKey;
use ipvs::kernel::Namespace;
use ipvs::model::{RealServerKey, SyncRole, WeightTooLarge};
use ipvs::plan::ApplyError;
use ipvs_rules::SaveForm;
use thiserror::Error;

use super::drain::DrainFailure;
use super::restore::{failed_restore, unconfirmed_restore};
use crate::errors::{io_text, sentence};
use crate::output::Inexpressible;
use crate::process::Answer;
use crate::rules_file::{BadRule, Origin};

/// The reason why a command failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel's refusal, a failed socket, or a file of /proc.
    #[error("{}", sentence(.0))]
    Library(#[from] ipvs::Error),
    /// No network namespace has this name.
    #[error("{}", no_namespace(.word, *.pid, .names))]
    NoNamespace {
        /// The name.
        word: String,
        /// The name as the number of a process, if it is a number.
        pid: Option<u32>,
        /// The names that there are.
        names: Vec<String>,
    },
    /// A relative weight leads too far.
    #[error("Numerical result out of range ({0})")]
    Weight(WeightTooLarge),
    /// Signals cannot be caught.
    #[error("cannot catch signals: {}", io_text(.0))]
    Signals(#[source] io::Error),
    /// A signal ended a command that runs until it is stopped.
    #[error("stopped by signal {signal}")]
    Stopped {
        /// The signal.
        signal: i32,
    },
    /// The doctor has no such finding.
    #[error("unknown finding {code} (there are {})", codes.join(", "))]
    NoCode {
        /// The code.
        code: String,
        /// The codes that there are.
        codes: Vec<&'static str>,
    },
    /// The doctor was asked about a service that does not exist.
    #[error("No such service ({0})")]
    NoServiceToExamine(ServiceKey),
    /// The doctor could look neither at the table nor at this machine.
    #[error("cannot look for faults: {}", sentence(.0))]
    NothingSeen(#[source] ipvs::Error),
    /// Interfaces, routes or neighbours cannot be listed.
    #[error("cannot look at this machine: {}", io_text(.0))]
    Host(#[source] io::Error),
    /// There is no terminal for a screen.
    #[cfg(feature = "top")]
    #[error("cannot show the screen: {}; `ipvsadm -L --watch' prints anywhere", io_text(.0))]
    NoScreen(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {}", io_text(.0))]
    Output(#[source] io::Error),
    /// Standard input cannot be read.
    #[error("cannot read standard input: {}", io_text(.0))]
    Input(#[source] io::Error),
    /// No line can express some rules.
    #[error("{}", no_line(.inexpressible, *.form, .file.as_deref()))]
    NoLine {
        /// The rules. In saved lines they are comments.
        inexpressible: Inexpressible,
        /// The form of the save.
        form: SaveForm,
        /// The file that was not replaced; `None` for standard output.
        file: Option<PathBuf>,
    },
    /// No two readings of the table had the same services and real servers.
    #[error(
        "the table changes too fast to be saved: services or real servers came or went while it was \
         read; to save a single reading: ipvsadm -S -n >FILE"
    )]
    Restless,
    /// An empty table would replace the rules of a file.
    #[error(
        "{path} holds rules and the kernel's table is empty: nothing saved (--allow-empty if that is meant)"
    )]
    NothingToSave {
        /// The file.
        path: PathBuf,
    },
    /// The namespace has no settings to save.
    #[error(
        "cannot save net.ipv4.vs: this network namespace has no such settings (Linux 6.1 gives none \
         to other user namespaces)"
    )]
    NoSysctls,
    /// A file cannot be saved. The old file is unchanged.
    #[error("cannot save in {path}: {}", io_text(.source))]
    SaveFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of rules cannot be read.
    #[error("cannot read {path}: {}", io_text(.source))]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The first line of the input is the `#!` line of another program.
    #[error("cannot restore a script for {program}: run it, and save the table that it makes")]
    Script {
        /// The program.
        program: String,
    },
    /// A document would replace the table, and has only a part of one.
    #[error(
        "cannot replace the table by {file}: it lacks a part of its table (/partial: {}); --noflush keeps all other \
         services, and --within replaces a part of the table", members.join(", ")
    )]
    Partial {
        /// The file's name.
        file: String,
        /// The members that are missing or not complete.
        members: Vec<String>,
    },
    /// The input of `-R` is a document.
    #[error("cannot apply a JSON document line by line: ipvsadm-restore applies it as a whole")]
    Document,
    /// A file of rules has lines that cannot be restored.
    #[error("{}", bad_rules(.file, .lines, *.more))]
    BadRules {
        /// The file's name.
        file: String,
        /// The lines that the message lists.
        lines: Vec<BadRule>,
        /// The number of further ones.
        more: usize,
    },
    /// The table that a file makes is empty.
    #[error("{file}: no virtual service in it; an empty file is not restored with --no-empty")]
    NoRules {
        /// The file's name.
        file: String,
    },
    /// An input that adds no service would clear the kernel's table.
    #[error("{}", unmeant_clearing(.file, *.services, *.is_scoped, *.has_other_lines))]
    UnmeantClearing {
        /// The file's name.
        file: String,
        /// The number of virtual services in the kernel, or in the scope of the restore.
        services: usize,
        /// True if the restore is limited to a part of the table.
        is_scoped: bool,
        /// True if the input has settings or `-Z`, which a restore that keeps the table applies.
        has_other_lines: bool,
    },
    /// A drain did not end as asked.
    #[error(transparent)]
    Drain(Box<DrainFailure>),
    /// Another restore holds the lock.
    #[error("another restore is at work in this network namespace ({} is locked)", .path.display())]
    Locked {
        /// The file of the lock.
        path: PathBuf,
    },
    /// A line of a dry run is not a change.
    #[error("cannot show this line: a dry run shows changes alone")]
    NotAChange,
    /// A restore or a change was applied and not confirmed, so it was undone.
    #[error("{}", unconfirmed_restore(.file, *.answer, .failed))]
    NotConfirmed {
        /// The name of the file or of the change.
        file: String,
        /// The end of the wait.
        answer: Answer,
        /// The outcome of the rollback.
        failed: Box<ApplyError<Origin>>,
    },
    /// There is no terminal to confirm a restore or a change on.
    #[error("cannot wait for a confirmation: there is no terminal (/dev/tty: {})", io_text(.0))]
    NoTerminal(#[source] io::Error),
    /// The process is in the background of its terminal, where it gets no keys.
    #[error("cannot wait for a confirmation: the process is in the background of its terminal")]
    InBackground,
    /// A plan was not applied, or only in part.
    #[error("{}", failed_restore(.file, *.signal, .failed, *.conflict))]
    NotApplied {
        /// The file's name.
        file: String,
        /// The signal that stopped the restore, if one did.
        signal: Option<i32>,
        /// The reason, and the outcome of the rollback.
        failed: Box<ApplyError<Origin>>,
        /// Two rules that no kernel has at once: a sync daemon to start, and a real server with another IP version than
        /// its service.
        conflict: Option<(SyncRole, RealServerKey)>,
    },
}

/// The most names of namespaces that a message lists.
const MOST_NAMES: usize = 20;

fn no_namespace(word: &str, pid: Option<u32>, names: &[String]) -> String {
    let what = match pid {
        Some(_) => "no name of a network namespace, and no process has this number",
        None => "no such network namespace",
    };
    let listed = names.get(..MOST_NAMES.min(names.len())).unwrap_or_default().join(", ");
    let has = match names.len() {
        0 => "no names".to_owned(),
        count if count > MOST_NAMES => format!("{listed} and {} more", count - MOST_NAMES),
        _ => listed,
    };
    format!(
        "cannot enter the network namespace {word}: {what} ({} has {has})",
        Namespace::DIRECTORY
    )
}

impl From<DrainFailure> for Error {
    fn from(failure: DrainFailure) -> Self {
        Self::Drain(Box::new(failure))
    }
}

fn no_line(inexpressible: &Inexpressible, form: SaveForm, file: Option<&Path>) -> String {
    let Inexpressible { first, more } = inexpressible;
    let others = if *more == 0 { String::new() } else { format!(" and {more} more") };
    let outcome = match (file, form) {
        (Some(path), _) => format!("{} is unchanged", path.display()),
        (None, SaveForm::Lines) => "printed as a comment".to_owned(),
        (None, SaveForm::Json) => "printed; ipvsadm-restore refuses it".to_owned(),
        (None, SaveForm::Digest(_)) => "the digest is that of a comment".to_owned(),
    };
    format!(
        "cannot save `{first}'{others}: no option expresses the value in angle brackets ({outcome})"
    )
}

fn unmeant_clearing(file: &str, services: usize, is_scoped: bool, has_other_lines: bool) -> String {
    let keep = match has_other_lines {
        true => "; --noflush applies its lines and keeps the table",
        false => "",
    };
    let (owner, clear) = match is_scoped {
        true => ("the scope", "to clear the scope, use --allow-empty or `ipvsadm -C --within'"),
        false => ("the kernel", "to clear the table, use --allow-empty or `ipvsadm -C'"),
    };
    format!(
        "cannot restore {file}: it adds no virtual service, and {owner} has {services}{keep}; {clear}"
    )
}

fn bad_rules(file: &str, lines: &[BadRule], more: usize) -> String {
    let mut lines: Vec<String> = lines.iter().map(|rule| format!("{file}{rule}")).collect();
    if more > 0 {
        lines.push(format!("and {more} more (ipvsadm-restore --check lists all)"));
    }
    lines.join("\n")
}
