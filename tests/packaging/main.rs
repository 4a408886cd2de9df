//! Holds the files of the packages to `Cargo.toml` and `Cargo.lock`. They say whose code the programs contain: the notices
//! of every linked crate (`packaging/THIRD-PARTY`), a list for scanners (`packaging/sbom.cdx.json`, CycloneDX), the
//! copyright of the source tarball (`debian/copyright`), and the licence expression of the spec file. They also repeat
//! who maintains the project, and where.
//!
//! `UPDATE=1 cargo test --test packaging` writes them.

#![cfg(test)]

mod crates;
mod debian;
mod names;
mod notices;
mod sbom;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

use crates::Crates;

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a file with its expected text. With `UPDATE`, writes it.
fn assert_current(path: &str, expected: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(project(path), expected).unwrap();
    }
    let found = fs::read_to_string(project(path)).unwrap_or_default();
    let line = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{path} differs from Cargo.toml and Cargo.lock at line {}: run UPDATE=1 cargo test --test packaging",
        line.unwrap_or_default() + 1
    );
}

#[test]
fn every_linked_crate_has_its_notice() {
    let crates = Crates::read();
    let notices = notices::text(&crates);
    for linked in crates.linked() {
        assert!(notices.contains(&format!("  {} {}", linked.name, linked.version)), "{linked:?}");
    }
    assert_current("packaging/THIRD-PARTY", &notices);
}

#[test]
fn every_linked_crate_is_in_the_bill_of_materials() {
    assert_current("packaging/sbom.cdx.json", &sbom::text(&Crates::read()));
}

/// Scanners walk from the application along `dependsOn`.
#[test]
fn the_bill_of_materials_leads_from_the_application_to_every_crate() {
    let text = fs::read_to_string(project("packaging/sbom.cdx.json")).unwrap();
    let bill: Value = serde_json::from_str(&text).unwrap();
    let reference = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let needs: BTreeMap<String, &Value> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (reference(one, "ref"), &one["dependsOn"]))
        .collect();
    let mut reached = BTreeSet::new();
    let mut left = vec![reference(&bill["metadata"]["component"], "bom-ref")];
    while let Some(one) = left.pop() {
        if reached.insert(one.clone()) {
            let found = needs.get(&one).unwrap_or_else(|| panic!("no dependencies of {one}"));
            left.extend(found.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
        }
    }
    for component in bill["components"].as_array().unwrap() {
        let one = reference(component, "bom-ref");
        assert!(reached.contains(&one), "nothing needs {one}");
    }
}

#[test]
fn every_vendored_crate_is_in_the_copyright_of_debian() {
    let text = debian::text(&Crates::read());
    debian::parse(&text).unwrap();
    assert_current("debian/copyright", &text);
}

#[test]
fn the_parser_of_copyright_files_finds_faults() {
    let good = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
        Files: *\nCopyright: 2026 me\nLicense: MIT\n\nLicense: MIT\n A text.\n";
    debian::parse(good).unwrap();
    for (from, to) in [
        ("Format: https", "Format: http"),
        ("Copyright: 2026 me\n", ""),
        (" A text.\n", ""),
        ("\n\nLicense: MIT\n A text.\n", "\n"),
        ("Files: *\n", "Files: *\nFiles: src/*\n"),
        (" A text.\n", " A text.\n\n text without a field\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(debian::parse(&bad).is_err(), "{bad}");
    }
}
