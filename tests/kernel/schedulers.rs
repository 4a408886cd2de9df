//! Each scheduler under traffic: the tests check each connection against the scheduler's definition, and not only the
//! approximate shares.

use std::net::UdpSocket;

use nix::sys::socket::{SockProtocol, setsockopt, sockopt};

use crate::one_machine::{
    Connection, TcpServers, UdpServers, VIRTUAL, apply, client, machine, real, service, stream,
    wait_for_listing,
};

/// The real server of each of `count` UDP connections.
fn takers(scheduler: &str, weights: &[u32], count: usize) -> Vec<usize> {
    machine(&service("-u", &format!("-s {scheduler}"), weights));
    let servers = UdpServers::new(weights.len());
    (0..count).map(|_| servers.takes_from("10.0.0.1")).collect()
}

fn count(takers: &[usize], server: usize) -> usize {
    takers.iter().filter(|taker| **taker == server).count()
}

/// Opens TCP connections that stay open. Each must go to a server with the lowest cost, which depends on its number of
/// open connections and its weight. Costs are compared as fractions.
fn costs_least(
    scheduler: &str,
    weights: &[u32],
    connections: usize,
    cost: impl Fn(u64, u64) -> (u64, u64),
) -> Vec<u64> {
    machine(&service("-t", &format!("-s {scheduler}"), weights));
    let servers = TcpServers::new(weights.len());
    let mut active = vec![0; weights.len()];
    let mut open = Vec::new();
    for n in 0..connections {
        let connection = servers.open();
        let costs: Vec<(u64, u64)> =
            active.iter().zip(weights).map(|(a, w)| cost(*a, u64::from(*w))).collect();
        let (price, share) = costs[connection.taker];
        let cheaper = costs.iter().any(|(p, s)| p * share < price * s);
        assert!(!cheaper, "connection {n} went to server {}, with {active:?}", connection.taker);
        active[connection.taker] += 1;
        open.push(connection);
    }
    active
}

#[test]
fn rr_takes_turns_and_ignores_weights() {
    let takers = takers("rr", &[1, 5, 2], 30);
    for turn in takers.chunks(3) {
        assert_eq!(turn, &takers[..3]);
        assert_eq!([0, 1, 2].map(|server| count(turn, server)), [1, 1, 1]);
    }
}

#[test]
fn wrr_gives_each_server_its_weight_in_every_round() {
    for round in takers("wrr", &[3, 1, 2], 60).chunks(6) {
        assert_eq!([0, 1, 2].map(|server| count(round, server)), [3, 1, 2]);
    }
}

#[test]
fn a_server_of_weight_0_gets_nothing_by_any_scheduler() {
    for scheduler in ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sed", "nq", "fo", "ovf", "mh"] {
        let takers = takers(scheduler, &[0, 1], 6);
        assert_eq!(takers, [1; 6], "{scheduler}");
    }
}

#[test]
fn lc_takes_the_server_with_the_fewest_open_connections() {
    let active = costs_least("lc", &[1, 5, 2], 12, |active, _| (active, 1));
    assert_eq!(active, [4, 4, 4]);
}

#[test]
fn lc_hardly_counts_connections_that_are_closed() {
    machine(&service("-t", "-s lc", &[1, 1]));
    let servers = TcpServers::new(2);
    let open: Vec<Connection> = (0..6).map(|_| servers.open()).collect();
    let (gone, kept): (Vec<Connection>, Vec<Connection>) =
        open.into_iter().partition(|connection| connection.taker == 0);
    assert_eq!((gone.len(), kept.len()), (3, 3));
    drop(gone);
    wait_for_listing("-L -n", |listing| {
        let row = listing.lines().find(|line| line.contains(&real(0))).unwrap();
        row.split_whitespace().nth(4) == Some("0")
    });
    let next: Vec<Connection> = (0..3).map(|_| servers.open()).collect();
    assert!(next.iter().all(|connection| connection.taker == 0));
}

#[test]
fn wlc_takes_the_server_with_the_fewest_for_its_weight() {
    let active = costs_least("wlc", &[1, 3, 2], 24, |active, weight| (active, weight));
    assert_eq!(active, [4, 12, 8]);
}

#[test]
fn sed_takes_the_server_where_the_new_connection_would_wait_least() {
    let active = costs_least("sed", &[1, 4], 10, |active, weight| (active + 1, weight));
    assert_eq!(active, [2, 8]);
}

#[test]
fn nq_takes_an_idle_server_if_there_is_one_and_else_does_as_sed() {
    // An idle server has the cost 0.
    let cost = |active, weight| if active == 0 { (0, 1) } else { (active + 1, weight) };
    let active = costs_least("nq", &[1, 4, 9], 14, cost);
    assert_eq!(active, [1, 4, 9]);
}

#[test]
fn fo_takes_the_heaviest_server_that_is_not_overloaded() {
    machine(&service("-u", "-s fo", &[1, 3, 2]));
    apply(&format!("-e -u {VIRTUAL} -r {} -m -w 3 -x 2", real(1)));
    let servers = UdpServers::new(3);
    let takers: Vec<usize> = (0..5).map(|_| servers.takes_from("10.0.0.1")).collect();
    assert_eq!(takers, [1, 1, 2, 2, 2]);
}

#[test]
fn ovf_takes_the_heaviest_server_until_it_has_more_than_its_weight() {
    machine(&service("-t", "-s ovf", &[2, 3]));
    let servers = TcpServers::new(2);
    let open: Vec<Connection> = (0..6).map(|_| servers.open()).collect();
    let takers: Vec<usize> = open.iter().map(|connection| connection.taker).collect();
    assert_eq!(takers, [1, 1, 1, 1, 0, 0]);
}

/// A hash of the client's address decides: the same client always gets the same server, and many clients are
/// distributed by weight.
fn held_by_source(scheduler: &str) {
    machine(&service("-u", &format!("-s {scheduler}"), &[1, 3]));
    let servers = UdpServers::new(2);
    let mut takers = Vec::new();
    for n in 0..200 {
        let client = format!("10.9.{}.{}", n / 16, n % 16 + 1);
        takers.push(servers.takes_from(&client));
        assert_eq!(servers.takes_from(&client), takers[n], "{client}");
    }
    let light = count(&takers, 0);
    assert!((25..=75).contains(&light), "{light} of 200 for a weight of 1 of 4");
}

#[test]
fn sh_decides_by_the_clients_address() {
    held_by_source("sh");
}

#[test]
fn mh_decides_by_the_clients_address() {
    held_by_source("mh");
}

#[test]
fn with_their_flags_sh_and_mh_decide_by_the_clients_port_too() {
    for (scheduler, flag) in [("sh", "sh-port"), ("mh", "mh-port")] {
        let spread = || -> Vec<usize> {
            machine(&service("-u", &format!("-s {scheduler} -b {flag}"), &[1, 1]));
            let servers = UdpServers::new(2);
            let ports = (20_000..20_600).step_by(10);
            let clients = ports.map(|port| UdpSocket::bind(("10.0.0.1", port)).unwrap());
            clients.map(|client| servers.takes(&client, VIRTUAL)).collect()
        };
        let takers = spread();
        let first = count(&takers, 0);
        assert!((10..=50).contains(&first), "{scheduler}: {first} of 60");
        assert_eq!(spread(), takers, "{scheduler}");
    }
}

#[test]
fn with_their_flags_sh_and_mh_pass_over_a_server_of_weight_0() {
    for scheduler in ["sh", "mh"] {
        let rules = service("-u", &format!("-s {scheduler} -b {scheduler}-fallback"), &[1, 1]);
        machine(&rules);
        apply(&format!("-e -u {VIRTUAL} -r {} -m -w 0", real(0)));
        let servers = UdpServers::new(2);
        for n in 1..40 {
            assert_eq!(servers.takes_from(&format!("10.9.0.{n}")), 1, "{scheduler}");
        }
    }
}

#[test]
fn mh_moves_few_clients_when_a_server_goes() {
    machine(&service("-u", "-s mh", &[1, 1, 1, 1]));
    let servers = UdpServers::new(4);
    let clients: Vec<String> = (1..=200).map(|n| format!("10.9.0.{n}")).collect();
    let before: Vec<usize> = clients.iter().map(|client| servers.takes_from(client)).collect();
    apply(&format!("-d -u {VIRTUAL} -r {}", real(3)));
    let after: Vec<usize> = clients.iter().map(|client| servers.takes_from(client)).collect();
    let others = before.iter().zip(&after).filter(|(before, _)| **before != 3);
    let moved = others.filter(|(before, after)| before != after).count();
    assert!(count(&before, 3) > 20 && count(&after, 3) == 0);
    assert!(moved <= 20, "{moved} clients of other servers moved");
}

/// A service for many destinations: all packets with a firewall mark.
fn marked(scheduler: &str, weights: &[u32]) -> String {
    let servers = weights.iter().enumerate();
    let servers = servers.map(|(n, w)| format!("-a -f 1 -r 10.2.0.{} -m -w {w}\n", n + 1));
    format!("-A -f 1 -s {scheduler}\n{}", servers.collect::<String>())
}

/// The destination decides: all its clients get the same server, and many destinations are distributed over all
/// servers.
fn held_by_destination(scheduler: &str) {
    machine(&marked(scheduler, &[1, 1]));
    let servers = UdpServers::new(2);
    let ask = |from: &str, destination: &str| {
        let client = client(from);
        setsockopt(&client, sockopt::Mark, &1).unwrap();
        servers.takes(&client, destination)
    };
    let mut takers = Vec::new();
    for n in 1..=40 {
        let destination = format!("10.5.0.{n}:80");
        takers.push(ask("10.9.0.1", &destination));
        for again in ["10.9.0.1", "10.9.0.2", "10.9.1.3"] {
            assert_eq!(ask(again, &destination), takers[n - 1], "{again} to {destination}");
        }
    }
    let first = count(&takers, 0);
    assert!((10..=30).contains(&first), "{scheduler}: {first} of 40 destinations");
}

#[test]
fn dh_decides_by_the_destination() {
    held_by_destination("dh");
}

#[test]
fn lblc_decides_by_the_destination() {
    held_by_destination("lblc");
}

#[test]
fn lblcr_decides_by_the_destination() {
    held_by_destination("lblcr");
}

/// The servers of ten open connections to one destination, with two servers of weight 2.
fn one_destination(scheduler: &str) -> Vec<usize> {
    machine(&marked(scheduler, &[2, 2]));
    let servers = TcpServers::new(2);
    let open: Vec<Connection> = (0..10)
        .map(|_| servers.connect(stream(SockProtocol::Tcp, None, 1, "10.5.0.1:80")))
        .collect();
    open.iter().map(|connection| connection.taker).collect()
}

#[test]
fn lblc_moves_a_destination_away_from_a_server_that_has_more_than_its_weight() {
    let takers = one_destination("lblc");
    let first = takers[0];
    // A server is overloaded if it has more connections than its weight while another has less than half of its weight.
    // In the end neither server is better.
    assert_eq!(takers[..3], [first; 3]);
    assert_eq!(takers[3..], [1 - first; 7]);
}

#[test]
fn lblcr_adds_a_server_to_those_of_a_destination() {
    let takers = one_destination("lblcr");
    let first = takers[0];
    assert_eq!(takers[..4], [first, first, first, 1 - first]);
    assert_eq!((count(&takers, 0), count(&takers, 1)), (5, 5));
}
