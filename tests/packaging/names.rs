//! Who maintains the project and where it is: `Cargo.toml` says it, and other files repeat it.

use std::process::Command;
use std::{fs, io};

use super::crates::Crates;
use super::{assert_current, project};

/// A value of `Cargo.toml`: the one between the first quotes of the line that begins with a name.
pub(crate) fn value(name: &str) -> String {
    let manifest = fs::read_to_string(project("Cargo.toml")).unwrap();
    let start = format!("{name} = ");
    let line = manifest.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// The files that repeat a value, the beginning of the line, and its rest.
fn repeated() -> Vec<(&'static str, &'static str, String)> {
    let maintainer = value("authors");
    let homepage = value("homepage");
    let repository = value("repository");
    let version = env!("CARGO_PKG_VERSION");
    vec![
        ("debian/control", "Maintainer: ", maintainer.clone()),
        ("debian/control", "Homepage: ", homepage.clone()),
        ("debian/changelog", " -- ", format!("{maintainer}  ")),
        ("debian/watch", "https://", {
            let place = repository.trim_start_matches("https://");
            format!("{place}/releases .*/ipvsadm[-_]@ANY_VERSION@@ARCHIVE_EXT@")
        }),
        ("packaging/ipvsadm.spec", "License:        ", Crates::read().expression()),
        ("packaging/ipvsadm.spec", "URL:            ", homepage),
        ("packaging/ipvsadm.spec", "BugURL:         ", value("bugs")),
        (
            "packaging/ipvsadm.spec",
            "Source0:        ",
            format!("{repository}/releases/download/v%{{version}}/%{{name}}-%{{version}}.tar.xz"),
        ),
        ("packaging/ipvsadm.spec", "* Fri Nov 20 2026 ", format!("{maintainer} - {version}-1")),
        ("CHANGELOG.md", "[Unreleased]: ", format!("{repository}/compare/v{version}...HEAD")),
        (
            "CHANGELOG.md",
            Box::leak(format!("[{version}]: ").into_boxed_str()),
            format!("{repository}/releases/tag/v{version}"),
        ),
    ]
}

#[test]
fn all_files_repeat_the_manifest() {
    for (path, start, rest) in repeated() {
        let text = fs::read_to_string(project(path)).unwrap();
        assert!(text.lines().any(|line| line.starts_with(start)), "{path} has no line {start}");
        let expected: String = text
            .lines()
            .map(|line| match line.strip_prefix(start) {
                // The changelog of Debian has the date behind two blanks.
                Some(old) if path == "debian/changelog" => {
                    let date = old.split_once("  ").map_or("", |(_, date)| date);
                    format!("{start}{rest}{date}\n")
                }
                Some(_) => format!("{start}{rest}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert_current(path, &expected);
    }
}

/// Runs `make release` in a folder with only the Makefile and a manifest.
fn release(manifest: &str) -> io::Result<(bool, String)> {
    let folder = tempfile::tempdir()?;
    fs::copy(project("Makefile"), folder.path().join("Makefile"))?;
    fs::write(folder.path().join("Cargo.toml"), manifest)?;
    let output = Command::new("make")
        .arg("release")
        .env_remove("MAKEFLAGS")
        .current_dir(folder.path())
        .output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn a_release_is_refused_while_a_name_is_a_placeholder_or_the_commit_has_no_tag() {
    let manifest = fs::read_to_string(project("Cargo.toml")).unwrap();
    let named = manifest.replace("placeholder.invalid", "ipvs.test");
    let placeholder = named.replacen("ipvs.test", "placeholder.invalid", 1);
    for (manifest, reason) in [
        (placeholder, "make release: Cargo.toml has a placeholder"),
        (named, "make release: this commit does not have the tag v"),
    ] {
        let (is_done, message) = release(&manifest).unwrap();
        assert!(!is_done && message.contains(reason), "{message}");
    }
}
