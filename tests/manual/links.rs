//! Links between the documents lead to files and headings that exist, and a test runs each page's commands.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents: Markdown files at the root and in docs/.
fn documents() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("docs")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The targets of links, without those to other sites.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("](").skip(1).filter_map(|part| Some(part.split_once(')')?.0));
    parts.filter(|target| !target.contains("://"))
}

/// The name by which a link finds a heading.
fn anchor(heading: &str) -> String {
    let lower = heading.trim_start_matches('#').trim().to_lowercase();
    let is_kept = |c: &char| c.is_alphanumeric() || ['-', '_', ' '].contains(c);
    lower.chars().filter(is_kept).collect::<String>().replace(' ', "-")
}

/// The headings of a document, without comments in its code.
fn headings(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut headings = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            headings.push(anchor(line));
        }
    }
    headings
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in targets(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let is_alive = match heading {
                "" => path.exists(),
                heading => fs::read_to_string(&path)
                    .is_ok_and(|text| headings(&text).contains(&heading.to_owned())),
            };
            if !is_alive {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn commands_of_every_page_are_run() {
    let runner = include_str!("../kernel/pages.rs");
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let name = document.file_stem().unwrap().to_str().unwrap();
        let is_page = document.starts_with(root().join("docs")) && text.contains("\n```sh");
        let is_run = runner.contains(&format!("name: \"{name}\""));
        assert!(!is_page || is_run, "no test in tests/kernel/pages.rs runs {name}.md");
    }
}

#[test]
fn anchors_are_made_of_headings() {
    assert_eq!(anchor("## Can't initialize ipvs"), "cant-initialize-ipvs");
    assert_eq!(anchor("## Where it differs from 1.31"), "where-it-differs-from-131");
}
