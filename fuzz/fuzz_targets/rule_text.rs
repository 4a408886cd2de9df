//! Rule text: a line that parses to a change is written and parsed again to the same change.

#![no_main]

use ipvs::VirtualService;
use ipvs::model::{Change, Request};
use ipvs_rules::{Command, NamesRefused, Numeric, has_line, parse_line, parse_numeric_line, write_change};
use libfuzzer_sys::fuzz_target;

/// The kernel does not report a mask without persistence, and no line is written with one.
fn without_unused_mask(change: Change) -> Change {
    match change {
        Change::AddService(service) => {
            Change::AddService(service.unused_netmask(None))
        }
        Change::EditService(service) => {
            Change::EditService(service.unused_netmask(None))
        }
        change => change,
    }
}

fuzz_target!(|line: &[u8]| {
    if line.contains(&b'\n') {
        return;
    }
    if let Ok(Some(waiting)) = parse_line(line) {
        drop(waiting.resolve(&mut NamesRefused));
    }
    let Ok(Some(Command::Request(Request::Change(change)))) = parse_numeric_line(line) else { return };
    if !has_line(&change) {
        return;
    }
    let mut text = Vec::new();
    write_change(&mut text, &change, &Numeric).expect("a vector takes every byte");
    let again = parse_numeric_line(&text);
    let Ok(Some(Command::Request(Request::Change(again)))) = again else {
        panic!("{change:?} is written as {:?}", String::from_utf8_lossy(&text));
    };
    assert_eq!(without_unused_mask(again), without_unused_mask(change));
});
