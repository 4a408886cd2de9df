//! The steps of a drain: a line of progress for people, and a JSON object for programs.

use std::fmt;
use std::io;
use std::net::IpAddr;

use ipvs::model::{RealServer, RealServerKey, ServiceKey};
use ipvs::plan::{Contest, Remaining};
use serde::Serialize;

use super::counted;

/// A step of a drain, with the seconds since the drain began.
#[derive(Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum DrainStep {
    /// The weights are 0.
    Begun {
        /// The service.
        service: ServiceKey,
        /// The real servers with the weights that they had.
        servers: Vec<DrainedServer>,
    },
    /// Connections are left.
    Waiting {
        /// Seconds since the start.
        seconds: u64,
        /// The connections.
        #[serde(flatten)]
        left: Left,
    },
    /// Nothing is left.
    Drained {
        /// Seconds since the start.
        seconds: u64,
    },
    /// The time is over.
    TimedOut {
        /// Seconds since the start.
        seconds: u64,
        /// The connections.
        #[serde(flatten)]
        left: Left,
    },
    /// The real server or the service was deleted.
    Deleted {
        /// Seconds since the start.
        seconds: u64,
    },
    /// Another program has changed the service.
    Contested {
        /// Seconds since the start.
        seconds: u64,
        /// The change.
        reason: String,
    },
    /// A signal has stopped the drain.
    Interrupted {
        /// Seconds since the start.
        seconds: u64,
        /// The number of the signal.
        signal: i32,
        /// The real servers that have their weights again.
        restored: Vec<DrainedServer>,
    },
}

impl DrainStep {
    /// Writes the step as one line of JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// A real server and the weight that it had before.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DrainedServer {
    address: IpAddr,
    port: u16,
    weight: u32,
}

impl From<&RealServer> for DrainedServer {
    fn from(server: &RealServer) -> Self {
        let RealServerKey { address, port } = server.key;
        Self { address, port, weight: server.weight }
    }
}

/// The connections that are left. Numbers of entries are missing while connections are active.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Left {
    active_connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp_entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_unknown_service: Option<u64>,
}

impl From<Remaining> for Left {
    fn from(left: Remaining) -> Self {
        let entries = left.entries.filter(|_| left.active == 0);
        Self {
            active_connections: left.active,
            open_connections: entries.map(|entries| entries.open),
            udp_entries: entries.map(|entries| entries.datagrams),
            of_unknown_service: entries.map(|entries| entries.unattributed),
        }
    }
}

impl fmt::Display for Left {
    /// `3 active connections`, or `2 connections and 1 UDP entry (1 of an unknown service)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, datagrams) = match (self.open_connections, self.udp_entries) {
            (Some(open), Some(datagrams)) => (open, datagrams),
            _ => return f.write_str(&counted(self.active_connections, "active connection")),
        };
        match (open, datagrams) {
            (open, 0) => f.write_str(&counted(open, "connection"))?,
            (0, datagrams) => f.write_str(&entries(datagrams))?,
            _ => write!(f, "{} and {}", counted(open, "connection"), entries(datagrams))?,
        }
        match self.of_unknown_service {
            None | Some(0) => Ok(()),
            Some(count) => write!(f, " ({count} of an unknown service)"),
        }
    }
}

fn entries(count: u64) -> String {
    format!("{count} UDP {}", if count == 1 { "entry" } else { "entries" })
}

/// The change of another program that ends a drain.
pub fn contest_text(contest: &Contest) -> String {
    match contest {
        Contest::ServiceDeleted => "another program has deleted the service".to_owned(),
        Contest::ServerDeleted(server) => format!("another program has deleted {server}"),
        Contest::WeightChanged(server, weight) => {
            format!("another program has set the weight of {server} to {weight}")
        }
        Contest::ServerAdded(server) => format!("another program has added {server}"),
        _ => "another program has changed the service".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::plan::Entries;

    fn left(active: u64, entries: Option<[u64; 3]>) -> Left {
        let entries = entries.map(|[open, datagrams, unattributed]| Entries {
            open,
            datagrams,
            unattributed,
        });
        Remaining { active, entries }.into()
    }

    #[test]
    fn people_read_how_many_of_what() {
        for (left, text) in [
            (left(1, None), "1 active connection"),
            (left(3, Some([1, 1, 0])), "3 active connections"),
            (left(0, Some([1, 0, 0])), "1 connection"),
            (left(0, Some([0, 2, 0])), "2 UDP entries"),
            (left(0, Some([2, 1, 1])), "2 connections and 1 UDP entry (1 of an unknown service)"),
        ] {
            assert_eq!(left.to_string(), text);
        }
    }

    #[test]
    fn step_is_one_line_of_json() {
        let server = RealServer::new("10.1.0.1:80".parse().unwrap()).weight(5);
        for (step, line) in [
            (
                DrainStep::Begun {
                    service: "tcp 10.0.0.1:80".parse().unwrap(),
                    servers: vec![(&server).into()],
                },
                r#"{"step":"begun","service":{"protocol":"tcp","address":"10.0.0.1","port":80},"servers":[{"address":"10.1.0.1","port":80,"weight":5}]}"#,
            ),
            (
                DrainStep::Waiting { seconds: 2, left: left(3, None) },
                r#"{"step":"waiting","seconds":2,"active_connections":3}"#,
            ),
            (
                DrainStep::TimedOut { seconds: 9, left: left(0, Some([1, 2, 3])) },
                r#"{"step":"timed_out","seconds":9,"active_connections":0,"open_connections":1,"udp_entries":2,"of_unknown_service":3}"#,
            ),
            (DrainStep::Drained { seconds: 4 }, r#"{"step":"drained","seconds":4}"#),
        ] {
            let mut out = Vec::new();
            step.write_json(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
        }
    }
}
