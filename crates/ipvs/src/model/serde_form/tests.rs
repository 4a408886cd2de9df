//! Values keep their meaning on the way to JSON and back.

use proptest::prelude::*;
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

use super::*;
use crate::model::{
    Change, Connection, ConnectionProtocol, ConnectionState, ConnectionTarget, EngineData,
    RealServer, RealServerState, ServiceKey, ServiceState, ServiceWithServers, VirtualService,
};
use ipvs::values;

fn counted() -> (Counters, Rates) {
    let counters = Counters { connections: u64::MAX, incoming_packets: 1, ..Counters::default() };
    (counters, Rates { outgoing_bytes: 5, ..Rates::default() })
}

pub(crate) fn service_state(service: VirtualService) -> ServiceState {
    let (counters, rates) = counted();
    let service = VirtualService { unused_netmask: None, ..service };
    ServiceState { service, counters, rates, unknown_attributes: Vec::new() }
}

pub(crate) fn server_state(server: RealServer) -> RealServerState {
    let (counters, rates) = counted();
    RealServerState {
        server,
        active_connections: 1,
        inactive_connections: 2,
        persistent_connections: 3,
        counters,
        rates,
        unknown_attributes: Vec::new(),
    }
}

#[test]
fn connection_is_read_back_with_its_engine_and_its_origin() {
    let ends = ["10.0.0.9:0", "10.1.0.1:80"].map(|end| end.parse().unwrap());
    let mut connection = Connection::new(
        ConnectionProtocol::Udp,
        ends,
        ConnectionTarget::Address("10.0.0.1:5060".parse().unwrap()),
        ConnectionState::from_name("NEW_STATE"),
        54,
    );
    let plain = json!({
        "protocol": "udp",
        "client": {"address": "10.0.0.9", "port": 0},
        "service": {"address": "10.0.0.1", "port": 5060},
        "real_server": {"address": "10.1.0.1", "port": 80},
        "state": "NEW_STATE",
        "expires": 54,
    });
    assert_eq!(to_value(&connection).unwrap(), plain);
    assert_eq!(from_value::<Connection>(plain).unwrap(), connection);
    let engine = EngineData { engine: "sip".into(), data: b"1@host".into() };
    connection.engine = Some(Box::new(engine));
    connection.origin = Some(ConnectionOrigin::Synced);
    connection.target = ConnectionTarget::Fwmark(7);
    let value = to_value(&connection).unwrap();
    assert_eq!(value["service"], json!({"fwmark": 7}));
    assert_eq!(value["origin"], "synced");
    assert_eq!(from_value::<Connection>(value).unwrap(), connection);
}

#[test]
fn value_that_makes_no_sense_is_refused() {
    let daemon = json!({
        "role": "master", "interface": "eth0", "sync_id": 1, "sync_maxlen": null,
        "group": "10.0.0.1", "port": null, "ttl": null,
    });
    let error = from_value::<SyncDaemon>(daemon).unwrap_err();
    assert_eq!(error.to_string(), "10.0.0.1 is not a multicast address");
    let server: Value = json!({
        "address": "10.0.0.1", "port": 80, "forwarding": "unknown", "forwarding_number": 1,
        "weight": 1, "upper_threshold": 0, "lower_threshold": 0,
    });
    assert!(from_value::<RealServer>(server).is_err());
    for netmask in ["/x", "255.255", "64"] {
        assert!(from_value::<Netmask>(json!(netmask)).is_err(), "{netmask}");
    }
    assert!(from_value::<Version>(json!("1.2")).is_err());
}

proptest! {
    #![proptest_config(values::cases(300))]

    #[test]
    fn entries_are_read_back_as_they_were_written(change in values::reported_change()) {
        match change {
            Change::AddService(service) | Change::EditService(service) => {
                let state = service_state(service);
                prop_assert_eq!(from_str::<ServiceState>(&to_string(&state)?)?, state);
            }
            Change::AddServer(key, server) | Change::EditServer(key, server) => {
                let state = server_state(server);
                prop_assert_eq!(from_str::<RealServerState>(&to_string(&state)?)?, state);
                prop_assert_eq!(from_value::<ServiceKey>(to_value(key)?)?, key);
            }
            Change::SetTimeouts(timeouts) => {
                prop_assert_eq!(from_str::<Timeouts>(&to_string(&timeouts)?)?, timeouts);
            }
            Change::StartDaemon(daemon) => {
                prop_assert_eq!(from_str::<SyncDaemon>(&to_string(&daemon)?)?, daemon);
            }
            _ => {}
        }
    }
}

/// A service with two real servers whose keys and settings are random.
fn service_with_servers() -> impl Strategy<Value = ServiceWithServers> {
    let servers = proptest::collection::vec(values::real_server(), 0..3);
    (values::virtual_service(), servers).prop_map(|(service, servers)| {
        let service = VirtualService { unused_netmask: None, ..service };
        let servers = servers.into_iter().map(|(_, server)| server).collect();
        ServiceWithServers::new(service, servers)
    })
}

proptest! {
    #![proptest_config(values::cases(300))]

    #[test]
    fn service_with_servers_is_read_back_and_written_again(rules in service_with_servers()) {
        let text = to_string(&rules)?;
        let read: ServiceWithServers = from_str(&text)?;
        prop_assert_eq!(&read, &rules);
        prop_assert_eq!(to_string(&read)?, text);
    }
}

#[test]
fn omitted_members_have_the_values_of_new_entries_and_readings_are_skipped() {
    let server = json!({ "address": "10.1.0.1", "port": 80, "counters": { "any": [1.5] } });
    let mark = json!({ "fwmark": 7, "rates": null, "real_servers": [server] });
    let read: ServiceWithServers = from_str(&mark.to_string()).unwrap();
    let server = RealServer::new("10.1.0.1:80".parse().unwrap());
    let service = VirtualService::new("fwmark 7".parse().unwrap());
    assert_eq!(read, ServiceWithServers::new(service, vec![server]));
}

#[test]
fn member_that_is_unknown_twice_or_in_the_wrong_place_is_refused() {
    let service = |members: &str| {
        let text = format!(r#"{{"protocol":"tcp","address":"10.0.0.1","port":80{members}}}"#);
        from_str::<ServiceWithServers>(&text).map_err(|error| error.to_string())
    };
    assert!(service("").is_ok());
    for (members, fault) in [
        (r#","schedular":"rr""#, "unknown field `schedular`"),
        (r#","scheduler":"rr","scheduler":"rr""#, "duplicate field `scheduler`"),
        (r#","counters":{},"counters":{}"#, "duplicate field `counters`"),
        (r#","fwmark":7"#, "`address` excludes `fwmark` and `family`"),
        (r#","family":"ipv4""#, "`address` excludes `fwmark` and `family`"),
        (r#","port":80"#, "duplicate field `port`"),
        (r#","scheduler_flags":["x"]"#, "x"),
        (r#","persistence":{"timeout":9,"netmask":"255.0.0.0","mask":1}"#, "unknown field `mask`"),
        (
            r#","real_servers":[{"address":"10.1.0.1","port":80,"tunnel":{"type":"ipip"}}]"#,
            "`tunnel` needs the forwarding `tunneling`",
        ),
        (r#","real_servers":[{"address":"10.1.0.1","port":80.5}]"#, "floating point"),
    ] {
        let said = service(members).unwrap_err();
        assert!(said.contains(fault), "{members}: {said}");
    }
    for (text, fault) in [
        ("{}", "missing field `address` or `fwmark`"),
        (r#"{"address":"10.0.0.1","port":80}"#, "missing field `protocol`"),
        (r#"{"address":"10.0.0.1","protocol":"tcp"}"#, "missing field `port`"),
        (r#"{"fwmark":7,"port":80}"#, "`fwmark` excludes `protocol` and `port`"),
        (r#"{"fwmark":0}"#, "nonzero"),
    ] {
        let said = from_str::<ServiceWithServers>(text).unwrap_err().to_string();
        assert!(said.contains(fault), "{text}: {said}");
    }
}
