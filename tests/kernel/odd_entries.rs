//! Entries that only other programs make, since ipvsadm has no option for them. Listings show them as 1.31 does,
//! together with all other entries. A save writes them as comments, and a restore can delete them and roll that back.

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::{Kernel, Key, Service, TCP, TUNNELING};

const RULES: &str = "-A -t 10.0.0.9:80 -s rr\n-a -t 10.0.0.9:80 -r 10.1.0.1:80 -m -w 1\n";

const LISTINGS: [&str; 9] = [
    "-L -n",
    "-L",
    "-L -n --nosort",
    "-L -n --stats",
    "-L -n --rate",
    "-L -n --thresholds",
    "-L -n --persistent-conn",
    "-L -n --tun-info",
    "-L --tun-info",
];

/// A service whose real server has a tunnel with these numbers.
fn tunneled(port: u16, (kind, tunnel_port, flags): (u8, u16, u16)) -> Service {
    let mut service = Service::new(TCP, "10.0.0.1", port).with("10.1.0.1", port);
    service.destinations[0].method = TUNNELING;
    service.destinations[0].tunnel_type = kind;
    service.destinations[0].tunnel_port = tunnel_port;
    service.destinations[0].tunnel_flags = flags;
    service
}

/// A namespace with an ordinary service and these services.
fn namespace_with(services: &[Service]) -> Kernel {
    fresh_namespace();
    let kernel = Kernel::open();
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
    for service in services {
        kernel.add(service);
    }
    kernel
}

fn services_of_protocols(numbers: &[u16]) -> Vec<Service> {
    let services = numbers.iter().flat_map(|&number| {
        [
            Service::new(number, "10.0.0.1", 80).with("10.1.0.1", 80),
            Service::new(number, "2001:db8::1", 80).with("2001:db8::2", 80),
        ]
    });
    services.collect()
}

/// Types and flags that 1.31 lists; with flags above 3 it reads past the end of its table and sometimes crashes.
const TUNNELS: [(u8, u16, u16); 6] =
    [(0, 7, 3), (1, 6080, 3), (2, 0, 2), (2, 7, 3), (3, 0, 0), (255, 9, 65535)];

const PROTOCOLS: [u16; 8] = [0, 1, 47, 58, 132, 255, 0x106, u16::MAX];

fn odd_services() -> Vec<Service> {
    let tunneled = (1..).zip(TUNNELS).map(|(port, tunnel)| tunneled(port, tunnel));
    tunneled.chain(services_of_protocols(&PROTOCOLS)).collect()
}

#[test]
fn they_are_listed_as_1_31_lists_them() {
    namespace_with(&odd_services());
    for line in LISTINGS {
        let listing = Program::ours().line(line);
        assert_eq!(listing.succeeded(), Program::reference().line(line).succeeded(), "{line}");
        assert!(listing.text().lines().any(|line| line.contains("10.0.0.9:")), "{line}");
    }
}

#[test]
fn flags_at_which_1_31_crashes_hide_no_other_entry() {
    namespace_with(&[tunneled(1, (1, 6080, 8))]);
    let listing = Program::ours().line("-L -n --tun-info");
    assert!(listing.succeeded().contains(" Tunnel  gue:6080:(null) "), "{}", listing.text());
    assert!(listing.text().contains("10.0.0.9:80"));
}

#[test]
fn they_are_in_json_with_their_numbers() {
    let mut bypass = Service::new(TCP, "10.0.0.1", 3).with("10.1.0.1", 3);
    bypass.destinations[0].method = 4;
    namespace_with(&[
        tunneled(1, (1, 6080, 3)),
        tunneled(2, (7, 9, 1)),
        bypass,
        Service::new(47, "10.0.0.1", 80),
    ]);
    let outcome = Program::ours().line("-L --json");
    let json: serde_json::Value = serde_json::from_str(outcome.succeeded()).unwrap();
    let services = &json["services"];
    let server = |place: usize| &services[place]["real_servers"][0];
    assert_eq!(
        server(0)["tunnel"],
        serde_json::json!({
            "type": "gue", "port": 6080, "checksum": "unknown", "checksum_number": 3
        })
    );
    assert_eq!(
        server(1)["tunnel"],
        serde_json::json!({ "type": "unknown", "type_number": 7, "port": 9, "checksum": "full" })
    );
    assert_eq!(server(2)["forwarding"], "bypass");
    assert_eq!(services[4]["protocol"], "unknown");
    assert_eq!(services[4]["protocol_number"], 47);
    assert_eq!(services[3].get("protocol_number"), None);
}

#[test]
fn a_save_names_entries_that_no_option_can_express() {
    for (service, named) in [
        (
            tunneled(1, (1, 6080, 3)),
            "-a -t 10.0.0.1:1 -r 10.1.0.1:1 -i -w 1 --tun-type gue --tun-port 6080 <tunnel flags number 3>",
        ),
        (tunneled(1, (2, 0, 2)), "--tun-type gre <remote checksum>"),
        (tunneled(1, (7, 9, 1)), "<tunnel type number 7>"),
        (Service::new(47, "10.0.0.1", 80), "-A <protocol number 47> 10.0.0.1:80 -s rr"),
    ] {
        namespace_with(&[service]);
        let outcome = Program::ours().line("-S -n");
        assert_eq!(outcome.code(), 1);
        assert!(outcome.complaint().contains(named), "{}", outcome.complaint());
        assert!(outcome.text().contains(RULES), "{}", outcome.text());
        // A single service can be saved, whatever other services there are.
        assert_eq!(Program::ours().line("-S -n -t 10.0.0.9:80").succeeded(), RULES);
    }
}

#[test]
fn a_restore_deletes_them_and_rolls_back_their_deletion() {
    let kernel = namespace_with(&odd_services());
    let before = kernel.rules();
    let failing =
        format!("{RULES}-A -t 10.0.0.2:80 -s rr\n--start-daemon master --mcast-interface nosuch\n");
    let outcome = Program::restore().feed::<&str>([], failing.as_bytes());
    assert!(outcome.refused(255).contains("the table is what it was"), "{}", outcome.complaint());
    let mut after = kernel.rules();
    // The rollback does not restore values that a type does not use: port and flags of IP in IP, and the port of GRE.
    for (service, before) in after.services.iter_mut().zip(&before.services) {
        if let Key::Address { protocol: TCP, port: 1 | 4, .. } = service.key {
            service.destinations[0].tunnel_port = before.destinations[0].tunnel_port;
            service.destinations[0].tunnel_flags = before.destinations[0].tunnel_flags;
        }
    }
    assert_eq!(after.to_string(), before.to_string());

    let diff = Program::restore().feed(["--diff"], RULES.as_bytes());
    assert_eq!(diff.code(), 1);
    assert!(diff.text().contains("\n# -D <protocol number 47> 10.0.0.1:80\n"), "{}", diff.text());
    Program::restore().feed::<&str>([], RULES.as_bytes()).succeeded();
    assert_eq!(Program::ours().line("-S -n").succeeded(), RULES);
}

#[test]
fn they_stay_when_a_restore_keeps_the_table() {
    let kernel = namespace_with(&odd_services());
    let before = kernel.rules();
    Program::restore().feed(["--noflush"], RULES.as_bytes()).succeeded();
    assert_eq!(kernel.rules().to_string(), before.to_string());
}
