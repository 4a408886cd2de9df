//! A netlink socket of the model: requests in, answers out, one dump at a time, and the failures that a test asks for.

use std::collections::VecDeque;
use std::{fmt, io};

use rustix::io::Errno;

use super::Kernel;
use super::attributes::Attributes;
use super::commands::Answer;
use super::constants::*;
use crate::messages::{GENERIC_HEADER, HEADER, messages, put};

/// How many messages of a dump a datagram holds. A real kernel counts bytes; with this number, short dumps span many
/// datagrams too.
const DUMPED_AT_ONCE: usize = 3;

/// The port number of the socket: every answer has it in its header.
const PORT: u32 = 690;

type BeforeRequest = Box<dyn FnMut(Request) -> Result<(), Errno> + Send>;
type BeforeReceive = Box<dyn FnMut(usize) -> io::Result<()> + Send>;

/// A generic netlink socket.
pub struct Socket {
    kernel: Kernel,
    answers: VecDeque<Vec<u8>>,
    dump: Option<Dump>,
    /// How many requests of the family IPVS were sent.
    requests: usize,
    /// How many of them were changes.
    changes: usize,
    /// How many datagrams were asked for.
    receives: usize,
    before_request: BeforeRequest,
    before_receive: BeforeReceive,
}

/// A request of the family IPVS that the kernel is about to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The place of the request among all of the socket, from 1.
    pub number: usize,
    /// The place among the requests that change something, from 1; `None` for a request that only asks.
    pub change: Option<usize>,
    /// `IPVS_CMD_*`.
    pub command: u8,
}

/// A dump that has not reached its end.
struct Dump {
    header: Header,
    command: u8,
    payload: Vec<u8>,
    /// How many answers were given.
    next: usize,
}

/// The fields of a netlink header that matter to an answer.
#[derive(Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Socket {
    pub(super) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            answers: VecDeque::new(),
            dump: None,
            requests: 0,
            changes: 0,
            receives: 0,
            before_request: Box::new(|_| Ok(())),
            before_receive: Box::new(|_| Ok(())),
        }
    }

    /// Calls a function before each request. The kernel refuses the request with the errno that the function returns;
    /// `EINTR` is never answered. The function may also change the table, as another program does between two requests.
    pub fn before_request(
        self,
        action: impl FnMut(Request) -> Result<(), Errno> + Send + 'static,
    ) -> Self {
        Self { before_request: Box::new(action), ..self }
    }

    /// Calls a function before each receive with its number, from 1. An error that the function returns is that of the
    /// receive; the datagram stays in the queue.
    pub fn before_receive(
        self,
        action: impl FnMut(usize) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self { before_receive: Box::new(action), ..self }
    }

    /// Handles every message of a datagram in turn, also after a refusal.
    pub fn handle(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            let header = Header::of(message);
            if header.flags & NLM_F_REQUEST == 0 {
                continue;
            }
            match self.request(header, message) {
                Err(Errno::INTR) => {}
                Err(errno) => self.answers.push_back(header.error(message, Some(errno))),
                Ok(()) if header.flags & NLM_F_DUMP == NLM_F_DUMP => {}
                Ok(()) if header.flags & NLM_F_ACK == 0 => {}
                Ok(()) => self.answers.push_back(header.error(message, None)),
            }
        }
    }

    /// Takes the next datagram. Receiving it makes a dump continue with the table as it is then.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits: a real socket would wait for ever. Otherwise the error of
    /// [`Socket::before_receive`].
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        self.receives += 1;
        (self.before_receive)(self.receives)?;
        let datagram = self.answers.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.continue_dump()?;
        Ok(datagram)
    }

    fn request(&mut self, header: Header, message: &[u8]) -> Result<(), Errno> {
        let (generic, payload) = message[HEADER..].split_at(GENERIC_HEADER);
        let command = generic[0];
        if header.kind == GENL_ID_CTRL {
            let answer = self.find_family(command, payload)?;
            self.answers.push_back(answer.message(header, 2, 0));
            return Ok(());
        }
        if self.kernel.state().family != Some(header.kind) {
            return Err(Errno::NOENT);
        }
        self.requests += 1;
        let is_change =
            !matches!(command, GET_SERVICE | GET_DEST | GET_DAEMON | GET_CONFIG | GET_INFO);
        self.changes += usize::from(is_change);
        (self.before_request)(Request {
            number: self.requests,
            change: is_change.then_some(self.changes),
            command,
        })?;
        if header.flags & NLM_F_DUMP == NLM_F_DUMP {
            if self.dump.is_some() {
                return Err(Errno::BUSY);
            }
            self.dump = Some(Dump { header, command, payload: payload.to_vec(), next: 0 });
            return self.continue_dump();
        }
        if let Some(answer) = self.kernel.state().perform(command, payload)? {
            self.answers.push_back(answer.message(header, 1, 0));
        }
        Ok(())
    }

    /// Answers `CTRL_CMD_GETFAMILY`.
    fn find_family(&self, command: u8, payload: &[u8]) -> Result<Answer, Errno> {
        const NAME: &[u8] = b"IPVS\0";
        if command != CTRL_CMD_GETFAMILY {
            return Err(Errno::OPNOTSUPP);
        }
        let is_ours = Attributes::of(payload).find(CTRL_ATTR_FAMILY_NAME) == Some(NAME);
        let family = self.kernel.state().family.filter(|_| is_ours).ok_or(Errno::NOENT)?;
        let mut attributes = Vec::new();
        put(&mut attributes, CTRL_ATTR_FAMILY_NAME, NAME);
        put(&mut attributes, CTRL_ATTR_FAMILY_ID, &family.to_ne_bytes());
        Ok((CTRL_CMD_NEWFAMILY, attributes))
    }

    /// Queues the next datagram of the dump, if one runs. The end comes in a datagram of its own.
    fn continue_dump(&mut self) -> Result<(), Errno> {
        let Some(mut dump) = self.dump.take() else { return Ok(()) };
        let answers = self.kernel.state().dump(dump.command, &dump.payload)?;
        let next: Vec<u8> = answers
            .into_iter()
            .skip(dump.next)
            .take(DUMPED_AT_ONCE)
            .flat_map(|answer| answer.message(dump.header, 1, NLM_F_MULTI))
            .collect();
        if next.is_empty() {
            let header = Header { kind: NLMSG_DONE, flags: NLM_F_MULTI, ..dump.header };
            self.answers.push_back(header.message(&[0; 4]));
        } else {
            self.answers.push_back(next);
            dump.next += DUMPED_AT_ONCE;
            self.dump = Some(dump);
        }
        Ok(())
    }
}

/// Encodes an answer as a message.
trait Encode {
    fn message(self, request: Header, version: u8, flags: u16) -> Vec<u8>;
}

impl Encode for Answer {
    fn message(self, request: Header, version: u8, flags: u16) -> Vec<u8> {
        let (command, attributes) = self;
        let payload = [&[command, version, 0, 0], &attributes[..]].concat();
        Header { flags, ..request }.message(&payload)
    }
}

impl Header {
    fn of(message: &[u8]) -> Self {
        Self {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            flags: u16::from_ne_bytes([message[6], message[7]]),
            sequence: u32::from_ne_bytes(*message[8..].first_chunk().unwrap()),
        }
    }

    fn message(self, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        [
            &length.to_ne_bytes()[..],
            &self.kind.to_ne_bytes(),
            &self.flags.to_ne_bytes(),
            &self.sequence.to_ne_bytes(),
            &PORT.to_ne_bytes(),
            payload,
        ]
        .concat()
    }

    /// The answer to a request that was performed or refused. A refusal quotes the request, an ACK only its header.
    fn error(self, request: &[u8], errno: Option<Errno>) -> Vec<u8> {
        let (code, quoted, flags) = match errno {
            Some(errno) => (-errno.raw_os_error(), request, 0),
            None => (0, &request[..HEADER], NLM_F_CAPPED),
        };
        let payload = [&code.to_ne_bytes(), quoted].concat();
        Header { kind: NLMSG_ERROR, flags, ..self }.message(&payload)
    }
}
