//! Metrics on a real kernel: they equal the listing, promtool accepts them, and the alert rules and the dashboard of
//! docs/metrics work on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::rights::Copy;
use crate::wait::{PATIENCE, wait_until_seen};

const TABLE: [&str; 10] = [
    "-A -u 10.0.0.1:53 -s rr",
    "-a -u 10.0.0.1:53 -r 10.0.0.2:5353 -m -x 1",
    "-A -u 10.0.0.1:54 -s wrr",
    "-a -u 10.0.0.1:54 -r 10.0.0.2:5353 -m -w 3",
    "-A -f 7 -s wlc",
    "-a -f 7 -r 10.0.0.2 -m -w 0",
    "-A -f 7 -6 -s wlc",
    "-a -f 7 -6 -r [2001:db8::2] -m",
    "-A -t [2001:db8::1]:80 -s sh -p 60",
    "--start-daemon master --mcast-interface lo --syncid 5",
];

/// A director with a table and a connection of UDP.
fn set_up() {
    fresh_namespace();
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let commands =
        "link set lo up\naddress add 10.0.0.1/32 dev lo\naddress add 10.0.0.2/32 dev lo\n";
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    for line in TABLE {
        Program::ours().line(line).succeeded();
    }
    let server = UdpSocket::bind("10.0.0.2:5353").unwrap();
    let client = UdpSocket::bind("10.0.0.2:0").unwrap();
    client.send_to(b"question", "10.0.0.1:53").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.recv_from(&mut [0; 64]).unwrap();
}

fn metrics(arguments: &str) -> String {
    Program::ours().line(arguments).succeeded().to_owned()
}

/// The samples of a text: series and value.
fn samples(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let samples: BTreeMap<String, u64> = lines
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect();
    assert_eq!(samples.len(), lines.len(), "a series occurs twice in\n{text}");
    samples
}

/// The metrics once all counters show the connection. The kernel adds them up every two seconds, in newer versions at another
/// time for each entry.
fn counted_metrics() -> BTreeMap<String, u64> {
    let read = || samples(&metrics("-L --metrics"));
    wait_until_seen(read, |found| {
        let sum = |name: &str| -> u64 {
            found
                .iter()
                .filter(|(series, _)| series.starts_with(name))
                .map(|(_, value)| value)
                .sum()
        };
        [
            "ipvs_connections_total",
            "ipvs_service_connections_total{",
            "ipvs_server_connections_total{",
        ]
        .iter()
        .all(|name| sum(name) == 1)
    })
}

fn promtool() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian/root/usr/bin/promtool");
    assert!(path.exists(), "{} is missing: run tests/provide metrics", path.display());
    path
}

#[track_caller]
fn assert_promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new(promtool());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "promtool {arguments:?}: {said}\n{input}");
}

#[test]
fn metrics_equal_the_listing() {
    set_up();
    let found = counted_metrics();
    let listing: Value = serde_json::from_str(&metrics("-L --json")).unwrap();
    let mut servers = 0;
    for service in listing["services"].as_array().unwrap() {
        let text = |value: &Value| value.to_string().trim_matches('"').to_owned();
        let labels = match service.get("fwmark") {
            Some(mark) => format!("fwmark=\"{mark}\",family={}", service["family"]),
            None => format!(
                "protocol={},address={},port=\"{}\"",
                service["protocol"], service["address"], service["port"]
            ),
        };
        let all = service["real_servers"].as_array().unwrap();
        let count = |name: &str, labels: &str| found[&format!("{name}{{{labels}}}")];
        assert_eq!(count("ipvs_service_servers", &labels), all.len() as u64);
        let counters = service["counters"].as_object().unwrap();
        assert_eq!(counters.len(), 5);
        for (name, value) in counters {
            let name = format!("ipvs_service_{name}_total");
            assert_eq!(count(&name, &labels), value.as_u64().unwrap(), "{name} {labels}");
        }
        for server in all {
            servers += 1;
            let (address, port) = (text(&server["address"]), &server["port"]);
            let labels = format!("{labels},server=\"{address}\",server_port=\"{port}\"");
            for (member, name) in [
                ("weight", "weight"),
                ("active_connections", "active_connections"),
                ("inactive_connections", "inactive_connections"),
                ("persistent_connections", "persistent_clients"),
                ("upper_threshold", "upper_threshold"),
            ] {
                let value = server[member].as_u64().unwrap();
                assert_eq!(
                    count(&format!("ipvs_server_{name}"), &labels),
                    value,
                    "{name} {labels}"
                );
            }
            for (name, value) in server["counters"].as_object().unwrap() {
                let name = format!("ipvs_server_{name}_total");
                assert_eq!(count(&name, &labels), value.as_u64().unwrap(), "{name} {labels}");
            }
        }
    }
    assert_eq!(servers, 4);
    let of_servers = found.keys().filter(|series| series.starts_with("ipvs_server_weight{"));
    assert_eq!(of_servers.count(), servers);
    let state = "ipvs_connection_table_connections{protocol=\"udp\",state=\"udp\"}";
    assert_eq!(found[state], 1);
    assert_eq!(found["ipvs_sync_daemon{role=\"master\",interface=\"lo\",syncid=\"5\"}"], 1);
    assert_eq!(found["ipvs_partial"], 0);
}

#[test]
fn metrics_replace_a_file_atomically() {
    set_up();
    counted_metrics();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ipvs.prom");
    fs::write(&file, "old").unwrap();
    let argument = format!("--metrics={}", file.display());
    assert_eq!(Program::ours().run(["-L", &argument]).succeeded(), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), metrics("-L --metrics"));
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let missing = directory.path().join("missing/ipvs.prom");
    let outcome = Program::ours().run(["-L".into(), format!("--metrics={}", missing.display())]);
    assert_eq!(outcome.status.code(), Some(1));
}

#[test]
fn alerts_and_dashboard_work_on_the_metrics() {
    set_up();
    counted_metrics();
    let nobody = Copy::of(&Program::ours(), "ipvsadm-metrics");
    let of_nobody = nobody.run("-L --metrics");
    assert!(of_nobody.status.success(), "{of_nobody:?}");
    let of_nobody = String::from_utf8(of_nobody.stdout).unwrap();
    assert_eq!(samples(&of_nobody)["ipvs_partial"], 1);
    let diff = |rules: &str| {
        Program::restore().feed(["--diff", "--metrics", "--noflush"], rules.as_bytes())
    };
    let (same, other) = (diff("-E -u 10.0.0.1:53 -s rr\n"), diff("-A -u 10.0.0.1:55 -s rr\n"));
    assert_eq!(samples(same.succeeded())["ipvs_rules_match"], 1);
    assert_eq!(other.status.code(), Some(1));
    let changes = samples(other.text());
    assert_eq!(changes["ipvs_rules_match"], 0);
    assert_eq!(changes["ipvs_rules_changes{kind=\"add_service\"}"], 1);

    let of_root = metrics("-L --metrics");
    let by_service = metrics("-L --metrics --by service");
    assert!(!by_service.contains("ipvs_server_"));
    let services_of_nobody = nobody.run("-L --metrics --by service");
    let services_of_nobody = String::from_utf8(services_of_nobody.stdout).unwrap();
    let texts = [&of_root, &of_nobody, &by_service, &services_of_nobody, other.text(), same.text()];
    for text in texts {
        assert!(!text.contains("node_ipvs_"), "a name of node_exporter in {text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("ipvs_")));
        assert!(!samples(text).is_empty());
        assert_promtool(&["check", "metrics"], text);
    }

    let mut series = Vec::new();
    let mut names = BTreeSet::new();
    for (instance, text) in
        [("root", of_root.as_str()), ("nobody", &of_nobody), ("root", other.text())]
    {
        for (sample, value) in samples(text) {
            let (name, labels) = sample.split_once('{').unwrap_or((&sample, "}"));
            let step = if name.ends_with("_total") { "+60" } else { "+0" };
            let separator = if labels == "}" { "" } else { "," };
            series.push(json!({
                "series": format!("{name}{{instance=\"{instance}\"{separator}{labels}"),
                "values": format!("{value}{step}x30"),
            }));
            names.insert(name.to_owned());
        }
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics");
    let dashboard: Value =
        serde_json::from_slice(&fs::read(docs.join("dashboard.json")).unwrap()).unwrap();
    let mut expressions: Vec<String> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    assert!(expressions.len() >= 10, "{expressions:?}");
    let alerts = fs::read_to_string(docs.join("alerts.yml")).unwrap();
    let alert_names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    expressions.extend(
        alert_names.map(|name| format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}")),
    );
    assert_eq!(expressions.iter().filter(|text| text.starts_with("ALERTS")).count(), 4);
    // Each expression has a result over the series of our output, and each alert fires.
    let tests: Vec<Value> = expressions
        .iter()
        .map(|expression| {
            json!({
                "expr": format!("count({expression}) > bool 0"),
                "eval_time": "20m",
                "exp_samples": [{ "labels": "{}", "value": 1 }],
            })
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("alerts.yml"), &alerts).unwrap();
    let file = directory.path().join("test.yml");
    let test = json!({
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "1m",
        "tests": [{ "interval": "1m", "input_series": series, "promql_expr_test": tests }],
    });
    fs::write(&file, test.to_string()).unwrap();
    assert_promtool(&["test", "rules", file.to_str().unwrap()], "");
}

#[test]
fn empty_table_has_metrics_too() {
    fresh_namespace();
    for arguments in ["-L --metrics", "-L --metrics --by service"] {
        let text = metrics(arguments);
        assert_eq!(samples(&text)["ipvs_partial"], 0);
        assert_promtool(&["check", "metrics"], &text);
    }
}
