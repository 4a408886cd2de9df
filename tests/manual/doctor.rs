//! Each finding of the doctor has its test: an error is made and mended with real traffic and has a near miss, and the others are
//! shown by a state of a kernel.

use std::fs;

use ipvsadm::doctor::{CHECKS, Severity};

/// A code with the file and the function of its test, and the place of its near miss: a healthy set-up that differs from the
/// mistake in one thing, on which the doctor is quiet.
type Row = (&'static str, &'static str, &'static str, Option<NearMiss>);

/// A file, and a text beside an assertion of the file that the doctor is quiet.
type NearMiss = (&'static str, &'static str);

const fn error(
    code: &'static str,
    file: &'static str,
    function: &'static str,
    near_miss: NearMiss,
) -> Row {
    (code, file, function, Some(near_miss))
}

const fn state(code: &'static str, file: &'static str, function: &'static str) -> Row {
    (code, file, function, None)
}

const KERNEL: &str = "tests/kernel/doctor.rs";
const HEALTHY: &str = "tests/kernel/doctor_healthy.rs";
const MODULE: &str = "tests/kernel/doctor_module.rs";
const SET_UPS: &str = "tests/kernel/doctor_set_ups.rs";
const ROUTED: &str = "tests/kernel/doctor_routed.rs";
const STATES: &str = "tests/kernel/doctor_states.rs";
/// Recorded states, for a kernel that no test has.
const RECORDED: &str = "src/doctor/tests/director.rs";

const NAT: &str = "doctor_mends_a_director_with_nat";
const SERVERS: &str = "doctor_finds_silent_and_refusing_servers";
const DIRECT: &str = "doctor_mends_direct_routing_and_tunnels";
const NOTES: &str = "doctor_notes_what_many_sites_mean";
const WARNINGS: &str = "doctor_warns_of_traffic_that_will_be_lost";
const FILTERS: &str = "doctor_sees_filters_and_the_rules_that_set_marks";

/// All codes, in the order of the checks.
const TESTS: &[Row] = &[
    error(
        "LVS-KERNEL-01",
        MODULE,
        "doctor_mends_a_kernel_without_its_module",
        (MODULE, r#"title("note")"#),
    ),
    state("LVS-KERNEL-02", STATES, "doctor_warns_of_full_tables"),
    state("LVS-KERNEL-03", STATES, "doctor_warns_of_full_tables"),
    state("LVS-KERNEL-04", RECORDED, "kernel_is_judged_by_its_version_and_sizes"),
    state("LVS-KERNEL-05", STATES, NOTES),
    state("LVS-KERNEL-06", STATES, WARNINGS),
    state("LVS-KERNEL-07", STATES, "doctor_warns_of_rules_that_the_boot_cannot_load"),
    state("LVS-KERNEL-08", STATES, "doctor_says_what_it_could_not_see"),
    error("LVS-DIR-01", KERNEL, NAT, (HEALTHY, "forwarding on one interface")),
    error("LVS-DIR-02", KERNEL, NAT, (HEALTHY, "a local route instead of an address")),
    error("LVS-DIR-03", KERNEL, NAT, (HEALTHY, "the virtual address on a dummy that is down")),
    state("LVS-DIR-04", KERNEL, "doctor_finds_a_client_beside_its_server"),
    state("LVS-DIR-05", STATES, NOTES),
    error("LVS-DIR-06", KERNEL, NAT, (HEALTHY, "the virtual address on lo")),
    state("LVS-DIR-07", STATES, "doctor_warns_of_packets_that_the_kernel_drops"),
    state("LVS-DIR-08", KERNEL, FILTERS),
    error(
        "LVS-DIR-09",
        SET_UPS,
        "doctor_mends_addresses_of_ipv6",
        (SET_UPS, "the address on lo of its real server"),
    ),
    error(
        "LVS-NAT-01",
        KERNEL,
        "doctor_finds_a_client_beside_its_server",
        (KERNEL, "a client beside its server with a route"),
    ),
    error(
        "LVS-NAT-02",
        KERNEL,
        "doctor_finds_answers_that_take_another_way",
        (HEALTHY, "a route to the clients instead of a default route"),
    ),
    state("LVS-NAT-03", STATES, NOTES),
    error("LVS-DR-01", ROUTED, DIRECT, (ROUTED, "a tunnel to a server behind a router")),
    error("LVS-DR-02", ROUTED, DIRECT, (ROUTED, "a server with the virtual address")),
    state("LVS-DR-03", STATES, NOTES),
    state("LVS-DR-04", STATES, NOTES),
    error(
        "LVS-DR-05",
        KERNEL,
        "doctor_mends_a_director_that_is_a_real_server",
        (KERNEL, "a program that listens on all addresses"),
    ),
    error("LVS-SRV-01", KERNEL, SERVERS, (KERNEL, "a silent server without weight")),
    state("LVS-SRV-02", STATES, NOTES),
    error("LVS-SRV-03", KERNEL, SERVERS, (ROUTED, "listens on the virtual address alone")),
    error("LVS-SRV-04", KERNEL, SERVERS, (KERNEL, "drops another port")),
    state("LVS-SRV-05", STATES, "doctor_warns_of_a_server_that_does_not_keep_up"),
    error("LVS-SRV-06", KERNEL, NAT, (HEALTHY, "an unused interface of the servers' network")),
    state("LVS-TUN-01", STATES, NOTES),
    error(
        "LVS-TUN-02",
        SET_UPS,
        "doctor_mends_addresses_of_ipv6",
        (SET_UPS, "a tunnel from the director's own address"),
    ),
    error("LVS-ARP-01", ROUTED, DIRECT, (KERNEL, "a router's loopback")),
    error("LVS-ARP-02", ROUTED, DIRECT, (KERNEL, "a router's loopback")),
    error(
        "LVS-ARP-03",
        KERNEL,
        "doctor_mends_addresses_of_a_real_server",
        (KERNEL, "a router's loopback"),
    ),
    error("LVS-ARP-04", ROUTED, DIRECT, (ROUTED, "a server with the virtual address")),
    error("LVS-RS-01", ROUTED, DIRECT, (ROUTED, "a loose filter beside the tunnel")),
    error("LVS-RS-02", ROUTED, DIRECT, (ROUTED, "an unused tunnel that is down")),
    state("LVS-RS-03", STATES, NOTES),
    state("LVS-RS-04", STATES, "doctor_warns_of_packets_that_the_kernel_drops"),
    error("LVS-SVC-01", ROUTED, DIRECT, (HEALTHY, "a service of all ports")),
    error("LVS-SVC-02", KERNEL, NAT, (HEALTHY, "a drained server")),
    error("LVS-SVC-03", KERNEL, NAT, (HEALTHY, "a hash with its fallback")),
    state("LVS-SVC-04", STATES, WARNINGS),
    state("LVS-SVC-05", STATES, WARNINGS),
    state("LVS-SVC-06", STATES, WARNINGS),
    state("LVS-SVC-07", STATES, NOTES),
    error(
        "LVS-SVC-08",
        KERNEL,
        "doctor_mends_services_at_their_limits",
        (HEALTHY, "a server below its threshold"),
    ),
    error(
        "LVS-SVC-09",
        KERNEL,
        "doctor_mends_one_packet_scheduling_with_nat",
        (HEALTHY, "an unused service with one packet each"),
    ),
    state("LVS-SVC-10", STATES, NOTES),
    state("LVS-SVC-11", STATES, NOTES),
    state("LVS-SVC-12", KERNEL, FILTERS),
    state("LVS-SYNC-01", STATES, WARNINGS),
    state("LVS-SYNC-02", STATES, WARNINGS),
    state("LVS-SYNC-03", STATES, WARNINGS),
    state("LVS-SYNC-04", STATES, WARNINGS),
    state("LVS-SYNC-05", STATES, NOTES),
    error("LVS-SYNC-06", KERNEL, NAT, (HEALTHY, "a backup daemon on the active director")),
    state("LVS-SYNC-07", STATES, WARNINGS),
];

fn read(file: &str) -> String {
    fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The text of a function at the left margin.
fn body(file: &str, function: &str) -> String {
    let text = read(file);
    let (_, rest) = text
        .split_once(&format!("\nfn {function}() {{\n"))
        .unwrap_or_else(|| panic!("{file} has no test {function}"));
    rest.split_once("\n}\n").unwrap().0.to_owned()
}

#[test]
fn each_code_of_the_doctor_has_its_test() {
    let codes: Vec<&str> = TESTS.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, CHECKS.iter().map(|check| check.code).collect::<Vec<_>>());
    for (check, (code, file, function, near_miss)) in CHECKS.iter().zip(TESTS) {
        let body = body(file, function);
        assert!(body.contains(code), "{function} does not show {code}");
        assert_eq!(check.severity == Severity::Error, near_miss.is_some(), "{code}");
        if check.severity == Severity::Error {
            assert!(body.contains("mend") && file.starts_with("tests/kernel/"), "{code}");
        }
        if let Some((file, text)) = near_miss {
            assert!(read(file).contains(text), "{file} does not have {text:?} for {code}");
        }
    }
}

/// The labs run on a kernel by labs/run, and the sections of the cookbook by tests/kernel/pages.rs.
#[test]
fn doctor_is_quiet_on_twenty_healthy_set_ups() {
    let mut set_ups = 0;
    for lab in ["dr", "fwmark", "ha", "ipv6", "nat", "tun"] {
        let text = read(&format!("labs/{lab}.sh"));
        let healthy = text.lines().filter(|line| {
            let line = line.strip_prefix("service=192.0.2.100:80 ").unwrap_or(line);
            line.starts_with("healthy director")
        });
        let count = healthy.count();
        assert!(count > 0, "{lab}");
        set_ups += count;
    }
    set_ups += read("docs/cookbook.md").matches("\n## ").count();
    set_ups += read(HEALTHY).matches("is_healthy(&lab, \"").count();
    assert!(set_ups >= 20, "{set_ups}");
}
