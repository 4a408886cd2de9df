//! Compares the table with the observed behaviour of ipvsadm 1.31.

use super::*;

/// The commands in the order of the columns below.
const COLUMNS: [CommandName; 15] = [
    AddService,
    EditService,
    DeleteService,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Save,
    Clear,
    Restore,
    Set,
    StartDaemon,
    StopDaemon,
    Doctor,
];

/// Which option each command needs (+), takes (o) and refuses (.): AED aed LZS CR, then --set, the two of daemons,
/// and --doctor.
const MATRIX: [(&str, &[&str]); 27] = [
    // The service of -S is ours.
    ("+++ +++ ooo ..... o", &["service-address"]),
    // The real server of -L -c is ours.
    ("... +++ o.. ..... .", &["real-server"]),
    ("oo. ... ... ..... .", &["scheduler", "persistent", "netmask", "pe", "sched-flags", "ops"]),
    ("... oo. ... ..... .", &["forwarding-method", "weight", "u-threshold", "l-threshold"]),
    ("... oo. ... ..... .", &["tun-type", "tun-port", "tun-nocsum", "tun-csum", "tun-remcsum"]),
    ("... ... o.. ..... .", &["connection", "timeout", "daemon"]),
    (
        "... ... o.. ..... .",
        &["stats", "rate", "thresholds", "persistent-conn", "nosort", "exact", "tun-info"],
    ),
    ("... ... o.o ..... .", &["numeric"]),
    ("... ... o.. ...oo .", &["syncid"]),
    (
        "... ... ... ...o. .",
        &["sync-maxlen", "mcast-interface", "mcast-group", "mcast-port", "mcast-ttl"],
    ),
    ("ooo ooo ooo ooooo o", &["sort"]),
    ("ooo ooo ooo ..... o", &["ipv6"]),
    // These are ours.
    ("..o .oo o.o ..... o", &["json"]),
    (
        "... ... o.. ..... .",
        &[
            "client",
            "state",
            "origin",
            "count",
            "count-by",
            "limit",
            "no-header",
            "watch",
            "monitor",
        ],
    ),
    ("... ... o.. ..... .", &["metrics", "by", "summary"]),
    ("... ... o.o ..... .", &["settings"]),
    ("..o .oo ... ..... .", &["drain", "force"]),
    ("... ... ..o ..... .", &["all", "allow-empty", "digest"]),
    ("... oo. ... ..... .", &["own-port"]),
    ("... ... ..o o.... .", &["within"]),
    ("... ... ... ..... o", &["probe", "sample", "against"]),
    ("ooo ooo ooo ooooo o", &["netns", "color"]),
    (".o. .o. ... ..... .", &["keep"]),
    ("ooo ooo .o. ooooo .", &["dry-run"]),
    ("ooo ooo .o. o.ooo .", &["confirm"]),
    (".oo .oo ... ..... .", &["if-exists"]),
    ("o.. o.. ... ..... .", &["if-not-exists", "replace"]),
];

#[test]
fn command_has_the_options_that_it_has_with_1_31_and_few_of_ours() {
    for spec in OPTIONS {
        let row = MATRIX.iter().find(|(_, titles)| titles.contains(&spec.title));
        let (row, _) = row.unwrap_or_else(|| panic!("{} is not in the matrix", spec.title));
        let shown = COLUMNS.map(|command| match spec.presence_with(command) {
            Required => '+',
            Allowed => 'o',
            Refused => '.',
        });
        assert_eq!(shown.iter().collect::<String>(), row.replace(' ', ""), "{}", spec.long);
    }
}

#[test]
fn option_stands_where_its_number_says() {
    for (place, spec) in OPTIONS.iter().enumerate() {
        assert_eq!(spec.option as usize, place, "{}", spec.long);
    }
}

#[test]
fn options_are_checked_in_the_order_of_1_31() {
    let order = "numeric connection service-address scheduler persistent netmask real-server \
        forwarding-method weight u-threshold l-threshold mcast-interface timeout daemon stats rate \
        thresholds persistent-conn nosort syncid exact ops pe sched-flags mcast-group mcast-port \
        mcast-ttl sync-maxlen tun-info tun-type tun-port tun-nocsum tun-csum tun-remcsum";
    let groups = OPTIONS.iter().filter(|spec| spec.option == spec.group);
    let titles: Vec<&str> = groups.map(|spec| spec.title).collect();
    let order: Vec<&str> = order.split_whitespace().collect();
    assert_eq!(titles[..order.len()], order);
}

#[test]
fn letters_are_those_of_1_31_so_that_a_bundle_that_was_an_error_stays_one() {
    let commands = COMMANDS.iter().flat_map(|spec| [spec.short, spec.alias]);
    let letters = commands.chain(OPTIONS.iter().map(|spec| spec.short)).flatten();
    let mut letters: Vec<char> = letters.collect();
    letters.sort_unstable();
    assert_eq!(letters.iter().collect::<String>(), "6ACDELMRSXZabcdefghilmnoprstuvwxy");
}

#[test]
fn long_name_stands_for_one_thing() {
    let commands = COMMANDS.iter().map(|spec| spec.long);
    let mut names: Vec<&str> = commands.chain(OPTIONS.iter().map(|spec| spec.long)).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}
