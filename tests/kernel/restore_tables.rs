//! A restore turns any table into any other with one change for each difference, and a save writes the restored rules.
//! A file makes the same table as with ipvsadm 1.31 in an empty table.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::restore_rules::{difference, rules_file};
use crate::restore_wire::{Fate, client, restore};
use crate::table::{Kernel, Table};

/// Each case starts five processes.
const PAIRS: u32 = 40;

/// A fresh namespace in which 1.31 has applied a file line by line.
fn as_1_31_makes_it(rules: &str) -> (Kernel, Table) {
    fresh_namespace();
    let kernel = Kernel::open();
    if !rules.is_empty() {
        Program::reference().feed(["-R"], rules.as_bytes()).succeeded();
    }
    let table = kernel.rules();
    (kernel, table)
}

#[test]
fn any_table_becomes_any_other_by_as_many_changes_as_they_differ_in() {
    let rng = TestRng::deterministic_rng(Default::default());
    let config = Config { cases: PAIRS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&(rules_file(), rules_file()), |(old, new)| {
        let (_, wanted) = as_1_31_makes_it(&new);
        let (kernel, before) = as_1_31_makes_it(&old);
        let (mut client, changes) = client(|_| Fate::Arrives);
        restore(&new, &mut client).unwrap();
        prop_assert_eq!(kernel.rules().to_string(), wanted.to_string());
        prop_assert_eq!(changes.get(), difference(&before, &wanted));
        restore(&new, &mut client).unwrap();
        prop_assert_eq!(changes.get(), difference(&before, &wanted), "an unchanged reload");

        let saved = Program::save().line("-n").succeeded().to_owned();
        fresh_namespace();
        let kernel = Kernel::open();
        Program::restore().feed::<&str>([], saved.as_bytes()).succeeded();
        prop_assert_eq!(kernel.rules().to_string(), wanted.to_string());
        let saved_again = Program::save().line("-n");
        prop_assert_eq!(saved_again.succeeded(), saved);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
