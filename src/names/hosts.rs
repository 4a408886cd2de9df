//! Host names through the system's resolver: getaddrinfo(3) and getnameinfo(3), one call an address.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{LookupErrorKind, getnameinfo};
use thiserror::Error;

/// How long no answer at all may come before the rest stays numbers. A resolver with its default of two tries
/// of five seconds each has given up on the first by then.
const PATIENCE: Duration = Duration::from_secs(12);

/// A look-up that takes as long and fails was not answered: who answers that there is no such name does so sooner.
const SILENCE: Duration = Duration::from_secs(1);

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

/// What became of the names looked up so far.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    found: HashMap<String, Result<Vec<IpAddr>, Arc<io::Error>>>,
    /// How long no name server has been heard.
    in_vain: Duration,
    /// Nobody is to be asked now; and whether somebody would have been.
    is_paused: bool,
    is_missed: bool,
}

impl Resolved {
    /// The addresses of a host.
    ///
    /// Each name is asked for once. After 12 seconds without a sign of a name server none is asked for any more: a file
    /// of a hundred names is not read for a quarter of an hour.
    pub(super) fn addresses(&mut self, host: &str) -> Result<&[IpAddr], ResolveError> {
        self.addresses_by(host, addresses)
    }

    /// From now on answers come from memory alone.
    pub(super) fn pause(&mut self) {
        (self.is_paused, self.is_missed) = (true, false);
    }

    /// Ends a pause, and says whether all names were known.
    pub(super) fn resume(&mut self) -> bool {
        self.is_paused = false;
        !self.is_missed
    }

    fn addresses_by(
        &mut self,
        host: &str,
        ask: impl FnOnce(&str) -> io::Result<Vec<IpAddr>>,
    ) -> Result<&[IpAddr], ResolveError> {
        if !self.found.contains_key(host) {
            if self.is_paused {
                self.is_missed = true;
                let source = Arc::new(io::ErrorKind::WouldBlock.into());
                return Err(ResolveError { host: host.to_owned(), source });
            }
            let answer = if self.in_vain < PATIENCE {
                let begin = Instant::now();
                let answer = ask(host);
                self.in_vain = match begin.elapsed() {
                    took if answer.is_err() && took >= SILENCE => self.in_vain + took,
                    _ => Duration::ZERO,
                };
                answer
            } else {
                Err(io::Error::other(
                    "failed to lookup address information: no answer to others before it",
                ))
            };
            self.found.insert(host.to_owned(), answer.map_err(Arc::new));
        }
        match self.found.get(host) {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(source)) => {
                Err(ResolveError { host: host.to_owned(), source: Arc::clone(source) })
            }
            None => Ok(&[]),
        }
    }
}

/// The addresses of a name, each once, IPv4 before IPv6.
fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for found in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&found.ip()) {
            addresses.push(found.ip());
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

/// What came of asking for the name of an address.
pub(super) enum Answer {
    Name(String),
    NoName,
    /// The name server was not heard.
    Silence,
}

/// The name of an address.
pub(super) fn name(address: IpAddr) -> Answer {
    match getnameinfo(&SocketAddr::new(address, 0), NAME_ONLY) {
        Ok((name, _)) => Answer::Name(name),
        Err(error) if matches!(error.kind(), LookupErrorKind::Again) => Answer::Silence,
        Err(_) => Answer::NoName,
    }
}

/// The name of an address if it leads to the address and to no other.
pub(super) fn exact_name(address: IpAddr) -> Answer {
    match name(address) {
        // The hosts file may have names that no rule line can hold.
        Answer::Name(name) if !is_host_name(&name) => Answer::NoName,
        Answer::Name(name) => match addresses(&name) {
            Ok(addresses) if addresses == [address] => Answer::Name(name),
            _ => Answer::NoName,
        },
        other => other,
    }
}

/// Asks for many names at once and adds what is found. Says whether it got through to the end.
pub(super) fn ask_all(
    questions: BTreeSet<IpAddr>,
    ask: fn(IpAddr) -> Answer,
    found: &mut HashMap<IpAddr, Option<String>>,
) -> bool {
    let open = questions.len();
    let workers = open.min(WORKERS);
    let questions = Arc::new(Mutex::new(questions.into_iter()));
    let (sender, answers) = mpsc::channel();
    for _ in 0..workers {
        let (questions, sender) = (Arc::clone(&questions), sender.clone());
        // A look-up that hangs cannot be taken back: its thread is left behind and ends with the process.
        // Where there can be no more threads, those that there are do the work.
        let _ = thread::Builder::new().spawn(move || work(&questions, &sender, ask));
    }
    drop(sender);
    collect(&answers, open, PATIENCE, found)
}

type Questions = Mutex<std::collections::btree_set::IntoIter<IpAddr>>;

fn work(questions: &Questions, sender: &Sender<(IpAddr, Answer)>, ask: fn(IpAddr) -> Answer) {
    loop {
        let Some(address) = questions.lock().ok().and_then(|mut questions| questions.next()) else {
            return;
        };
        if sender.send((address, ask(address))).is_err() {
            return;
        }
    }
}

/// Takes answers in until all are there (true), or until none but silence has come for as long as patience
/// lasts (false).
fn collect(
    answers: &Receiver<(IpAddr, Answer)>,
    mut open: usize,
    patience: Duration,
    found: &mut HashMap<IpAddr, Option<String>>,
) -> bool {
    let mut heard = Instant::now();
    while open > 0 {
        let Ok((address, answer)) = answers.recv_timeout(patience.saturating_sub(heard.elapsed()))
        else {
            return false;
        };
        open -= 1;
        if !matches!(answer, Answer::Silence) {
            heard = Instant::now();
        }
        found.insert(
            address,
            match answer {
                Answer::Name(name) => Some(name),
                Answer::NoName | Answer::Silence => None,
            },
        );
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn name_is_asked_for_once_and_after_a_long_silence_not_at_all() {
        let mut resolved = Resolved::default();
        let nothing = |_: &str| Err(io::Error::other("not found"));
        let must_not_be_asked = |host: &str| panic!("{host} is asked for");
        assert!(resolved.addresses_by("one.example", nothing).is_err());
        assert!(resolved.addresses_by("one.example", must_not_be_asked).is_err());
        let found = |_: &str| Ok(vec![IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(resolved.addresses_by("two.example", found).unwrap().len(), 1);
        resolved.in_vain = PATIENCE;
        assert!(resolved.addresses_by("three.example", must_not_be_asked).is_err());
        assert_eq!(resolved.addresses_by("two.example", must_not_be_asked).unwrap().len(), 1);
    }

    #[test]
    fn silence_is_no_answer_and_patience_ends() {
        let (sender, answers) = mpsc::channel();
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        sender.send((one, Answer::Name("one.example".into()))).unwrap();
        sender.send((two, Answer::Silence)).unwrap();
        let mut found = HashMap::new();
        assert!(!collect(&answers, 3, Duration::from_millis(20), &mut found));
        assert_eq!(found, HashMap::from([(one, Some("one.example".into())), (two, None)]));
    }

    #[test]
    fn every_answer_is_taken_in() {
        let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1"].map(|text| text.parse().unwrap());
        let mut found = HashMap::new();
        let ask = |address| Answer::Name(format!("host-{address}"));
        assert!(ask_all(BTreeSet::from(addresses), ask, &mut found));
        assert_eq!(found.len(), 2);
    }
}
