//! The message of a restore that was not applied: its cause, the outcome of the rollback, and the entries that are lost.

use ipvs::ErrorKind;
use ipvs::model::{Change, RealServerKey, SyncRole, UnknownAttribute};
use ipvs::plan::{ApplyError, Cause, Rollback};
use ipvs_rules::{has_line, write_change};

use crate::errors::{daemon_beside_server, reason, sentence};
use crate::process::Answer;
use crate::resolve::Labels;
use crate::rules_file::Origin;

/// A change as messages name it.
fn shown_change(change: &Change) -> String {
    line(change).trim_start_matches("# ").to_owned()
}

fn line(change: &Change) -> String {
    let mut line = Vec::new();
    // Writing to memory does not fail.
    let _ = write_change(&mut line, change, &Labels::numeric());
    String::from_utf8_lossy(&line).into_owned()
}

/// The entries that the rollback could not restore completely. Under a newer kernel these may be all, so one is named as
/// an example.
fn but_for(lost: &[UnknownAttribute]) -> String {
    let Some((UnknownAttribute { service, server, number }, more)) = lost.split_first() else {
        return String::new();
    };
    let entry = match server {
        Some(server) => shown_change(&Change::DeleteServer(*service, *server)),
        None => shown_change(&Change::DeleteService(*service)),
    };
    let entry = entry.trim_start_matches("-d ").trim_start_matches("-D ");
    let others =
        if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    format!(", but for attribute {number} of {entry}, which this version does not know{others}")
}

/// The message.
pub(in crate::commands) fn failed_restore(
    file: &str,
    signal: Option<i32>,
    failed: &ApplyError<Origin>,
    conflict: Option<(SyncRole, RealServerKey)>,
) -> String {
    let mut text = match &failed.cause {
        Cause::Refused { error, step } => {
            let change = shown_change(&step.change);
            let place = step.origin.map(|origin| origin.behind_file()).unwrap_or_default();
            // The rollback is over: whether an entry is there tells nothing about the refusal.
            let is_of_entry = matches!(
                error.kind(),
                ErrorKind::Exists | ErrorKind::NotFound | ErrorKind::NoService
            );
            let reason = match conflict {
                _ if is_of_entry => None,
                Some((role, server)) if error.kind() == ErrorKind::Invalid => {
                    Some(daemon_beside_server(role, &server))
                }
                _ => reason(error),
            };
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{}{reason} ({file}{place}: {change})", sentence(error))
        }
        Cause::Stopped => match signal {
            Some(signal) => format!("stopped by signal {signal} ({file})"),
            None => format!("stopped ({file})"),
        },
        Cause::Connection(error) => format!("{} ({file})", sentence(error)),
    };
    push_outcome(&mut text, failed);
    text.push_str(&in_the_way(failed));
    text
}

/// The message of a restore that nobody confirmed.
pub(in crate::commands) fn unconfirmed_restore(
    file: &str,
    answer: Answer,
    failed: &ApplyError<Origin>,
) -> String {
    let reason = match answer {
        Answer::Signal(signal) => format!("signal {signal} arrived"),
        Answer::Gone => "the terminal went away".to_owned(),
        Answer::TimedOut | Answer::Confirmed => "Enter was not pressed in time".to_owned(),
    };
    let mut text = format!("{file} is not confirmed: {reason}");
    push_outcome(&mut text, failed);
    text
}

/// Appends the outcome of the rollback.
fn push_outcome(text: &mut String, failed: &ApplyError<Origin>) {
    let but_for = format!(
        "{}{}{}",
        but_for(&failed.lost_attributes),
        lost_counters(failed),
        others_changes(failed)
    );
    match &failed.rollback {
        Rollback::Complete => text.push_str(&format!("; the table is what it was{but_for}")),
        Rollback::Partial { left, .. } if left.is_empty() => {
            text.push_str(&format!(
                "; the table is what it was{but_for}, but not all settings are"
            ));
        }
        Rollback::Partial { refused, left } => {
            text.push_str("; undoing failed");
            if let Some(refused) = refused {
                text.push_str(&format!(" ({})", sentence(refused)));
            }
            text.push_str("; these lines, given to ipvsadm -R, lead back to the old table");
            text.push_str(&but_for);
            if !left.iter().all(has_line) {
                text.push_str(", but for those behind a #, which only other programs can make");
            }
            text.push(':');
            for change in left {
                text.push('\n');
                text.push_str(&line(change));
            }
        }
        Rollback::Unknown(error) => {
            text.push_str(&format!("; the table cannot be read: {}", sentence(error)));
        }
    }
}

/// The number of changes of another program that a message shows.
const SHOWN_CHANGES: usize = 5;

/// The counters that the rollback could not restore.
fn lost_counters(failed: &ApplyError<Origin>) -> String {
    let recreated = match failed.recreated.split_first() {
        None => String::new(),
        Some((first, more)) => {
            let others =
                if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
            format!(
                ", but the counters of {}{others} begin at 0 again",
                shown_change(&Change::DeleteService(*first)).trim_start_matches("-D ")
            )
        }
    };
    let zeroed = match (failed.has_zeroed, failed.recreated.is_empty()) {
        (false, _) => "",
        (true, true) => ", but counters are zeroed",
        (true, false) => ", and those that -Z zeroed stay so",
    };
    format!("{recreated}{zeroed}")
}

fn others_changes(failed: &ApplyError<Origin>) -> &'static str {
    if failed.is_outdated() { ", except for changes by another program" } else { "" }
}

/// The changes of another program that made the restore give up.
fn in_the_way(failed: &ApplyError<Origin>) -> String {
    if !failed.is_outdated() {
        return String::new();
    }
    let mut text =
        format!("; another program changed the table during {} attempts", failed.attempts);
    if !failed.concurrent_changes.is_empty() {
        text.push_str(", and its last changes were:");
    }
    for change in failed.concurrent_changes.iter().take(SHOWN_CHANGES) {
        text.push('\n');
        text.push_str(&line(change));
    }
    if let Some(hidden @ 1..) = failed.concurrent_changes.len().checked_sub(SHOWN_CHANGES) {
        text.push_str(&format!("\n(and {hidden} more)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::Request;
    use ipvs::plan::Step;
    use ipvs_rules::{Command, parse_numeric_line};

    fn service_exists() -> ipvs::Error {
        let errno = rustix::io::Errno::EXIST.raw_os_error();
        ipvs::Error::refused(ipvs::error::Operation::AddService, None, errno)
    }

    fn change(line: &str) -> Change {
        match parse_numeric_line(line.as_bytes()) {
            Ok(Some(Command::Request(Request::Change(change)))) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn message_names_lost_counters_and_the_changes_of_another_program() {
        let Change::DeleteService(key) = change("-D -t 10.0.0.1:80") else { panic!() };
        let stopped = ApplyError {
            recreated: vec![key, key],
            has_zeroed: true,
            ..ApplyError::new(Cause::Stopped, Rollback::Complete)
        };
        assert_eq!(
            failed_restore("rules", Some(15), &stopped, None),
            "stopped by signal 15 (rules); the table is what it was, but the counters of -t 10.0.0.1:80 (and 1 more) \
             begin at 0 again, and those that -Z zeroed stay so"
        );
        let change_of_line = change("-A -t 10.0.0.1:80 -s rr");
        let step = Step { change: change_of_line, undo: Vec::new(), origin: Some(Origin::line(3)) };
        let error = service_exists();
        let cause = Cause::Refused { error, step: Box::new(step) };
        let outrun = ApplyError {
            attempts: 5,
            concurrent_changes: vec![change("-A -f 1 -s rr"); 7],
            ..ApplyError::new(cause, Rollback::Complete)
        };
        let said = failed_restore("rules", None, &outrun, None);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 7, "{said}");
        assert_eq!(
            lines[0],
            "Service already exists (rules:3: -A -t 10.0.0.1:80 -s rr); the table is what it was, except for changes by \
             another program; another program changed the table during 5 attempts, and its last changes were:"
        );
        assert_eq!((lines[1], lines[6]), ("-A -f 1 -s rr", "(and 2 more)"));
    }

    #[test]
    fn what_undoing_could_not_bring_back_is_named() {
        let Change::DeleteServer(service, server) = change("-d -t 10.0.0.1:80 -r 10.1.0.1:80")
        else {
            panic!()
        };
        let lost = |server, number| UnknownAttribute { service, server, number };
        let message = |rollback, lost_attributes| {
            let failed = ApplyError::new(Cause::Stopped, rollback);
            failed_restore("rules", Some(15), &ApplyError { lost_attributes, ..failed }, None)
        };
        let start = "stopped by signal 15 (rules); the table is what it was";
        assert_eq!(message(Rollback::Complete, vec![]), start);
        assert_eq!(
            message(Rollback::Complete, vec![lost(Some(server), 77)]),
            format!(
                "{start}, but for attribute 77 of -t 10.0.0.1:80 -r 10.1.0.1:80, which this version does not know"
            )
        );
        let left = vec![change("-A -f 1")];
        assert_eq!(
            message(Rollback::Partial { refused: None, left }, vec![lost(None, 7), lost(None, 8)]),
            "stopped by signal 15 (rules); undoing failed; these lines, given to ipvsadm -R, lead back to the old \
             table, but for attribute 7 of -t 10.0.0.1:80, which this version does not know (and 1 more):\n\
             -A -f 1 -s wlc"
        );
    }
}
