//! `--settings` shows the settings that the kernel has, with the defaults of a fresh network namespace, and saves those that
//! were changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::network::fresh_namespace;
use crate::one_machine::{UdpServers, apply, machine, service};
use crate::program::Program;
use crate::rights::Copy;

const DIRECTORY: &str = "/proc/sys/net/ipv4/vs";

/// The settings as the kernel shows them.
fn of_kernel() -> BTreeMap<String, String> {
    let files = fs::read_dir(DIRECTORY).unwrap().map(|entry| entry.unwrap());
    let value = |path: &Path| fs::read_to_string(path).unwrap().trim().replace('\t', " ");
    let name = |file: &fs::DirEntry| file.file_name().into_string().unwrap();
    files.map(|file| (name(&file), value(&file.path()))).collect()
}

fn set(name: &str, value: &str) {
    fs::write(format!("{DIRECTORY}/{name}"), value).unwrap();
}

fn listed() -> Value {
    serde_json::from_str(Program::ours().line("-L --settings --json").succeeded()).unwrap()
}

/// The lines without comments.
fn settings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn settings_of_a_fresh_namespace_are_the_defaults() {
    fresh_namespace();
    // Two schedulers have settings of their own, once they are loaded.
    apply("-A -t 10.0.0.1:80 -s lblc\n-A -t 10.0.0.1:81 -s lblcr\n");
    let kernel = of_kernel();
    let document = listed();
    let rows = document["settings"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, kernel.keys().collect::<Vec<_>>());
    assert!(names.contains(&"lblc_expiration") && names.len() > 25, "{names:?}");
    for row in rows {
        let name = row["name"].as_str().unwrap();
        assert_eq!(row["value"], kernel[name], "{name}");
        assert!(row["effect"].is_string(), "{name} is unknown");
        if !row["default"].is_null() {
            assert_eq!(row["default"], row["value"], "{name}");
        }
    }
    let saved = Program::ours().line("-S --settings");
    assert!(settings(saved.succeeded()).is_empty(), "{}", saved.text());
}

#[test]
fn changed_settings_are_saved_and_the_load_of_the_table_is_shown() {
    machine(&service("-u", "-s rr", &[1]));
    let servers = UdpServers::new(1);
    for host in 1..=3 {
        servers.takes_from(&format!("10.4.0.{host}"));
    }
    let nobody = Copy::of(&Program::ours(), "ipvsadm-settings");
    set("conntrack", "1");
    set("sync_threshold", "5 100");
    let table = listed()["connection_table"].clone();
    assert_eq!(table["entries"], 3);
    let buckets = 1_u64 << table["conn_tab_bits"].as_u64().unwrap();
    assert_eq!(table["buckets"], buckets);
    let text = Program::ours().line("-L --settings").succeeded().to_owned();
    let row = text.lines().find(|line| line.starts_with("sync_threshold ")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[1..5], ["5", "100", "3", "50"]);
    assert_eq!(String::from_utf8(nobody.run("-L --settings").stdout).unwrap(), text);

    let expected = ["net.ipv4.vs.conntrack = 1", "net.ipv4.vs.sync_threshold = 5 100"];
    let printed = Program::ours().line("-S --settings").succeeded().to_owned();
    assert_eq!(settings(&printed), expected);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ipvs.conf");
    fs::write(&file, "old").unwrap();
    let argument = format!("--settings={}", file.display());
    assert_eq!(Program::ours().run(["-S", &argument]).succeeded(), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    // A terminal of 60 columns gets sentences on several lines.
    let line = format!("stty cols 60; exec {} -L --settings", Program::ours().name());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    let screen = String::from_utf8(script.output().unwrap().stdout).unwrap();
    assert!(screen.lines().count() > text.lines().count() + 20, "{screen}");
    assert!(screen.starts_with("\u{1b}[1mSetting"), "{screen}");
    let rows = screen.lines().map(|line| line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""));
    for row in rows {
        assert!(row.trim_end().chars().count() <= 60, "{row}");
    }
}

#[test]
fn namespace_of_another_user_namespace_has_the_settings_that_the_kernel_gives_it() {
    fresh_namespace();
    let unshared = |program: &str, line: &str| {
        let mut command = Command::new("unshare");
        command.args(["-U", "-r", "-n", program]).args(line.split(' '));
        command.output().unwrap()
    };
    let run = |line: &str| unshared(Program::ours().name(), line);
    let listed = run("-L --settings --json");
    assert!(listed.status.success(), "{listed:?}");
    let document: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let count = document["settings"].as_array().unwrap().len();
    let saved = run("-S --settings");
    // Linux 6.1 gives it none, and Linux 6.12 gives it all but those of lblc and lblcr.
    let names = String::from_utf8(unshared("ls", DIRECTORY).stdout).unwrap();
    assert_eq!(count, names.lines().count(), "{names}");
    if count > 0 {
        assert!(saved.status.success(), "{saved:?}");
        return;
    }
    assert_eq!(saved.status.code(), Some(1), "{saved:?}");
    assert!(
        String::from_utf8_lossy(&saved.stderr)
            .starts_with("cannot save net.ipv4.vs: this network namespace has no such settings"),
        "{saved:?}"
    );
}
