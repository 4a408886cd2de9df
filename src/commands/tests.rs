//! Every listing and every save over a small table of the model of the kernel, compared with its text.

use ipvs::procfs::Connections;
use ipvs::state::Order;
use ipvs::{Client, Request};
use ipvs_rules::{
    Command, ConnectionColumns, List, ListSubject, OutputFormat, Save, SaveForm, ServiceColumns,
    parse_numeric_line,
};
use ipvs_test::kernel::{Counters, Kernel, Socket};
use ipvs_test::values;
use proptest::prelude::*;

use super::list_connections::{ConnectionsListing, Entries, list_entries};
use super::list_services::{ServicesListing, list_all};
use super::{Error, Session, list, save};
use crate::output::Buffered;
use crate::resolve::Resolver;
use crate::rules_file::RuleFile;

const TABLE: &str = "\
-A -t 10.0.0.1:80 -s wrr -p 300 -M 24
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 5
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i --tun-type gue --tun-port 6080 -x 100 -y 50
-A -f 7 -6 -s rr
--set 900 120 300
--start-daemon master --mcast-interface lo --syncid 5";

/// A session with the table, in which service and server have counters.
fn session() -> Session<Socket> {
    let kernel = Kernel::new();
    let mut client = Client::new(kernel.socket()).unwrap();
    for line in TABLE.lines() {
        let Some(Command::Request(Request::Change(change))) =
            parse_numeric_line(line.as_bytes()).unwrap()
        else {
            panic!("{line} is not a change");
        };
        client.apply(&change).unwrap();
    }
    let mut state = kernel.state();
    let service = state.services.iter_mut().find(|service| service.key.mark == 0).unwrap();
    service.counters = Counters([3, 40, 500, 6_000, 150_000_000, 1, 2, 3, 4, 5]);
    for server in &mut service.servers {
        server.connections = [1, 22, 3];
        server.counters = Counters([1, 20, 250, 3_000, 75_000_000, 0, 1, 1, 2, 2]);
    }
    drop(state);
    Session::with_client(client)
}

fn printed(print: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Asserts that a document has the form of a schema in docs/schema.
fn assert_valid(document: &str, schema: &str) {
    let path = format!("{}/docs/schema/{schema}.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let document = serde_json::from_str(document).unwrap();
    jsonschema::validate(&schema, &document).unwrap();
}

fn listed(line: &str) -> String {
    let Some(Command::List(listing)) = parse_numeric_line(line.as_bytes()).unwrap() else {
        panic!("{line} is not a listing");
    };
    if let List {
        subject:
            ListSubject::Services { service: None, columns: columns @ ServiceColumns::Plain, .. },
        format: format @ OutputFormat::Text,
        ..
    } = listing
    {
        // The plain listing of all services reads /proc where there is a kernel.
        let order = Order::Sorted;
        let listing = ServicesListing { service: None, columns, order, is_numeric: true, format };
        return printed(|out| {
            let mut out = Buffered::new(out);
            list_all(&listing, &mut session(), &mut out)?;
            out.finish().map_err(Error::Output)
        });
    }
    printed(|out| list(&listing, &mut session(), out))
}

#[test]
fn services_are_listed_with_each_choice_of_columns() {
    const FIRST: &str = "IP Virtual Server version 1.2.1 (size=4096)\n";
    for (line, expected) in [
        (
            "-Ln",
            "Prot LocalAddress:Port Scheduler Flags\n\
             \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n\
             TCP  10.0.0.1:80 wrr persistent 300 mask 255.255.255.0\n\
             \x20 -> 10.1.0.1:80                  Tunnel  1      1          22        \n\
             \x20 -> 10.1.0.2:8080                Masq    5      1          22        \n\
             FWM  7 IPv6 rr\n",
        ),
        (
            "-Ln --stats",
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n\
             \x20 -> RemoteAddress:Port\n\
             TCP  10.0.0.1:80                         3       40      500     6000  150000K\n\
             \x20 -> 10.1.0.1:80                         1       20      250     3000 75000000\n\
             \x20 -> 10.1.0.2:8080                       1       20      250     3000 75000000\n\
             FWM  7 IPv6                              0        0        0        0        0\n",
        ),
        (
            "-Ln --rate",
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n\
             \x20 -> RemoteAddress:Port\n\
             TCP  10.0.0.1:80                         1        2        3        4        5\n\
             \x20 -> 10.1.0.1:80                         0        1        1        2        2\n\
             \x20 -> 10.1.0.2:8080                       0        1        1        2        2\n\
             FWM  7 IPv6                              0        0        0        0        0\n",
        ),
        (
            "-Ln --thresholds",
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n\
             \x20 -> RemoteAddress:Port\n\
             TCP  10.0.0.1:80 wrr persistent 300 mask 255.255.255.0\n\
             \x20 -> 10.1.0.1:80                  100        50         1          22        \n\
             \x20 -> 10.1.0.2:8080                0          0          1          22        \n\
             FWM  7 IPv6 rr\n",
        ),
        (
            "-Ln --persistent-conn",
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n\
             \x20 -> RemoteAddress:Port\n\
             TCP  10.0.0.1:80 wrr persistent 300 mask 255.255.255.0\n\
             \x20 -> 10.1.0.1:80                  1         3           1          22        \n\
             \x20 -> 10.1.0.2:8080                5         3           1          22        \n\
             FWM  7 IPv6 rr\n",
        ),
        (
            "-Ln --tun-info",
            "Prot LocalAddress:Port Scheduler Flags\n\
             \x20 -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n\
             TCP  10.0.0.1:80 wrr persistent 300 mask 255.255.255.0\n\
             \x20 -> 10.1.0.1:80                  Tunnel  gue:6080:-c   1      1          22        \n\
             \x20 -> 10.1.0.2:8080                Masq    n/a           5      1          22        \n\
             FWM  7 IPv6 rr\n",
        ),
    ] {
        assert_eq!(listed(line), format!("{FIRST}{expected}"), "{line}");
    }
}

#[test]
fn listing_of_one_service_lacks_the_first_line() {
    assert_eq!(
        listed("-Ln -f 7 -6"),
        "Prot LocalAddress:Port Scheduler Flags\n\
         \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n\
         FWM  7 IPv6 rr\n"
    );
    let Some(Command::List(missing)) = parse_numeric_line(b"-Ln -f 8").unwrap() else { panic!() };
    let mut out = Vec::new();
    let error = list(&missing, &mut session(), &mut out).unwrap_err();
    assert_eq!((error.to_string().as_str(), out.as_slice()), ("No such service", &b""[..]));
}

#[test]
fn services_are_listed_as_json() {
    let text = listed("-L --json");
    assert_valid(&text, "services");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"schema":1,"version":"1.2.1","connection_table_size":4096,"services":["#
    );
    assert_eq!(
        lines[1],
        [
            r#"{"protocol":"tcp","address":"10.0.0.1","port":80,"scheduler":"wrr","#,
            r#""scheduler_flags":[],"persistence":{"timeout":300,"netmask":"255.255.255.0"},"#,
            r#""persistence_engine":null,"one_packet":false,"counters":{"connections":3,"#,
            r#""incoming_packets":40,"outgoing_packets":500,"incoming_bytes":6000,"#,
            r#""outgoing_bytes":150000000},"rates":{"connections":1,"incoming_packets":2,"#,
            r#""outgoing_packets":3,"incoming_bytes":4,"outgoing_bytes":5},"real_servers":["#,
            r#"{"address":"10.1.0.1","port":80,"forwarding":"tunneling","tunnel":{"type":"gue","#,
            r#""port":6080,"checksum":"none"},"weight":1,"upper_threshold":100,"#,
            r#""lower_threshold":50,"active_connections":1,"inactive_connections":22,"#,
            r#""persistent_connections":3,"counters":{"connections":1,"incoming_packets":20,"#,
            r#""outgoing_packets":250,"incoming_bytes":3000,"outgoing_bytes":75000000},"#,
            r#""rates":{"connections":0,"incoming_packets":1,"outgoing_packets":1,"#,
            r#""incoming_bytes":2,"outgoing_bytes":2}},"#,
            r#"{"address":"10.1.0.2","port":8080,"forwarding":"masquerading","weight":5,"#,
            r#""upper_threshold":0,"lower_threshold":0,"active_connections":1,"#,
            r#""inactive_connections":22,"persistent_connections":3,"counters":{"connections":1,"#,
            r#""incoming_packets":20,"outgoing_packets":250,"incoming_bytes":3000,"#,
            r#""outgoing_bytes":75000000},"rates":{"connections":0,"incoming_packets":1,"#,
            r#""outgoing_packets":1,"incoming_bytes":2,"outgoing_bytes":2}}]},"#,
        ]
        .concat()
    );
    assert!(lines[2].starts_with(r#"{"fwmark":7,"family":"ipv6","scheduler":"rr","#), "{text}");
    assert_eq!((lines[3], lines.len()), ("]}", 4));
    let snapshot: ipvs::Snapshot = serde_json::from_str(&text).unwrap();
    let read = ipvs::Snapshot::read(session().client().unwrap()).unwrap();
    assert_eq!((snapshot.info, snapshot.services), (read.info, read.services));
}

#[test]
fn timeouts_and_daemons_are_listed() {
    assert_eq!(listed("-L --timeout"), "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert_valid(&listed("-L --timeout --json"), "timeouts");
    assert_eq!(listed("-L --timeout --json"), "{\"tcp\":900,\"tcp_fin\":120,\"udp\":300}\n");
    let daemon = listed("-L --daemon");
    let start = "master sync daemon (mcast=lo, syncid=5, maxlen=";
    assert!(daemon.starts_with(start) && daemon.ends_with(")\n"), "{daemon}");
    let json = listed("-L --daemon --json");
    assert_valid(&json, "daemons");
    let start = "{\"daemons\":[\n{\"role\":\"master\",\"interface\":\"lo\",\"sync_id\":5,";
    assert!(json.starts_with(start) && json.ends_with("}\n]}\n"), "{json}");
}

#[test]
fn connections_are_listed() {
    let file = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000009 9C43 0A000001 0050 0A010001 0050 ESTABLISHED     899
IP  0A000000 0000 00000007 0000 0A010002 0000 NONE            300
";
    let shown = |columns, format| {
        let connections = Connections::from_reader(file.as_bytes());
        let listing = ConnectionsListing { columns, is_numeric: true, format };
        printed(|out| {
            let mut out = Buffered::new(out);
            let entries = Entries { connections, service: None };
            list_entries(listing, entries, &mut Resolver::new(), &mut out)?;
            out.finish().map_err(Error::Output)
        })
    };
    assert_eq!(
        shown(ConnectionColumns::Plain, OutputFormat::Text),
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination\n\
         TCP 14:59  ESTABLISHED 10.0.0.9:40003     10.0.0.1:80        10.1.0.1:80\n\
         IP  05:00  NONE        10.0.0.0:0         0.0.0.7:0          10.1.0.2:0\n"
    );
    assert_valid(&shown(ConnectionColumns::Plain, OutputFormat::Json), "connections");
    assert_eq!(
        shown(ConnectionColumns::Plain, OutputFormat::Json),
        [
            "{\"connections\":[\n",
            r#"{"protocol":"tcp","client":{"address":"10.0.0.9","port":40003},"#,
            r#""service":{"address":"10.0.0.1","port":80},"#,
            r#""real_server":{"address":"10.1.0.1","port":80},"state":"ESTABLISHED","#,
            "\"expires\":899},\n",
            r#"{"protocol":"ip","client":{"address":"10.0.0.0","port":0},"#,
            r#""service":{"fwmark":7},"real_server":{"address":"10.1.0.2","port":0},"#,
            "\"state\":\"NONE\",\"expires\":300}\n]}\n",
        ]
        .concat()
    );
}

#[test]
fn table_is_saved_as_lines_that_make_it_again() {
    const RULES: &str = "\
-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum -x 100 -y 50
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 5
-A -f 7 -6 -s rr
";
    let numeric = Save { is_numeric: true, ..Save::default() };
    assert_eq!(printed(|out| save(&numeric, &mut session(), out)), RULES);
    let all = Save { with_settings: true, ..numeric };
    let text = printed(|out| save(&all, &mut session(), out));
    let settings = text.strip_prefix(RULES).unwrap();
    let start = "--set 900 120 300\n--start-daemon master --mcast-interface lo --syncid 5 ";
    assert!(settings.starts_with(start), "{settings}");
}

#[test]
fn table_is_saved_into_a_file_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    let wanted = Save {
        is_numeric: true,
        service: Some("fwmark 7 ipv6".parse().unwrap()),
        file: Some(path.clone()),
        ..Save::default()
    };
    assert_eq!(printed(|out| save(&wanted, &mut session(), out)), "");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "-A -f 7 -6 -s rr\n");
}

/// The table of a session as a document.
fn document(session: &mut Session<Socket>, with_settings: bool) -> String {
    let form = SaveForm::Json;
    let json = Save { form, is_numeric: true, with_settings, ..Save::default() };
    let text = printed(|out| save(&json, session, out));
    assert_valid(&text, "rules");
    text
}

/// A session with a new table that has the rules of a document.
fn restored(document: &str) -> Session<Socket> {
    let file = RuleFile::read(document.as_bytes(), &mut Resolver::new());
    assert!(file.bad_rules.is_empty(), "{:?}", file.bad_rules);
    let mut client = Client::new(Kernel::new().socket()).unwrap();
    for rule in &file.rules {
        let Request::Change(change) = &rule.request else { panic!("{rule:?}") };
        client.apply(change).unwrap();
    }
    Session::with_client(client)
}

#[test]
fn table_is_saved_as_a_document() {
    let text = document(&mut session(), true);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"schema":1,"services":["#);
    assert_eq!(
        lines[1],
        [
            r#"{"protocol":"tcp","address":"10.0.0.1","port":80,"scheduler":"wrr","#,
            r#""scheduler_flags":[],"persistence":{"timeout":300,"netmask":"255.255.255.0"},"#,
            r#""persistence_engine":null,"one_packet":false,"real_servers":["#,
            r#"{"address":"10.1.0.1","port":80,"forwarding":"tunneling","tunnel":{"type":"gue","#,
            r#""port":6080,"checksum":"none"},"weight":1,"upper_threshold":100,"#,
            r#""lower_threshold":50},"#,
            r#"{"address":"10.1.0.2","port":8080,"forwarding":"masquerading","weight":5,"#,
            r#""upper_threshold":0,"lower_threshold":0}]},"#,
        ]
        .concat()
    );
    assert_eq!(lines[3], r#"],"timeouts":{"tcp":900,"tcp_fin":120,"udp":300},"daemons":["#);
    assert!(lines[4].starts_with(r#"{"role":"master","interface":"lo","sync_id":5,"#), "{text}");
    assert_eq!((lines[5], lines.len()), ("]}", 6));
    assert_eq!(document(&mut restored(&text), true), text);
}

#[test]
fn listing_is_a_document_that_a_restore_reads() {
    let listing = listed("-L --json");
    let rules = document(&mut session(), false);
    assert_eq!(document(&mut restored(&listing), false), rules);
    assert!(listed("-L --json -f 7 -6").starts_with("{\"schema\":1,\"partial\":[\"services\"],"));
}

#[test]
fn part_of_the_table_is_saved_as_partial() {
    const START: &str = "{\"schema\":1,\"partial\":[\n\"services\"\n],\"services\":[\n";
    let start = |part: Save| {
        let save_part = Save { form: SaveForm::Json, is_numeric: true, ..part };
        printed(|out| save(&save_part, &mut session(), out))
    };
    let service = Some("fwmark 7 ipv6".parse().unwrap());
    let one = start(Save { service, ..Save::default() });
    assert!(one.starts_with(START), "{one}");
    let scopes = vec!["fwmark:7".parse().unwrap()];
    let scope = start(Save { scopes, ..Save::default() });
    assert!(scope.starts_with(START), "{scope}");
    assert_eq!(one.lines().skip(1).collect::<Vec<_>>(), scope.lines().skip(1).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(values::cases(200))]

    #[test]
    fn document_of_any_table_is_read_and_written_again_as_the_same_bytes(
        history in values::history(0..40),
    ) {
        let mut client = Client::new(Kernel::new().socket()).unwrap();
        for change in &history {
            // The kernel refuses some of them.
            let _ = client.apply(change);
        }
        let text = document(&mut Session::with_client(client), true);
        prop_assert_eq!(document(&mut restored(&text), true), text);
    }
}
