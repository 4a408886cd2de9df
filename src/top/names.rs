//! Looks up names on another thread, so that a slow name server does not stop the screen.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::resolve::{Labels, Resolver};

/// The names that are known, and the thread that looks up more.
#[derive(Debug)]
pub(super) struct Names {
    labels: Labels,
    asked: HashSet<IpAddr>,
    /// The first question was asked. It brings the names of ports, even if it has no address.
    has_asked: bool,
    /// The number of questions without an answer.
    waiting: usize,
    /// `None` if the thread cannot be started: then everything stays a number.
    thread: Option<(Sender<Vec<IpAddr>>, Receiver<Labels>)>,
}

impl Names {
    /// Nothing looked up yet. The thread works in the network namespace of the calling one, and ends with this value.
    pub(super) fn new(mut resolver: Resolver) -> Self {
        let (questions, asked) = mpsc::channel::<Vec<IpAddr>>();
        let (answers, answered) = mpsc::channel();
        let look_up = move || {
            for addresses in asked {
                if answers.send(resolver.label(addresses).clone()).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("names".to_owned()).spawn(look_up);
        let thread = thread.ok().map(|_| (questions, answered));
        Self {
            labels: Labels::numeric(),
            asked: HashSet::new(),
            has_asked: false,
            waiting: 0,
            thread,
        }
    }

    /// Asks for the names of addresses that were not asked for before, and takes the answers that have come. Returns
    /// true if there are new names.
    pub(super) fn ask(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        let Some((questions, answers)) = &self.thread else { return false };
        let asked = &mut self.asked;
        let new: Vec<IpAddr> =
            addresses.into_iter().filter(|address| asked.insert(*address)).collect();
        let is_first = !std::mem::replace(&mut self.has_asked, true);
        if (is_first || !new.is_empty()) && questions.send(new).is_ok() {
            self.waiting += 1;
        }
        let mut has_new = false;
        while let Ok(labels) = answers.try_recv() {
            self.labels = labels;
            self.waiting = self.waiting.saturating_sub(1);
            has_new = true;
        }
        has_new
    }

    /// True while an answer is missing.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// The names that are known.
    pub(super) const fn labels(&self) -> &Labels {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn names_arrive_later_and_each_address_is_asked_for_once() {
        let mut names = Names::new(Resolver::new());
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(names.labels().endpoint(loopback, 80, None).to_string(), "127.0.0.1:80");
        let start = Instant::now();
        while !names.ask([loopback]) {
            assert!(start.elapsed() < Duration::from_secs(60), "no answer");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!names.is_waiting());
        assert!(!names.ask([loopback]) && !names.is_waiting());
    }
}
