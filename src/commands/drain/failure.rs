//! The failures of a drain, and their messages.

use std::io;

use ipvs::error::Subject;
use ipvs::model::{Change, SchedulerFlags, SchedulerName, VirtualService};
use ipvs::plan::{Contest, DrainTarget, Obstacle, RestoredWeights};
use ipvs_rules::{Numeric, write_change};
use thiserror::Error;

use crate::errors::{io_text, sentence};
use crate::output::{Left, contest_text};

/// The reason why a drain did not end as asked.
#[derive(Debug, Error)]
pub enum DrainFailure {
    /// New connections would be refused. Nothing was changed.
    #[error("cannot drain {}: {}", subject(.target), obstacle_text(.obstacle, .service))]
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

/// A change as the command line that makes it.
fn command_line(change: &Change) -> String {
    let mut line = Vec::new();
    // Writing to memory does not fail.
    let _ = write_change(&mut line, change, &Numeric);
    format!("ipvsadm {}", String::from_utf8_lossy(&line))
}

fn obstacle_text(obstacle: &Obstacle, service: &VirtualService) -> String {
    match obstacle {
        Obstacle::LastServer => format!(
            "no other real server of the service has a weight, so new connections would be refused; add one, \
             drain the whole service with `{} --drain', or use --force",
            command_line(&Change::DeleteService(service.key))
        ),
        Obstacle::FixedAssignment(_) => {
            let scheduler = service.scheduler;
            let harm = match scheduler.as_str() {
                "sh" | "mh" => "each client to one real server, and refuses its new connections",
                _ => "each destination to one real server, and may refuse new connections to it",
            };
            let edit = Change::EditService(with_other_servers(service));
            format!(
                "the scheduler {scheduler} assigns {harm} while that server has weight 0; use other real servers \
                 with `{}', or use --force",
                command_line(&edit)
            )
        }
        _ => "new connections would be refused; use --force to drain it nevertheless".to_owned(),
    }
}

/// The service with a scheduler, or with a flag, that gives new connections to other real servers.
fn with_other_servers(service: &VirtualService) -> VirtualService {
    let mut service = service.clone();
    if ["sh", "mh"].contains(&service.scheduler.as_str()) {
        let [_, second, third] = service.scheduler_flags.get();
        service.scheduler_flags = SchedulerFlags::new([true, second, third]);
    } else {
        service.scheduler = SchedulerName::default();
        service.scheduler_flags = SchedulerFlags::default();
    }
    service
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
