//! `--within`: a restore, a save and `-C` of a part of the table, each blind to the rest.

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};

const SHOP: [&str; 4] = ["--within", "192.0.2.0/24", "--within", "fwmark:1-9"];
const MAIL: [&str; 2] = ["--within", "10.0.0.1"];

const SHOP_RULES: &str = "\
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 10.1.0.1:80 -m -w 3
-A -f 7 -s wlc
-A -f 7 -6 -s wlc
";
const MAIL_RULES: &str = "\
-A -t 10.0.0.1:25 -s lc
-a -t 10.0.0.1:25 -r 10.1.0.1:25 -m -w 1
";
const FOREIGN: &str = "-A -f 10 -s sed\n";

fn restore(arguments: &[&str], rules: &str) -> Outcome {
    Program::restore().feed(arguments, rules.as_bytes())
}

fn save(arguments: &[&str]) -> String {
    let saved = Program::save().run([&["-n"], arguments].concat());
    let dashed = Program::ours().run([&["-S", "-n"], arguments].concat());
    assert_eq!(saved.succeeded(), dashed.succeeded());
    saved.text().to_owned()
}

fn filled() {
    fresh_namespace();
    restore(&[], FOREIGN).succeeded();
    restore(&SHOP, SHOP_RULES).succeeded();
    restore(&MAIL, MAIL_RULES).succeeded();
}

#[test]
fn two_tools_restore_and_save_their_parts_of_a_table() {
    filled();
    assert_eq!(save(&[]), format!("{MAIL_RULES}{SHOP_RULES}{FOREIGN}"));
    assert_eq!((save(&SHOP).as_str(), save(&MAIL).as_str()), (SHOP_RULES, MAIL_RULES));
    for (scope, rules) in [(&SHOP[..], SHOP_RULES), (&MAIL, MAIL_RULES)] {
        assert_eq!(restore(&[scope, &["--diff"]].concat(), rules).succeeded(), "");
    }
    let smaller = "-A -t 192.0.2.1:443 -s rr\n";
    let diff = restore(&[&SHOP[..], &["--diff"]].concat(), smaller);
    assert_eq!(
        (diff.code(), diff.text()),
        (1, "-A -t 192.0.2.1:443 -s rr\n-D -t 192.0.2.1:80\n-D -f 7\n-D -f 7 -6\n")
    );
    restore(&SHOP, smaller).succeeded();
    assert_eq!(save(&[]), format!("{MAIL_RULES}{smaller}{FOREIGN}"));
}

#[test]
fn a_line_outside_is_refused() {
    filled();
    let before = save(&[]);
    for line in [
        "-A -t 10.0.0.2:25",
        "-a -t 10.0.0.2:25 -r 10.1.0.1",
        "-A -f 10",
        "-Z",
        "-Z -f 10",
        "--set 1 2 3",
        "--start-daemon master",
        "--stop-daemon backup",
    ] {
        for mode in ["--check", "--diff", "--noflush", "--allow-empty"] {
            let outcome = restore(&[&SHOP[..], &[mode]].concat(), &format!("{SHOP_RULES}{line}\n"));
            let said = outcome.refused(2);
            assert_eq!(said, format!("standard input:5: {line}: outside of --within"));
            assert_eq!(save(&[]), before);
        }
    }
    restore(&SHOP, &format!("{SHOP_RULES}-Z -f 7\n")).succeeded();
}

#[test]
fn an_input_without_rules_clears_a_scope_only_if_that_is_meant() {
    filled();
    let said = restore(&SHOP, "# nothing\n").refused(2).to_owned();
    assert!(said.contains("the scope has 3"), "{said}");
    restore(&SHOP, "-C\n").succeeded();
    assert_eq!(save(&[]), format!("{MAIL_RULES}{FOREIGN}"));
    // The scope is empty.
    restore(&SHOP, "").succeeded();
    restore(&[&MAIL[..], &["--allow-empty"]].concat(), "").succeeded();
    assert_eq!(save(&[]), FOREIGN);
}

#[test]
fn clear_deletes_the_services_inside() {
    filled();
    Program::ours().run([&["-C"], &SHOP[..]].concat()).succeeded();
    assert_eq!(save(&[]), format!("{MAIL_RULES}{FOREIGN}"));
    Program::ours().feed(["-R"], b"-C --within 10.0.0.0/8\n").succeeded();
    assert_eq!(save(&[]), FOREIGN);
    assert!(
        restore(&[], "-C --within 10.0.0.0/8\n").refused(2).contains("only rules can be restored")
    );
}
