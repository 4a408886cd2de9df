//! Rules in the syntax of a shell: lines that continue in the next one, the program by its path, and whole scripts,
//! which are refused.

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::table::{Kernel, Service, TCP, Table};

fn small_table() -> (Kernel, Table) {
    fresh_namespace();
    let kernel = Kernel::open();
    kernel.add(&Service::new(TCP, "10.9.9.9", 80).with("10.9.9.1", 80));
    let table = kernel.rules();
    (kernel, table)
}

/// Runs the check with both programs that read lines.
fn each_takes(input: &str, check: impl Fn(&Outcome, &Kernel, &Table)) {
    for (program, arguments) in [(Program::ours(), &["-R"][..]), (Program::restore(), &[])] {
        let (kernel, before) = small_table();
        check(&program.feed(arguments, input.as_bytes()), &kernel, &before);
    }
}

#[test]
fn script_for_another_program_is_refused_as_a_whole() {
    for (first, named) in [
        ("#!/bin/sh", "/bin/sh"),
        ("#! /bin/bash -e\r", "/bin/bash"),
        ("#!/usr/bin/env bash", "bash"),
    ] {
        let script = format!("{first}\nVIP=10.0.0.1\nipvsadm -C\nipvsadm -A -t $VIP:80 -s rr\n");
        each_takes(&script, |outcome, kernel, before| {
            let sentence = outcome.refused(2);
            assert!(sentence.contains(&format!("a script for {named}")), "{sentence}");
            assert_eq!(outcome.complaint().lines().count(), 1, "{}", outcome.complaint());
            assert_eq!(kernel.rules(), *before, "{script}");
        });
        for mode in ["--check", "--diff", "--noflush"] {
            small_table();
            Program::restore().feed([mode], script.as_bytes()).refused(2);
        }
    }
}

#[test]
fn script_for_ipvsadm_is_rules() {
    for first in
        ["#!/usr/sbin/ipvsadm -R", "#!/usr/bin/env -S ipvsadm -R", "#!/sbin/ipvsadm-restore"]
    {
        each_takes(&format!("{first}\n-C\n-A -t 10.0.0.1:80 -s rr\n"), |outcome, kernel, _| {
            outcome.succeeded();
            assert_eq!(kernel.rules().services, [Service::new(TCP, "10.0.0.1", 80)], "{first}");
        });
    }
}

#[test]
fn line_that_ends_with_a_backslash_goes_on_in_the_next() {
    let rules = "/sbin/ipvsadm -C\n\
                 /sbin/ipvsadm -A -t 10.0.0.1:80 \\\r\n    -s rr # \\\n\
                 ipvsadm -a -t 10.0.0.1:80 \\\n\t-r 10.1.0.1 \\\n\t-m";
    each_takes(rules, |outcome, kernel, _| {
        outcome.succeeded();
        let service = Service::new(TCP, "10.0.0.1", 80).with("10.1.0.1", 80);
        assert_eq!(kernel.rules().services, [service]);
    });
}

#[test]
fn wrong_line_that_goes_on_is_named_by_the_number_of_its_first_part() {
    let rules =
        "# one\n-A -t 10.0.0.1:80 \\\n  -s rr \\\n  --nosuch\n-A \\\n -t 10.0.0.2:80 -w x\n-C \\\n";
    each_takes(rules, |outcome, kernel, before| {
        assert_ne!(outcome.code(), 0);
        let said: Vec<&str> = outcome.complaint().lines().collect();
        for (place, (line, words)) in
            [(2, "nosuch"), (5, ""), (7, "this is the last")].iter().enumerate()
        {
            let named = [format!("line {line})"), format!("standard input:{line}: ")];
            assert!(named.iter().any(|named| said[place].contains(named)), "{said:?}");
            assert!(said[place].contains(words), "{said:?}");
        }
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(kernel.rules(), *before);
    });
    each_takes("-C \\\n", |outcome, kernel, before| {
        outcome.refused(2);
        assert_eq!(kernel.rules(), *before);
    });
}
