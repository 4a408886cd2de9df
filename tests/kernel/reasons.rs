//! The reason behind 1.31's sentence for each cause, which the test makes on a real kernel.

use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use crate::network::{fresh_namespace, ip};
use crate::program::Program;

const INVALID: &str = "Invalid operation.  Possibly wrong module version, address not unicast, ...";

/// The message of a command line that is refused with 255.
fn refusal(line: &str) -> String {
    Program::ours().line(line).refused(255).to_owned()
}

fn ours(line: &str) {
    Program::ours().line(line).succeeded();
}

#[test]
fn real_server_of_another_family_beside_a_sync_daemon_names_the_daemon() {
    fresh_namespace();
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("--start-daemon backup --mcast-interface lo");
    assert_eq!(
        refusal("-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i"),
        format!(
            "{INVALID} (the sync daemon backup runs, so a real server needs the IP version of its service; \
             --stop-daemon backup ends it)"
        )
    );
    let outcome =
        Program::restore().feed(["--noflush"], b"-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i\n");
    let said = outcome.refused(255);
    assert!(said.starts_with(INVALID) && said.contains("the sync daemon backup runs"), "{said}");
    ours("--stop-daemon backup");
    // The rules of one file exclude each other.
    let rules =
        b"--start-daemon backup --mcast-interface lo\n-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i\n";
    let outcome = Program::restore().feed(["--noflush"], rules);
    let said = outcome.refused(255);
    assert!(
        said.starts_with(INVALID)
            && said.contains("the rules start the sync daemon backup and add [2001:db8::2]:80"),
        "{said}"
    );
}

#[test]
fn sync_daemon_beside_a_real_server_of_another_family_names_the_server() {
    fresh_namespace();
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i");
    assert_eq!(
        refusal("--start-daemon backup --mcast-interface lo"),
        format!(
            "{INVALID} ([2001:db8::2]:80 of tcp 10.0.0.1:80 has another IP version than its service: \
             no sync daemon starts while there is such a real server)"
        )
    );
}

#[test]
fn namespace_without_an_address_is_named_with_the_command_that_gives_one() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ours("-A -t 10.0.0.1:80 -s rr");
    let said = refusal("-a -t 10.0.0.1:80 -r 10.0.0.2 -m");
    assert!(said.starts_with(INVALID), "{said}");
    assert!(said.contains("has no IPv4 address") && said.contains("ip link set lo up"), "{said}");
}

#[test]
fn address_that_is_not_unicast_is_named_with_its_kind() {
    fresh_namespace();
    ip("link add dummy0 type dummy");
    ip("address add 192.0.2.1/24 broadcast + dev dummy0");
    ip("link set dummy0 up");
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("-A -t [2001:db8::1]:80 -s rr");
    for (service, server, kind) in [
        ("10.0.0.1:80", "192.0.2.255", "192.0.2.255 is a broadcast address of dummy0;"),
        ("10.0.0.1:80", "224.0.0.5", "224.0.0.5 is a multicast address;"),
        ("10.0.0.1:80", "255.255.255.255", "255.255.255.255 is the broadcast address;"),
        ("10.0.0.1:80", "0.0.0.0", "0.0.0.0 is the unspecified address;"),
        ("[2001:db8::1]:80", "[fe80::5]:80", "fe80::5 is link-local, "),
        ("[2001:db8::1]:80", "[ff02::5]:80", "ff02::5 is a multicast address;"),
        ("[2001:db8::1]:80", "[::]:80", ":: is the unspecified address;"),
    ] {
        let said = refusal(&format!("-a -t {service} -r {server} -m"));
        assert!(said.starts_with(&format!("{INVALID} ({kind}")), "{server}: {said}");
        assert!(said.ends_with("a real server needs a unicast address)"), "{server}: {said}");
    }
}

#[test]
fn interface_that_nobody_typed_is_named_as_the_default() {
    fresh_namespace();
    for (words, reason) in [
        ("", "eth0, the default: --mcast-interface names another; here are lo"),
        (" --mcast-interface bond7", "bond7; here are lo"),
    ] {
        let said = refusal(&format!("--start-daemon master{words}"));
        // Tunnel modules that other tests load add interfaces to each namespace.
        assert!(said.starts_with(&format!("No such device ({reason}")), "{said}");
    }
}

#[test]
fn unknown_scheduler_or_engine_is_named_with_the_one_that_was_meant() {
    fresh_namespace();
    let sentence = "Scheduler or persistence engine not found";
    for (words, reason) in [
        ("-s WRR", "scheduler WRR: names are lower case, did you mean wrr?"),
        ("-s wwr", "scheduler wwr: did you mean wrr?"),
        ("-s rr -p --pe spi", "persistence engine spi: did you mean sip?"),
    ] {
        let said = refusal(&format!("-A -u 10.0.0.1:80 {words}"));
        assert_eq!(said, format!("{sentence} ({reason})"));
    }
    let said = refusal("-A -t 10.0.0.1:80 -s roundrobin");
    assert!(said.contains("(scheduler roundrobin: the kernel has rr, wrr, lc, wlc,"), "{said}");
}

#[test]
fn entry_that_exists_is_named_with_the_command_that_edits_it() {
    fresh_namespace();
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m");
    assert_eq!(
        refusal("-A -t 10.0.0.1:80 -s wrr"),
        "Service already exists (tcp 10.0.0.1:80; -E edits it)"
    );
    assert_eq!(
        refusal("-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m"),
        "Destination already exists (10.0.0.2:80 of tcp 10.0.0.1:80; -e edits it)"
    );
}

#[test]
fn missing_entry_is_named_with_those_that_may_be_meant() {
    fresh_namespace();
    ours("-A -u 10.0.0.9:80 -s rr");
    ours("-A -t [2001:db8::5]:80 -s rr");
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m");
    for (line, said) in [
        ("-D -t 10.0.0.9:80", "No such service (tcp 10.0.0.9:80; there is udp 10.0.0.9:80)"),
        ("-E -t 10.0.0.1:81", "No such service (tcp 10.0.0.1:81; there is tcp 10.0.0.1:80)"),
        ("-D -t 10.0.0.7:80", "No such service (tcp 10.0.0.7:80)"),
        (
            "-D -t 2001:db8::5:80",
            "No such service (tcp [2001:db8::5:80]:0; there is tcp [2001:db8::5]:80)",
        ),
        (
            "-a -t 10.0.0.9:80 -r 10.0.0.2 -m",
            "Service not defined (tcp 10.0.0.9:80; there is udp 10.0.0.9:80)",
        ),
        (
            "-d -t 10.0.0.1:80 -r 10.0.0.2:80",
            "No such destination (10.0.0.2:80 of tcp 10.0.0.1:80; there is 10.0.0.2:8080)",
        ),
        (
            "-e -t 10.0.0.1:80 -r 10.0.0.3:80 -m",
            "No such destination (10.0.0.3:80 of tcp 10.0.0.1:80)",
        ),
    ] {
        assert_eq!(refusal(line), said, "{line}");
    }
}

#[test]
fn root_without_the_capability_learns_which_one_is_needed() {
    fresh_namespace();
    let sentence = "Can't initialize ipvs: Permission denied (you must be root)";
    for (launcher, reason) in [
        (&["setpriv", "--bounding-set=-net_admin"][..], "docker run --cap-add NET_ADMIN gives it"),
        (&["unshare", "--user", "--map-root-user"][..], "a rootless container cannot have it"),
    ] {
        let [program, arguments @ ..] = launcher else { panic!() };
        let output = Command::new(program)
            .args(arguments)
            .arg(Program::ours().name())
            .args(["-A", "-t", "10.0.0.1:80"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with(&format!("{sentence} (CAP_NET_ADMIN in the initial ")), "{said}");
        assert!(said.ends_with(&format!("{reason})\n")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}

#[test]
fn line_that_a_later_line_of_the_input_mends_gets_no_reason() {
    fresh_namespace();
    let outcome = Program::ours().feed(["-R"], b"-D -t 10.0.0.1:80\n-A -t 10.0.0.1:80 -s rr\n");
    assert_eq!(outcome.refused(255), "No such service (line 1)");
}
