//! `-L --summary` adds up what the other listings show, and without root what `/proc` shows.

use std::process::Command;

use serde_json::Value;

use crate::one_machine::{UdpServers, VIRTUAL, list, machine};
use crate::program::Program;
use crate::rights::Copy;
use crate::wait::wait_until_seen;

fn document(line: &str) -> Value {
    serde_json::from_str(&list(line)).unwrap()
}

/// The sum of a member of the counters of all entries.
fn sum(entries: &Value, member: &str) -> u64 {
    let entries = entries.as_array().unwrap().iter();
    entries.map(|entry| entry["counters"][member].as_u64().unwrap()).sum()
}

/// The module of a helper, for as long as a test needs it.
struct Helper;

impl Helper {
    fn load() -> Helper {
        assert!(Command::new("modprobe").arg("ip_vs_ftp").status().unwrap().success());
        Helper
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = Command::new("rmmod").arg("ip_vs_ftp").status();
    }
}

#[test]
fn summary_adds_up_the_servers_and_equals_the_listing() {
    let _helper = Helper::load();
    machine(&format!(
        "-A -u {VIRTUAL} -s rr\n-a -u {VIRTUAL} -r 10.2.0.1:80 -m -x 2\n\
         -a -u {VIRTUAL} -r 10.2.0.2:80 -m -w 0\n-a -u {VIRTUAL} -r 10.2.0.3:80 -m -w 7\n\
         -A -f 7 -s wlc\n"
    ));
    let servers = UdpServers::new(3);
    for host in 1..=4 {
        servers.takes_from(&format!("10.4.0.{host}"));
    }
    let summary = document("-L --summary --json");
    let service = &summary["services"][0];
    let count = |member: &str| service["servers"][member].as_u64().unwrap();
    assert_eq!((count("up"), count("drained"), count("over_threshold")), (1, 1, 1));
    assert_eq!(
        (&service["active_connections"], &service["inactive_connections"]),
        (&0.into(), &4.into())
    );
    assert_eq!(summary["services"][1]["fwmark"], 7);
    assert_eq!(summary["applications"][0]["name"], "ftp");
    assert_eq!(summary["applications"][0]["port"], 21);
    assert!(summary.get("partial").is_none());
    // The counters of the CPUs are current, and those of all services follow within seconds.
    assert_eq!(sum(&summary["cpus"], "connections"), 4);
    assert_eq!(sum(&summary["cpus"], "incoming_packets"), 4);
    let read = || (document("-L --summary --json"), document("-L --json")["services"].take());
    let (summary, services) = wait_until_seen(read, |(summary, services)| {
        summary["totals"]["counters"]["connections"] == 4 && sum(services, "connections") == 4
    });
    for member in ["connections", "incoming_packets", "incoming_bytes"] {
        assert_eq!(summary["totals"]["counters"][member], sum(&services, member), "{member}");
    }

    let text = list("-L -n --summary");
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["UDP", VIRTUAL, "1", "1", "1", "0", "4"], "{text}");
    assert!(
        text.contains("\nApplication  Protocol  Port  Uses\nftp          TCP         21"),
        "{text}"
    );
    let bare = list("-L -n --summary --no-header");
    assert!(bare.starts_with("UDP") && !bare.contains("Application"), "{bare}");

    let nobody = Copy::of(&Program::ours(), "ipvsadm-summary");
    let of_nobody = nobody.run("-L -n --summary");
    let of_nobody = String::from_utf8(of_nobody.stdout).unwrap();
    let row: Vec<&str> = of_nobody.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["UDP", VIRTUAL, "2", "1", "-", "0", "4", "-", "-", "-", "-"]);
    let of_nobody = nobody.run("-L --summary --json");
    let of_nobody: Value = serde_json::from_slice(&of_nobody.stdout).unwrap();
    assert_eq!(of_nobody["partial"], serde_json::json!(["family", "over_threshold", "rates"]));
    assert!(of_nobody["services"][1].get("family").is_none());
    assert_eq!(of_nobody["services"][0]["servers"]["up"], 2);

    // On a terminal the tables fit, and have colours unless someone objects.
    let screen = |columns: usize, words: &str| {
        let program = Program::ours();
        let line = format!("stty cols {columns}; {words} {} -L -n --summary", program.name());
        let script = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
        String::from_utf8(script.stdout).unwrap()
    };
    assert!(screen(80, "TERM=xterm").starts_with("\u{1b}[1mService"));
    let plain = screen(40, "TERM=xterm NO_COLOR=1");
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(plain.lines().all(|line| line.trim_end().chars().count() <= 40), "{plain}");
}
