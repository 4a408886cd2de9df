//! The texts of `-h`, `--help` and `-v`. The table of options is their only source.

use std::io::{self, Write};

use ipvs_rules::{COMMANDS, Help, OPTIONS, ValueSpec};

use super::command_line::full_command;
use crate::process::TerminalStyle;

/// Writes the version of a program, and the commit of a build that is not of a release. Scripts compare the beginning of
/// ipvsadm's.
///
/// # Errors
/// When the output cannot be written.
pub fn write_version(out: &mut dyn Write, program: &str) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("IPVSADM_COMMIT").map(|commit| format!(", commit {commit}"));
    writeln!(out, "{program} v{version} (IPVS over generic netlink{})", commit.unwrap_or_default())
}

const USAGE: &str = "\
Usage:
  ipvsadm -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [--pe ENGINE]
                        [-b FLAGS] [-o]
  ipvsadm -D SERVICE [--drain[=SECONDS] [--force] [--json]]
  ipvsadm -a|-e SERVICE -r HOST[:PORT] [-g|-i|-m] [-w WEIGHT] [-x MAX] [-y MIN]
                        [TUNNEL OPTIONS]
  ipvsadm -d|-e SERVICE -r HOST[:PORT] [--drain[=SECONDS] [--force] [--json]]
  ipvsadm [-L] [SERVICE] [-n] [LIST OPTIONS]
  ipvsadm -L -c|--timeout|--daemon [-n] [--json]
  ipvsadm -L --metrics[=FILE] [--by service]
  ipvsadm -L --summary|--settings [-n] [--json] [--no-header]
  ipvsadm -S --settings[=FILE]
  ipvsadm -Z [SERVICE]
  ipvsadm -C [--within SCOPE]...
  ipvsadm -S [-n] [--all] [--json] [--allow-empty] [SERVICE | --within SCOPE]...
             [FILE]
  ipvsadm -S --digest[=all] [SERVICE | --within SCOPE]...
  ipvsadm -R [--dry-run] [FILE]
  ipvsadm --set TCP TCPFIN UDP
  ipvsadm --start-daemon master|backup [DAEMON OPTIONS]
  ipvsadm --stop-daemon master|backup
  ipvsadm --doctor[=CODE] [SERVICE] [DOCTOR OPTIONS]
  ipvsadm -h|-v

SERVICE is -t HOST[:PORT], -u HOST[:PORT], --sctp-service HOST[:PORT],
or -f MARK [-6].
";

/// Writes the help.
///
/// # Errors
/// When the output cannot be written.
pub fn write_help(out: &mut dyn Write, length: Help, style: TerminalStyle) -> io::Result<()> {
    write_version(out, "ipvsadm")?;
    match length {
        Help::Short => write_short_help(out, style),
        Help::Full => write_full_help(out, style),
    }
}

fn write_full_help(out: &mut dyn Write, style: TerminalStyle) -> io::Result<()> {
    writeln!(
        out,
        "Administers the Linux Virtual Server, the kernel's layer-4 load balancer (IPVS).\n"
    )?;
    out.write_all(USAGE.as_bytes())?;
    let command = full_command().help_template("{all-args}\n").term_width(style.width);
    let help = { command }.render_help();
    match style.has_colours {
        true => write!(out, "\n{}", help.ansi()),
        false => write!(out, "\n{help}"),
    }
}

/// Writes each command with the beginning of its description, and the names of the options, without the rare ones. Scripts
/// search the help for the names that 1.31 has.
fn write_short_help(out: &mut dyn Write, style: TerminalStyle) -> io::Result<()> {
    writeln!(out, "Usage: ipvsadm [COMMAND] [SERVICE] [OPTIONS]")?;
    writeln!(out, "{}", heading_text("Commands", style))?;
    for spec in COMMANDS {
        let name = name(spec.short, spec.long, ValueSpec::Nothing);
        let indent = if spec.short.is_none() { "    " } else { "" };
        let summary = spec.help.split([';', ':']).next().unwrap_or_default();
        writeln!(out, "  {:<22}{summary}", format!("{indent}{name}"))?;
    }
    let mut headings: Vec<&str> = Vec::new();
    for spec in OPTIONS.iter().filter(|spec| !spec.is_rare) {
        if !headings.contains(&spec.heading()) {
            headings.push(spec.heading());
        }
    }
    for heading in headings {
        let options = OPTIONS.iter().filter(|spec| !spec.is_rare && spec.heading() == heading);
        let names = options.map(|spec| name(spec.short, spec.long, spec.value));
        write_paragraph(out, heading, names, style)?;
    }
    writeln!(out, "`ipvsadm --help' describes all options, and so does ipvsadm(8).")
}

fn heading_text(heading: &str, style: TerminalStyle) -> String {
    match style.has_colours {
        true => format!("\u{1b}[1;4m{heading}:\u{1b}[0m"),
        false => format!("{heading}:"),
    }
}

/// Writes a heading and texts behind it, as many on a line as fit.
fn write_paragraph(
    out: &mut dyn Write,
    heading: &str,
    texts: impl Iterator<Item = String>,
    style: TerminalStyle,
) -> io::Result<()> {
    write!(out, "{}", heading_text(heading, style))?;
    let mut column = heading.len() + 1;
    for text in texts {
        if column + 2 + text.len() > style.width {
            writeln!(out)?;
            column = 0;
        }
        write!(out, "  {text}")?;
        column += 2 + text.len();
    }
    writeln!(out)
}

/// An option or a command with its letter and its value.
fn name(short: Option<char>, long: &str, takes: ValueSpec) -> String {
    let short = short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
    match takes {
        ValueSpec::Nothing => format!("{short}--{long}"),
        ValueSpec::Value(value) => format!("{short}--{long} {value}"),
        ValueSpec::MaybeValue(value) => format!("{short}--{long} [{value}]"),
        ValueSpec::GluedValue(value) => format!("{short}--{long}[={value}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(length: Help, width: usize, has_colours: bool) -> String {
        let mut text = Vec::new();
        write_help(
            &mut text,
            length,
            TerminalStyle { width, has_colours, is_terminal: has_colours },
        )
        .unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn short_help_has_every_name_of_1_31_in_40_lines_of_80_columns() {
        let text = help(Help::Short, 80, false);
        assert!(text.lines().count() <= 40, "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let commands = COMMANDS.iter().map(|spec| spec.long);
        let options = OPTIONS.iter().filter(|spec| !spec.is_rare);
        for long in commands.chain(options.map(|spec| spec.long)) {
            let is_name = |word: &str| {
                let name = word.split_once('[').map_or(word, |(name, _)| name);
                name.strip_prefix("--") == Some(long)
            };
            assert!(text.split_whitespace().any(is_name), "--{long} in {text}");
        }
    }

    #[test]
    fn full_help_fits_the_width() {
        for width in [80, 120] {
            let text = help(Help::Full, width, false);
            assert!(text.lines().all(|line| line.len() <= width), "{text}");
        }
    }

    #[test]
    fn help_without_colours_is_plain_text() {
        for length in [Help::Short, Help::Full] {
            assert!(help(length, 80, true).contains('\u{1b}'));
            assert!(!help(length, 80, false).contains('\u{1b}'));
        }
    }
}
