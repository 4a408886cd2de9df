//! Plans between the tables that rules files lead to.

use super::RuleFile;
use crate::plan::{Plan, Step, Table, Target};
use crate::resolve::Resolver;

fn table(text: &str) -> Table {
    let file = RuleFile::read(text.as_bytes(), &mut Resolver::new());
    let (target, errors) = Target::of(&file.rules, Table::default());
    assert!(errors.is_empty(), "{errors:?}");
    assert!(file.bad_lines.is_empty(), "{:?}", file.bad_lines);
    target.table
}

fn shown(steps: &[Step]) -> Vec<String> {
    let labels = ipvs_rules::Numeric;
    let lines = steps.iter().map(|step| {
        let mut line = Vec::new();
        ipvs_rules::write_change(&mut line, &step.change, &labels).unwrap();
        String::from_utf8(line).unwrap()
    });
    lines.collect()
}

const OLD: &str = "\
    -A -t 10.0.0.1:80 -s rr\n\
    -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m\n\
    -a -t 10.0.0.1:80 -r 10.1.0.2:80 -m\n\
    -A -t 10.0.0.2:80 -s rr\n\
    -a -t 10.0.0.2:80 -r 10.1.0.1:80 -m\n";

#[test]
fn table_that_stays_needs_no_change() {
    let plan = Plan::between(&table(OLD), &table(OLD));
    assert_eq!(plan, Plan::default());
}

#[test]
fn what_comes_is_added_before_what_goes_is_removed_and_an_edit_is_an_edit() {
    let new = "\
        -A -t 10.0.0.1:80 -s wrr\n\
        -a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 5\n\
        -a -t 10.0.0.1:80 -r 10.1.0.3:80 -m\n\
        -A -f 7\n";
    let plan = Plan::between(&table(OLD), &table(new));
    assert_eq!(
        shown(&plan.additions),
        [
            "-E -t 10.0.0.1:80 -s wrr",
            "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 5",
            "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 1",
            "-A -f 7 -s wlc",
        ]
    );
    assert_eq!(shown(&plan.removals), ["-d -t 10.0.0.1:80 -r 10.1.0.1:80", "-D -t 10.0.0.2:80"]);
}

#[test]
fn every_step_leads_back() {
    let (old, new) = (table(OLD), table("-A -t 10.0.0.1:80 -s lc\n-A -f 7\n"));
    let plan = Plan::between(&old, &new);
    let mut table = old.clone();
    for step in plan.steps() {
        table.change(&step.change, 0).unwrap();
    }
    assert_eq!(Plan::between(&table, &new), Plan::default());
    let steps: Vec<&Step> = plan.steps().collect();
    for step in steps.into_iter().rev() {
        for change in &step.undo {
            table.change(change, 0).unwrap();
        }
    }
    assert_eq!(Plan::between(&table, &old), Plan::default());
}
