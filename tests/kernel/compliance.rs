//! Each case of tests/compliance/*.txt has the same result with our programs as with ipvsadm 1.31. Differences must be
//! listed in differences.txt, each with its reason. The run fails for an entry that no longer differs or that names no
//! case.

use std::collections::BTreeSet;
use std::fs;

use crate::lockstep::{Aspect, Case};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compliance");

/// An accepted difference: the aspects in which a case may differ, and the reason.
struct Accepted {
    case: String,
    aspects: BTreeSet<Aspect>,
    reason: String,
}

#[test]
fn every_case_gives_what_1_31_gives() {
    let accepted = accepted_differences();
    let cases = cases();
    let mut complaints = Vec::new();
    for entry in &accepted {
        if !cases.iter().any(|case| case.text == entry.case) {
            complaints
                .push(format!("{}\n  is accepted in differences.txt, and no case\n", entry.case));
        }
    }
    for case in &cases {
        let found = case.differences();
        let aspects: BTreeSet<Aspect> = found.iter().map(|difference| difference.aspect).collect();
        let entry = accepted.iter().find(|entry| entry.case == case.text);
        let expected = entry.map(|entry| entry.aspects.clone()).unwrap_or_default();
        let surplus = found.iter().filter(|difference| !expected.contains(&difference.aspect));
        let mut complaint: String = surplus.map(ToString::to_string).collect();
        for stale in expected.difference(&aspects) {
            let reason = entry.map_or("", |entry| &entry.reason);
            complaint += &format!(
                "  {stale:?} differs no more: take it out of differences.txt ({reason})\n"
            );
        }
        if !complaint.is_empty() {
            complaints.push(format!("{}\n{complaint}", case.text));
        }
    }
    println!(
        "{} cases, {} accepted differences, {} wrong",
        cases.len(),
        accepted.len(),
        complaints.len()
    );
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn cases() -> Vec<Case> {
    let files = ["cases.txt", "more.txt", "callers.txt"];
    let lines = files.map(read).concat();
    let cases: Vec<Case> =
        lines.lines().filter(|line| !line.starts_with('#')).map(Case::parse).collect();
    assert!(!cases.is_empty(), "no case in {DIRECTORY}");
    cases
}

/// Paragraphs of differences.txt: a line `because: REASON`, then a line `ASPECT...: CASE` for each case.
fn accepted_differences() -> Vec<Accepted> {
    let mut reason = String::new();
    let mut accepted = Vec::new();
    for line in
        read("differences.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (head, tail) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("differences.txt: no colon in {line:?}"));
        if head == "because" {
            tail.clone_into(&mut reason);
            continue;
        }
        assert!(!reason.is_empty(), "differences.txt: no reason before {line:?}");
        let aspects = head.split(' ').map(|word| match word {
            "stdout" => Aspect::Stdout,
            "stderr" => Aspect::Stderr,
            "status" => Aspect::Status,
            "state" => Aspect::State,
            _ => panic!("differences.txt: {word:?} is none of stdout, stderr, status, state"),
        });
        accepted.push(Accepted {
            case: tail.to_owned(),
            aspects: aspects.collect(),
            reason: reason.clone(),
        });
    }
    accepted
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{DIRECTORY}/{name}"))
        .unwrap_or_else(|error| panic!("tests/compliance/{name}: {error}"))
}
