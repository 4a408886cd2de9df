//! Makes the real servers of one TCP service exactly those that are given, in one plan that is rolled back on failure.
//!
//! Takes the service and its real servers: `10.0.0.1:80 10.1.0.1:80 10.1.0.2:80`. Services at other
//! addresses stay as they are.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::error::Error;
use std::net::SocketAddr;

use ipvs::model::{Network, Scope, ServiceRules, VirtualService};
use ipvs::plan::{Plan, PlanOptions, apply};
use ipvs::state::{Selection, read_selected};
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
    let options = PlanOptions::default().scope(Scope::Network(Network::host(service.ip())));
    let current: Ruleset = read_selected(&mut client, Selection::Within(&options.scopes))?;
    let plan = Plan::with_options(&current, &wanted, &options);
    for step in plan.steps() {
        println!("{:?}", step.change);
    }
    apply(&plan, &current, &mut client, &mut ())?;
    println!("{} changes", plan.len());
    Ok(())
}
