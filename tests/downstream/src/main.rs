//! Uses the library as a program outside the workspace does: types, keys as text, errors, and plans without a kernel.

use ipvs::model::{Change, ServiceRules};
use ipvs::{Plan, RealServer, Ruleset, ServiceKey, VirtualService};

fn main() {
    let key: ServiceKey = "tcp 10.0.0.1:80".parse().expect("a service key");
    let server = RealServer::new("10.1.0.1:80".parse().expect("a real server key"));
    let wanted: Ruleset = [ServiceRules::new(VirtualService::new(key), [server])].into_iter().collect();
    let plan = Plan::between(&Ruleset::<()>::default(), &wanted);
    let changes: Vec<&Change> = plan.steps().map(|step| &step.change).collect();
    let expected = [
        &Change::AddService(VirtualService::new(key)),
        &Change::AddServer(key, server),
    ];
    assert_eq!(changes, expected);
    if let Err(error) = ipvs::Client::connect() {
        println!("{error}");
    }
}
