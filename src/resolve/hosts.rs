//! Looks up host names and addresses with the system's resolver: getaddrinfo(3) and getnameinfo(3), in threads.

use std::collections::{BTreeSet, HashMap, btree_set};
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo, getnameinfo};

use ipvs_rules::{is_host_name, looks_like_a_number};

/// The longest time without any answer before a look-up of many names ends. A resolver with its default of two tries
/// of five seconds each has given up on the first name by then.
const SILENCE: Duration = Duration::from_secs(12);

/// How many look-ups run at once.
const WORKERS: usize = 64;

/// `NI_NUMERICSERV | NI_NAMEREQD` of netdb.h: no port, and an error rather than a number.
const NAME_ONLY: i32 = 2 | 8;

/// How long a look-up waits for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// For as long as the system's resolver tries.
    Unlimited,
    /// Until no answer at all has come for [`SILENCE`].
    WhileAnswersCome,
}

/// The addresses of a name, or the resolver's message.
type Addresses = Result<Vec<IpAddr>, String>;

/// A cache of the addresses of names.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    found: HashMap<String, Addresses>,
}

impl Hosts {
    /// Looks up those of the names whose addresses are not in the cache, all at once. Failures stay in the cache until
    /// the next look-up.
    pub(super) fn look_up<'a>(
        &mut self,
        hosts: impl IntoIterator<Item = &'a str>,
        patience: Patience,
    ) {
        self.found.retain(|_, addresses| addresses.is_ok());
        let new = hosts.into_iter().filter(|&host| !self.found.contains_key(host));
        let new: BTreeSet<String> = new.map(str::to_owned).collect();
        ask_all(new.clone(), |host: &String| ask_for_addresses(host), patience, &mut self.found);
        for host in new {
            self.found.entry(host).or_insert_with(|| {
                let seconds = SILENCE.as_secs();
                Err(format!("failed to lookup address information: no answer in {seconds} seconds"))
            });
        }
    }

    /// The first address of a name that was looked up; IPv4 comes before IPv6.
    pub(super) fn address(&self, host: &str) -> Result<IpAddr, String> {
        match self.found.get(host) {
            Some(Ok(addresses)) => addresses.first().copied().ok_or("no address".to_owned()),
            Some(Err(message)) => Err(message.clone()),
            None => Err("not looked up".to_owned()),
        }
    }
}

/// The result of a question.
pub(super) struct Reply<A> {
    answer: A,
    /// The answer comes from a file or a name server. A missing name server gives none.
    is_heard: bool,
}

fn is_heard(error: &LookupError) -> bool {
    !matches!(error.kind(), LookupErrorKind::Again)
}

fn ask_for_addresses(host: &str) -> Reply<Addresses> {
    let answer = addresses(host);
    let is_heard = answer.as_ref().err().is_none_or(is_heard);
    Reply { answer: answer.map_err(|error| io::Error::from(error).to_string()), is_heard }
}

/// The addresses of a name, each once, IPv4 before IPv6.
fn addresses(host: &str) -> Result<Vec<IpAddr>, LookupError> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    for found in getaddrinfo(Some(host), None, Some(hints))? {
        let address = found?.sockaddr.ip();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    // A stable sort keeps the resolver's own order within a family.
    addresses.sort_by_key(IpAddr::is_ipv6);
    Ok(addresses)
}

/// Tells if a name could be taken for an address, for a port behind an address, or for another column of a listing. Whoever
/// answers reverse look-ups for an address chooses its name.
fn misleads(name: &str) -> bool {
    looks_like_a_number(name)
        || name.contains(|c: char| c.is_control() || c.is_whitespace() || ":[]".contains(c))
}

/// The name of an address, if it has one that does not mislead.
pub(super) fn name(address: &IpAddr) -> Reply<Option<String>> {
    match getnameinfo(&SocketAddr::new(*address, 0), NAME_ONLY) {
        Ok((name, _)) => {
            Reply { answer: Some(name).filter(|name| !misleads(name)), is_heard: true }
        }
        Err(error) => Reply { answer: None, is_heard: is_heard(&error) },
    }
}

/// The name of an address, if it resolves to this address alone.
pub(super) fn exact_name(address: &IpAddr) -> Reply<Option<String>> {
    let Reply { answer, is_heard } = name(address);
    // The hosts file may have names that no rule line can hold.
    let answer = answer.filter(|name| {
        is_host_name(name) && addresses(name).is_ok_and(|addresses| addresses == [*address])
    });
    Reply { answer, is_heard }
}

/// Asks many questions at once and adds the answers to `found`. False if it has stopped waiting for some.
pub(super) fn ask_all<Q, A>(
    questions: BTreeSet<Q>,
    ask: impl Fn(&Q) -> Reply<A> + Copy + Send + 'static,
    patience: Patience,
    found: &mut HashMap<Q, A>,
) -> bool
where
    Q: Ord + Hash + Send + 'static,
    A: Send + 'static,
{
    let open = questions.len();
    let questions = Arc::new(Mutex::new(questions.into_iter()));
    let (sender, replies) = mpsc::channel();
    // A single question without a time limit needs no thread.
    let workers = match (open, patience) {
        (1, Patience::Unlimited) => 0,
        _ => open.min(WORKERS),
    };
    let mut is_alone = true;
    for _ in 0..workers {
        let (questions, sender) = (Arc::clone(&questions), sender.clone());
        // A look-up that hangs cannot be cancelled: its thread stays and ends with the process. If the system refuses
        // more threads, the existing ones do the work.
        let worker = thread::Builder::new().spawn(move || work(&questions, &sender, ask));
        is_alone &= worker.is_err();
    }
    if is_alone {
        work(&questions, &sender, ask);
    }
    drop(sender);
    let silence = match patience {
        Patience::Unlimited => Duration::MAX,
        Patience::WhileAnswersCome => SILENCE,
    };
    collect(&replies, open, silence, found)
}

fn work<Q, A>(
    questions: &Mutex<btree_set::IntoIter<Q>>,
    sender: &Sender<(Q, Reply<A>)>,
    ask: impl Fn(&Q) -> Reply<A>,
) {
    loop {
        let Some(question) = questions.lock().ok().and_then(|mut questions| questions.next())
        else {
            return;
        };
        let reply = ask(&question);
        if sender.send((question, reply)).is_err() {
            return;
        }
    }
}

/// Receives replies until all are there (true), or until no answer has come for the time `silence` (false).
fn collect<Q: Eq + Hash, A>(
    replies: &Receiver<(Q, Reply<A>)>,
    mut open: usize,
    silence: Duration,
    found: &mut HashMap<Q, A>,
) -> bool {
    let mut heard = Instant::now();
    while open > 0 {
        let Ok((question, reply)) = replies.recv_timeout(silence.saturating_sub(heard.elapsed()))
        else {
            return false;
        };
        open -= 1;
        if reply.is_heard {
            heard = Instant::now();
        }
        found.insert(question, reply.answer);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard<A>(answer: A) -> Reply<A> {
        Reply { answer, is_heard: true }
    }

    #[test]
    fn name_that_reads_as_an_address_or_a_port_misleads() {
        for name in [
            "",
            "10.0.0.9",
            "10.0.0.9.",
            "010.9",
            "0xa000009",
            "1.2.3.0XFF",
            "80",
            "::1",
            "web:80",
            "[web]",
            "web 80",
            "web\u{1b}[2J",
            "web\u{9b}m",
        ] {
            assert!(misleads(name), "{name:?}");
        }
        for name in
            ["web", "1-2-3-4.example", "10.0.0.9.example.", "beef", "9a", "under_score", "a/24"]
        {
            assert!(!misleads(name), "{name:?}");
        }
    }

    #[test]
    fn names_are_looked_up_once_and_failed_ones_again() {
        let mut hosts = Hosts::default();
        // A NUL cannot be passed to the resolver, so that the failure needs no name server.
        hosts.look_up(["127.0.0.1", "no\0name", "127.0.0.1"], Patience::WhileAnswersCome);
        assert_eq!(hosts.address("127.0.0.1"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert!(hosts.address("no\0name").is_err());
        assert_eq!(hosts.found.len(), 2);
        hosts.look_up(["::1"], Patience::Unlimited);
        assert_eq!(hosts.address("::1"), Ok("::1".parse().unwrap()));
        assert_eq!(hosts.found.len(), 2, "a failure is remembered");
    }

    #[test]
    fn wait_ends_when_only_failures_without_an_answer_come() {
        let (sender, answers) = mpsc::channel();
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        sender.send((one, heard(Some("one.example".to_owned())))).unwrap();
        sender.send((two, Reply { answer: None, is_heard: false })).unwrap();
        let mut found = HashMap::new();
        assert!(!collect(&answers, 3, Duration::from_millis(20), &mut found));
        assert_eq!(found, HashMap::from([(one, Some("one.example".to_owned())), (two, None)]));
    }

    #[test]
    fn every_answer_is_stored() {
        let addresses: [IpAddr; 3] =
            ["192.0.2.1", "192.0.2.2", "192.0.2.1"].map(|text| text.parse().unwrap());
        let mut found = HashMap::new();
        let ask = |address: &IpAddr| heard(format!("host-{address}"));
        assert!(ask_all(BTreeSet::from(addresses), ask, Patience::WhileAnswersCome, &mut found));
        assert_eq!(found.len(), 2);
    }
}
