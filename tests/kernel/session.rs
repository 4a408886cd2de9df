//! docs/session.svg shows a terminal in which our programs run: this test runs the commands again, and draws it.
//!
//! The drawing goes to target/session.svg. Copy it to docs/ after an intended change.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::network::fresh_namespace;
use crate::pages::{BEHIND_NAT, REQUESTS, bash, folder_with_programs};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The file that the session begins with.
const RULES: &str = "\
-A -t 203.0.113.80:80 -s wlc
-a -t 203.0.113.80:80 -r 10.0.1.11:80 -m -w 50
-a -t 203.0.113.80:80 -r 10.0.2.11:80 -m -w 50
";

/// The commands, as they are typed, and what happens on the network after each of them.
const SESSION: [(&str, &str); 6] = [
    ("ipvsadm-restore --diff shop.rules", ""),
    ("ipvsadm-restore shop.rules", REQUESTS),
    ("ipvsadm -L -n", ""),
    ("ipvsadm -L -c -n --count-by server", ""),
    (
        "ipvsadm -e -t 203.0.113.80:80 -r 10.0.1.11 --keep -w -20 --dry-run",
        "kill ${server[2]}\nwait ${server[2]} 2>/dev/null",
    ),
    ("ipvsadm --doctor --probe", ""),
];

const LINE_HEIGHT: usize = 18;

/// A drawing of a terminal with these lines; those that begin with `# ` are commands.
fn drawing(lines: &[&str]) -> String {
    let height = lines.len() * LINE_HEIGHT + 32;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" role=\"img\" \
         aria-label=\"A terminal session with ipvsadm\">\n\
         <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #d8dee9; white-space: pre }} \
         .command {{ fill: #a3d977; font-weight: bold }}</style>\n\
         <rect width=\"760\" height=\"{height}\" rx=\"8\" fill=\"#1e242c\"/>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let class = if line.starts_with("# ") { " class=\"command\"" } else { "" };
        let text = line.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let y = number * LINE_HEIGHT + 28;
        writeln!(svg, "<text x=\"18\" y=\"{y}\" xml:space=\"preserve\"{class}>{text}</text>")
            .unwrap();
    }
    svg + "</svg>\n"
}

/// A drawing without its numbers, which differ from run to run.
fn comparable(svg: &str) -> String {
    let words = svg.split_ascii_whitespace();
    let words = words.map(|word| word.trim_matches(|c: char| c.is_ascii_digit()));
    words.filter(|word| !word.is_empty()).collect::<Vec<&str>>().join(" ")
}

#[test]
fn drawn_session_is_a_real_one() {
    fresh_namespace();
    let folder = folder_with_programs();
    fs::write(folder.path().join("shop.rules"), RULES).unwrap();
    let mut script = format!("exec 2>&1\n{BEHIND_NAT}ipvsadm -C\n");
    for (command, then) in SESSION {
        write!(script, "echo '# {command}'\n{command}\necho\n{then}\n").unwrap();
    }
    script += "kill $(jobs -p) 2>/dev/null\nwait 2>/dev/null";
    let output = bash(&script, folder.path());
    let mut lines: Vec<&str> = output.lines().collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let svg = drawing(&lines);
    fs::write(Path::new(ROOT).join("target/session.svg"), &svg).unwrap();
    let drawn = fs::read_to_string(Path::new(ROOT).join("docs/session.svg")).unwrap_or_default();
    assert_eq!(
        comparable(&svg),
        comparable(&drawn),
        "the session differs: cp target/session.svg docs/\n{output}"
    );
}
