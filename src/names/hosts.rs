//! Host names through the system's resolver: getaddrinfo(3) and getnameinfo(3), one call an address.

use std::collections::{BTreeSet, HashMap, btree_set};
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo, getnameinfo};
use thiserror::Error;

/// How long no answer at all may come before the rest stays numbers. A resolver with its default of two tries
/// of five seconds each has given up on the first by then.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many look-ups are under way at once.
const WORKERS: usize = 64;

/// `NI_NUMERICSERV | NI_NAMEREQD` of netdb.h: no port, and an error rather than a number.
const NAME_ONLY: i32 = 2 | 8;

/// A host name that leads nowhere.
#[derive(Debug, Error)]
#[error("`{host}': {source}")]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the resolver said.
    pub source: Arc<io::Error>,
}

/// The addresses of a name, or why there are none.
type Addresses = Result<Vec<IpAddr>, Arc<io::Error>>;

/// What became of the names looked up so far.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    found: HashMap<String, Addresses>,
    /// Nobody is to be asked now.
    is_paused: bool,
    /// The names that would have been asked for meanwhile.
    missed: BTreeSet<String>,
}

impl Resolved {
    /// The addresses of a host. One that has none yet may have some when it is asked for again.
    pub(super) fn addresses(&mut self, host: &str) -> Result<&[IpAddr], ResolveError> {
        const SOME: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)];

        if !self.found.contains_key(host) {
            if self.is_paused {
                self.missed.insert(host.to_owned());
                return Ok(SOME);
            }
            let addresses = addresses(host).map_err(|error| ResolveError {
                host: host.to_owned(),
                source: Arc::new(error.into()),
            })?;
            self.found.insert(host.to_owned(), Ok(addresses));
        }
        match self.found.get(host) {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(source)) => {
                Err(ResolveError { host: host.to_owned(), source: Arc::clone(source) })
            }
            None => Ok(&[]),
        }
    }

    /// From now on answers come from memory alone. A name that is not in there has some address, so that whoever
    /// asks goes on, and comes to the next name.
    pub(super) fn pause(&mut self) {
        self.missed.clear();
        self.is_paused = true;
    }

    /// Ends a pause, and says whether all names were known.
    pub(super) fn resume(&mut self) -> bool {
        self.is_paused = false;
        self.missed.is_empty()
    }

    /// Looks up the names that were missed in the last pause, each once: what has come of them stays.
    pub(super) fn ask_for_missed(&mut self) {
        let missed = std::mem::take(&mut self.missed);
        ask_all(missed.clone(), |host: &String| ask_for_addresses(host), &mut self.found);
        for host in missed {
            self.found.entry(host).or_insert_with(|| {
                let silence = PATIENCE.as_secs();
                let text =
                    format!("failed to lookup address information: no answer in {silence} seconds");
                Err(Arc::new(io::Error::new(io::ErrorKind::TimedOut, text)))
            });
        }
    }
}

/// What came of a question.
pub(super) struct Reply<A> {
    answer: A,
    /// Somebody has said so. A name server that is not there says nothing.
    is_heard: bool,
}

fn is_heard(error: &LookupError) -> bool {
    !matches!(error.kind(), LookupErrorKind::Again)
}

fn ask_for_addresses(host: &str) -> Reply<Addresses> {
    let answer = addresses(host);
    let is_heard = answer.as_ref().err().is_none_or(is_heard);
    Reply { answer: answer.map_err(|error| Arc::new(error.into())), is_heard }
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

/// Whether a text is worth asking a name server for, and can stand before a port.
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || !byte.is_ascii();
    text.strip_suffix('.')
        .unwrap_or(text)
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_host_byte))
}

/// The name of an address, if it has one.
pub(super) fn name(address: &IpAddr) -> Reply<Option<String>> {
    match getnameinfo(&SocketAddr::new(*address, 0), NAME_ONLY) {
        Ok((name, _)) => Reply { answer: Some(name), is_heard: true },
        Err(error) => Reply { answer: None, is_heard: is_heard(&error) },
    }
}

/// The name of an address if it leads to the address and to no other.
pub(super) fn exact_name(address: &IpAddr) -> Reply<Option<String>> {
    let Reply { answer, is_heard } = name(address);
    // The hosts file may have names that no rule line can hold.
    let answer = answer.filter(|name| {
        is_host_name(name) && addresses(name).is_ok_and(|addresses| addresses == [*address])
    });
    Reply { answer, is_heard }
}

/// Asks many questions at once and adds what is found. Says whether it got through to the end.
pub(super) fn ask_all<Q, A>(
    questions: BTreeSet<Q>,
    ask: impl Fn(&Q) -> Reply<A> + Copy + Send + 'static,
    found: &mut HashMap<Q, A>,
) -> bool
where
    Q: Ord + Hash + Send + 'static,
    A: Send + 'static,
{
    let open = questions.len();
    let workers = open.min(WORKERS);
    let questions = Arc::new(Mutex::new(questions.into_iter()));
    let (sender, replies) = mpsc::channel();
    let mut is_alone = true;
    for _ in 0..workers {
        let (questions, sender) = (Arc::clone(&questions), sender.clone());
        // A look-up that hangs cannot be taken back: its thread is left behind and ends with the process.
        // Where there can be no more threads, those that there are do the work.
        let worker = thread::Builder::new().spawn(move || work(&questions, &sender, ask));
        is_alone &= worker.is_err();
    }
    if is_alone {
        work(&questions, &sender, ask);
    }
    drop(sender);
    collect(&replies, open, PATIENCE, found)
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

/// Takes replies in until all are there (true), or until none but silence has come for as long as patience
/// lasts (false).
fn collect<Q: Eq + Hash, A>(
    replies: &Receiver<(Q, Reply<A>)>,
    mut open: usize,
    patience: Duration,
    found: &mut HashMap<Q, A>,
) -> bool {
    let mut heard = Instant::now();
    while open > 0 {
        let Ok((question, reply)) = replies.recv_timeout(patience.saturating_sub(heard.elapsed()))
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
    fn name_that_could_not_be_read_back_is_none() {
        for name in ["vip", "vip.example.", "under_score", "-x", "b\u{fc}ro"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in ["", "a:b", "[a]", "#a", "a..b", "a/24", "a%b"] {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn names_that_are_missed_are_asked_for_together() {
        let mut resolved = Resolved::default();
        resolved.pause();
        for host in ["localhost", "127.0.0.1", "localhost"] {
            assert!(resolved.addresses(host).is_ok());
        }
        assert!(!resolved.resume());
        resolved.ask_for_missed();
        resolved.pause();
        assert_eq!(resolved.addresses("127.0.0.1").unwrap(), [IpAddr::from([127, 0, 0, 1])]);
        assert!(resolved.addresses("localhost").is_ok());
        assert!(resolved.resume(), "one of them would be asked for again");
    }

    #[test]
    fn silence_is_no_answer_and_patience_ends() {
        let (sender, answers) = mpsc::channel();
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        sender.send((one, heard(Some("one.example".to_owned())))).unwrap();
        sender.send((two, Reply { answer: None, is_heard: false })).unwrap();
        let mut found = HashMap::new();
        assert!(!collect(&answers, 3, Duration::from_millis(20), &mut found));
        assert_eq!(found, HashMap::from([(one, Some("one.example".to_owned())), (two, None)]));
    }

    #[test]
    fn every_answer_is_taken_in() {
        let addresses: [IpAddr; 3] =
            ["192.0.2.1", "192.0.2.2", "192.0.2.1"].map(|text| text.parse().unwrap());
        let mut found = HashMap::new();
        let ask = |address: &IpAddr| heard(format!("host-{address}"));
        assert!(ask_all(BTreeSet::from(addresses), ask, &mut found));
        assert_eq!(found.len(), 2);
    }
}
