//! Makes the real servers of one TCP service exactly those that are given, in one plan that is rolled back on failure.
//!
//! Takes the service and its real servers: `10.0.0.1:80 10.1.0.1:80 10.1.0.2:80`. Services at other
//! addresses stay as they are.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::error::Error;
use std::net::SocketAddr;

use ipvs::model::{Network, ServiceRules, VirtualService};
use ipvs::plan::{Plan, PlanOptions, Scope, apply};
use ipvs::state::read_ruleset;
use ipvs::{Client, RealServer, Ruleset, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = Vec::new();
    for argument in std::env::args().skip(1) {
        addresses.push(argument.parse::<SocketAddr>()?);
    }
    let Some((&service, servers)) = addresses.split_first() else {
        return Err("usage: reconcile SERVICE SERVER...".into());
    };
    let servers = servers.iter().map(|&server| RealServer::new(server.into()));
    let wanted = VirtualService::new(ServiceKey::tcp(service));
    let wanted: Ruleset = Ruleset::from_iter([ServiceRules::new(wanted, servers)]);

    let mut client = Client::connect()?;
    let current: Ruleset = read_ruleset(&mut client)?;
    let scope = Scope::Network(Network::host(service.ip()));
    let plan = Plan::with_options(&current, &wanted, &PlanOptions::default().scope(scope));
    for step in plan.steps() {
        println!("{:?}", step.change);
    }
    apply(&plan, &current, &mut client, &mut ())?;
    println!("{} changes", plan.len());
    Ok(())
}
