//! The meaning of lines, and which of several faults is reported: the observed behaviour of ipvsadm 1.31, except for the differences
//! that the README lists.

mod edits;
mod listings;
mod saves;

use std::net::IpAddr;

use super::*;
use ipvs::model::*;

fn read(line: &str) -> Result<Command, RuleError> {
    match parse_numeric_line(line.as_bytes()) {
        Ok(command) => Ok(command.expect(line)),
        Err(LineError::Rule(error)) => Err(error),
        Err(error) => panic!("{line}: {error}"),
    }
}

fn change(line: &str) -> Change {
    match read(line) {
        Ok(Command::Request(Request::Change(change))) => change,
        other => panic!("{line}: {other:?}"),
    }
}

fn service(line: &str) -> VirtualService {
    match change(line) {
        Change::AddService(service) | Change::EditService(service) => service,
        other => panic!("{line}: {other:?}"),
    }
}

fn server(line: &str) -> RealServer {
    match change(line) {
        Change::AddServer(_, server) | Change::EditServer(_, server) => server,
        other => panic!("{line}: {other:?}"),
    }
}

fn daemon(line: &str) -> SyncDaemon {
    match change(line) {
        Change::StartDaemon(daemon) => daemon,
        other => panic!("{line}: {other:?}"),
    }
}

fn list(line: &str) -> List {
    match read(line) {
        Ok(Command::List(list)) => list,
        other => panic!("{line}: {other:?}"),
    }
}

/// Demands that the message for each line begins with the words.
fn all_are_refused<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (line, words) in lines {
        let error = read(line).expect_err(line).to_string();
        assert!(error.starts_with(words), "{line}: {error}");
    }
}

#[test]
fn of_several_faults_the_one_that_1_31_names_is_named() {
    all_are_refused([
        // The command comes first, and a daemon's role is read with it.
        ("-n -L -Q", "--numeric comes before a command"),
        ("--start-daemon both -Q", "illegal start-daemon parameter specified"),
        // Then words from left to right. A repeated option is refused before its value is read.
        ("-L -Q -n -n", "-Q: unknown option"),
        ("-L -n -n -Q", "multiple 'numeric' options specified"),
        ("-A -t 10.0.0.1:80 -t :", "multiple 'service-address' options specified"),
        ("-A -t : -t :", "illegal virtual server address[:port] specified"),
        ("-A -6 -t :", "-6 used before -f"),
        ("-L -C -Q", "invalid option `-C'"),
        ("-A foo -w x", "illegal weight specified"),
        // The remaining words come next.
        ("-A foo -w 5", "unexpected argument foo"),
        ("foo -L bar", "unexpected argument foo"),
        // Then the words of -b, whatever the command.
        ("-D -b bogus", "invalid scheduler flag `bogus'"),
        ("-D -b sh-port", "incompatible scheduler flag `sh-port'"),
        // Then one option after the other, whether it is missing or out of place.
        (
            "-a -s rr",
            "You need to supply the 'service-address' option for the 'add-server' command",
        ),
        ("-a -c", "Illegal 'connection' option with the 'add-server' command"),
        ("-a -t 10.0.0.1:80 -s rr", "Illegal 'scheduler' option with the 'add-server' command"),
        (
            "-d -t 10.0.0.1:80 -w 1",
            "You need to supply the 'real-server' option for the 'delete-server' command",
        ),
        // Then what they mean together.
        ("-A -t 10.0.0.1 -o", "Zero port specified for non-persistent service"),
        (
            "-a -t 10.0.0.1:80 -r [2001:db8::2]:80 --tun-type gre",
            "Different address family is allowed only for tunneling servers",
        ),
        (
            "-a -t 10.0.0.1:80 -r 10.0.0.2 --tun-type gue",
            "Tunnel options conflict with forward method",
        ),
    ]);
}

#[test]
fn second_command_is_named_by_the_word_that_it_ends_with() {
    all_are_refused([
        ("-L -h", "invalid option `-h'"),
        ("-Lh", "invalid option `-Lh'"),
        ("-A -oZ", "invalid option `-oZ'"),
        ("-C -C", "invalid option `-C'"),
        ("-L --start-daemon master", "invalid option `master'"),
        ("-L --start-daemon=master", "invalid option `--start-daemon=master'"),
    ]);
}

#[test]
fn help_and_version_act_whatever_stands_behind_them() {
    for line in ["-h", "--help", "-h -w x", "-hL", "-h --nosuch"] {
        assert_eq!(
            read(line).unwrap(),
            Command::Help(if line.starts_with("--") { Help::Full } else { Help::Short }),
            "{line}"
        );
    }
    for line in ["-v", "--version", "-v -L", "-vh"] {
        assert_eq!(read(line).unwrap(), Command::Version, "{line}");
    }
}

#[test]
fn option_of_every_title_may_be_given_once() {
    let is_repeatable = |spec: &&OptionSpec| matches!(spec.title, "sort" | "ipv6" | "within");
    for spec in OPTIONS.iter().filter(|spec| !is_repeatable(spec) && !spec.is_of_command_line()) {
        let value = match spec.option {
            OptionName::TcpService | OptionName::UdpService | OptionName::SctpService => {
                "=10.0.0.1:80"
            }
            OptionName::RealServer => "=10.0.0.2:80",
            OptionName::Netmask => "=255.255.255.0",
            OptionName::McastGroup => "=224.0.0.81",
            OptionName::TunType => "=gre",
            OptionName::Client => "=10.0.0.0/8",
            OptionName::State => "=NONE",
            OptionName::Origin => "=local",
            OptionName::CountBy => "=state",
            OptionName::By => "=service",
            OptionName::Digest => "=all",
            _ if spec.value == ValueSpec::Nothing => "",
            _ => "=5",
        };
        let line = format!("-L --{0}{value} --{0}{value}", spec.long);
        let expected = format!("multiple '{}' options specified", spec.title);
        assert_eq!(read(&line).expect_err(&line).to_string(), expected, "{line}");
    }
    all_are_refused([
        ("-D -t 10.0.0.1:80 -f 1", "multiple 'service-address' options specified"),
        ("-a -m -g", "multiple 'forwarding-method' options specified"),
        ("-L -X --exact", "multiple 'exact' options specified"),
    ]);
    list("-L --sort --sort -f 1 -6 -6");
    let scopes = ["10.0.0.0/8".parse().unwrap(), "fwmark:7".parse().unwrap()];
    let clear = read("-C --within 10.0.0.0/8 --within=fwmark:7").unwrap();
    assert_eq!(clear, Command::ClearWithin(scopes.to_vec()));
}

#[test]
fn numbers_have_a_range() {
    let server = "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -i";
    let daemon = "--start-daemon master";
    for (line, option, first, last, sentence) in [
        (server, "-w", 0, 2_147_483_647_u64, "illegal weight specified"),
        (server, "-x", 0, 2_147_483_647, "illegal u_threshold specified"),
        (server, "-x 2147483647 -y", 0, 2_147_483_647, "illegal l_threshold specified"),
        (server, "--tun-type gue --tun-port", 1, 65535, "illegal tunnel port specified"),
        ("-A -t 10.0.0.1:80", "-p", 1, 2_678_400, "invalid timeout value `"),
        ("-A", "-f", 1, 4_294_967_295, "invalid fwmark value `"),
        ("--set 1 2", "", 0, 2_678_400, "invalid timeout value `"),
        (daemon, "--syncid", 0, 255, "illegal syncid specified"),
        (daemon, "--sync-maxlen", 1, 65507, "illegal sync-maxlen specified"),
        (daemon, "--mcast-port", 1, 65535, "illegal mcast-port specified"),
        (daemon, "--mcast-ttl", 1, 255, "illegal mcast-ttl specified"),
    ] {
        change(&format!("{line} {option} {first}"));
        change(&format!("{line} {option} +00{last}"));
        let too_large = format!("{line} {option} {}", last + 1);
        let hexadecimal = format!("{line} {option} 0x10");
        let nothing_but_a_name = format!("{line} {option} many");
        let mut wrong = vec![too_large, nothing_but_a_name];
        // Only firewall marks may be hexadecimal.
        wrong.extend((option != "-f").then_some(hexadecimal));
        wrong.extend((first == 1).then(|| format!("{line} {option} 0")));
        all_are_refused(wrong.iter().map(|line| (line.as_str(), sentence)));
    }
}

#[test]
fn number_below_zero_is_a_value_but_for_those_that_need_none() {
    all_are_refused([
        ("-a -w -1", "illegal weight specified"),
        ("-A -t 10.0.0.1:-1", "illegal virtual server address[:port] specified"),
        ("-A -t 10.0.0.1:80 -p -1", "-1: unknown option"),
        ("--set -1 2 3", "-1: unknown option"),
    ]);
}

#[test]
fn timeouts_are_three_words_wherever_they_stand() {
    let timeouts = Change::SetTimeouts(Timeouts::new(1, 2, 3));
    for line in
        ["--set 1 2 3", "1 --set 2 3", "1 2 3 --set", "--set -- 1 2 3", "--set --sort 1 2 3"]
    {
        assert_eq!(change(line), timeouts, "{line}");
    }
    all_are_refused([
        ("--set", "--set option requires 3 timeout values"),
        ("--set 1 2 -n", "--set option requires 3 timeout values"),
        ("--set x 2 3 4", "invalid timeout value `x' specified"),
        ("--set x 2 3 -n", "invalid timeout value `x' specified"),
        ("--set 1 2 3 4", "unexpected argument 4"),
        ("--set 1 -n 2 3", "Illegal 'numeric' option with the 'set' command"),
    ]);
}

#[test]
fn service_has_defaults_and_an_edited_one_goes_back_to_them() {
    let address = "10.0.0.1".parse().unwrap();
    let key = ServiceKey::Address { protocol: Protocol::Tcp, address, port: 80 };
    assert_eq!(service("-A -t 10.0.0.1:80"), VirtualService::new(key));
    assert_eq!(service("-E -t 10.0.0.1:80"), VirtualService::new(key));
    assert_eq!(service("-A -t 10.0.0.1:80 -s= --pe="), VirtualService::new(key));
    assert_eq!(service("-A -t 10.0.0.1:80").scheduler.as_str(), "wlc");
}

#[test]
fn name_that_is_too_long_is_not_found() {
    all_are_refused([
        ("-A -t 10.0.0.1:80 -s abcdefghijklmnop", "Scheduler or persistence engine not found"),
        ("-A -t 10.0.0.1:80 --pe abcdefghijklmnop", "Scheduler or persistence engine not found"),
        ("--start-daemon master --mcast-interface abcdefghijklmnop", "No such device"),
    ]);
}

#[test]
fn scheduler_flags_are_those_of_the_scheduler_wherever_it_stands() {
    let flags = |line| service(line).scheduler_flags.get();
    assert_eq!(flags("-A -f 1 -b sh-port -s sh"), [false, true, false]);
    assert_eq!(flags("-A -f 1 -s mh -b mh-port,mh-fallback"), [true, true, false]);
    assert_eq!(flags("-A -f 1 -b flag-3,,flag-1,"), [true, false, true]);
    assert_eq!(flags("-A -f 1 -b="), [false; 3]);
    all_are_refused([
        ("-A -f 1 -b sh-port", "incompatible scheduler flag `sh-port'"),
        ("-A -f 1 -b flag-1,SH-PORT", "invalid scheduler flag `SH-PORT'"),
        ("-A -f 1 -b ,", "invalid scheduler flag `,'"),
    ]);
}

#[test]
fn service_on_all_ports_is_persistent_or_is_only_named() {
    for line in ["-A -t 10.0.0.1", "-A -u 10.0.0.1:0", "-E --sctp-service 2001:db8::1"] {
        all_are_refused([(line, "Zero port specified for non-persistent service")]);
        service(&format!("{line} -p"));
    }
    for line in ["-D -t 10.0.0.1", "-Z -t 10.0.0.1", "-a -t 10.0.0.1 -r 10.0.0.2"] {
        change(line);
    }
}

#[test]
fn one_packet_scheduling_is_for_udp_and_firewall_marks() {
    assert!(service("-A -o -u 10.0.0.1:53").one_packet);
    assert!(service("-A -f 1 -o").one_packet);
    for line in ["-A -t 10.0.0.1:53 -o", "-E --sctp-service 10.0.0.1:53 -o"] {
        all_are_refused([(line, "One-Packet Scheduling is only for UDP virtual services")]);
    }
}

#[test]
fn persistence_lasts_six_minutes_unless_said_otherwise() {
    let timeout = |line| service(line).persistence.unwrap().timeout();
    assert_eq!(timeout("-A -t 10.0.0.1:80 -p"), 360);
    assert_eq!(timeout("-A -p -t 10.0.0.1:80"), 360);
    assert_eq!(timeout("-A -t 10.0.0.1:80 -p300"), 300);
    all_are_refused([
        // The rest of its bundle is its value, as is the next word.
        ("-A -t 10.0.0.1:80 -ps rr", "invalid timeout value `s' specified"),
        ("-A -t 10.0.0.1:80 --persistent=", "invalid timeout value `' specified"),
        ("-A -t 10.0.0.1:80 -p 5 6", "unexpected argument 6"),
        ("-A -t 10.0.0.1:80 -p -- 300", "unexpected argument 300"),
    ]);
}

#[test]
fn mask_is_dotted_or_a_length_for_ipv4_and_a_length_for_ipv6() {
    let mask = |line: &str| service(line).persistence.unwrap().netmask().to_string();
    for (text, read) in [
        ("24", "255.255.255.0"),
        ("32", "255.255.255.255"),
        ("255.255.0.0", "255.255.0.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.0.255.0", "255.0.255.0"),
    ] {
        assert_eq!(mask(&format!("-A -t 10.0.0.1:80 -p -M {text}")), read);
    }
    assert_eq!(mask("-A -t [2001:db8::1]:80 -M 64 -p"), "64");
    assert_eq!(mask("-A -f 1 -6 -p -M 1"), "1");
    let four = "illegal virtual server persistent mask specified";
    for text in ["0", "33", "-1", "/24", "0xffffff00", "255.255.255", "bogus", "64x"] {
        all_are_refused([(format!("-A -t 10.0.0.1:80 -p -M {text}").as_str(), four)]);
    }
    for text in ["0", "129", "-1", "ffff::", "255.255.255.0"] {
        let line = format!("-A -t [2001:db8::1]:80 -p -M {text}");
        all_are_refused([(line.as_str(), "illegal ipv6 netmask specified")]);
    }
}

#[test]
fn mask_that_stands_before_an_ipv6_service_is_lost_and_one_without_persistence_unused() {
    for line in ["-A -M 24 -t [2001:db8::1]:80 -p", "-A -f 1 -p -M 24 -6"] {
        assert_eq!(service(line).persistence.unwrap().netmask(), Netmask::Ipv6(128), "{line}");
    }
    let unused = service("-A -t 10.0.0.1:80 -M 255.255.0.0");
    assert_eq!(unused.persistence, None);
    assert_eq!(unused.unused_netmask, Some(Netmask::Ipv4([255, 255, 0, 0].into())));
}

#[test]
fn ipv6_follows_a_firewall_mark_and_needs_not_be_next_to_it() {
    assert_eq!(service("-A -f 1 -s rr -6").key.family(), Family::Ipv6);
    let services = ListSubject::Services {
        service: Some(service("-A -f 7 -6").key),
        columns: ServiceColumns::Plain,
        is_sorted: true,
    };
    assert_eq!(list("-L -f 7 -6").subject, services);
    for line in ["-A -6 -f 1", "-A -t 10.0.0.1:80 -6", "-C -6", "-L -6"] {
        all_are_refused([(line, "-6 used before -f")]);
    }
}

#[test]
fn real_server_has_the_port_of_a_service_that_stands_before_it() {
    let port = |line| match change(line) {
        Change::AddServer(_, server) | Change::EditServer(_, server) => server.key.port,
        Change::DeleteServer(_, key) => key.port,
        other => panic!("{other:?}"),
    };
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2 -m"), 80);
    assert_eq!(port("-d -t 10.0.0.1:80 -r 10.0.0.2"), 80);
    assert_eq!(port("-a -r 10.0.0.2 -t 10.0.0.1:80 -m"), 0);
    assert_eq!(port("-d -r 10.0.0.2 -t 10.0.0.1:80"), 0);
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2:0 -m"), 0);
    assert_eq!(port("-a -f 1 -r 10.0.0.2"), 0);
}

#[test]
fn only_masquerading_firewall_marks_and_own_port_leave_a_real_server_its_port() {
    let port = |line| server(line).key.port;
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m"), 8080);
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g"), 80);
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -i"), 80);
    assert_eq!(port("-e -r 10.0.0.2:8080 -t 10.0.0.1:80"), 80);
    assert_eq!(port("-a -f 1 -r 10.0.0.2:8080"), 8080);
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g --own-port"), 8080);
    assert_eq!(port("-e --own-port -r 10.0.0.2:8080 -i -t 10.0.0.1:80"), 8080);
    assert_eq!(port("-a -t 10.0.0.1:80 -r 10.0.0.2 --own-port"), 80);
    let deleted = change("-d -t 10.0.0.1:80 -r 10.0.0.2:8080");
    assert!(matches!(deleted, Change::DeleteServer(_, RealServerKey { port: 8080, .. })));
}

#[test]
fn port_of_a_real_server_has_a_name_only_behind_the_service() {
    all_are_refused([
        (
            "-a -r 10.0.0.2:http -t 10.0.0.1:80",
            "illegal real server address[:port] specified (`http' is not a port number; a port name is read \
             only after the service's option)",
        ),
        ("-a -t 10.0.0.1:80 -r 10.0.0.2:HTTP", "illegal real server address[:port] specified"),
    ]);
}

#[test]
fn real_server_of_another_family_is_tunneled() {
    for service in ["-t 10.0.0.1:80", "-f 1"] {
        server(&format!("-a {service} -r [2001:db8::2]:80 -i"));
        let line = format!("-a {service} -r [2001:db8::2]:80 -m");
        let sentence = "Different address family is allowed only for tunneling servers";
        all_are_refused([(line.as_str(), sentence)]);
    }
    server("-a -f 1 -6 -r 10.0.0.2 -i");
    // Deleting asks the kernel.
    change("-d -t 10.0.0.1:80 -r [2001:db8::2]:80");
}

#[test]
fn real_server_has_defaults_and_an_edited_one_goes_back_to_them() {
    for line in ["-a -t 10.0.0.1:80 -r 10.0.0.2", "-e -t 10.0.0.1:80 -r 10.0.0.2"] {
        let key = RealServerKey { address: "10.0.0.2".parse().unwrap(), port: 80 };
        assert_eq!(server(line), RealServer::new(key), "{line}");
    }
}

#[test]
fn lower_threshold_is_not_above_the_upper_one() {
    server("-a -t 10.0.0.1:80 -r 10.0.0.2 -x 100 -y 100");
    for thresholds in ["-x 50 -y 100", "-y 1"] {
        let line = format!("-a -t 10.0.0.1:80 -r 10.0.0.2 {thresholds}");
        all_are_refused([(line.as_str(), "Numerical result out of range (the lower threshold")]);
    }
}

#[test]
fn tunnel_is_ip_in_ip_unless_said_otherwise_and_has_no_checksum() {
    use TunnelChecksum::{Full, None, Remote};

    let port = 6080;
    for (options, tunnel) in [
        ("", Tunnel::Ipip),
        ("--tun-type ipip", Tunnel::Ipip),
        ("--tun-type gue --tun-port 6080", Tunnel::Gue { port, checksum: None }),
        ("--tun-type gue --tun-port 6080 --tun-nocsum", Tunnel::Gue { port, checksum: None }),
        ("--tun-type gue --tun-port 6080 --tun-csum", Tunnel::Gue { port, checksum: Full }),
        ("--tun-type gue --tun-port 6080 --tun-remcsum", Tunnel::Gue { port, checksum: Remote }),
        ("--tun-type gre", Tunnel::Gre { checksum: None }),
        ("--tun-csum --tun-type gre", Tunnel::Gre { checksum: Full }),
    ] {
        let line = format!("-a -t 10.0.0.1:80 -r 10.0.0.2 {options} -i");
        assert_eq!(server(&line).forwarding, Forwarding::Tunneling(tunnel), "{line}");
    }
}

#[test]
fn tunnel_of_each_type_has_options_of_its_own() {
    for (options, sentence) in [
        ("--tun-port 5", "Illegal 'tun-port' option with the 'ipip' tunnel type"),
        ("--tun-csum --tun-port 5", "Illegal 'tun-port' option with the 'ipip' tunnel type"),
        ("--tun-nocsum", "Illegal 'tun-nocsum' option with the 'ipip' tunnel type"),
        ("--tun-csum", "Illegal 'tun-csum' option with the 'ipip' tunnel type"),
        ("--tun-remcsum", "Illegal 'tun-remcsum' option with the 'ipip' tunnel type"),
        ("--tun-type gue", "You need to supply the 'tun-port' option for the 'gue' tunnel type"),
        ("--tun-type gre --tun-port 5", "Illegal 'tun-port' option with the 'gre' tunnel type"),
        ("--tun-type gre --tun-remcsum", "Illegal 'tun-remcsum' option with the 'gre' tunnel type"),
        (
            "--tun-type gre --tun-remcsum --tun-nocsum",
            "Illegal 'tun-remcsum' option with the 'gre' tunnel type",
        ),
        (
            "--tun-type gre --tun-remcsum --tun-nocsum --tun-csum",
            "The option 'tun-csum' conflicts with the 'tun-nocsum' option in the 'gre' tunnel type",
        ),
        (
            "--tun-type gue --tun-port 5 --tun-nocsum --tun-remcsum",
            "The option 'tun-remcsum' conflicts with the 'tun-nocsum' option in the 'gue' tunnel type",
        ),
        (
            "--tun-type gue --tun-port 5 --tun-csum --tun-remcsum",
            "The option 'tun-remcsum' conflicts with the 'tun-csum' option in the 'gue' tunnel type",
        ),
        ("--tun-type GUE", "illegal tunnel type specified"),
    ] {
        let line = format!("-a -t 10.0.0.1:80 -r 10.0.0.2 -i {options}");
        all_are_refused([(line.as_str(), sentence)]);
    }
}

#[test]
fn daemon_talks_on_eth0_and_leaves_the_rest_to_the_kernel() {
    let expected = SyncDaemon::new(SyncRole::Backup, "eth0".parse().unwrap());
    assert_eq!(daemon("--start-daemon backup"), expected);
    assert_eq!(daemon("--start-daemon=backup"), expected);
    assert_eq!(change("--stop-daemon master --syncid 99"), Change::StopDaemon(SyncRole::Master));
    all_are_refused([
        ("--start-daemon master,backup", "illegal start-daemon parameter specified"),
        ("--start-daemon --syncid 1 master", "illegal start-daemon parameter specified"),
        ("--stop-daemon bogus", "illegal start_daemon specified"),
        ("--start-daemon master backup", "unexpected argument backup"),
        ("--syncid 1 --start-daemon master", "--syncid comes before a command"),
        ("--start-daemon", "--start-daemon: missing argument"),
    ]);
}

#[test]
fn multicast_group_is_a_multicast_address() {
    for text in ["224.0.0.0", "239.255.255.255", "ff02::81"] {
        let group = daemon(&format!("--start-daemon master --mcast-group {text}")).group;
        assert_eq!(group.unwrap().address(), text.parse::<IpAddr>().unwrap());
    }
    for (text, sentence) in [
        ("10.0.0.1", "invalid IPv4 mcast-group `10.0.0.1'"),
        ("localhost", "invalid IPv4 mcast-group `localhost'"),
        ("2001:db8::1", "invalid IPv6 mcast-group `2001:db8::1'"),
        ("[ff02::81]", "invalid IPv6 mcast-group `[ff02::81]'"),
    ] {
        all_are_refused([(
            format!("--start-daemon master --mcast-group {text}").as_str(),
            sentence,
        )]);
    }
}

#[test]
fn of_several_formats_the_first_in_a_fixed_order_is_listed() {
    let columns = |line: &str| match list(line).subject {
        ListSubject::Services { columns, .. } => columns,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(columns("-L"), ServiceColumns::Plain);
    assert_eq!(columns("-L --exact"), ServiceColumns::Plain);
    let all = "--tun-info --persistent-conn --thresholds --rate --stats";
    let mut words: Vec<&str> = all.split(' ').collect();
    for expected in [
        ServiceColumns::Stats { is_exact: false },
        ServiceColumns::Rate { is_exact: false },
        ServiceColumns::Thresholds,
        ServiceColumns::PersistentConnections,
        ServiceColumns::Tunnels,
    ] {
        assert_eq!(columns(&format!("-L {}", words.join(" "))), expected);
        words.pop();
    }
    assert_eq!(columns("-L --rate -X"), ServiceColumns::Rate { is_exact: true });
}

#[test]
fn listing_is_sorted_and_named_unless_said_otherwise() {
    let table = |is_numeric, is_sorted| List {
        subject: ListSubject::Services { service: None, columns: ServiceColumns::Plain, is_sorted },
        is_numeric,
        format: OutputFormat::Text,
        interval: None,
    };
    assert_eq!(list("-L"), table(false, true));
    assert_eq!(list("-ln --syncid 5"), table(true, true));
    assert_eq!(list("-L --nosort --sort"), table(false, false));
}

#[test]
fn command_without_a_service_is_for_all_of_them() {
    assert_eq!(change("-Z"), Change::Zero(None));
    assert_eq!(change("-C --sort"), Change::Flush);
    assert!(matches!(change("-Z -f 4294967295"), Change::Zero(Some(ServiceKey::Fwmark { .. }))));
}
