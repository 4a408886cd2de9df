//! Rules as JSON documents: a save, a listing and a restore of them, and the changes of a restore.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::Value;

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::restore_rules::rules_file;
use crate::table::Kernel;

const RULES: &str = "\
-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 15 --tun-type gue --tun-port 6080 --tun-nocsum -x 100 -y 50
-a -t 10.0.0.1:80 -r 127.0.0.1:80 -g -w 1
-A -t [2001:db8::1]:443 -s sh -b sh-port
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 1
-A -f 7 -6 -s rr
";

/// Each case starts seven processes.
const TABLES: u32 = 12;

fn restore(arguments: &[&str], text: &str) -> Outcome {
    Program::restore().feed(arguments, text.as_bytes())
}

fn saved(arguments: &str) -> String {
    Program::ours().line(arguments).succeeded().to_owned()
}

fn filled() {
    fresh_namespace();
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
}

#[test]
fn a_document_of_any_table_is_restored_and_saved_as_the_same_bytes() {
    let rng = TestRng::deterministic_rng(Default::default());
    let config = Config { cases: TABLES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new_with_rng(config, rng).run(&rules_file(), |rules| {
        fresh_namespace();
        let kernel = Kernel::open();
        restore(&["--noflush"], &rules).succeeded();
        let before = kernel.rules();
        let document = saved("-S --json");
        let listing = saved("-L --json");
        fresh_namespace();
        let kernel = Kernel::open();
        restore(&[], &document).succeeded();
        prop_assert_eq!(kernel.rules().to_string(), before.to_string());
        let again = Program::save().line("--json");
        prop_assert_eq!(again.succeeded(), &document);
        let diff = restore(&["--diff", "--json"], &listing);
        prop_assert_eq!(diff.succeeded(), "[]\n");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_document_with_settings_replaces_a_table_and_the_file_of_another() {
    filled();
    Program::ours().line("--set 901 121 301").succeeded();
    let document = saved("-S --json --all");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.json");
    let file = path.to_str().unwrap();
    Program::save().run(["--json", "--all", file]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), document);
    fresh_namespace();
    Program::restore().run([file]).succeeded();
    assert_eq!(saved("-S --json --all"), document);
    assert_eq!(saved("-S -n"), RULES);
    // The file of an empty table replaces none with rules, in any form.
    Program::ours().line("-C").succeeded();
    let said = Program::save().run(["--json", file]).refused(1).to_owned();
    assert!(said.contains("holds rules and the kernel's table is empty"), "{said}");
    Program::save().run(["--json", "--allow-empty", file]).succeeded();
    Program::save().run(["-n", file]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn a_partial_document_replaces_no_whole_table() {
    filled();
    for partial in ["-L --json -f 7 -6", "-S --json -f 7 -6", "-S --json --within fwmark:1-9"] {
        let document = saved(partial);
        for mode in [&[][..], &["--check"], &["--diff"]] {
            let said = restore(mode, &document).refused(2).to_owned();
            assert!(said.contains("(/partial: services)") && said.contains("--noflush"), "{said}");
        }
        restore(&["--noflush"], &document).succeeded();
        restore(&["--within", "fwmark:7"], &document).succeeded();
        let outside = restore(&["--within", "fwmark:8"], &document).refused(2).to_owned();
        assert_eq!(outside, "standard input: /services/0: outside of --within");
        assert_eq!(saved("-S -n"), RULES);
    }
}

#[test]
fn a_wrong_or_an_empty_document_changes_nothing() {
    filled();
    let document = saved("-S --json");
    for (text, pointer) in [
        (
            document.replacen("\"weight\":15", "\"weight\":15.5", 1),
            "/services/0/real_servers/0/weight",
        ),
        (
            document.replacen("\"weight\":15", "\"wieght\":15", 1),
            "/services/0/real_servers/0/wieght",
        ),
        (document.replacen("\"schema\":1", "\"schema\":9", 1), "/schema"),
        (document.replacen("\"family\":\"ipv6\"", "\"family\":\"ipv5\"", 1), "/services/2/family"),
        (document.replacen("\"wrr\"", "\"wrr\",\"scheduler\":\"rr\"", 1), "/services/0: duplicate"),
    ] {
        for mode in [&[][..], &["--check"], &["--noflush"], &["--diff", "--json"]] {
            let said = restore(mode, &text).refused(2).to_owned();
            assert!(said.starts_with(&format!("standard input: {pointer}")), "{said}");
        }
    }
    let refused = document.replacen("\"sh\"", "\"nosuch\"", 1).replacen("\"sh-port\"", "", 1);
    let said = restore(&[], &refused).refused(255).to_owned();
    assert!(said.contains("(standard input: /services/1: -E -t [2001:db8::1]:443"), "{said}");
    let empty = "{\"services\": []}";
    let said = restore(&[], empty).refused(2).to_owned();
    assert!(said.contains("it adds no virtual service, and the kernel has 3"), "{said}");
    let said = Program::ours().feed(["-R"], document.as_bytes()).refused(2).to_owned();
    assert!(said.contains("ipvsadm-restore applies it as a whole"), "{said}");
    assert_eq!(saved("-S -n"), RULES);
    restore(&["--allow-empty"], empty).succeeded();
    assert_eq!(saved("-S -n"), "");
    restore(&[], empty).succeeded();
}

#[test]
fn the_changes_of_a_restore_are_a_list_with_each_entry_before_and_after() {
    filled();
    let wanted = RULES.replace("-w 15", "-w 5").replace("-A -f 7 -6 -s rr\n", "-A -f 8 -s lc\n");
    let diff = restore(&["--diff", "--json"], &wanted);
    assert_eq!(diff.code(), 1, "{}", diff.complaint());
    let steps: Value = serde_json::from_str(diff.text()).unwrap();
    let shown = steps.as_array().unwrap().iter().map(|step| {
        let [before, after] = ["before", "after"].map(|side| !step[side].is_null());
        (step["action"].as_str().unwrap(), step["server"].is_object(), before, after)
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [("edit", true, true, true), ("add", false, false, true), ("delete", false, true, false)]
    );
    assert_eq!(
        (&steps[0]["before"]["weight"], &steps[0]["after"]["weight"]),
        (&15.into(), &5.into())
    );
    assert_eq!(restore(&["--diff", "--json"], RULES).succeeded(), "[]\n");
}

#[test]
fn an_entry_that_no_option_expresses_is_in_a_document_that_a_restore_refuses() {
    filled();
    let kernel = Kernel::open();
    kernel.add(&crate::table::Service::new(47, "10.0.0.1", 80));
    let printed = Program::ours().line("-S --json");
    assert_eq!(printed.code(), 1);
    assert!(printed.complaint().contains("ipvsadm-restore refuses it"), "{}", printed.complaint());
    let said = restore(&[], printed.text()).refused(2).to_owned();
    assert!(said.starts_with("standard input: /services/1/protocol: "), "{said}");
}
