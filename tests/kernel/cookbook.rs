//! The cookbook's recipes work: each runs on a fresh director, and prints what the page says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::network::{fresh_namespace, ip};
use crate::one_machine::furnish;
use crate::program::Program;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md");

/// A fenced block: its language and its text.
struct Block {
    language: String,
    text: String,
}

/// A part of the page below a heading.
struct Recipe {
    title: String,
    blocks: Vec<Block>,
}

/// The rules that each recipe starts with, and the recipes.
fn page() -> (String, Vec<Recipe>) {
    let text = fs::read_to_string(PAGE).unwrap();
    let mut recipes = vec![Recipe { title: String::new(), blocks: Vec::new() }];
    let mut block: Option<Block> = None;
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (Some(_), Some(_)) => {
                recipes.last_mut().unwrap().blocks.push(block.take().unwrap());
            }
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (None, Some(language)) => {
                block = Some(Block { language: language.to_owned(), text: String::new() });
            }
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    recipes.push(Recipe { title: title.to_owned(), blocks: Vec::new() });
                }
            }
        }
    }
    let head = recipes.remove(0).blocks.swap_remove(0);
    assert_eq!(head.language, "rules");
    (head.text, recipes)
}

/// Runs a script with our programs in its path, and returns the output.
fn run(script: &str, folder: &Path) -> String {
    let programs = folder.join("programs");
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()))
        .env("LC_ALL", "C")
        .env("PAUSE", "0")
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    assert_eq!(complaint, "", "{script}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of a playbook, and those that a unit starts.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let prefixes = ["cmd: ", "ExecStart=/usr/sbin/"];
    let lines = text.lines().map(str::trim_start);
    lines.filter_map(move |line| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)))
}

#[test]
fn every_recipe_works_as_the_page_says() {
    let (rules, recipes) = page();
    let mut seen = 0;
    for Recipe { title, blocks } in &recipes {
        fresh_namespace();
        furnish(&rules);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.rules"), &rules).unwrap();
        let programs = folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for program in [Program::ours(), Program::save(), Program::restore()] {
            let name = Path::new(program.name()).file_name().unwrap();
            symlink(program.name(), programs.join(name)).unwrap();
        }
        let namespaces = ["shop-blue", "shop-green"];
        let has_namespaces = blocks.iter().any(|block| block.text.contains(namespaces[0]));
        for name in namespaces.iter().filter(|_| has_namespaces) {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} address add 10.0.0.1/8 dev lo"));
        }
        let mut printed = String::new();
        for Block { language, text } in blocks {
            match language.as_str() {
                "sh" => {
                    assert_eq!(printed, "", "{title}: the page lacks this output");
                    printed = run(text, folder.path());
                    for command in commands(text) {
                        run(command, folder.path());
                    }
                }
                "text" => {
                    assert_eq!(printed, *text, "{title}");
                    printed.clear();
                }
                "yaml" => {
                    for command in commands(text) {
                        run(command, folder.path());
                    }
                }
                other => panic!("{title}: a block of {other}"),
            }
            seen += 1;
        }
        assert_eq!(printed, "", "{title}: the page lacks this output");
        for name in namespaces.iter().filter(|_| has_namespaces) {
            ip(&format!("netns delete {name}"));
        }
        assert!(!blocks.is_empty(), "{title} has no command");
    }
    assert!(seen > 15, "{seen} blocks");
}
