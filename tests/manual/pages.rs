//! The manual matches the programs: it has every command and option of the table, as the help does, and all examples
//! are valid. The tools that check manual pages find no faults.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use ipvs_rules::{COMMANDS, LineError, OPTIONS, RuleError, ValueSpec, parse_numeric_line};

const PAGES: [&str; 5] =
    ["ipvsadm.8", "ipvsadm-save.8", "ipvsadm-restore.8", "ipvsadm-top.8", "ipvsadm-rules.5"];

/// Words by which people search the manual, for example with `man -K`.
const SEARCHED: [&str; 20] = [
    "ARP",
    "JSON",
    "NAT",
    "Prometheus",
    "VIP",
    "atomic",
    "direct routing",
    "drain",
    "dry run",
    "failover",
    "health check",
    "idempotent",
    "keepalived",
    "load balancer",
    "namespace",
    "real server",
    "rollback",
    "sticky session",
    "tunnel",
    "weight",
];

fn project(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(name: &str) -> String {
    project(&format!("man/{name}"))
}

/// The text of a line of man(7) macros: without the macro, the quotes, the font changes and the escapes.
fn plain(line: &str) -> String {
    let (macro_name, mut text) = match line.split_once(' ') {
        Some((name, rest)) if name.starts_with('.') => (name, rest.to_owned()),
        _ => ("", line.to_owned()),
    };
    // Macros that change fonts join their words, each of which may be in quotes.
    if [".BR", ".BI", ".IR", ".RB"].contains(&macro_name) {
        let mut joined = String::new();
        let mut is_quoted = false;
        for character in text.chars() {
            match character {
                '"' => is_quoted = !is_quoted,
                ' ' if !is_quoted => {}
                character => joined.push(character),
            }
        }
        text = joined;
    }
    for font in ["\\fR", "\\fP", "\\fI", "\\fB", "\\c"] {
        text = text.replace(font, "");
    }
    text.replace("\\-", "-").replace("\\e", "\\")
}

/// The tags after each `.TP` between two sections: the names of the described options.
fn tags(page: &str, from: &str, to: &str) -> Vec<String> {
    let start = page.find(&format!(".SH {from}\n")).unwrap();
    let end = page.find(&format!(".SH {to}\n")).unwrap();
    let lines: Vec<&str> = page[start..end].lines().collect();
    let tags = lines.windows(2).filter(|pair| pair[0] == ".TP");
    tags.map(|pair| plain(pair[1])).collect()
}

/// The tag of an option or command: `-t, --tcp-service HOST[:PORT]`.
fn heading(short: Option<char>, alias: Option<char>, long: &str, value: &str) -> String {
    let letters = short.into_iter().chain(alias);
    let letters: String = letters.map(|letter| format!("-{letter}, ")).collect();
    format!("{letters}--{long}{value}")
}

fn value(takes: ValueSpec) -> String {
    match takes {
        ValueSpec::Nothing => String::new(),
        ValueSpec::Value(name) => format!(" {name}"),
        ValueSpec::MaybeValue(name) => format!(" [{name}]"),
        ValueSpec::GluedValue(name) => format!("[={name}]"),
    }
}

#[track_caller]
fn assert_same(mut expected: Vec<String>, mut found: Vec<String>) {
    expected.sort();
    found.sort();
    assert_eq!(expected, found);
}

#[test]
fn manual_has_every_command_once() {
    let expected = COMMANDS.iter().map(|spec| {
        // --set takes three words; those of -R and -S are in the synopsis.
        let words = match spec.arguments {
            [_] => String::new(),
            words => words.iter().map(|word| format!(" {word}")).collect(),
        };
        heading(spec.short, spec.alias, spec.long, &(value(spec.value) + &words))
    });
    assert_same(expected.collect(), tags(&page("ipvsadm.8"), "COMMANDS", "OPTIONS"));
}

#[test]
fn manual_has_every_option_once() {
    let expected =
        OPTIONS.iter().map(|spec| heading(spec.short, None, spec.long, &value(spec.value)));
    assert_same(expected.collect(), tags(&page("ipvsadm.8"), "OPTIONS", "ADDRESSES AND PORTS"));
}

/// The options at the beginning of the help's lines, as the manual writes them.
fn help(program: &str) -> Vec<String> {
    let output = Command::new(program).arg("--help").env("COLUMNS", "200").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    // A second letter is an alias of the first.
    let name = |line: &str| match line.split_once(" [alias: -v]") {
        Some((line, _)) => format!("-v, {}", line.split("  ").next().unwrap()),
        None => line.split("  ").next().unwrap().replace(['<', '>'], ""),
    };
    lines.map(name).collect()
}

#[test]
fn help_matches_the_table() {
    let expected = COMMANDS
        .iter()
        .map(|spec| heading(spec.short, None, spec.long, &value(spec.value)))
        .chain(OPTIONS.iter().map(|spec| heading(spec.short, None, spec.long, &value(spec.value))));
    assert_same(expected.collect(), help(env!("CARGO_BIN_EXE_ipvsadm")));
}

#[test]
fn help_of_save_and_restore_matches_their_manual() {
    for (name, program) in [
        ("ipvsadm-save", env!("CARGO_BIN_EXE_ipvsadm-save")),
        ("ipvsadm-restore", env!("CARGO_BIN_EXE_ipvsadm-restore")),
    ] {
        assert_same(help(program), tags(&page(&format!("{name}.8")), "OPTIONS", "EXIT STATUS"));
    }
}

#[cfg(feature = "top")]
#[test]
fn help_of_top_matches_its_manual() {
    let described = tags(&page("ipvsadm-top.8"), "OPTIONS", "SCREEN");
    assert_same(help(env!("CARGO_BIN_EXE_ipvsadm-top")), described);
}

#[test]
fn manual_is_of_this_version() {
    for name in PAGES {
        let page = page(name);
        let title = page.lines().next().unwrap();
        assert!(title.contains(concat!("\"ipvsadm ", env!("CARGO_PKG_VERSION"), "\"")), "{title}");
    }
    let changelog = project("debian/changelog");
    let version = concat!("ipvsadm (1:", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(version), "{changelog}");
    let version = concat!("\nVersion:        ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(project("packaging/ipvsadm.spec").contains(version), "ipvsadm.spec: no {version}");
    assert!(project("CHANGELOG.md").contains(concat!("\n## [", env!("CARGO_PKG_VERSION"), "]")));
}

#[test]
fn manual_has_the_words_that_people_search_for() {
    let pages = PAGES.map(page);
    let missing: Vec<&str> =
        SEARCHED.into_iter().filter(|word| !pages.iter().any(|page| page.contains(word))).collect();
    assert!(missing.is_empty(), "no page has {missing:?}");
}

#[test]
fn synopsis_has_every_command() {
    let page = page("ipvsadm.8");
    let synopsis = &page[page.find(".SH SYNOPSIS").unwrap()..page.find(".SH DESCRIPTION").unwrap()];
    let synopsis = synopsis.replace("\\-", "-");
    for spec in COMMANDS {
        let name = match spec.short {
            Some(letter) => format!("-{letter}"),
            None => format!("--{}", spec.long),
        };
        assert!(synopsis.contains(&name), "{name}");
    }
}

/// The options of each form of the command line, such as `-L --metrics --by`.
fn forms<'a>(forms: impl Iterator<Item = &'a str>) -> BTreeSet<BTreeSet<String>> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let options = |form: &str| -> BTreeSet<String> {
        let words = form.split(|c| !is_of_word(c)).filter(|word| word.starts_with('-'));
        words.map(str::to_owned).collect()
    };
    forms.map(options).collect()
}

#[test]
fn help_has_the_forms_of_the_synopsis() {
    let page = page("ipvsadm.8").replace("\\-", "-");
    let synopsis = &page[page.find(".SH SYNOPSIS").unwrap()..page.find(".SH DESCRIPTION").unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_ipvsadm")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let usage = &help[help.find("Usage:\n").unwrap()..help.find("\nSERVICE is").unwrap()];
    let usage = forms(usage.split("\n  ipvsadm ").skip(1));
    assert_eq!(usage, forms(synopsis.split(".SY ipvsadm\n").skip(1)));
}

/// The help lists the names, and the manual has a paragraph on each.
#[test]
fn schedulers_of_the_help_are_those_of_the_manual() {
    let spec = OPTIONS.iter().find(|spec| spec.long == "scheduler").unwrap();
    let (names, _) = spec.help.split_once(" or ").unwrap();
    let described = tags(&page("ipvsadm.8"), "SCHEDULERS", "PERSISTENCE ENGINES");
    for name in names.split(", ") {
        assert!(described.iter().any(|tag| tag == name), "{name}: {described:?}");
    }
}

/// The lines of `.EX` blocks, unescaped.
fn manual_examples(page: &str) -> Vec<String> {
    let mut is_example = false;
    let mut examples = Vec::new();
    for line in page.lines() {
        match line {
            ".EX" => is_example = true,
            ".EE" => is_example = false,
            line if is_example => examples.push(plain(line)),
            _ => {}
        }
    }
    examples
}

/// The lines of fenced blocks of a Markdown text, without the rules that a packet filter has printed.
fn markdown_examples(text: &str) -> Vec<String> {
    let mut is_example = false;
    let mut is_of_filter = false;
    let mut examples = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_example = !is_example;
            is_of_filter = false;
        } else if is_example {
            let prompt = line.split_once("# ");
            let prompt = prompt.filter(|(host, _)| host.chars().all(char::is_alphanumeric));
            if let Some((_, command)) = prompt {
                let program = command.split(' ').next();
                is_of_filter = matches!(program, Some("iptables" | "arptables"));
            }
            if !is_of_filter {
                examples.push(line.to_owned());
            }
        }
    }
    examples
}

#[test]
fn only_the_rules_of_packet_filters_are_no_examples() {
    let text = "\
```console
director# iptables -t mangle -S PREROUTING
-P PREROUTING ACCEPT
director# ipvsadm -S -n
-A PREROUTING
```
```text
-P PREROUTING ACCEPT
```";
    let lines = ["director# ipvsadm -S -n", "-A PREROUTING", "-P PREROUTING ACCEPT"];
    assert_eq!(markdown_examples(text), lines);
}

/// Parses an example as the program that it calls does, without the parts for the shell; false if it calls none of
/// ours.
fn read_example(line: &str) -> bool {
    let end = line.find(['|', '>', '<', ';', '#']).unwrap_or(line.len());
    // The number of the stream that is redirected.
    let end = line.find(" 2>").map_or(end, |place| place.min(end));
    let line = line[..end].trim();
    if line.contains('$') {
        // A variable has no value here. The tests of the pages run such lines.
        return false;
    }
    let mut words = line.split_whitespace().skip_while(|&word| word == "sudo").peekable();
    match words.peek().copied() {
        Some("ipvsadm") => {
            let mut words: Vec<&str> = words.collect();
            // A typed line may have options that a rule line refuses. The rest of the words is a rule line.
            while let Err(LineError::Rule(RuleError::InRuleLine(long))) =
                parse_numeric_line(words.join(" ").as_bytes())
            {
                let spec = OPTIONS.iter().find(|spec| spec.long == long).unwrap();
                let is_option = |word: &&str| word.split('=').next() == Some(&format!("--{long}"));
                let place = words.iter().position(is_option).unwrap();
                let takes_next =
                    matches!(spec.value, ValueSpec::Value(_)) && !words[place].contains('=');
                words.drain(place..=place + usize::from(takes_next));
            }
            let rest = words.join(" ");
            let command = parse_numeric_line(rest.as_bytes());
            assert!(command.is_ok(), "{line}: {command:?}");
            // `ipvsadm` without arguments lists the table.
            assert!(command.unwrap().is_some() || rest == "ipvsadm", "{line}");
        }
        // diff prints three dashes between old and new lines.
        Some(word) if word.starts_with('-') && !["-", "---"].contains(&word) => {
            let command = parse_numeric_line(line.as_bytes());
            assert!(matches!(command, Ok(Some(_))), "{line}: {command:?}");
        }
        Some(program @ ("ipvsadm-save" | "ipvsadm-restore" | "ipvsadm-top")) => {
            let next = if program == "ipvsadm-top" { "SCREEN" } else { "EXIT STATUS" };
            let known = tags(&page(&format!("{program}.8")), "OPTIONS", next);
            let known: Vec<&str> =
                known.iter().flat_map(|tag| tag.split([',', ' ', '['])).collect();
            for word in words.skip(1).filter(|word| word.starts_with('-')) {
                let name = word.split('=').next().unwrap();
                assert!(known.contains(&name), "{line}: {program} has no {name}");
            }
        }
        _ => return false,
    }
    true
}

#[test]
fn every_example_in_the_manual_is_a_command_line() {
    let mut read = 0;
    for name in PAGES {
        for line in manual_examples(&page(name)) {
            read += usize::from(read_example(&line));
        }
    }
    assert!(read > 30, "only {read} examples were found");
}

#[test]
fn every_example_in_the_readme_and_the_labs_is_a_command_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let pages = pages.map(|name| format!("docs/{}", name.to_str().unwrap()));
    let pages = pages.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned()]);
    for page in pages {
        let lines = markdown_examples(&project(&page));
        let read = lines.iter().filter(|line| read_example(line)).count();
        assert!(read > 0 || page != "README.md", "no example was found");
    }
}

/// Runs a tool over the pages, and fails if it prints anything.
fn lint(tool: &str, arguments: &[&str]) {
    let output = Command::new(tool)
        .args(arguments)
        .args(PAGES.map(|name| format!("{}/man/{name}", env!("CARGO_MANIFEST_DIR"))))
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}; `make check` installs it"));
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && said.iter().all(String::is_empty), "{tool}: {said:?}");
}

#[test]
fn mandoc_finds_nothing() {
    lint("mandoc", &["-T", "lint"]);
}

#[test]
fn groff_finds_nothing() {
    // -z: print only warnings.
    lint("groff", &["-ww", "-man", "-Tutf8", "-z"]);
}
