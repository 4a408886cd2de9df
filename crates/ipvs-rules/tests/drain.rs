//! `--drain`: its options, and the combinations that are refused.

#![cfg(test)]

use ipvs::model::ServiceKey;
use ipvs::plan::DrainTarget;
use ipvs_rules::{Command, Drain, LineError, OutputFormat, RuleError, parse_numeric_line};

fn read(line: &str) -> Result<Command, RuleError> {
    match parse_numeric_line(line.as_bytes()) {
        Ok(command) => Ok(command.unwrap()),
        Err(LineError::Rule(error)) => Err(error),
        Err(error) => panic!("{line}: {error}"),
    }
}

/// Demands that the message for each line begins with the words.
fn all_are_refused<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (line, words) in lines {
        let error = read(line).expect_err(line).to_string();
        assert!(error.starts_with(words), "{line}: {error}");
    }
}

fn drain(line: &str) -> Drain {
    match read(line) {
        Ok(Command::Drain(drain)) => drain,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn drain_has_a_target_a_limit_and_an_end() {
    let service: ServiceKey = "tcp 10.0.0.1:80".parse().unwrap();
    let server = DrainTarget::Server(service, "10.0.0.2:80".parse().unwrap());
    let plain = Drain {
        target: server,
        deletes: false,
        limit: None,
        is_forced: false,
        format: OutputFormat::Text,
    };
    assert_eq!(drain("-e -t 10.0.0.1:80 -r 10.0.0.2 --drain"), plain);
    assert_eq!(
        drain("-d --drain=60 --force -t 10.0.0.1:80 -r 10.0.0.2"),
        Drain { deletes: true, limit: Some(60), is_forced: true, ..plain }
    );
    assert_eq!(
        drain("-D -t 10.0.0.1:80 --json --sort --drain=0"),
        Drain {
            target: DrainTarget::Service(service),
            deletes: true,
            limit: Some(0),
            format: OutputFormat::Json,
            ..plain
        }
    );
    let mark = drain("-d -f 1 -6 -r 2001:db8::2 --drain=2147483647");
    assert_eq!(mark.target.service(), "fwmark 1 ipv6".parse().unwrap());
    // A drain keeps the port, whatever the forwarding method is.
    let other_port = drain("-e -t 10.0.0.1:80 -r 10.0.0.2:8080 --drain").target;
    assert_eq!(other_port, DrainTarget::Server(service, "10.0.0.2:8080".parse().unwrap()));
}

#[test]
fn drain_is_refused_with_other_settings_other_commands_and_bad_times() {
    const DRAINED: &str = "-t 10.0.0.1:80 -r 10.0.0.2 --drain";
    for (option, title) in [
        ("-w 5", "weight"),
        ("-m", "forwarding-method"),
        ("-x 5", "u-threshold"),
        ("-y 5", "l-threshold"),
        ("--tun-type gue", "tun-type"),
        ("--own-port", "own-port"),
    ] {
        let sentence = format!(
            "The option '{title}' conflicts with the 'drain' option in the 'edit-server' command"
        );
        all_are_refused([(format!("-e {DRAINED} {option}").as_str(), sentence.as_str())]);
    }
    for value in ["", "x", "-1", "2147483648", "1.5", "5s"] {
        let line = format!("-d {DRAINED}={value}");
        all_are_refused([(line.as_str(), "illegal drain time specified")]);
    }
    all_are_refused([
        ("-d -t 10.0.0.1:80 -r 10.0.0.2 --drain 5", "unexpected argument 5"),
        (
            "-a -t 10.0.0.1:80 -r 10.0.0.2 --drain",
            "Illegal 'drain' option with the 'add-server' command",
        ),
        ("-E -t 10.0.0.1:80 --drain", "Illegal 'drain' option with the 'edit-service' command"),
        ("-C --drain", "Illegal 'drain' option with the 'flush' command"),
        ("-L --drain", "Illegal 'drain' option with the 'list' command"),
        ("-L --force", "Illegal 'force' option with the 'list' command"),
        (
            "-D -t 10.0.0.1:80 -r 10.0.0.2 --drain",
            "Illegal 'real-server' option with the 'delete-service' command",
        ),
        (
            "-d -t 10.0.0.1:80 --drain",
            "You need to supply the 'real-server' option for the 'delete-server' command",
        ),
        ("-e -t 10.0.0.1:80 -r 10.0.0.2 --drain --drain", "multiple 'drain' options specified"),
        (
            "-e -t 10.0.0.1:80 -r 10.0.0.2 --force",
            "You need to supply the 'drain' option for the 'force' option of the 'edit-server' command",
        ),
        (
            "-d -t 10.0.0.1:80 -r 10.0.0.2 --json",
            "You need to supply the 'drain' option for the 'json' option of the 'delete-server' command",
        ),
        (
            "-D -t 10.0.0.1:80 --json",
            "You need to supply the 'drain' option for the 'json' option of the 'delete-service' command",
        ),
    ]);
}
