//! The failures of a drain, and their messages.

use std::io;

use ipvs::error::Subject;
use ipvs::model::{Change, VirtualService};
use ipvs::plan::{Contest, DrainTarget, Obstacle, RestoredWeights};
use ipvs_rules::{Numeric, write_change};
use thiserror::Error;

use crate::errors::{io_text, sentence};
use crate::output::{Left, contest_text};

/// The reason why a drain did not end as asked.
#[derive(Debug, Error)]
pub enum DrainFailure {
    /// New connections would be refused. Nothing was changed.
    #[error("cannot drain {}: {}", subject(.target), obstacle_text(.target, .obstacle, .service))]
    Obstacle {
        /// The target.
        target: DrainTarget,
        /// The reason.
        obstacle: Obstacle,
        /// The service.
        service: VirtualService,
    },
    /// Connections are left after the longest wait.
    #[error("cannot drain {}: {left} left after {seconds} s; the weight stays 0", subject(.target))]
    TimedOut {
        /// The target.
        target: DrainTarget,
        /// The connections.
        left: Left,
        /// The wait.
        seconds: u64,
        /// A note for the terminal about the future of the connections after a deletion.
        fate: Option<String>,
    },
    /// Another program changed the service.
    #[error("cannot drain {}: {}", subject(.target), contest_text(.contest))]
    Contested {
        /// The target.
        target: DrainTarget,
        /// The change.
        contest: Contest,
    },
    /// A signal stopped the drain.
    #[error("cannot drain {}: stopped by signal {signal}; {}", subject(.target), weights_text(.restored))]
    Interrupted {
        /// The target.
        target: DrainTarget,
        /// The signal.
        signal: i32,
        /// The outcome of restoring the weights.
        restored: Result<RestoredWeights, ipvs::Error>,
    },
    /// Signals cannot be caught.
    #[error("cannot catch signals: {}", io_text(.0))]
    Signals(#[source] io::Error),
}

impl DrainFailure {
    /// Lines below the message, for a terminal.
    pub(in crate::commands) fn hints(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::TimedOut { fate, .. } => fate.as_deref().into_iter(),
            _ => None.into_iter(),
        }
    }
}

fn subject(target: &DrainTarget) -> Subject {
    match *target {
        DrainTarget::Server(service, server) => Subject::Server(service, server),
        DrainTarget::Service(service) => Subject::Service(service),
    }
}

/// The words of the command line that name the service.
fn service_words(target: &DrainTarget) -> String {
    let mut line = Vec::new();
    // Writing to memory does not fail.
    let _ = write_change(&mut line, &Change::DeleteService(target.service()), &Numeric);
    String::from_utf8_lossy(&line).trim_start_matches("-D ").to_owned()
}

fn obstacle_text(target: &DrainTarget, obstacle: &Obstacle, service: &VirtualService) -> String {
    let words = service_words(target);
    let VirtualService { scheduler, scheduler_flags, .. } = service;
    match obstacle {
        Obstacle::LastServer => format!(
            "no other real server of the service has a weight, so new connections would be refused; add one, \
             drain the whole service with `ipvsadm -D {words} --drain', or use --force"
        ),
        Obstacle::FixedAssignment(_) => {
            let way_out = match scheduler.as_str() {
                name @ ("sh" | "mh") => {
                    let others = scheduler_flags.names(scheduler).map(|flag| format!(",{flag}"));
                    format!("-s {name} -b {name}-fallback{}", others.collect::<String>())
                }
                _ => "-s wlc".to_owned(),
            };
            format!(
                "the scheduler {scheduler} refuses new connections of the clients that it assigns to a real server \
                 of weight 0; let it use other real servers with `ipvsadm -E --keep {words} {way_out}', or use --force"
            )
        }
        _ => "new connections would be refused; use --force to drain it nevertheless".to_owned(),
    }
}

fn weights_text(restored: &Result<RestoredWeights, ipvs::Error>) -> String {
    match restored {
        Err(error) => format!("the weight stays 0 ({})", sentence(error)),
        Ok(RestoredWeights { changed, .. }) if changed.is_empty() => {
            "the weight is what it was".to_owned()
        }
        Ok(RestoredWeights { changed, .. }) => {
            let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
            format!(
                "the weight is what it was, but for changes of another program ({})",
                changed.join(", ")
            )
        }
    }
}
