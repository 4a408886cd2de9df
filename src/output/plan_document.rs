//! The changes of a plan as a document: rule lines, or a JSON list with each entry before and after.

use std::io;

use ipvs::model::{
    Change, RealServer, RealServerKey, ServiceKey, ServiceWithServers, SyncDaemon, Timeouts,
    VirtualService,
};
use ipvs::plan::{Plan, Step};
use serde::{Serialize, Serializer};

use super::document::Document;
use super::plan::write_plan;

/// The changes of a plan, in the order in which they would be made.
#[derive(Clone, Copy, Debug)]
pub struct PlanDocument<'a, O>(pub &'a Plan<O>);

impl<O> Document for PlanDocument<'_, O> {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        write_plan(out, self.0)
    }
}

impl<O> Serialize for PlanDocument<'_, O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan) = self;
        // The tables of a plan that only zeroes counters have no difference.
        let steps = plan.steps().filter(|_| !plan.zeroes_only());
        serializer.collect_seq(steps.map(StepForm::new))
    }
}

/// A step of a plan.
#[derive(Serialize)]
struct StepForm<'a> {
    action: &'static str,
    /// The service that is changed, or whose real server is.
    service: Option<&'a ServiceKey>,
    /// The real server that is changed.
    server: Option<&'a RealServerKey>,
    before: Option<EntryForm<'a>>,
    after: Option<EntryForm<'a>>,
}

/// An entry before or after a step.
#[derive(Serialize)]
#[serde(untagged)]
enum EntryForm<'a> {
    Service(&'a VirtualService),
    Deleted(ServiceWithServers),
    Server(&'a RealServer),
    Timeouts(&'a Timeouts),
    Daemon(&'a SyncDaemon),
}

impl<'a> StepForm<'a> {
    fn new<O>(step: &'a Step<O>) -> Self {
        use EntryForm::{Daemon, Server, Service};

        let (action, service, server, after) = match &step.change {
            Change::AddService(added) => ("add", Some(&added.key), None, Some(Service(added))),
            Change::EditService(edited) => ("edit", Some(&edited.key), None, Some(Service(edited))),
            Change::DeleteService(key) => ("delete", Some(key), None, None),
            Change::AddServer(key, added) => {
                ("add", Some(key), Some(&added.key), Some(Server(added)))
            }
            Change::EditServer(key, edited) => {
                ("edit", Some(key), Some(&edited.key), Some(Server(edited)))
            }
            Change::DeleteServer(key, server) => ("delete", Some(key), Some(server), None),
            Change::SetTimeouts(timeouts) => {
                ("set", None, None, Some(EntryForm::Timeouts(timeouts)))
            }
            Change::StartDaemon(daemon) => ("start", None, None, Some(Daemon(daemon))),
            Change::StopDaemon(_) => ("stop", None, None, None),
            Change::Zero(key) => ("zero", key.as_ref(), None, None),
            Change::Flush => ("clear", None, None, None),
        };
        Self { action, service, server, before: before(&step.undo), after }
    }
}

/// The entry before a step, as the step's undo makes it again.
fn before(undo: &[Change]) -> Option<EntryForm<'_>> {
    match undo.first()? {
        Change::AddService(service) => {
            let servers = undo.iter().filter_map(|change| match change {
                Change::AddServer(_, server) => Some(*server),
                _ => None,
            });
            let servers = servers.collect();
            Some(EntryForm::Deleted(ServiceWithServers::new(service.clone(), servers)))
        }
        Change::EditService(service) => Some(EntryForm::Service(service)),
        Change::AddServer(_, server) | Change::EditServer(_, server) => {
            Some(EntryForm::Server(server))
        }
        Change::SetTimeouts(timeouts) => Some(EntryForm::Timeouts(timeouts)),
        Change::StartDaemon(daemon) => Some(EntryForm::Daemon(daemon)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::write_document;
    use ipvs::Ruleset;
    use ipvs_rules::{Command, OutputFormat, parse_numeric_line};

    fn ruleset(lines: &str) -> Ruleset {
        let mut ruleset = Ruleset::default();
        for line in lines.lines() {
            let Ok(Some(Command::Request(request))) = parse_numeric_line(line.as_bytes()) else {
                panic!("{line}")
            };
            ruleset.perform(&request, None).unwrap();
        }
        ruleset
    }

    fn shown(old: &str, new: &str) -> String {
        let plan = Plan::between(&ruleset(old), &ruleset(new));
        let mut out = Vec::new();
        write_document(&mut out, &PlanDocument(&plan), OutputFormat::Json).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/changes.json");
        let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        jsonschema::validate(&schema, &serde_json::from_slice(&out).unwrap()).unwrap();
        String::from_utf8(out).unwrap()
    }

    const OLD: &str = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m
-A -f 7 -s rr
-a -f 7 -r 10.1.0.2 -g
--set 1 2 3";

    #[test]
    fn every_step_is_an_object_on_its_line() {
        let new = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5
-A -f 8 -s lc
--set 1 2 4
--start-daemon backup --mcast-interface lo
-Z -f 8";
        let text = shown(OLD, new);
        let steps: serde_json::Value = serde_json::from_str(&text).unwrap();
        let actions: Vec<&str> =
            steps.as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["edit", "add", "set", "start", "delete", "zero"]);
        assert_eq!(text.lines().count(), actions.len() + 2, "{text}");
        assert_eq!(
            text.lines().nth(1).unwrap(),
            [
                r#"{"action":"edit","service":{"protocol":"tcp","address":"10.0.0.1","port":80},"#,
                r#""server":{"address":"10.1.0.1","port":80},"before":{"address":"10.1.0.1","port":80,"#,
                r#""forwarding":"masquerading","weight":1,"upper_threshold":0,"lower_threshold":0},"#,
                r#""after":{"address":"10.1.0.1","port":80,"forwarding":"masquerading","weight":5,"#,
                r#""upper_threshold":0,"lower_threshold":0}},"#,
            ]
            .concat()
        );
        let deleted = &steps[4];
        assert_eq!(deleted["server"], serde_json::Value::Null);
        assert_eq!(deleted["before"]["real_servers"][0]["address"], "10.1.0.2");
        assert_eq!((&deleted["after"], &steps[1]["before"]), (&().into(), &().into()));
        assert_eq!((&steps[2]["before"]["udp"], &steps[2]["after"]["udp"]), (&3.into(), &4.into()));
    }

    #[test]
    fn tables_without_a_difference_make_an_empty_list() {
        assert_eq!(shown(OLD, OLD), "[]\n");
        assert_eq!(shown(OLD, &format!("{OLD}\n-Z")), "[]\n");
    }
}
