//! The library's restore over a transport that injects failures. The transport counts the changes, and can spoil a
//! change, so that the kernel refuses it, or lose an answer.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::mem;
use std::rc::Rc;

use ipvs::netlink::{Client, KernelSocket, Transport};
use ipvs::plan::{ApplyError, Plan, Prepared, Progress, apply, apply_with_retries};
use ipvs::state::{read_ruleset, read_settings};
use ipvsadm::resolve::Resolver;
use ipvsadm::rules_file::{Origin, RuleFile};

/// The outcome of a restore.
pub(crate) type Outcome = Result<(), Box<ApplyError<Origin>>>;

const CONTROL_FAMILY: u16 = 16;
const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const NEW_DEST: u8 = 5;
const DEL_DEST: u8 = 7;
/// The commands that only read: GET_SERVICE, GET_DEST, GET_DAEMON, GET_CONFIG and GET_INFO.
const QUESTIONS: [u8; 5] = [4, 8, 11, 13, 15];
const NO_SUCH_COMMAND: u8 = 99;

const ATTR_SERVICE: u16 = 1;
const SVC_ATTR_ADDR: u16 = 3;
const SVC_ATTR_FWMARK: u16 = 5;
const SVC_ATTR_SCHED_NAME: u16 = 6;

const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

/// The fate of a change in the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    /// The transport spoils the change, so that the kernel refuses it.
    IsSpoiled,
    /// The kernel makes the change, and the answer to its datagram is lost.
    LosesItsAnswer,
}

/// A socket to the kernel that counts changes from 1 and gives each its fate.
pub(crate) struct Wire {
    socket: KernelSocket,
    changes: Rc<Cell<usize>>,
    fate: Box<dyn Fn(usize) -> Fate>,
    loses_answer: bool,
}

/// A client over this transport in the namespace of the calling thread, and the number of changes that it has sent.
pub(crate) fn client(fate: impl Fn(usize) -> Fate + 'static) -> (Client<Wire>, Rc<Cell<usize>>) {
    let changes = Rc::new(Cell::new(0));
    let socket = KernelSocket::open().unwrap();
    let wire =
        Wire { socket, changes: Rc::clone(&changes), fate: Box::new(fate), loses_answer: false };
    (Client::new(wire).unwrap(), changes)
}

impl Transport for Wire {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut datagram = datagram.to_vec();
        let mut rest = &mut datagram[..];
        while !rest.is_empty() {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            let (message, after) = rest.split_at_mut(length.next_multiple_of(4));
            let family = u16::from_ne_bytes(message[4..6].try_into().unwrap());
            if family != CONTROL_FAMILY && !QUESTIONS.contains(&message[HEADER]) {
                self.changes.set(self.changes.get() + 1);
                match (self.fate)(self.changes.get()) {
                    Fate::Arrives => {}
                    Fate::IsSpoiled => spoil(message),
                    Fate::LosesItsAnswer => self.loses_answer = true,
                }
            }
            rest = after;
        }
        self.socket.send(&datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.socket.receive(buffer)?;
        if mem::take(&mut self.loses_answer) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }
}

/// A kernel with one more attribute for real servers than this version knows.
pub(crate) struct NewerKernel(KernelSocket);

impl NewerKernel {
    /// The attribute's number.
    pub(crate) const ATTRIBUTE: u16 = 99;

    pub(crate) fn client() -> Client<NewerKernel> {
        Client::new(NewerKernel(KernelSocket::open().unwrap())).unwrap()
    }
}

impl Transport for NewerKernel {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.0.receive(buffer)?;
        let datagram = mem::take(buffer);
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap());
            let (message, after) = rest.split_at((length as usize).next_multiple_of(4));
            let family = u16::from_ne_bytes(message[4..6].try_into().unwrap());
            let start = buffer.len();
            buffer.extend_from_slice(message);
            if family > CONTROL_FAMILY && message[HEADER] == NEW_DEST {
                // The message contains only the real server.
                let nest = start + HEADER + GENERIC_HEADER;
                let inside = u16::from_ne_bytes(buffer[nest..nest + 2].try_into().unwrap());
                for half in [8, Self::ATTRIBUTE] {
                    buffer.extend_from_slice(&half.to_ne_bytes());
                }
                buffer.extend_from_slice(&[0; 4]);
                buffer[start..start + 4].copy_from_slice(&(length + 8).to_ne_bytes());
                buffer[nest..nest + 2].copy_from_slice(&(inside + 8).to_ne_bytes());
            }
            rest = after;
        }
        Ok(())
    }
}

/// Spoils a change so that the kernel refuses it. It gets an unknown scheduler or the key of a missing service; a
/// change of neither gets an unknown command.
fn spoil(message: &mut [u8]) {
    match message[HEADER] {
        NEW_SERVICE | SET_SERVICE => {
            let scheduler = find(service_of(message), SVC_ATTR_SCHED_NAME).unwrap();
            let end = scheduler.len() - 1;
            scheduler[..end].fill(b'x');
        }
        ..=DEL_DEST => {
            let service = service_of(message);
            let kind = if find(service, SVC_ATTR_FWMARK).is_some() {
                SVC_ATTR_FWMARK
            } else {
                SVC_ATTR_ADDR
            };
            find(service, kind).unwrap()[0] ^= 0x80;
        }
        _ => message[HEADER] = NO_SUCH_COMMAND,
    }
}

fn service_of(message: &mut [u8]) -> &mut [u8] {
    find(&mut message[HEADER + GENERIC_HEADER..], ATTR_SERVICE).unwrap()
}

/// The value of the first attribute of a kind.
fn find(mut attributes: &mut [u8], kind: u16) -> Option<&mut [u8]> {
    const NESTED: u16 = 1 << 15;
    while !attributes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(attributes[..2].try_into().unwrap()));
        let found = u16::from_ne_bytes(attributes[2..4].try_into().unwrap()) & !NESTED;
        let (attribute, after) = attributes.split_at_mut(length.next_multiple_of(4));
        if found == kind {
            return Some(&mut attribute[ATTRIBUTE_HEADER..length]);
        }
        attributes = after;
    }
    None
}

/// Restores a valid file over the kernel's table.
pub(crate) fn restore<T: Transport>(text: &str, client: &mut Client<T>) -> Outcome {
    restore_watched(text, client, &mut ())
}

/// Restores a valid file with a `progress`.
pub(crate) fn restore_watched<T: Transport>(
    text: &str,
    client: &mut Client<T>,
    progress: &mut dyn Progress,
) -> Outcome {
    let Prepared { plan, current } = prepare(text, client);
    apply(&plan, &current, client, progress)
}

/// Restores a valid file, and plans again when another program has changed the table.
pub(crate) fn restore_repeatedly<T: Transport>(text: &str, client: &mut Client<T>) -> Outcome {
    let first = prepare(text, client);
    let again = |client: &mut Client<T>| Ok::<_, Infallible>(prepare(text, client));
    let Ok(outcome) = apply_with_retries(first, client, &mut (), again);
    outcome.map(drop)
}

fn prepare<T: Transport>(text: &str, client: &mut Client<T>) -> Prepared<Origin> {
    let file = RuleFile::read(text.as_bytes(), &mut Resolver::new());
    assert!(file.bad_rules.is_empty(), "{:?}", file.bad_rules);
    let mut wanted = ipvs::Ruleset::default();
    let conflicts = wanted.apply_all(&file.rules);
    assert!(conflicts.is_empty(), "{conflicts:?}");
    let mut current = read_ruleset(client).unwrap();
    current.settings = read_settings(client).unwrap();
    Prepared { plan: Plan::between(&current, &wanted), current }
}
