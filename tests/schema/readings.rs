//! The schemas of documents that no restore reads: numbers of connections, the summary, settings, changes that were seen,
//! steps of a drain, and findings.

use serde_json::{Value, json};

use crate::forms::{
    U32, address, count, counters, daemon, endpoint, key, list, number, object, one_of, or_null,
    port, reported_server, reported_service, text, with_head,
};

/// The numbers of entries.
fn entry_counts() -> [(&'static str, Value); 2] {
    [("connections", count()), ("templates", count())]
}

pub(crate) fn connection_count() -> Value {
    let title = "The number of connections: the output of ipvsadm -L -c --count --json";
    with_head(title, object(&entry_counts(), &[]))
}

pub(crate) fn connection_groups() -> Value {
    let is_deleted = ("is_deleted", json!({ "const": true }));
    let origin = or_null(one_of(&["local", "synced"]));
    let row = |group: &'static str, schema: Value, optional: &[(&str, Value)]| {
        object(&[&[(group, schema)][..], &entry_counts()].concat(), optional)
    };
    let rows = [
        row("client", text(43), &[]),
        row("service", or_null(key()), &[is_deleted]),
        row("real_server", endpoint(), &[]),
        row("state", text(20), &[]),
        row("origin", origin, &[]),
    ];
    let document = object(&[("counts", list(json!({ "oneOf": rows })))], &[]);
    with_head("Connections by group: the output of ipvsadm -L -c --count-by --json", document)
}

/// A service of the summary. Without root, it lacks rates, the number of servers over their threshold, and the family of a
/// firewall mark.
fn service_sums(is_partial: bool) -> Value {
    let mut servers = vec![("up", count()), ("drained", count())];
    let mut sums = vec![("active_connections", count()), ("inactive_connections", count())];
    if !is_partial {
        servers.push(("over_threshold", count()));
        sums.push(("rates", counters()));
    }
    sums.extend([("scheduler", text(15)), ("servers", object(&servers, &[]))]);
    let Value::Object(mut one_of) = key() else { panic!("a key is an object") };
    for kind in one_of["oneOf"].as_array_mut().unwrap() {
        if is_partial {
            kind["properties"].as_object_mut().unwrap().remove("family");
            kind["required"].as_array_mut().unwrap().retain(|name| name != "family");
        }
        for (name, schema) in &sums {
            kind["properties"][name] = schema.clone();
            kind["required"].as_array_mut().unwrap().push(json!(name));
        }
    }
    Value::Object(one_of)
}

pub(crate) fn summary() -> Value {
    let totals = object(&[("counters", counters()), ("rates", counters())], &[]);
    let share = or_null(json!({ "type": "number", "minimum": 0, "maximum": 1 }));
    let cpu = object(&[("cpu", number(0, U32)), ("counters", counters()), ("share", share)], &[]);
    let application = object(
        &[("name", text(16)), ("protocol", text(20)), ("port", port()), ("uses", count())],
        &[],
    );
    let members = |service: Value| {
        [
            ("services", list(service)),
            ("cpus", list(cpu.clone())),
            ("applications", list(application.clone())),
        ]
    };
    let partial = ("partial", json!({ "const": ["family", "over_threshold", "rates"] }));
    let totals = [("totals", totals)];
    let document = json!({ "oneOf": [
        object(&members(service_sums(false)), &totals),
        object(&[&members(service_sums(true))[..], &[partial]].concat(), &totals),
    ] });
    with_head("The summary of a director: the output of ipvsadm -L --summary --json", document)
}

pub(crate) fn settings() -> Value {
    let any_text = json!({ "type": "string" });
    let setting = object(
        &[("name", text(255)), ("value", any_text.clone()), ("default", or_null(any_text.clone()))],
        &[("effect", any_text.clone())],
    );
    let table = object(
        &[
            ("conn_tab_bits", or_null(number(0, 32))),
            ("buckets", number(0, U32)),
            ("entries", count()),
            ("entries_per_bucket", or_null(json!({ "type": "number", "minimum": 0 }))),
        ],
        &[],
    );
    let status = list(object(&[("title", any_text.clone()), ("value", any_text)], &[]));
    let document =
        object(&[("settings", list(setting)), ("connection_table", table)], &[("status", status)]);
    with_head("The kernel's settings: the output of ipvsadm -L --settings --json", document)
}

pub(crate) fn monitor() -> Value {
    let definition = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let null = || json!({ "type": "null" });
    let mut changes = Vec::new();
    for (entry, verbs) in [
        ("service", ["added", "edited", "deleted"].as_slice()),
        ("server", &["added", "edited", "deleted"]),
        ("daemon", &["started", "stopped"]),
    ] {
        for verb in verbs {
            let is_new = ["added", "started"].contains(verb);
            let is_gone = ["deleted", "stopped"].contains(verb);
            let mut members = vec![
                ("time", json!({ "type": "string", "format": "date-time" })),
                ("change", json!({ "const": format!("{entry}_{verb}") })),
                ("before", if is_new { null() } else { definition(entry) }),
                ("after", if is_gone { null() } else { definition(entry) }),
            ];
            if entry == "server" {
                members.push(("service", definition("key")));
            }
            changes.push(object(&members, &[]));
        }
    }
    let document = json!({
        "oneOf": changes,
        "$defs": {
            "key": key(),
            "service": reported_service(&[], &[]),
            "server": reported_server(&[]),
            "daemon": daemon(),
        },
    });
    with_head("A change of the table: each line of ipvsadm -L --monitor --json", document)
}

pub(crate) fn drain() -> Value {
    let server =
        object(&[("address", address()), ("port", port()), ("weight", number(0, U32))], &[]);
    let left =
        [("open_connections", count()), ("udp_entries", count()), ("of_unknown_service", count())];
    let step = |name: &str, members: &[(&str, Value)], optional: &[(&str, Value)]| {
        object(&[&[("step", json!({ "const": name }))], members].concat(), optional)
    };
    let seconds = [("seconds", count())];
    let timed = |others: &[(&'static str, Value)]| [&seconds[..], others].concat();
    let active = timed(&[("active_connections", count())]);
    let steps = [
        step("begun", &[("service", key()), ("servers", list(server.clone()))], &[]),
        step("waiting", &active, &left),
        step("timed_out", &active, &left),
        step("drained", &seconds, &[]),
        step("deleted", &seconds, &[]),
        step("contested", &timed(&[("reason", json!({ "type": "string" }))]), &[]),
        step("interrupted", &timed(&[("signal", number(1, 64)), ("restored", list(server))]), &[]),
    ];
    with_head("A step of a drain: each line of --drain --json", json!({ "oneOf": steps }))
}

pub(crate) fn findings() -> Value {
    let sentence = json!({ "type": "string", "minLength": 1 });
    let command = object(
        &[
            ("machine", or_null(sentence.clone())),
            ("command", sentence.clone()),
            ("is_template", json!({ "type": "boolean" })),
        ],
        &[],
    );
    let finding = object(
        &[
            ("code", json!({ "type": "string", "pattern": "^LVS-[A-Z0-9]+-[0-9]{2}$" })),
            ("severity", one_of(&["error", "warning", "note"])),
            ("seen", sentence.clone()),
            ("why", sentence.clone()),
            ("commands", list(command)),
        ],
        &[],
    );
    let document = object(&[("findings", list(finding)), ("unseen", list(sentence))], &[]);
    with_head("Findings: the output of ipvsadm --doctor --json", document)
}
