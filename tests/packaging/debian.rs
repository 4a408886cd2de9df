//! The copyright file of Debian's package, in the machine-readable format 1.0 (DEP-5), and a parser that holds it to that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use super::crates::{Crate, Crates};
use super::names::value;
use super::project;

const FORMAT: &str = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/";

/// In place of a text that every Debian has.
const APACHE: &str = "On Debian systems, the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0.";

pub(crate) fn text(crates: &Crates) -> String {
    let own = fs::read_to_string(project("LICENSE")).unwrap();
    let (mit_head, mit_text) = own.split_once("\n\nPermission").unwrap();
    let owner = mit_head.lines().find_map(|line| line.strip_prefix("Copyright (c) ")).unwrap();
    let (contact, source) = (value("bugs"), value("homepage"));
    let mut text = format!("Format: {FORMAT}\nUpstream-Name: ipvsadm\n");
    write!(text, "Upstream-Contact: {contact}\nSource: {source}\n").unwrap();
    text.push_str("Comment:\n The folder vendor/ has the crates of programs and tests, as crates.io has them.\n");
    write!(text, "\nFiles: *\nCopyright: {owner}\nLicense: MIT\n").unwrap();
    // Crates for other systems consist of their manifest. Each offers MIT.
    text.push_str(
        "\nFiles: vendor/*\nCopyright: the authors that each Cargo.toml names\nLicense: MIT\n",
    );
    let mut groups: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    texts.insert("MIT".to_owned(), format!("Permission{mit_text}"));
    for one in crates.all() {
        let taken = one.taken();
        for license in &taken {
            texts.entry(license.clone()).or_insert_with(|| match license.as_str() {
                "Apache-2.0" => APACHE.to_owned(),
                _ => own_text(one),
            });
        }
        let license = taken.join(" and ");
        let place = format!("vendor/{}-{}/*", one.name, one.version);
        groups.entry((license, one.copyright())).or_default().push(place);
    }
    for ((license, owners), places) in groups {
        let places = places.join("\n       ");
        let owners = owners.join("\n           ");
        write!(text, "\nFiles: {places}\nCopyright: {owners}\nLicense: {license}\n").unwrap();
    }
    for (license, body) in texts {
        write!(text, "\nLicense: {license}\n").unwrap();
        for line in body.trim_end().lines() {
            writeln!(text, " {}", if line.is_empty() { "." } else { line }).unwrap();
        }
    }
    text
}

/// The text of a licence that is neither MIT nor Apache-2.0.
fn own_text(one: &Crate) -> String {
    let is_common = |text: &String| {
        text.contains("Apache License") || text.contains("substantial portions of the")
    };
    let texts: Vec<String> = one.notices().into_iter().filter(|text| !is_common(text)).collect();
    assert!(!texts.is_empty(), "{} {} has no license text", one.name, one.version);
    texts.join("\n\n")
}

/// Checks a copyright file as the format demands.
pub(crate) fn parse(text: &str) -> Result<(), String> {
    let mut named = BTreeSet::new();
    let mut explained = BTreeSet::new();
    for (number, paragraph) in text.trim_end().split("\n\n").enumerate() {
        let fields = fields(paragraph)?;
        let value = |name: &str| fields.get(name).map(String::as_str);
        let first_line = |name: &str| value(name).and_then(|value| value.lines().next());
        if number == 0 {
            if value("Format") != Some(FORMAT) {
                return Err(format!("Format: {:?}", value("Format")));
            }
        } else if value("Files").is_some() {
            value("Copyright").ok_or_else(|| format!("no Copyright: {paragraph}"))?;
            let license =
                first_line("License").ok_or_else(|| format!("no License: {paragraph}"))?;
            named.extend(license.split(" and ").map(str::to_owned));
        } else {
            let license = first_line("License").ok_or_else(|| format!("neither: {paragraph}"))?;
            if value("License").is_none_or(|value| value.lines().count() < 2) {
                return Err(format!("no text of {license}"));
            }
            explained.insert(license.to_owned());
        }
    }
    if named.is_subset(&explained) { Ok(()) } else { Err(format!("{named:?} but {explained:?}")) }
}

/// The fields of a paragraph, continuation lines joined.
fn fields(paragraph: &str) -> Result<BTreeMap<String, String>, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = None;
    for line in paragraph.lines() {
        if line.starts_with([' ', '\t']) {
            let name: &String = last.as_ref().ok_or_else(|| format!("no field: {line}"))?;
            let value = fields.entry(name.clone()).or_default();
            value.push('\n');
            value.push_str(line.trim());
        } else {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no field: {line}"))?;
            if fields.insert(name.to_owned(), value.trim().to_owned()).is_some() {
                return Err(format!("{name} twice"));
            }
            last = Some(name.to_owned());
        }
    }
    Ok(fields)
}
