//! Plans between the tables that rules files lead to.

use ipvs::plan::{Plan, PlanOptions, Step};

use super::{Origin, RuleFile};
use crate::resolve::Resolver;

type Ruleset = ipvs::Ruleset<Origin>;

fn ruleset(text: &str) -> Ruleset {
    let file = RuleFile::read(text.as_bytes(), &mut Resolver::new());
    let mut ruleset = Ruleset::default();
    let conflicts = ruleset.apply_all(&file.rules);
    assert!(conflicts.is_empty(), "{conflicts:?}");
    assert!(file.bad_rules.is_empty(), "{:?}", file.bad_rules);
    ruleset
}

fn shown(steps: &[Step<Origin>]) -> Vec<String> {
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
    let plan = Plan::between(&ruleset(OLD), &ruleset(OLD));
    assert_eq!(plan, Plan::default());
}

#[test]
fn what_comes_is_added_before_what_goes_is_removed_and_an_edit_is_an_edit() {
    let new = "\
        -A -t 10.0.0.1:80 -s wrr\n\
        -a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 5\n\
        -a -t 10.0.0.1:80 -r 10.1.0.3:80 -m\n\
        -A -f 7\n";
    let plan = Plan::between(&ruleset(OLD), &ruleset(new));
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
    let (old, new) = (ruleset(OLD), ruleset("-A -t 10.0.0.1:80 -s lc\n-A -f 7\n"));
    let plan = Plan::between(&old, &new);
    let mut ruleset = old.clone();
    for step in plan.steps() {
        ruleset.apply(&step.change, None).unwrap();
    }
    assert_eq!(Plan::between(&ruleset, &new), Plan::default());
    let steps: Vec<&Step<Origin>> = plan.steps().collect();
    for step in steps.into_iter().rev() {
        for change in &step.undo {
            ruleset.apply(change, None).unwrap();
        }
    }
    assert_eq!(Plan::between(&ruleset, &old), Plan::default());
}

#[test]
fn edit_sets_a_weight_that_an_addition_leaves() {
    let options = PlanOptions::default().keep_weights(true);
    let added = OLD.replace(" -m", " -m -w 9");
    assert_eq!(Plan::with_options(&ruleset(OLD), &ruleset(&added), &options), Plan::default());
    let edit = "-e -t 10.0.0.2:80 -r 10.1.0.1:80 -m -w 4";
    let plan = Plan::with_options(&ruleset(OLD), &ruleset(&format!("{added}{edit}")), &options);
    assert_eq!(shown(&plan.additions), [edit]);
}
