//! Takes real servers out of service: `--drain` with `-e`, `-d` and `-D`.
//!
//! Sets their weights to 0, polls until nothing is left, and deletes them if asked. The library decides about the state of
//! the drain; this module waits, reports and ends.

mod failure;

use std::io::Write;
use std::time::{Duration, Instant};

use ipvs::model::{Change, ConnectionFilter};
use ipvs::netlink::Transport;
use ipvs::plan::{Drain, DrainInput, DrainTarget, Poll, Reading, Remaining};
use ipvs::procfs::Connections;
use ipvs::{Client, Error as LibraryError, Namespace};
use ipvs_rules::OutputFormat;

use super::{Error, Session};
use crate::host::sysctl;
use crate::output::{DrainStep, Left, contest_text};
use crate::process::{StatusLine, Watch};

pub use failure::DrainFailure;

/// The pause between two looks at the real servers.
const PAUSE: Duration = Duration::from_secs(1);

/// Drains the target of the command, and deletes it if the command says so.
///
/// # Errors
/// [`DrainFailure`]; the kernel's refusal; an output that cannot be written, which does not end the drain.
pub fn drain<T: Transport>(
    asked: &ipvs_rules::Drain,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (client, namespace) = session.client_and_namespace()?;
    let drain = Drain::prepare(asked.target, client)?;
    if let (Some(obstacle), false) = (drain.obstacle(), asked.is_forced) {
        return Err(DrainFailure::Obstacle {
            target: asked.target,
            obstacle,
            service: drain.service().clone(),
        }
        .into());
    }
    let watch = Watch::new().map_err(DrainFailure::Signals)?;
    let mut report = Report { out, format: asked.format, line: StatusLine::new(), lost: None };
    if drain.service().persistence.is_some() && is_zero(EXPIRE_QUIESCENT_TEMPLATE, namespace) {
        report.line.note(&format!(
            "{} is persistent: its known clients keep coming while net.ipv4.vs.{EXPIRE_QUIESCENT_TEMPLATE} \
             is 0. To send them to other real servers: sysctl -w net.ipv4.vs.{EXPIRE_QUIESCENT_TEMPLATE}=1",
            drain.service().key
        ));
    }
    // The first wait makes its sockets, which may fail, so it comes before the first change.
    watch.wait(Duration::ZERO).map_err(DrainFailure::Signals)?;
    watch.begin();
    drain.begin(client)?;
    report.step(&DrainStep::Begun {
        service: drain.service().key,
        servers: drain.servers().map(Into::into).collect(),
    });
    let mut wait = Wait { asked, drain, input: Input { watch, namespace, start: Instant::now() } };
    wait.run(client, &mut report)?;
    if asked.deletes {
        client.apply(&match asked.target {
            DrainTarget::Server(service, server) => Change::DeleteServer(service, server),
            DrainTarget::Service(service) => Change::DeleteService(service),
        })?;
        report.step(&DrainStep::Deleted { seconds: wait.seconds() });
    }
    report.lost.map_or(Ok(()), |error| Err(Error::Output(error)))
}

/// Sends the known clients of a persistent service to other real servers while theirs has weight 0.
const EXPIRE_QUIESCENT_TEMPLATE: &str = "expire_quiescent_template";
/// Ends a connection whose real server was deleted.
const EXPIRE_NODEST_CONN: &str = "expire_nodest_conn";

/// Returns whether a setting of the namespace's IPVS is known to be 0.
fn is_zero(setting: &str, namespace: &Namespace) -> bool {
    let value = namespace.enter(|| sysctl(&format!("net/ipv4/vs/{setting}")));
    value.ok().flatten().is_some_and(|value| value == "0")
}

/// The connection table, the clock and the signals.
#[derive(Debug)]
struct Input<'a> {
    watch: Watch,
    namespace: &'a Namespace,
    start: Instant,
}

impl DrainInput for Input<'_> {
    type Connections = Connections;

    fn connections(&mut self) -> Result<Connections, LibraryError> {
        self.namespace.connections(ConnectionFilter::default())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn should_stop(&self) -> bool {
        self.watch.signal().is_some()
    }
}

/// A drain that has begun.
struct Wait<'a> {
    asked: &'a ipvs_rules::Drain,
    drain: Drain,
    input: Input<'a>,
}

impl Wait<'_> {
    fn seconds(&self) -> u64 {
        self.input.elapsed().as_secs()
    }

    /// Waits until the target is drained, or may be deleted undrained.
    fn run<T: Transport>(
        &mut self,
        client: &mut Client<T>,
        report: &mut Report<'_>,
    ) -> Result<(), Error> {
        let limit = self.asked.limit.map(|seconds| Duration::from_secs(seconds.into()));
        let target = self.asked.target;
        loop {
            let rest = limit.map(|limit| limit.saturating_sub(self.input.elapsed()));
            let is_over = rest == Some(Duration::ZERO);
            let reading = if is_over { Reading::Immediate } else { Reading::Paced };
            let poll = self.drain.poll(client, &mut self.input, reading)?;
            if let Some(signal) = self.input.watch.signal() {
                return Err(self.interrupted(signal, client, report).into());
            }
            let seconds = self.seconds();
            match poll {
                Poll::Drained => {
                    report.step(&DrainStep::Drained { seconds });
                    return Ok(());
                }
                Poll::Contested(contest) => {
                    let reason = contest_text(&contest);
                    report.step(&DrainStep::Contested { seconds, reason });
                    return Err(DrainFailure::Contested { target, contest }.into());
                }
                Poll::Waiting(left) if is_over => return self.time_out(left, report),
                Poll::Waiting(left) => {
                    report.step(&DrainStep::Waiting { seconds, left: left.into() });
                }
                Poll::Stopped => {}
            }
            let pause = rest.map_or(PAUSE, |rest| rest.min(PAUSE));
            self.input.watch.wait(pause).map_err(DrainFailure::Signals)?;
        }
    }

    /// The time is over and connections are left.
    fn time_out(&self, left: Remaining, report: &mut Report<'_>) -> Result<(), Error> {
        let (seconds, left) = (self.seconds(), Left::from(left));
        report.step(&DrainStep::TimedOut { seconds, left });
        let fate = self.asked.deletes.then(|| fate_of_connections(self.input.namespace));
        if self.asked.deletes && self.asked.is_forced {
            report.line.note(&format!("{left} left after {seconds} s"));
            fate.into_iter().for_each(|fate| report.line.note(&fate));
            return Ok(());
        }
        Err(DrainFailure::TimedOut { target: self.asked.target, left, seconds, fate }.into())
    }

    /// A signal arrived: the old weights come back.
    fn interrupted<T: Transport>(
        &self,
        signal: i32,
        client: &mut Client<T>,
        report: &mut Report<'_>,
    ) -> DrainFailure {
        let restored = self.drain.restore(client);
        let servers = restored.iter().flat_map(|outcome| &outcome.restored);
        let servers =
            servers.filter_map(|key| self.drain.servers().find(|server| server.key == *key));
        let restored_servers = servers.map(Into::into).collect();
        let seconds = self.seconds();
        report.step(&DrainStep::Interrupted { seconds, signal, restored: restored_servers });
        DrainFailure::Interrupted { target: self.asked.target, signal, restored }
    }
}

/// The future of connections whose real server is deleted.
fn fate_of_connections(namespace: &Namespace) -> String {
    match is_zero(EXPIRE_NODEST_CONN, namespace) {
        true => format!(
            "Packets of connections to a deleted real server are dropped, without an answer to the client, while \
             net.ipv4.vs.{EXPIRE_NODEST_CONN} is 0. To end such a connection at its next packet: \
             sysctl -w net.ipv4.vs.{EXPIRE_NODEST_CONN}=1"
        ),
        false => "A connection to a deleted real server ends at its next packet.".to_owned(),
    }
}

/// Tells people and programs the steps.
struct Report<'a> {
    out: &'a mut dyn Write,
    format: OutputFormat,
    line: StatusLine,
    /// The error of an output that is lost. The drain goes on.
    lost: Option<std::io::Error>,
}

impl Report<'_> {
    fn step(&mut self, step: &DrainStep) {
        match self.format {
            OutputFormat::Json => self.object(step),
            OutputFormat::Text => self.line.show(&line(step)),
        }
    }

    fn object(&mut self, step: &DrainStep) {
        if self.lost.is_some() {
            return;
        }
        let mut object = Vec::new();
        let written = step.write_json(&mut object).and_then(|()| self.out.write_all(&object));
        self.lost = written.and_then(|()| self.out.flush()).err();
    }
}

/// The line of progress.
fn line(step: &DrainStep) -> String {
    match step {
        DrainStep::Begun { .. } => "Draining".to_owned(),
        DrainStep::Waiting { seconds, left } => format!("Draining for {seconds} s: {left} left"),
        DrainStep::Drained { seconds } => format!("Drained after {seconds} s"),
        DrainStep::TimedOut { seconds, .. } => format!("Not drained after {seconds} s"),
        DrainStep::Deleted { seconds } => format!("Deleted after {seconds} s"),
        DrainStep::Contested { .. } | DrainStep::Interrupted { .. } => "Stopped".to_owned(),
    }
}
