//! The public API as a committed list, so that a review sees every change of it.
//!
//! `UPDATE=1 cargo test -p ipvs-client --test public_api` writes the list anew. The list has the public items of each
//! source file with their signatures, fields and variants, and the attribute `non_exhaustive`. It shows calls of macros that
//! define types, and does not expand them.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules whose items the rest of the crate uses, and no public path leads to.
const INTERNAL: [&str; 5] = [
    "netlink/codec/",
    "netlink/uapi.rs",
    "netlink/message.rs",
    "netlink/replay.rs",
    "model/unnamed.rs",
];

/// Macros that define public types.
const MACROS: [&str; 3] = ["checked_name!", "kernel_names!", "unnamed_number!"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The first words of lines that an item with public content begins with.
fn is_public(line: &str) -> bool {
    let words = ["pub ", "impl", "#[non_exhaustive]", "#[must_use"];
    words.iter().chain(&MACROS).any(|word| line.starts_with(word))
}

/// The public items of a file, each with its body as far as it is public.
fn items(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut items = Vec::new();
    let mut signature = String::new();
    let mut is_enum = false;
    for line in code.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if !signature.is_empty() {
            signature.push_str(if signature.ends_with('(') { "" } else { " " });
            signature.push_str(line);
        } else if is_public(line) && (indent == 0 || indent == 4) {
            signature = format!("{:indent$}{line}", "");
        } else if is_enum && indent >= 4 && !line.starts_with("#[") {
            items.push(format!("{:indent$}{line}", ""));
        }
        is_enum &= !(indent == 0 && line == "}");
        if signature.ends_with(['{', ';', ',', '}', ']']) {
            let is_block = signature.trim_start().starts_with("pub ") && signature.ends_with('{');
            let is_open =
                signature.trim_start().starts_with("pub use") && !signature.ends_with(';');
            // A list of parameters goes on after its commas.
            let is_open =
                is_open || signature.matches('(').count() > signature.matches(')').count();
            if is_open {
                continue;
            }
            let has_variants = ["pub enum", "pub trait"];
            is_enum |= has_variants.iter().chain(&MACROS).any(|word| signature.starts_with(word));
            let end =
                if is_block { signature.trim_end_matches(" {").len() } else { signature.len() };
            items.push(signature[..end].to_owned());
            signature.clear();
        }
    }
    items
}

fn listing() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut listing = String::new();
    for path in sources(&root) {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if INTERNAL.iter().any(|internal| name.starts_with(internal)) {
            continue;
        }
        let items = items(&fs::read_to_string(&path).unwrap());
        if items.iter().any(|item| item.trim_start().starts_with("pub ")) {
            listing.push_str(&format!("{name}\n"));
            for item in items {
                listing.push_str(&format!("    {item}\n"));
            }
        }
    }
    listing
}

#[test]
fn public_api_is_the_committed_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_api.txt");
    let listing = listing();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &listing).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    let committed: Vec<&str> = committed.lines().collect();
    let now: Vec<&str> = listing.lines().collect();
    let missing: Vec<_> = committed.iter().filter(|line| !now.contains(line)).collect();
    let new: Vec<_> = now.iter().filter(|line| !committed.contains(line)).collect();
    assert!(
        committed == now,
        "the public API differs from tests/public_api.txt; removed: {missing:#?}, new: {new:#?}; \
         UPDATE=1 writes the list anew"
    );
}
