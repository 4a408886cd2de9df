//! Plans there and back: the input is rule text for two rulesets. A plan leads from the first to the second, its undo
//! steps in reverse lead back, and a plan made again is empty.

#![no_main]

use ipvs::model::{Change, Request};
use ipvs::{Plan, Ruleset};
use ipvs_rules::{Command, parse_numeric_line};
use libfuzzer_sys::fuzz_target;

fn ruleset(text: &[u8]) -> Ruleset {
    let mut rules = Ruleset::default();
    for line in text.split(|&byte| byte == b'\n') {
        if let Ok(Some(Command::Request(Request::Change(change)))) = parse_numeric_line(line) {
            // Of settings, only those of services and real servers have an undo step in every case.
            if !matches!(
                change,
                Change::SetTimeouts(_) | Change::StartDaemon(_) | Change::StopDaemon(_) | Change::Zero(_)
            ) {
                drop(rules.apply(&change, None));
            }
        }
    }
    rules
}

fuzz_target!(|input: &[u8]| {
    let place = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let (one, other) = input.split_at(place);
    let (current, wanted) = (ruleset(one), ruleset(other.get(1..).unwrap_or_default()));
    let plan = Plan::between(&current, &wanted);
    let mut now = current.clone();
    for step in plan.steps() {
        now.apply(&step.change, None).expect("a step fits the rules before it");
    }
    assert!(Plan::between(&now, &wanted).is_empty());
    let steps: Vec<_> = plan.steps().collect();
    for step in steps.iter().rev() {
        for change in &step.undo {
            now.apply(change, None).expect("an undo step fits the rules after its step");
        }
    }
    assert!(Plan::between(&now, &current).is_empty());
});
