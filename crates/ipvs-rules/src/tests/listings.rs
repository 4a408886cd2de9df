//! Listings, and the options that go with each.

use super::*;

#[test]
fn every_listing_has_a_format() {
    for line in ["-L", "-Lc", "-L --timeout", "-L --daemon -n", "-L -t 10.0.0.1:80 --stats"] {
        let text = list(line);
        assert_eq!(text.format, OutputFormat::Text, "{line}");
        let json = list(&format!("{line} --json"));
        assert_eq!(json, List { format: OutputFormat::Json, ..text }, "{line}");
    }
}

#[test]
fn one_thing_is_listed_at_a_time() {
    let connections = |columns| List {
        subject: ListSubject::Connections(Box::new(ConnectionQuery {
            service: None,
            filter: ConnectionFilter::default(),
            report: ConnectionReport::Rows(columns),
        })),
        is_numeric: true,
        format: OutputFormat::Text,
        interval: None,
    };
    assert_eq!(list("-Lnc"), connections(ConnectionColumns::Plain));
    assert_eq!(
        list("-Lnc --persistent-conn --tun-info --nosort --exact"),
        connections(ConnectionColumns::WithEngineData)
    );
    assert_eq!(list("-L --timeout -n --tun-info --exact").subject, ListSubject::Timeouts);
    assert_eq!(list("-L --daemon --nosort").subject, ListSubject::Daemons);
    for (subjects, later, earlier) in [
        ("-c -t 10.0.0.1:80 --timeout", "timeout", "connection"),
        ("--timeout -c", "timeout", "connection"),
        ("-c --timeout --daemon", "timeout", "connection"),
        ("-c --daemon", "daemon", "connection"),
        ("--timeout -f 1", "timeout", "service-address"),
        ("--daemon -f 1", "daemon", "service-address"),
        ("--daemon --timeout --stats", "daemon", "timeout"),
    ] {
        let sentence = format!(
            "The option '{later}' conflicts with the '{earlier}' option in the 'list' command"
        );
        all_are_refused([(format!("-L {subjects}").as_str(), sentence.as_str())]);
    }
    for subject in ["-c", "--timeout", "--daemon"] {
        for format in ["--stats", "--rate", "--thresholds"] {
            let line = format!("-L {subject} {format}");
            all_are_refused([(line.as_str(), "options conflicts in the list command")]);
        }
    }
    all_are_refused([
        ("-L --timeout --persistent-conn", "options conflicts in the list command"),
        ("-L --daemon --persistent-conn", "options conflicts in the list command"),
    ]);
}

fn query(line: &str) -> ConnectionQuery {
    match list(line).subject {
        ListSubject::Connections(query) => *query,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn listing_of_connections_has_conditions() {
    let asked = query(
        "-L -c -t 10.0.0.1:80 -r 10.1.0.1 --client 192.0.2.0/24 --state established,close \
         --origin synced",
    );
    let expected = ConnectionFilter::default()
        .server("10.1.0.1:0".parse().unwrap())
        .client("192.0.2.0/24".parse().unwrap())
        .state(ConnectionState::Established)
        .state(ConnectionState::Close)
        .origin(ConnectionOrigin::Synced);
    assert_eq!(asked.filter, expected);
    assert_eq!(asked.service, Some("tcp 10.0.0.1:80".parse().unwrap()));
    assert_eq!(asked.report, ConnectionReport::Rows(ConnectionColumns::Plain));
    let server = query("-L -c -f 1 -r 10.1.0.1:8080").filter.server;
    assert_eq!(server, Some("10.1.0.1:8080".parse().unwrap()));
    let report = query(
        "-L -c -f 1 -6 -r ::1 --client ::/0 --state none --origin local -n --sort --count --no-header",
    )
    .report;
    assert_eq!(report, ConnectionReport::Count { has_header: false });
    let report = query("-L -c --count-by client/24,64 --limit 5").report;
    let grouping = ConnectionGrouping::Client { ipv4: 24, ipv6: 64 };
    let by = ConnectionReport::CountBy { grouping, limit: Some(5), has_header: true };
    assert_eq!(report, by);
}

#[test]
fn condition_on_connections_needs_their_listing() {
    for option in
        ["--client 10.0.0.1", "--state NONE", "--origin local", "--count", "--count-by state"]
    {
        let title = option.split_once(' ').map_or(option, |(option, _)| option);
        let sentence = format!(
            "You need to supply the 'connection' option for the '{}' option of the 'list' command",
            title.trim_start_matches('-')
        );
        for subject in ["-L", "-L --timeout", "-L --stats"] {
            let line = format!("{subject} {option}");
            all_are_refused([(line.as_str(), sentence.as_str())]);
        }
    }
    all_are_refused([
        ("-L -r 10.1.0.1", "Illegal 'real-server' option with the 'list' command (-L -c -r lists"),
        ("-L -r 10.1.0.1 -w 5", "Illegal 'real-server' option with the 'list' command"),
        ("-L -c --limit 5", "You need to supply the 'count-by' option for the 'limit' option"),
        (
            "-L -c --no-header",
            "You need to supply the 'count', 'count-by', 'summary' or 'settings' option for the \
             'no-header' option",
        ),
        ("-L -c --count --exact", "The option 'exact' conflicts with the 'count' option"),
        (
            "-L -c --count-by state --nosort",
            "The option 'nosort' conflicts with the 'count-by' option in the 'list' command",
        ),
        ("-L -c --count --count-by state", "The option 'count-by' conflicts with the 'count'"),
        (
            "-L -c --persistent-conn --origin local",
            "The option 'origin' conflicts with the 'persistent-conn' option in the 'list' command",
        ),
        (
            "-L -c --persistent-conn --count",
            "The option 'count' conflicts with the 'persistent-conn' option in the 'list' command",
        ),
        ("-L -c --client 10.0.0.0/33", "illegal client specified (`10.0.0.0/33' is not a network"),
        ("-L -c --state OPEN", "illegal state specified (`OPEN' is none of NONE, ASSURED, "),
        ("-L -c --origin SYNC", "illegal origin specified (`SYNC' is none of local, synced)"),
        ("-L -c --count-by port", "illegal count-by specified (`port' is none of client, "),
        ("-L -c --count-by state --limit 0", "illegal limit specified (`0' is not a number from 1"),
        ("-C --count", "Illegal 'count' option with the 'flush' command (it goes with -L)"),
    ]);
}

#[test]
fn settings_of_the_kernel_are_listed_or_saved() {
    let settings = list("-L --settings --no-header -n");
    assert_eq!(settings.subject, ListSubject::Sysctls { has_header: false });
    assert_eq!(list("-L --settings --json").format, OutputFormat::Json);
    for (line, file) in [
        ("-S --settings", None),
        ("-S -n --settings=-", None),
        ("-S --settings=/etc/sysctl.d/ipvs.conf", Some("/etc/sysctl.d/ipvs.conf")),
    ] {
        assert_eq!(read(line).unwrap(), Command::SaveSysctls(file.map(Into::into)), "{line}");
    }
    all_are_refused([
        (
            "-L --settings=a",
            "illegal settings file specified (-L prints the settings; -S --settings=FILE writes a file)",
        ),
        ("-S --settings=", "illegal settings file specified (the name of the file is missing"),
        (
            "-L --settings -c",
            "The option 'connection' conflicts with the 'settings' option in the 'list'",
        ),
        (
            "-L --settings -t 10.0.0.1:80",
            "The option 'service-address' conflicts with the 'settings'",
        ),
        ("-L --settings --stats", "The option 'stats' conflicts with the 'settings' option"),
        ("-L --settings --metrics", "The option 'settings' conflicts with the 'metrics' option"),
        (
            "-S --settings --all",
            "The option 'all' conflicts with the 'settings' option in the 'save'",
        ),
        ("-S --settings --within 10.0.0.0/8", "The option 'within' conflicts with the 'settings'"),
        ("-S --settings rules", "unexpected argument rules"),
        ("-C --settings", "Illegal 'settings' option with the 'flush' command"),
    ]);
}

#[test]
fn metrics_are_those_of_the_whole_table() {
    all_are_refused([
        ("-L --metrics --by server", "illegal by specified (`server' is not one of: service)"),
        ("-L --by service", "You need to supply the 'metrics' option for the 'by' option"),
        ("-L --metrics=", "illegal metrics file specified (the name of the file is missing; "),
        ("-L --metrics -c", "The option 'connection' conflicts with the 'metrics' option"),
        ("-L --metrics --stats", "The option 'stats' conflicts with the 'metrics' option"),
        ("-L --metrics --json", "The option 'json' conflicts with the 'metrics' option"),
        (
            "-L --metrics -t 10.0.0.1:80",
            "The option 'service-address' conflicts with the 'metrics' option in the 'list' command",
        ),
        ("-S --metrics", "Illegal 'metrics' option with the 'save' command (it goes with -L)"),
    ]);
}

#[test]
fn summary_is_a_listing_of_its_own() {
    let summary = list("-L --summary -n --no-header --sort --json");
    assert_eq!(summary.subject, ListSubject::Summary { has_header: false });
    assert_eq!((summary.is_numeric, summary.format), (true, OutputFormat::Json));
    assert_eq!(list("-L --summary").subject, ListSubject::Summary { has_header: true });
    all_are_refused([
        (
            "-L --summary -c",
            "The option 'connection' conflicts with the 'summary' option in the 'list'",
        ),
        (
            "-L --summary -t 10.0.0.1:80",
            "The option 'service-address' conflicts with the 'summary'",
        ),
        ("-L --summary --rate", "The option 'rate' conflicts with the 'summary' option"),
        ("-L --summary --settings", "The option 'summary' conflicts with the 'settings' option"),
        ("-L --summary --limit 5", "The option 'limit' conflicts with the 'summary' option"),
        ("-S --summary", "Illegal 'summary' option with the 'save' command (it goes with -L)"),
    ]);
}

/// The listing of a command line: rule lines have no `--watch`.
fn typed(line: &str) -> Result<List, RuleError> {
    let tokens = Tokens::new(line.split(' '));
    let parsed = parse_command_line(tokens, &mut ProgramOptions::default())?;
    match parsed.resolve(&mut NamesRefused)? {
        Command::List(list) => Ok(list),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_listing_may_be_repeated() {
    let seconds = |line: &str| typed(line).unwrap().interval.map(|interval| interval.as_secs());
    assert_eq!(seconds("-L"), None);
    assert_eq!(seconds("-L --watch"), Some(2));
    assert_eq!(seconds("-L --watch=30 --stats"), Some(30));
    assert_eq!(seconds("-L -c --count-by state --watch --json"), Some(2));
    let changes = typed("-L --monitor=5 --json").unwrap();
    assert_eq!((changes.subject, changes.format), (ListSubject::Changes, OutputFormat::Json));
    assert_eq!(seconds("-L --monitor=5"), Some(5));
}

#[test]
fn wrong_interval_and_a_second_subject_are_refused() {
    for (line, message) in [
        (
            "-L --watch=0",
            "invalid interval `0' specified (`0' is not a number from 1 to 2147483647)",
        ),
        ("-L --watch=", "invalid interval `' specified (`' is not a number"),
        ("-L --watch 5", "unexpected argument 5"),
        ("-L --monitor --watch", "The option 'watch' conflicts with the 'monitor' option"),
        ("-L --monitor -c", "The option 'monitor' conflicts with the 'connection' option"),
        (
            "-L --monitor -t 10.0.0.1:80",
            "The option 'monitor' conflicts with the 'service-address'",
        ),
        ("-L --monitor --stats", "options conflicts in the list command"),
        ("-L --monitor --exact", "The option 'exact' conflicts with the 'monitor' option"),
        ("-C --watch", "Illegal 'watch' option with the 'flush' command (it goes with -L)"),
    ] {
        let fault = typed(line).unwrap_err().to_string();
        assert!(fault.starts_with(message), "{line}: {fault}");
    }
    for (line, option) in [("-L --watch", "watch"), ("-L --monitor=5", "monitor")] {
        let message =
            format!("--{option} is an option of command lines; a rule line cannot have it");
        all_are_refused([(line, message.as_str())]);
    }
}
