//! The JSON Schemas in docs/schema. `UPDATE=1 cargo test --test schema` writes them. The schema of rules and the reader of
//! ipvsadm-restore accept the same documents.

#![cfg(test)]

mod forms;
mod readings;

use std::fs;
use std::path::Path;

use ipvsadm::resolve::Resolver;
use ipvsadm::rules_file::RuleFile;
use serde_json::{Value, json};

#[test]
fn files_have_the_schemas() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    for (name, schema) in forms::all() {
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let is_same = fs::read_to_string(&path).is_ok_and(|found| found == text);
        assert!(is_same, "{name}.json differs: UPDATE=1 cargo test --test schema");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), forms::all().len());
}

#[test]
fn manual_names_each_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/ipvsadm.8");
    let manual = fs::read_to_string(path).unwrap().replace('\\', "");
    for (name, _) in forms::all() {
        assert!(manual.contains(&format!("{name}.json")), "{name}.json");
    }
}

/// A document with every member that a restore knows.
fn document() -> Value {
    let counters = json!({
        "connections": 1, "incoming_packets": 2, "outgoing_packets": 3, "incoming_bytes": 4,
        "outgoing_bytes": 5,
    });
    json!({
        "schema": 1, "partial": ["services"], "version": "1.2.1", "connection_table_size": 4096,
        "services": [
            {
                "protocol": "tcp", "address": "10.0.0.1", "port": 80, "scheduler": "sh",
                "scheduler_flags": ["sh-port"],
                "persistence": { "timeout": 300, "netmask": "255.255.255.0" },
                "persistence_engine": "sip", "one_packet": false, "counters": counters,
                "rates": counters,
                "real_servers": [
                    {
                        "address": "10.1.0.1", "port": 80, "forwarding": "tunneling",
                        "tunnel": { "type": "gue", "port": 6080, "checksum": "remote" },
                        "weight": 5, "upper_threshold": 9, "lower_threshold": 8,
                        "active_connections": 1, "inactive_connections": 2,
                        "persistent_connections": 3, "counters": counters, "rates": counters,
                    },
                    {
                        "address": "10.1.0.2", "port": 80, "forwarding": "tunneling",
                        "tunnel": { "type": "gre", "checksum": "full" },
                    },
                    { "address": "10.1.0.3", "port": 80, "forwarding": "direct_routing" },
                ],
            },
            { "fwmark": 7, "family": "ipv6" },
        ],
        "timeouts": { "tcp": 1, "tcp_fin": 2, "udp": 3 },
        "daemons": [{
            "role": "master", "interface": "lo", "sync_id": 5, "sync_maxlen": 1400,
            "group": "224.0.0.81", "port": 8848, "ttl": 1,
        }],
    })
}

/// The JSON pointers of all values in a document.
fn pointers(value: &Value, start: &str) -> Vec<String> {
    let mut all = vec![start.to_owned()];
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                all.extend(pointers(value, &format!("{start}/{name}")));
            }
        }
        Value::Array(entries) => {
            for (place, value) in entries.iter().enumerate() {
                all.extend(pointers(value, &format!("{start}/{place}")));
            }
        }
        _ => {}
    }
    all
}

/// Documents that differ from a document at one place.
fn variants(document: &Value) -> Vec<(String, Value)> {
    let mut variants = Vec::new();
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(256),
        json!(65536),
        json!(2_147_483_648_u64),
        json!(4_294_967_296_u64),
        json!("x"),
        json!("unknown"),
        json!(""),
        json!([]),
        json!({}),
    ];
    for pointer in pointers(document, "") {
        for value in &values {
            let mut variant = document.clone();
            *variant.pointer_mut(&pointer).unwrap() = value.clone();
            variants.push((format!("{pointer} = {value}"), variant));
        }
        if document.pointer(&pointer).is_some_and(Value::is_object) {
            let mut variant = document.clone();
            variant.pointer_mut(&pointer).unwrap()["unknown"] = json!(1);
            variants.push((format!("{pointer}/unknown added"), variant));
        }
        let Some((parent, name)) = pointer.rsplit_once('/') else { continue };
        let mut variant = document.clone();
        if let Value::Object(members) = variant.pointer_mut(parent).unwrap() {
            members.remove(name);
            variants.push((format!("{pointer} removed"), variant));
        }
    }
    variants
}

/// Values that only the reader checks: masks, and conditions on several members.
fn is_beyond_the_schema(change: &str) -> bool {
    let place = change.split(' ').next().unwrap_or_default();
    let is_text = change.ends_with("\"x\"") || change.ends_with("\"unknown\"");
    let is_mask = place.ends_with("/netmask");
    let is_flag = place.ends_with("/scheduler") || place.contains("/scheduler_flags");
    let is_threshold = place.ends_with("threshold");
    let is_sum = place.ends_with("/one_packet") || place.ends_with("/services/0/port");
    (is_text && is_mask)
        || is_flag
        || is_threshold
        || is_sum
        || change.starts_with("/services/1/family")
}

#[test]
fn schema_of_rules_accepts_exactly_the_documents_that_a_restore_reads() {
    let schema = forms::all().into_iter().find(|(name, _)| *name == "rules").unwrap().1;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let is_read = |document: &Value| {
        let text = document.to_string();
        let file = RuleFile::read(text.as_bytes(), &mut Resolver::new());
        (file.bad_rules.is_empty(), format!("{:?}", file.bad_rules))
    };
    let whole = document();
    assert!(validator.is_valid(&whole) && is_read(&whole).0, "{}", is_read(&whole).1);
    let variants = variants(&whole);
    let mut accepted = 0;
    let mut wrong = Vec::new();
    for (change, document) in &variants {
        let (is_read, reason) = is_read(document);
        let is_valid = validator.is_valid(document);
        accepted += usize::from(is_valid);
        if is_valid != is_read && document.is_object() && !is_beyond_the_schema(change) {
            wrong.push(format!("{change}: schema {is_valid}, reader {is_read} {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 50 && accepted < variants.len() / 2, "{accepted} of {}", variants.len());
}
