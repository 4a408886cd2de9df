//! `--keep-weights`: a restore leaves the weights of real servers that exist.

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};

const RULES: &str = "\
-A -t 10.0.0.1:80 -s wlc
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 3
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 3
";

fn restore(arguments: &[&str], rules: &str) -> Outcome {
    Program::restore().feed(arguments, rules.as_bytes())
}

fn table() -> String {
    Program::ours().line("-S -n").succeeded().to_owned()
}

/// Restores the rules, and drains one of the servers.
fn drained() -> String {
    fresh_namespace();
    restore(&[], RULES).succeeded();
    Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.2 -m -w 0").succeeded();
    let table = table();
    assert_eq!(table, RULES.replace("2:80 -m -w 3", "2:80 -m -w 0"));
    table
}

#[test]
fn a_drained_server_stays_drained() {
    let drained = drained();
    let diff = restore(&["--diff"], RULES);
    assert_eq!((diff.code(), diff.text()), (1, "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 3\n"));
    for existing in [&[][..], &["--noflush"]] {
        let arguments = [existing, &["--keep-weights"]].concat();
        assert_eq!(restore(&[&arguments[..], &["--diff"]].concat(), RULES).succeeded(), "");
        restore(&arguments, RULES).succeeded();
        assert_eq!(table(), drained);
    }
    restore(&[], RULES).succeeded();
    assert_eq!(table(), RULES);
}

#[test]
fn only_the_weight_stays_and_a_new_server_has_that_of_the_file() {
    drained();
    let rules =
        RULES.replace(" -m -w 3", " -g -w 5 -x 9") + "-a -t 10.0.0.1:80 -r 10.1.0.3 -m -w 4\n";
    restore(&["--keep-weights"], &rules).succeeded();
    assert_eq!(
        table(),
        "-A -t 10.0.0.1:80 -s wlc\n\
         -a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 3 -x 9\n\
         -a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 0 -x 9\n\
         -a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 4\n"
    );
}

#[test]
fn a_line_that_edits_a_server_sets_its_weight() {
    let edit = "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 7\n";
    for (arguments, rules) in [
        (&["--keep-weights"][..], format!("{RULES}{edit}")),
        (&["--keep-weights", "--noflush"], edit.to_owned()),
    ] {
        drained();
        restore(arguments, &rules).succeeded();
        assert_eq!(table(), RULES.replace("2:80 -m -w 3", "2:80 -m -w 7"));
    }
}
