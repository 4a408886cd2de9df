//! The kernel's header linux/ip_vs.h against the library: each constant is used with the header's value, or listed here
//! with the reason why the library has no use for it.
//!
//! The header comes from the package linux-libc-dev.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;

const HEADER: &str = "/usr/include/linux/ip_vs.h";

/// Constants without a use. An entry that ends in `*` is the beginning of names, one that begins with `*` their end.
const UNUSED: [(&str, &str); 22] = [
    ("IP_VS_SO_*", "setsockopt(2) and getsockopt(2) lack IPv6; netlink has every command"),
    ("IP_VS_BASE_CTL", "as IP_VS_SO_*"),
    ("*_UNSPEC", "no command and no attribute"),
    ("*_MAX", "bounds for the kernel's arrays"),
    ("*_PAD", "alignment, without content"),
    ("IP_VS_VERSION_CODE", "the kernel reports its own version"),
    ("IP_VS_SVC_F_SCHED_*", "other names of the three scheduler flags"),
    ("IP_VS_STATE_NONE", "the state of no daemon"),
    ("IP_VS_CONN_F_SYNC", "a flag of connections, which `/proc` shows as their origin"),
    ("IP_VS_CONN_F_HASHED", "a flag of connections"),
    ("IP_VS_CONN_F_NOOUTPUT", "a flag of connections"),
    ("IP_VS_CONN_F_INACTIVE", "a flag of connections"),
    ("IP_VS_CONN_F_OUT_SEQ", "a flag of connections"),
    ("IP_VS_CONN_F_IN_SEQ", "a flag of connections"),
    ("IP_VS_CONN_F_NO_CPORT", "a flag of connections"),
    ("IP_VS_CONN_F_TEMPLATE", "a flag of connections, which `/proc` shows as port 0"),
    ("IP_VS_CONN_F_ONE_PACKET", "a flag of connections"),
    ("IP_VS_CONN_F_NFCT", "a flag of connections"),
    ("*_MASK", "flags of connections that sync messages carry"),
    ("*_MAXLEN", "lengths of names, in model/name.rs, and of a connection's engine data"),
    ("IPVS_CMD_SET_INFO", "the command of an answer, which the sequence number identifies"),
    ("IP_VS_TUNNEL_ENCAP_FLAG_*", "numbers of `TunnelChecksum`, which a test of the model holds"),
];

fn reason(name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => name == pattern,
    };
    UNUSED.iter().find(|(pattern, _)| fits(pattern)).map(|&(_, reason)| reason)
}

/// The text without comments.
fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap().to_owned();
    first + &parts.map(|part| part.split_once("*/").unwrap().1).collect::<String>()
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim().trim_matches(['(', ')']);
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The names of the header with their numbers. A name that is defined as an expression has no number.
fn constants_of_header() -> BTreeMap<String, Option<u32>> {
    let text = fs::read_to_string(HEADER)
        .unwrap_or_else(|error| panic!("{HEADER}: {error}; the package linux-libc-dev has it"));
    let text = without_comments(&text);
    let mut constants = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("#define ")) {
        let (name, value) = line.split_once(|c: char| c.is_whitespace()).unwrap_or((line, ""));
        if name.starts_with("IP_VS_") || name.starts_with("IPVS_") {
            constants.insert(name.to_owned(), number(value));
        }
    }
    for body in text.split("enum {").skip(1) {
        let mut next = 0;
        for entry in body.split('}').next().unwrap().split(',') {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            let name = name.trim();
            next = number(value).unwrap_or(next);
            if !name.is_empty() && !name.starts_with("__") {
                constants.insert(name.to_owned(), Some(next));
            }
            next += 1;
        }
    }
    constants
}

/// The constants of the library that are numbers.
fn constants_of_library() -> BTreeMap<String, u32> {
    let text = include_str!("../src/netlink/uapi.rs");
    let constants = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("pub(crate) const ")?.split_once(": ")?;
        let value = value.split_once("= ")?.1.strip_suffix(';')?;
        Some((name.to_owned(), number(value)?))
    });
    constants.collect()
}

#[test]
fn every_constant_of_the_header_is_used_or_listed_with_a_reason() {
    let header = constants_of_header();
    assert!(header.len() > 120, "only {} constants", header.len());
    let library = constants_of_library();
    for (name, number) in &header {
        match (library.get(name), reason(name)) {
            (Some(used), _) => assert_eq!(Some(*used), *number, "{name}"),
            (None, Some(_)) => {}
            (None, None) if name == "IPVS_GENL_NAME" => {}
            (None, None) => panic!("the library does not use {name}"),
        }
    }
}

#[test]
fn every_number_of_the_library_is_in_the_header_and_every_reason_fits_a_name() {
    let header = constants_of_header();
    for name in constants_of_library().keys().filter(|name| name.starts_with("IP")) {
        assert!(header.contains_key(name), "{name} is missing in the header");
    }
    for (pattern, _) in UNUSED {
        let stem = pattern.trim_matches('*');
        assert!(header.keys().any(|name| name.contains(stem)), "no name fits {pattern}");
    }
}
