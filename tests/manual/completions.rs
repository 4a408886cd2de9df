//! The completions contain exactly the commands and options of the programs: their tables are generated from the
//! programs' own. tests/kernel/completions.rs runs them in the shells.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use ipvs_rules::{COMMANDS, CommandName, OPTIONS, OptionName, OptionSpec, ValueSpec};
use ipvsadm::doctor::CHECKS;

const BEGIN: &str =
    "# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.\n";
const END: &str = "# --- End of the table.\n";

/// A row of the table as a line: letters, long name, group, kind of value, and the commands that accept it.
struct Row {
    line: String,
    letter: Option<char>,
    alias: Option<char>,
    long: &'static str,
    takes: ValueSpec,
    help: &'static str,
}

fn kind(takes: ValueSpec) -> &'static str {
    match takes {
        // The next word is not the value.
        ValueSpec::Nothing | ValueSpec::GluedValue(_) => "nothing",
        ValueSpec::Value(_) => "value",
        ValueSpec::MaybeValue(_) => "maybe",
    }
}

fn long_of(option: OptionName) -> &'static str {
    OPTIONS.iter().find(|spec| spec.option == option).unwrap().long
}

fn owners(spec: &OptionSpec) -> String {
    let owns = |command: &CommandName| spec.owners.contains(command);
    let commands = COMMANDS.iter().filter(|command| owns(&command.command));
    commands.map(|command| command.long).collect::<Vec<_>>().join(",")
}

/// Letters separated by commas; a comma for none, so that no column is empty.
fn letters(letter: Option<char>, alias: Option<char>) -> String {
    match (letter, alias) {
        (Some(letter), Some(alias)) => format!("{letter},{alias}"),
        (Some(letter), None) => letter.to_string(),
        _ => ",".to_owned(),
    }
}

fn commands() -> Vec<Row> {
    let row = |spec: &ipvs_rules::CommandSpec| Row {
        line: format!(
            "{} {} command {} -",
            letters(spec.short, spec.alias),
            spec.long,
            kind(spec.value)
        ),
        letter: spec.short,
        alias: spec.alias,
        long: spec.long,
        takes: spec.value,
        help: spec.help,
    };
    COMMANDS.iter().map(row).collect()
}

fn options() -> Vec<Row> {
    let row = |spec: &OptionSpec| Row {
        line: format!(
            "{} {} {} {} {}",
            letters(spec.short, None),
            spec.long,
            long_of(spec.group),
            kind(spec.value),
            owners(spec)
        ),
        letter: spec.short,
        alias: None,
        long: spec.long,
        takes: spec.value,
        help: spec.help,
    };
    OPTIONS.iter().map(row).collect()
}

/// The codes of the doctor's findings, which are the values of --doctor.
fn codes() -> String {
    CHECKS.iter().map(|check| check.code).collect::<Vec<_>>().join(" ")
}

/// The value of an option of ipvsadm-save or ipvsadm-restore.
#[derive(Clone)]
enum Takes {
    Nothing,
    /// A value that is glued to the option or omitted: its name in the help.
    Maybe(String),
    /// A value that ipvsadm's option of the same name has too.
    Value,
}

/// The options in the help of ipvsadm-save or ipvsadm-restore: names, the kind of the value, and the description.
fn companion_options(program: &str) -> Vec<(Vec<String>, Takes, String)> {
    let output = Command::new(program).arg("-h").env("COLUMNS", "200").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines
        .map(|line| {
            let (names, text) = line.split_once("  ").unwrap();
            let takes = match names.split_once(['[', '<']) {
                None => Takes::Nothing,
                Some((_, value)) if names.contains('[') => {
                    Takes::Maybe(value.trim_matches(['=', '<', '>', ']']).to_owned())
                }
                Some(_) => Takes::Value,
            };
            let names =
                names.split(", ").map(|name| name.split(['[', ' ']).next().unwrap().to_owned());
            // clap shows a second letter behind the description.
            match text.trim().split_once(" [alias: ") {
                Some((text, alias)) => {
                    let alias = alias.trim_end_matches(']').to_owned();
                    ([alias].into_iter().chain(names).collect(), takes, text.to_owned())
                }
                None => (names.collect(), takes, text.trim().to_owned()),
            }
        })
        .collect()
}

/// The marks of ipvsadm-top's table, which only a build with this program can write.
#[cfg(feature = "top")]
const TOP_BEGIN: &str = "# --- From ipvsadm-top's own table; `UPDATE=1 cargo test --features top --test manual` writes it.\n";
#[cfg(feature = "top")]
const TOP_END: &str = "# --- End of ipvsadm-top's table.\n";

const COMPANIONS: [(&str, &str); 2] = [
    ("save", env!("CARGO_BIN_EXE_ipvsadm-save")),
    ("restore", env!("CARGO_BIN_EXE_ipvsadm-restore")),
];

/// A text between single quotes of a shell.
fn quoted(text: &str, quote_for_quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote_for_quote))
}

fn bash() -> String {
    let mut text = String::new();
    for (name, rows) in [("commands", commands()), ("options", options())] {
        let lines: String = rows.iter().map(|row| row.line.clone() + "\n").collect();
        writeln!(text, "_ipvsadm_{name}='\n{lines}'").unwrap();
    }
    writeln!(text, "_ipvsadm_codes='{}'", codes()).unwrap();
    for (name, program) in COMPANIONS {
        text += &bash_companion(name, program);
    }
    text
}

fn bash_companion(name: &str, program: &str) -> String {
    let names: Vec<String> =
        companion_options(program).into_iter().flat_map(|(names, ..)| names).collect();
    format!("_ipvsadm_{name}='{}'\n", names.join(" "))
}

fn zsh() -> String {
    let mut text = String::new();
    for (name, rows) in [("commands", commands()), ("options", options())] {
        writeln!(text, "typeset -ga _ipvsadm_{name}=(").unwrap();
        for row in rows {
            let line = format!("{}\t{}", row.line, row.help);
            writeln!(text, "  ${}", quoted(&line.replace('\t', "\\t"), "\\'")).unwrap();
        }
        text.push_str(")\n");
    }
    writeln!(text, "typeset -ga _ipvsadm_codes=({})", codes()).unwrap();
    for (name, program) in COMPANIONS {
        text += &zsh_companion(name, program);
    }
    text
}

fn zsh_companion(name: &str, program: &str) -> String {
    let mut text = format!("typeset -ga _ipvsadm_{name}=(\n");
    for (names, takes, help) in companion_options(program) {
        let help = help.replace('[', "\\[").replace(']', "\\]");
        let others = names.join(" ");
        let long = names.iter().find_map(|name| name.strip_prefix("--")).unwrap_or_default();
        for name in &names {
            let spec = match (&takes, name.starts_with("--")) {
                (Takes::Maybe(value), true) => {
                    // A word in capitals names a value; another word is the value.
                    let label = value.to_lowercase();
                    let action = match label.as_str() {
                        "file" => "_files".to_owned(),
                        _ if label == *value => format!("({value})"),
                        _ => String::new(),
                    };
                    format!("({others}){name}=-[{help}]::{label}:{action}")
                }
                (Takes::Value, true) => {
                    format!("({others}){name}=[{help}]:{long}: _ipvsadm_values {long}")
                }
                (Takes::Value, false) => {
                    format!("({others}){name}+[{help}]:{long}: _ipvsadm_values {long}")
                }
                _ => format!("({others}){name}[{help}]"),
            };
            writeln!(text, "  {}", quoted(&spec, "'\\''")).unwrap();
        }
    }
    text.push_str(")\n");
    text
}

fn fish() -> String {
    let mut text = String::from("set -g __ipvsadm_table \\\n");
    let rows: Vec<Row> = commands().into_iter().chain(options()).collect();
    let lines: Vec<String> = rows.iter().map(|row| format!("    '{}'", row.line)).collect();
    writeln!(text, "{}", lines.join(" \\\n")).unwrap();
    writeln!(text, "set -g __ipvsadm_codes {}", codes()).unwrap();
    for (condition, rows) in
        [("__ipvsadm_needs_command", commands()), ("__ipvsadm_takes", options())]
    {
        for row in rows {
            write!(text, "complete -c ipvsadm -n '{condition} {}'", row.long).unwrap();
            for letter in row.letter.into_iter().chain(row.alias) {
                write!(text, " -s {letter}").unwrap();
            }
            write!(text, " -l {}", row.long).unwrap();
            if let ValueSpec::Value(_) = row.takes {
                write!(text, " -x -a '(__ipvsadm_values {})'", row.long).unwrap();
            }
            writeln!(text, " -d {}", quoted(row.help, "\\'")).unwrap();
        }
    }
    text
}

/// fish reads a program's completions from a file with the program's name.
fn fish_companion(name: &str, program: &str) -> String {
    let mut text = String::new();
    for (names, takes, help) in companion_options(program) {
        write!(text, "complete -c ipvsadm-{name}").unwrap();
        for name in names {
            match name.strip_prefix("--") {
                Some("netns") if matches!(takes, Takes::Value) => {
                    write!(text, " -l netns -x -a '(command ls /run/netns 2>/dev/null)'").unwrap();
                }
                Some("color") => write!(text, " -l color -x -a 'auto always never'").unwrap(),
                Some("interval") => write!(text, " -l interval -x").unwrap(),
                Some(long) => write!(text, " -l {long}").unwrap(),
                None => write!(text, " -s {}", &name[1..]).unwrap(),
            }
        }
        writeln!(text, " -d {}", quoted(&help, "\\'")).unwrap();
    }
    text
}

/// Compares the text between the marks of a file with the generated table, or writes the table.
fn check(name: &str, table: &str) {
    check_between((BEGIN, END), name, table);
}

fn check_between((begin, end): (&str, &str), name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "{name}: run UPDATE=1 cargo test --test manual");
    }
}

#[test]
fn bash_completes_what_the_table_has() {
    check("ipvsadm.bash", &bash());
}

#[test]
fn zsh_completes_what_the_table_has() {
    check("_ipvsadm", &zsh());
}

#[test]
fn fish_completes_what_the_table_has() {
    check("ipvsadm.fish", &fish());
    for (name, program) in COMPANIONS {
        check(&format!("ipvsadm-{name}.fish"), &fish_companion(name, program));
    }
}

#[test]
fn all_states_of_connections_are_completed() {
    let states = ipvs::model::ConnectionState::NAMES.join(" ");
    for name in ["ipvsadm.bash", "_ipvsadm", "ipvsadm.fish"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name);
        assert!(fs::read_to_string(path).unwrap().contains(&states), "{name} lacks {states}");
    }
}

#[cfg(feature = "top")]
#[test]
fn options_of_ipvsadm_top_are_completed() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_ipvsadm-top");
    let marks = (TOP_BEGIN, TOP_END);
    check_between(marks, "ipvsadm.bash", &bash_companion("top", PROGRAM));
    check_between(marks, "_ipvsadm", &zsh_companion("top", PROGRAM));
    check_between(marks, "ipvsadm-top.fish", &fish_companion("top", PROGRAM));
}
