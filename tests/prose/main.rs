//! The floor under the project's prose: sentences in comments, manuals and documents keep to plain technical English.
//!
//! Patterns find the constructions that readers stumbled over. A sentence that one of them finds is a fault, unless
//! `accepted.txt` has it. That file may only shrink: a sentence that is gone from the sources must leave it, and
//! `UPDATE=1 cargo test --test prose` removes it.

#![cfg(test)]

mod sentences;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sentences::{Sentence, sentences_of};

/// The most words that a sentence may have.
const MOST_WORDS: usize = 30;

/// Words with which a sentence hides its subject.
const STARTS: [&str; 10] =
    ["What", "Whatever", "That", "Those", "Where", "Why", "Whether", "One that", "None", "Nearly"];

/// Pairs of which any first with any second is a fault, in the middle of a sentence too.
const PAIRS: [(&[&str], &[&str]); 3] = [
    (&["has not", "have not"], &["the", "a", "an", "any", "its", "this", "that"]),
    (&["what"], &["is", "was", "stands", "may", "has", "it"]),
    (&["so many", "so long", "says of", "stands"], &[""]),
];

/// The fault of a sentence, if a pattern finds one.
fn fault(sentence: &str) -> Option<String> {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    if words.len() > MOST_WORDS {
        return Some(format!("{} words", words.len()));
    }
    let plain = |word: &&str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let words: Vec<String> = words.iter().map(plain).collect();
    let text = words.join(" ");
    let begins = |start: &&&str| text == **start || text.starts_with(&format!("{start} "));
    if let Some(start) = STARTS.iter().find(begins) {
        return Some(format!("begins with {start}"));
    }
    let padded = format!(" {} ", text.to_lowercase());
    for (firsts, seconds) in PAIRS {
        for first in firsts {
            for second in seconds {
                let pattern = format!("{first} {second}");
                if padded.contains(&format!(" {} ", pattern.trim())) {
                    return Some(pattern.trim().to_owned());
                }
            }
        }
    }
    is_no(&padded)
}

/// "is no", "are none": but not "there is no" and "is no longer".
fn is_no(padded: &str) -> Option<String> {
    for verb in ["is", "are"] {
        for no in ["no", "none"] {
            let pattern = format!(" {verb} {no} ");
            for (place, _) in padded.match_indices(&pattern) {
                let before = &padded[..place];
                let after = &padded[place + pattern.len()..];
                if !before.ends_with(" there") && !after.starts_with("longer ") {
                    return Some(pattern.trim().to_owned());
                }
            }
        }
    }
    None
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files whose prose is checked: all files that git tracks, except those of this test. An unpacked archive has no list,
/// so all its files are checked.
fn files() -> Vec<PathBuf> {
    let tracked = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output();
    let tracked =
        tracked.ok().filter(|output| output.status.success() && !output.stdout.is_empty());
    let files: Vec<PathBuf> = match tracked {
        Some(output) => {
            String::from_utf8(output.stdout).unwrap().split('\0').map(PathBuf::from).collect()
        }
        None => files_below(root()),
    };
    files
        .into_iter()
        .filter(|path| root().join(path).is_file() && !path.starts_with("tests/prose"))
        .collect()
}

/// All files in a directory but those of the build, with paths from the root.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let from_root = path.strip_prefix(root()).unwrap().to_owned();
        if !entry.file_type().unwrap().is_dir() {
            files.push(from_root);
        } else if !["target", ".git"].iter().any(|name| from_root == Path::new(name)) {
            files.extend(files_below(&path));
        }
    }
    files
}

fn faults() -> BTreeSet<(String, String)> {
    let mut faults = BTreeSet::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for Sentence { line, text } in sentences_of(&path, &text) {
            if let Some(fault) = fault(&text) {
                faults.insert((text, format!("{}:{line}: {fault}", path.display())));
            }
        }
    }
    faults
}

#[test]
fn sentences_are_plain_technical_english() {
    let path = root().join("tests/prose/accepted.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let accepted: BTreeSet<&str> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let faults = faults();
    let new: Vec<String> = faults
        .iter()
        .filter(|(text, _)| !accepted.contains(text.as_str()))
        .map(|(text, place)| format!("{place}\n    {text}"))
        .collect();
    assert!(new.is_empty(), "{} sentences to rewrite:\n{}", new.len(), new.join("\n"));
    let found: BTreeSet<&str> = faults.iter().map(|(text, _)| text.as_str()).collect();
    let gone: Vec<&str> = accepted.difference(&found).copied().collect();
    if env::var_os("UPDATE").is_some() {
        let is_kept = |line: &&str| !gone.contains(line);
        let kept: Vec<&str> = text.lines().filter(is_kept).collect();
        return fs::write(&path, kept.join("\n") + "\n").unwrap();
    }
    assert!(
        gone.is_empty(),
        "no longer found, UPDATE=1 removes them from accepted.txt:\n{}",
        gone.join("\n")
    );
}

#[test]
fn patterns_find_the_constructions_that_readers_stumbled_over() {
    for (sentence, expected) in [
        ("What is not UTF-8 is refused.", Some("begins with What")),
        ("The server has not the virtual address.", Some("has not the")),
        ("It is no option.", Some("is no")),
        ("There is no option.", None),
        ("The option is no longer read.", None),
        ("It shows what is wrong.", Some("what is")),
        ("It waits so long for a lock.", Some("so long")),
        ("The kernel refuses the change.", None),
    ] {
        assert_eq!(fault(sentence).as_deref(), expected, "{sentence}");
    }
    assert!(fault(&"word ".repeat(31)).is_some());
}
