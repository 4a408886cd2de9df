//! The schemas: one for each document, made of the same definitions.

use ipvsadm::output::MISSING_IN_FILE;
use serde_json::{Map, Value, json};

use crate::readings;

/// The schemas by the names of their files.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("rules", rules()),
        ("services", services()),
        ("changes", changes()),
        ("connections", connections()),
        ("timeouts", with_head("The output of ipvsadm -L --timeout --json", timeouts())),
        ("daemons", daemons()),
        ("connection-count", readings::connection_count()),
        ("connection-groups", readings::connection_groups()),
        ("summary", readings::summary()),
        ("settings", readings::settings()),
        ("monitor", readings::monitor()),
        ("drain", readings::drain()),
        ("findings", readings::findings()),
    ]
}

/// The dialect and the title of a schema, in front of its other members.
pub(crate) fn with_head(title: &str, schema: Value) -> Value {
    let mut members = Map::new();
    members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    members.insert("title".into(), json!(title));
    let Value::Object(rest) = schema else { panic!("{title}: a schema is an object") };
    members.extend(rest);
    Value::Object(members)
}

/// An object with exactly these members. The members in `optional` may be missing.
pub(crate) fn object(members: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = members
        .iter()
        .chain(optional)
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

pub(crate) fn number(first: u64, last: u64) -> Value {
    json!({ "type": "integer", "minimum": first, "maximum": last })
}

pub(crate) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(crate) fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

pub(crate) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

pub(crate) fn list(entry: Value) -> Value {
    json!({ "type": "array", "items": entry })
}

pub(crate) fn text(longest: u64) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest })
}

pub(crate) fn address() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
}

pub(crate) fn port() -> Value {
    number(0, u16::MAX.into())
}

pub(crate) const U32: u64 = u32::MAX as u64;
const SIGNED: u64 = i32::MAX as u64;
/// 31 days.
const LONGEST: u64 = 2_678_400;

pub(crate) fn endpoint() -> Value {
    object(&[("address", address()), ("port", port())], &[])
}

/// The entries of a table: as the kernel reports them, or as a restore accepts them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Reported,
    Restored,
}

/// The key of a service, with the names of its members.
fn keys(kind: Use) -> [Vec<(&'static str, Value)>; 2] {
    let mut protocols = vec!["tcp", "udp", "sctp"];
    if kind == Use::Reported {
        protocols.push("unknown");
    }
    let address = vec![("protocol", one_of(&protocols)), ("address", address()), ("port", port())];
    [address, vec![("fwmark", number(1, U32)), ("family", one_of(&["ipv4", "ipv6"]))]]
}

/// The key of a service alone.
pub(crate) fn key() -> Value {
    let [address, fwmark] = keys(Use::Reported);
    let protocol_number = [("protocol_number", port())];
    json!({ "oneOf": [object(&address, &protocol_number), object(&fwmark, &[])] })
}

pub(crate) fn counters() -> Value {
    let names =
        ["connections", "incoming_packets", "outgoing_packets", "incoming_bytes", "outgoing_bytes"];
    object(&names.map(|name| (name, count())), &[])
}

fn persistence(kind: Use) -> Value {
    let timeout = match kind {
        Use::Reported => number(0, U32),
        Use::Restored => number(1, LONGEST),
    };
    or_null(object(&[("timeout", timeout), ("netmask", text(15))], &[]))
}

/// The settings of a service behind its key.
fn settings(kind: Use) -> Vec<(&'static str, Value)> {
    let flags = ["flag-1", "flag-2", "flag-3", "sh-fallback", "sh-port", "mh-fallback", "mh-port"];
    vec![
        ("scheduler", text(15)),
        ("scheduler_flags", list(one_of(&flags))),
        ("persistence", persistence(kind)),
        ("persistence_engine", or_null(text(15))),
        ("one_packet", json!({ "type": "boolean" })),
    ]
}

fn tunnel(kind: Use) -> Value {
    match kind {
        Use::Reported => object(
            &[("type", one_of(&["ipip", "gue", "gre", "unknown"]))],
            &[
                ("type_number", number(0, 255)),
                ("port", port()),
                ("checksum", one_of(&["none", "full", "remote", "unknown"])),
                ("checksum_number", port()),
            ],
        ),
        Use::Restored => {
            let checksum = ("checksum", or_null(one_of(&["none", "full", "remote"])));
            let mut tunnel = object(
                &[("type", one_of(&["ipip", "gue", "gre"]))],
                &[("port", or_null(port())), checksum],
            );
            tunnel["allOf"] = json!([
                {
                    "if": { "properties": { "type": { "const": "gue" } } },
                    "then": {
                        "required": ["port"],
                        "properties": { "port": { "type": "integer", "minimum": 1 } },
                    },
                },
                {
                    "if": { "properties": { "type": { "const": "gre" } } },
                    "then": { "properties": { "checksum": { "not": { "const": "remote" } } } },
                },
            ]);
            tunnel
        }
    }
}

/// The readings of a real server.
fn server_readings() -> Vec<(&'static str, Value)> {
    vec![
        ("active_connections", number(0, U32)),
        ("inactive_connections", number(0, U32)),
        ("persistent_connections", number(0, U32)),
        ("counters", counters()),
        ("rates", counters()),
    ]
}

/// Members with any value.
fn skipped(members: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    members.iter().map(|(name, _)| (*name, json!(true))).collect()
}

/// A real server as the kernel reports it, without its readings.
pub(crate) fn reported_server(readings: &[(&'static str, Value)]) -> Value {
    let ways = ["masquerading", "direct_routing", "tunneling", "local", "bypass", "unknown"];
    let members = [
        ("address", address()),
        ("port", port()),
        ("forwarding", one_of(&ways)),
        ("weight", number(0, U32)),
        ("upper_threshold", number(0, U32)),
        ("lower_threshold", number(0, U32)),
    ];
    let optional = [("forwarding_number", number(0, U32)), ("tunnel", tunnel(Use::Reported))];
    object(&[&members[..], readings].concat(), &optional)
}

/// A service as the kernel reports it, with the members behind its settings.
pub(crate) fn reported_service(
    rest: &[(&'static str, Value)],
    optional: &[(&'static str, Value)],
) -> Value {
    let [address, fwmark] = keys(Use::Reported);
    let settings = settings(Use::Reported);
    let protocol_number = [("protocol_number", port())];
    json!({ "oneOf": [
        object(&[&address[..], &settings, rest].concat(), &[&protocol_number, optional].concat()),
        object(&[&fwmark[..], &settings, rest].concat(), optional),
    ] })
}

fn restored_server() -> Value {
    let ways = ["masquerading", "direct_routing", "tunneling", "local"];
    let mut optional = vec![
        ("forwarding", one_of(&ways)),
        ("tunnel", or_null(tunnel(Use::Restored))),
        ("weight", number(0, SIGNED)),
        ("upper_threshold", number(0, SIGNED)),
        ("lower_threshold", number(0, SIGNED)),
        ("forwarding_number", json!({ "type": "null" })),
    ];
    optional.extend(skipped(&server_readings()));
    let mut server = object(&[("address", address()), ("port", port())], &optional);
    server["if"] = json!({
        "required": ["tunnel"],
        "properties": { "tunnel": { "type": "object" } },
    });
    server["then"] = json!({
        "required": ["forwarding"],
        "properties": { "forwarding": { "const": "tunneling" } },
    });
    server
}

fn restored_service() -> Value {
    let [address, fwmark] = keys(Use::Restored);
    let mut optional = settings(Use::Restored);
    optional.push(("real_servers", list(restored_server())));
    optional.extend(skipped(&[("counters", json!(true)), ("rates", json!(true))]));
    // A key has the members of one kind. The others may be null.
    let null = |names: &[&'static str]| -> Vec<(&'static str, Value)> {
        names.iter().map(|name| (*name, json!({ "type": "null" }))).collect()
    };
    let of_address = [optional.clone(), null(&["protocol_number", "fwmark", "family"])].concat();
    let (mark, family) = (fwmark[0].clone(), (fwmark[1].0, or_null(fwmark[1].1.clone())));
    let of_fwmark =
        [optional, vec![family], null(&["protocol", "protocol_number", "address", "port"])]
            .concat();
    json!({ "oneOf": [object(&address, &of_address), object(&[mark], &of_fwmark)] })
}

/// The head of a document of services.
fn head() -> [(&'static str, Value); 2] {
    [("schema", json!({ "const": 1 })), ("partial", list(json!({ "type": "string" })))]
}

fn rules() -> Value {
    let [schema, (partial, reasons)] = head();
    let document = object(
        &[("services", list(restored_service()))],
        &[
            schema,
            (partial, or_null(reasons)),
            ("timeouts", or_null(timeouts())),
            ("daemons", list(daemon())),
            ("version", json!(true)),
            ("connection_table_size", json!(true)),
        ],
    );
    let title = "Rules: the input of ipvsadm-restore, and the output of ipvsadm -S --json";
    with_head(title, document)
}

fn services() -> Value {
    let [schema, partial] = head();
    let servers = list(reported_server(&server_readings()));
    let service = reported_service(
        &[("counters", counters()), ("rates", counters()), ("real_servers", servers)],
        &[],
    );
    let mut partial_service = service.clone();
    make_optional(&mut partial_service);
    let mut document = object(
        &[
            schema,
            ("version", text(20)),
            ("connection_table_size", number(0, U32)),
            ("services", list(partial_service)),
        ],
        &[partial],
    );
    // Without `partial`, or if only services are missing, each service has all members.
    document["if"] = json!({ "properties": { "partial": { "const": ["services"] } } });
    document["then"] = json!({ "properties": { "services": list(service) } });
    with_head("The table with its counters: the output of ipvsadm -L --json", document)
}

/// Lets the members be missing that a listing without root lacks.
fn make_optional(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(names)) = members.get_mut("required") {
                let lacks =
                    |name: &Value| name.as_str().is_some_and(|n| MISSING_IN_FILE.contains(&n));
                names.retain(|name| !lacks(name));
            }
            members.values_mut().for_each(make_optional);
        }
        Value::Array(entries) => entries.iter_mut().for_each(make_optional),
        _ => {}
    }
}

fn timeouts() -> Value {
    object(&["tcp", "tcp_fin", "udp"].map(|name| (name, number(0, LONGEST))), &[])
}

pub(crate) fn daemon() -> Value {
    object(
        &[
            ("role", one_of(&["master", "backup"])),
            ("interface", text(15)),
            ("sync_id", number(0, 255)),
        ],
        &[
            ("sync_maxlen", or_null(number(1, 65507))),
            ("group", or_null(address())),
            ("port", or_null(number(1, u16::MAX.into()))),
            ("ttl", or_null(number(1, 255))),
        ],
    )
}

fn daemons() -> Value {
    let document = object(&[("daemons", list(daemon()))], &[]);
    with_head("The sync daemons that run: the output of ipvsadm -L --daemon --json", document)
}

fn changes() -> Value {
    let servers = list(reported_server(&[]));
    let service = reported_service(&[], &[("real_servers", servers)]);
    let entry = json!({ "anyOf": [
        { "type": "null" },
        { "$ref": "#/$defs/service" },
        { "$ref": "#/$defs/server" },
        { "$ref": "#/$defs/timeouts" },
        { "$ref": "#/$defs/daemon" },
    ] });
    let actions = ["add", "edit", "delete", "set", "start", "stop", "zero"];
    let step = object(
        &[
            ("action", one_of(&actions)),
            ("service", or_null(key())),
            ("server", or_null(endpoint())),
            ("before", entry.clone()),
            ("after", entry),
        ],
        &[],
    );
    let mut document = list(step);
    document["$defs"] = json!({
        "service": service,
        "server": reported_server(&[]),
        "timeouts": timeouts(),
        "daemon": daemon(),
    });
    with_head("The changes of a restore: the output of ipvsadm-restore --diff --json", document)
}

fn connections() -> Value {
    let service = json!({ "anyOf": [endpoint(), object(&[("fwmark", number(0, U32))], &[])] });
    let connection = object(
        &[
            ("protocol", text(20)),
            ("client", endpoint()),
            ("service", service),
            ("real_server", endpoint()),
            ("state", text(20)),
            ("expires", number(0, U32)),
        ],
        &[
            ("persistence_engine", text(15)),
            ("engine_data", json!({ "type": "string" })),
            ("origin", one_of(&["local", "synced"])),
        ],
    );
    let document = object(&[("connections", list(connection))], &[]);
    with_head("Connections: the output of ipvsadm -L -c --json", document)
}
