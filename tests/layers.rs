//! Rules of the source tree that neither the compiler nor a lint checks: dependencies between modules, and the first
//! line of a file.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sources of a package, and its modules with their floors. A module may use itself and lower floors; modules of
/// the same floor may not use each other.
struct Package {
    sources: &'static str,
    floors: &'static [(&'static str, u8)],
}

const PACKAGES: [Package; 4] = [
    Package {
        sources: "crates/ipvs/src",
        floors: &[
            ("model", 0),
            ("error", 1),
            ("netlink", 2),
            ("procfs", 2),
            ("kernel", 3),
            ("state", 4),
            ("plan", 5),
            ("values", 0),
        ],
    },
    Package {
        sources: "crates/ipvs-rules/src",
        floors: &[
            ("answers", 0),
            ("command", 1),
            ("connection_query", 0),
            ("endpoint", 0),
            ("table", 0),
            ("hints", 1),
            ("option_groups", 1),
            ("tokens", 1),
            ("error", 2),
            ("line", 3),
            ("values", 3),
            ("tunnel", 3),
            ("line_options", 4),
            ("requests", 5),
            ("listing", 5),
            ("saving", 5),
            ("waiting", 5),
            ("parser", 6),
            ("writer", 7),
            ("tests", 8),
        ],
    },
    Package {
        sources: "crates/ipvs-test/src",
        floors: &[("messages", 0), ("kernel", 1), ("transport", 2), ("values", 0)],
    },
    Package {
        sources: "src",
        floors: &[
            ("process", 0),
            ("host", 0),
            ("schema", 0),
            ("resolve", 1),
            ("errors", 1),
            ("output", 2),
            ("rules_file", 2),
            ("args", 2),
            ("doctor", 3),
            ("commands", 5),
            ("top", 6),
            ("programs", 7),
        ],
    },
];

/// The maximum length of a file in lines without tests; split a file when it nears 500.
const MOST_LINES: usize = 600;

impl Package {
    fn floor(&self, module: &str) -> u8 {
        let found = self.floors.iter().find(|(name, _)| *name == module);
        found.unwrap_or_else(|| panic!("{}/{module} has no floor here", self.sources)).1
    }
}

struct Source {
    package: &'static Package,
    /// The path below the package's sources.
    path: PathBuf,
    text: String,
}

impl Source {
    fn all() -> Vec<Source> {
        PACKAGES.iter().flat_map(Self::of).collect()
    }

    fn of(package: &'static Package) -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(package.sources);
        let mut sources = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let path = path.strip_prefix(&root).unwrap().into();
                    sources.push(Source { package, path, text });
                }
            }
        }
        sources
    }

    /// The directory or file directly below src. `lib.rs` has no module.
    fn module(&self) -> Option<&str> {
        let first = self.path.iter().next()?.to_str()?;
        Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|&module| module != "lib")
    }

    /// The lines with code: neither empty nor a comment alone.
    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines();
        lines.map(str::trim_start).filter(|line| !line.starts_with("//") && !line.is_empty())
    }

    /// The modules of this crate that the code names: behind `crate::`, and behind the `super::` that lead from the
    /// file to the crate.
    fn uses(&self) -> BTreeSet<String> {
        let code = self.code().collect::<Vec<_>>().join("\n");
        let mut uses = self.named_behind("crate::", &code);
        if self.path.components().count() == 1 {
            // Modules within the file, such as its tests, are one level deeper.
            let (own, _) = code.split_once("mod tests {").unwrap_or((&code, ""));
            uses.extend(self.named_behind("super::", own));
        }
        uses
    }

    fn named_behind(&self, prefix: &str, code: &str) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        for (place, _) in code.match_indices(prefix) {
            if code[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let path = &code[place + prefix.len()..];
            let end = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_');
            match path.strip_prefix('{') {
                None => uses.extend(end(path).map(|end| path[..end].to_owned())),
                Some(group) => uses.extend(top_level(group)),
            }
        }
        uses.remove("");
        uses
    }
}

/// The first words of a group of imports, up to its closing brace.
fn top_level(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut words = vec![String::new()];
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(String::new()),
            _ if depth == 0 => words.last_mut().unwrap().push(character),
            _ => {}
        }
    }
    let first = |word: &String| word.trim().split("::").next().unwrap().to_owned();
    words.iter().map(first).filter(|word| !word.is_empty()).collect()
}

/// Fails with the list of all files that break a rule.
fn holds_everywhere(rule: impl Fn(&Source) -> bool) {
    let sources = Source::all();
    assert!(sources.len() > 50, "only {} files", sources.len());
    let broken: Vec<&PathBuf> =
        sources.iter().filter(|source| !rule(source)).map(|source| &source.path).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn module_uses_itself_and_lower_floors() {
    for source in Source::all() {
        let Some(module) = source.module().filter(|&module| module != "bin") else { continue };
        for used in source.uses() {
            assert!(
                used == module || source.package.floor(&used) < source.package.floor(module),
                "{}/{} uses {used}, which is no lower floor than {module}",
                source.package.sources,
                source.path.display()
            );
        }
    }
}

#[test]
fn module_does_not_climb_to_the_crate_by_super() {
    holds_everywhere(|source| {
        let depth = source.path.components().count();
        // In src/a/mod.rs, super is the crate itself; in src/a/b.rs and src/a/b/mod.rs, super::super is.
        let is_root = source.path.ends_with("mod.rs");
        let climb = format!("use {}", "super::".repeat(if is_root { depth - 1 } else { depth }));
        // Indented imports belong to a module within the file, such as its tests, which is one level deeper.
        depth < 2 || !source.text.lines().any(|line| line.starts_with(&climb))
    });
}

/// A file and its neighbours: `super::` in a/b.rs leads to the other files of a.
#[test]
fn no_two_files_of_a_module_use_each_other() {
    for package in &PACKAGES {
        let sources = Source::of(package);
        let neighbours = |source: &Source| -> BTreeSet<PathBuf> {
            let code = source.code().collect::<Vec<_>>().join("\n");
            let (own, _) = code.split_once("mod tests {").unwrap_or((&code, ""));
            let named = source.named_behind("super::", own).into_iter();
            named.map(|name| source.path.with_file_name(name).with_extension("rs")).collect()
        };
        let uses: BTreeMap<&PathBuf, BTreeSet<PathBuf>> = sources
            .iter()
            .filter(|source| !source.path.ends_with("mod.rs"))
            .map(|source| (&source.path, neighbours(source)))
            .collect();
        for (path, used) in &uses {
            for other in used.iter().filter(|other| other > path) {
                let is_mutual = uses.get(other).is_some_and(|used| used.contains(*path));
                assert!(!is_mutual, "{} and {} use each other", path.display(), other.display());
            }
        }
    }
}

#[test]
fn every_module_of_a_package_has_a_floor() {
    for package in &PACKAGES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(package.sources);
        let library = fs::read_to_string(root.join("lib.rs")).unwrap();
        let modules = library.lines().filter_map(|line| {
            line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
        });
        for module in modules {
            package.floor(module);
        }
    }
}

#[test]
fn only_the_command_line_knows_clap() {
    holds_everywhere(|source| {
        source.module() == Some("args") || !source.code().any(|line| line.contains("clap::"))
    });
}

#[test]
fn only_some_modules_touch_arguments_standard_streams_and_exit_codes() {
    holds_everywhere(|source| {
        let touches = ["std::env", "env::args", "stdin()", "stdout()", "stderr()", "ExitCode"];
        let is_outside = matches!(source.module(), Some("programs" | "process" | "errors" | "bin"));
        // A test that keeps pictures in files writes them where a variable asks for it.
        let is_test = source.path.ends_with("tests.rs");
        is_outside
            || is_test
            || !source.code().any(|line| touches.iter().any(|word| line.contains(word)))
    });
}

#[test]
fn every_file_begins_with_what_it_is_responsible_for() {
    holds_everywhere(|source| source.text.starts_with("//! "));
}

#[test]
fn no_file_is_much_longer_than_500_lines() {
    holds_everywhere(|source| {
        let (code, _) =
            source.text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&source.text, ""));
        code.lines().count() <= MOST_LINES
    });
}

/// The words of a mangled name, each behind its length: `8commands3run` is `commands` and `run`.
fn mangled_words(mut name: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while let Some(digits) = name.find(|character: char| !character.is_ascii_digit()) {
        let (length, rest) = name.split_at(digits);
        // The last word of a pattern may be cut.
        let Some((word, rest)) =
            length.parse().ok().and_then(|length| rest.split_at_checked(length))
        else {
            break;
        };
        words.push(word);
        name = rest;
    }
    words
}

/// A renamed module would lose its place among the code of a start.
#[test]
fn the_order_of_the_code_names_modules_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join("link-order.ld")).unwrap();
    let mut count = 0;
    let patterns = script.lines().filter_map(|line| line.trim().strip_prefix("*(.text"));
    for name in patterns.flat_map(|pattern| pattern.trim_end_matches(')').split('*')) {
        let words = match name.contains("..") {
            true => name.split("..").collect(),
            false => mangled_words(name),
        };
        let (package, modules) = match words.split_first() {
            Some((&"ipvs", modules)) => ("crates/ipvs/src", modules),
            Some((&"ipvs_rules", modules)) => ("crates/ipvs-rules/src", modules),
            Some((&"ipvsadm", modules)) => ("src", modules),
            _ => continue,
        };
        // A type may follow the modules, and `main` is a function.
        let is_module = |word: &&&str| word.starts_with(char::is_lowercase) && **word != "main";
        let modules = modules.iter().take_while(is_module);
        let path = modules.fold(root.join(package), |path, module| path.join(module));
        assert!(path.is_dir() || path.with_extension("rs").is_file(), "{name}: no {path:?}");
        count += 1;
    }
    assert!(count > 20, "only {count} patterns name modules of ours");
}

#[test]
fn nothing_is_unsafe() {
    holds_everywhere(|source| !source.code().any(|line| line.contains("unsafe")));
}

#[test]
fn groups_of_imports_are_read_by_their_first_words() {
    assert_eq!(
        top_level("netlink, rules::{Command, Save},\n model::Change};"),
        ["netlink", "rules", "model"]
    );
}
