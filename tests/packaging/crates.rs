//! The crates of Cargo.lock with their licences: those linked into the programs, and all that the source tarball has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use super::project;

/// A crate from crates.io.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SPDX, with alternatives in alphabetical order.
    pub(crate) license: String,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    /// SHA-256 of the archive, as in Cargo.lock.
    pub(crate) checksum: String,
    /// The crates that it needs when linked: name and version.
    pub(crate) needs: BTreeSet<(String, String)>,
    directory: PathBuf,
}

impl Crate {
    pub(crate) fn id(&self) -> (String, String) {
        (self.name.clone(), self.version.clone())
    }

    /// The licences that the project takes: of alternatives MIT, or else Apache-2.0. All of them hold.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.license
            .split(" AND ")
            .map(|part| {
                let alternatives: Vec<&str> = part.trim_matches(['(', ')']).split(" OR ").collect();
                let taken =
                    ["MIT", "Apache-2.0"].into_iter().find(|one| alternatives.contains(one));
                taken.map_or_else(|| part.to_owned(), str::to_owned)
            })
            .collect()
    }

    fn is_mit(&self) -> bool {
        self.taken() == ["MIT"]
    }

    /// The texts that go with copies: the licence, or of several the MIT licence, and all notices. Empty if the archive
    /// has none.
    pub(crate) fn notices(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let begins = |name: &str, words: &[&str]| {
            let upper = name.to_uppercase();
            words.iter().any(|word| upper.starts_with(word))
        };
        let licenses: Vec<&String> =
            names.iter().filter(|name| begins(name, &["LICENSE", "LICENCE", "COPYING"])).collect();
        let mit: Vec<&String> = licenses
            .iter()
            .copied()
            .filter(|name| self.is_mit() && name.to_uppercase().contains("MIT"))
            .collect();
        let notices = names.iter().filter(|name| begins(name, &["NOTICE", "COPYRIGHT"]));
        let chosen = if mit.is_empty() { licenses } else { mit };
        chosen
            .into_iter()
            .chain(notices)
            .map(|name| self.directory.join(name))
            .filter(|path| path.is_file())
            .map(|path| {
                let bytes = fs::read(path).unwrap();
                let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                let lines: Vec<&str> = text.trim_matches('\n').lines().map(str::trim_end).collect();
                lines.join("\n")
            })
            .collect()
    }

    /// The lines of its texts that say whose it is, or its authors.
    pub(crate) fn copyright(&self) -> Vec<String> {
        let texts = self.notices();
        let found: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| text.lines())
            .map(str::trim)
            .filter(|line| line.starts_with("Copyright ") || line.starts_with("Copyright:"))
            .filter(|line| line.chars().any(|c| c.is_ascii_digit()) || line.contains("(c)"))
            .map(|line| line.replace("Copyright ", "").replace("(c) ", "").replace("(C) ", ""))
            .collect();
        if !found.is_empty() {
            found.into_iter().collect()
        } else if self.authors.is_empty() {
            vec![format!("the authors of {}", self.name)]
        } else {
            self.authors.clone()
        }
    }
}

/// All crates that compile on Linux.
pub(crate) struct Crates {
    all: BTreeMap<(String, String), Crate>,
    linked: BTreeSet<(String, String)>,
    /// The crates that the programs and the project's own linked packages need directly.
    pub(crate) needs: BTreeSet<(String, String)>,
    /// The project's version.
    pub(crate) version: String,
}

impl Crates {
    pub(crate) fn read() -> Self {
        // Downloads the crates of features that this Rust is too old for.
        let system = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
        let text = cargo(
            &[&["metadata", "--format-version", "1", "--all-features"], &system[..]].concat(),
        );
        let metadata: Value = serde_json::from_str(&text).unwrap();
        let checksums = checksums();
        let resolved: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
            .map(|node| (node["id"].as_str().unwrap(), node))
            .collect();
        let ids: BTreeMap<&str, (String, String)> = list(&metadata["packages"])
            .map(|package| {
                (
                    package["id"].as_str().unwrap(),
                    (string(package, "name"), string(package, "version")),
                )
            })
            .collect();
        let needs_of = |package: &Value| -> BTreeSet<(String, String)> {
            let node = resolved.get(package["id"].as_str().unwrap());
            node.into_iter()
                .flat_map(|node| list(&node["deps"]))
                .filter(|needed| list(&needed["dep_kinds"]).any(|kind| kind["kind"].is_null()))
                .map(|needed| ids[needed["pkg"].as_str().unwrap()].clone())
                .collect()
        };
        let all = list(&metadata["packages"])
            .filter(|package| !package["source"].is_null())
            .filter_map(|package| {
                let id = package["id"].as_str().unwrap();
                resolved.get(id)?;
                let manifest = PathBuf::from(string(package, "manifest_path"));
                let found = Crate {
                    name: string(package, "name"),
                    version: string(package, "version"),
                    license: normal(package["license"].as_str().unwrap_or("unknown")),
                    authors: list(&package["authors"])
                        .map(|name| name.as_str().unwrap().to_owned())
                        .collect(),
                    repository: package["repository"].as_str().map(str::to_owned),
                    checksum: checksums[&ids[id]].clone(),
                    needs: needs_of(package),
                    directory: manifest.parent().unwrap().to_owned(),
                };
                Some((found.id(), found))
            })
            .collect();
        let tree = cargo(&[
            "tree",
            "--locked",
            "--package",
            "ipvsadm",
            "--all-features",
            "--edges",
            "normal,no-proc-macro",
            "--target",
            "x86_64-unknown-linux-gnu",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        // A package of the project has its path behind its version.
        let (own, linked): (Vec<&str>, Vec<&str>) = tree.lines().partition(|l| l.contains(" (/"));
        let linked: BTreeSet<(String, String)> = linked
            .into_iter()
            .map(|line| {
                let (name, version) = line.trim_end_matches(" (*)").split_once(" v").unwrap();
                (name.to_owned(), version.to_owned())
            })
            .collect();
        let own: BTreeSet<&str> =
            own.into_iter().filter_map(|line| line.split(' ').next()).collect();
        let needs = list(&metadata["packages"])
            .filter(|package| package["source"].is_null())
            .filter(|package| own.contains(package["name"].as_str().unwrap()))
            .flat_map(needs_of)
            .filter(|id| linked.contains(id))
            .collect();
        Self { all, linked, needs, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Crate> {
        self.all.values()
    }

    pub(crate) fn linked(&self) -> impl Iterator<Item = &Crate> {
        self.linked.iter().map(|id| &self.all[id])
    }

    /// The licences of the project, of Rust's standard library and of all linked crates, as SPDX has them.
    pub(crate) fn expression(&self) -> String {
        let mut all: BTreeSet<&str> = self.linked().map(|linked| linked.license.as_str()).collect();
        all.extend(["MIT", "Apache-2.0 OR MIT"]);
        let bracket = |one: &str| {
            if one.contains(" OR ") { format!("({one})") } else { one.to_owned() }
        };
        all.into_iter().map(bracket).collect::<Vec<_>>().join(" AND ")
    }
}

/// One expression for all ways to write it: `MIT/Apache-2.0` is `Apache-2.0 OR MIT`.
fn normal(license: &str) -> String {
    if license.contains('(') {
        return license.to_owned();
    }
    let text = license.replace(" / ", " OR ").replace('/', " OR ");
    let mut alternatives: Vec<&str> = text.split(" OR ").collect();
    alternatives.sort_unstable();
    alternatives.join(" OR ")
}

fn cargo(words: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(words).current_dir(project("")).output().unwrap();
    assert!(
        output.status.success(),
        "cargo {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// The checksums of Cargo.lock.
fn checksums() -> BTreeMap<(String, String), String> {
    let lock = fs::read_to_string(project("Cargo.lock")).unwrap();
    lock.split("[[package]]\n")
        .filter_map(|package| {
            let value = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim_start_matches(" = ").trim_matches('"').to_owned())
            };
            Some(((value("name")?, value("version")?), value("checksum")?))
        })
        .collect()
}
