//! The client: requests with sequence numbers, answers matched to them.

use std::fmt;

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkMessage,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rustix::io::Errno;

use super::codec::{self, DecodeError};
use super::kernel::*;
use super::{Error, KernelSocket, Operation, Refused, Transport};
use crate::model::{Change, Info, RealServerState, ServiceKey, ServiceState, SyncDaemon, Timeouts};

/// How many changes go out in one datagram. The kernel handles them in turn within one send(2); from about
/// this number on, the system calls no longer show beside the work (6.1: 13 µs a change).
const BATCH: usize = 64;

/// What an answer to a change takes of the socket's room at most: a refusal quotes its request, which makes 200 bytes
/// in an allocation that the kernel counts as 768 (6.1) or 1280 (where `MAX_SKB_FRAGS` is larger).
const ANSWER: usize = 2048;

/// How often a dump is begun again that the kernel says was interrupted. No kernel says so of IPVS to this day.
const DUMPS: usize = 5;

/// A change that the kernel refused, by its place in what was given to [`Client::apply_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The place of the change, counted from 0.
    pub index: usize,
    /// Why.
    pub refused: Refused,
}

/// A connection to the kernel's IPVS, in the network namespace of the thread that made it.
pub struct Client<T = KernelSocket> {
    transport: T,
    family: u16,
    sequence: u32,
    /// How many changes go out in one datagram here, once that is known.
    batch: Option<usize>,
    outgoing: Vec<u8>,
    attributes: Vec<u8>,
    incoming: Vec<u8>,
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("family", &self.family).finish_non_exhaustive()
    }
}

/// A request of the family IPVS, its attributes already in bytes.
#[derive(Debug)]
struct Request<'a> {
    command: u8,
    attributes: &'a [u8],
}

impl GenlFamily for Request<'_> {
    fn family_name() -> &'static str {
        IPVS_GENL_NAME
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        IPVS_GENL_VERSION
    }
}

impl netlink_packet_core::Emitable for Request<'_> {
    fn buffer_len(&self) -> usize {
        self.attributes.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.attributes);
    }
}

/// One message from the kernel.
struct Message<'a> {
    /// The number of the request that it answers.
    sequence: u32,
    /// The table changed since the message before it. Any message of a dump may say so, and each says it once.
    is_interrupted: bool,
    answer: Answer<'a>,
}

/// What a message says, as far as the client needs to tell them apart.
enum Answer<'a> {
    /// The attributes of a message of the family.
    Payload(&'a [u8]),
    /// An acknowledgement, the end of a dump, or an error.
    End(Result<(), Errno>),
}

impl Client<KernelSocket> {
    /// Opens a socket and looks the family up.
    ///
    /// # Errors
    /// [`Error::NoFamily`] when ip_vs is not loaded, see [`load_module`](super::load_module).
    pub fn connect() -> Result<Self, Error> {
        let socket =
            KernelSocket::open().map_err(|source| Error::Socket { call: "socket", source })?;
        Self::new(socket)
    }
}

impl<T: Transport> Client<T> {
    /// Looks the family up over a transport.
    ///
    /// # Errors
    /// [`Error::NoFamily`] when the kernel has no IPVS.
    pub fn new(transport: T) -> Result<Self, Error> {
        let mut client = Self {
            transport,
            family: 0,
            sequence: 0,
            batch: None,
            outgoing: Vec::new(),
            attributes: Vec::new(),
            incoming: Vec::new(),
        };
        client.family = client.find_family()?;
        Ok(client)
    }

    fn find_family(&mut self) -> Result<u16, Error> {
        let mut message = NetlinkMessage::from(GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(IPVS_GENL_NAME.to_owned())],
        }));
        self.sequence += 1;
        message.header.flags = NLM_F_REQUEST;
        message.header.sequence_number = self.sequence;
        message.finalize();
        self.outgoing.clear();
        self.outgoing.resize(message.buffer_len(), 0);
        message.serialize(&mut self.outgoing);
        self.send()?;
        match self.receive_one(&FAMILY, codec::decode_family) {
            Err(Error::Refused(Refused { errno: Errno::NOENT, .. })) => Err(Error::NoFamily),
            found => found,
        }
    }

    /// Makes one change.
    ///
    /// # Errors
    /// [`Error::Refused`] when the kernel says no; nothing has changed then.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match self.apply_all(std::slice::from_ref(change))?.first() {
            None => Ok(()),
            Some(failure) => Err(failure.refused.into()),
        }
    }

    /// Makes changes in order, many at a time. Those that the kernel refuses are given back in order; they do
    /// not keep it from the others.
    ///
    /// # Errors
    /// When the socket fails; how many changes were made is not known then.
    pub fn apply_all(&mut self, changes: &[Change]) -> Result<Vec<Failure>, Error> {
        let mut failures = Vec::new();
        let batch_size = self.batch_size(changes.len())?;
        for (batch, changes) in changes.chunks(batch_size).enumerate() {
            self.outgoing.clear();
            let first = self.sequence.wrapping_add(1);
            let mut last = changes.len() - 1;
            for (place, change) in changes.iter().enumerate() {
                self.attributes.clear();
                let command = codec::encode_change(&mut self.attributes, change);
                // The kernel answers every failure, asked or not, and before the answer to the last.
                self.queue(command, if place == last { NLM_F_ACK } else { 0 });
            }
            // A daemon that is stopped before its thread has begun ends in EINTR, and to that the kernel answers
            // nothing (6.1: kthread_stop, netlink_rcv_skb). A question behind it is always answered.
            if changes.iter().any(|change| matches!(change, Change::StopDaemon(_))) {
                self.attributes.clear();
                self.queue(INFO.command, 0);
                last += 1;
            }
            self.send()?;
            let mut finished = false;
            while !finished {
                self.receive()?;
                for message in Messages(&self.incoming) {
                    let message = message?;
                    let place = message.sequence.wrapping_sub(first) as usize;
                    let Some(change) = changes.get(place) else {
                        finished |= place == last;
                        continue;
                    };
                    let Answer::End(result) = message.answer else { continue };
                    if let Err(errno) = result {
                        let refused = Refused { operation: change.into(), errno };
                        failures.push(Failure { index: batch * batch_size + place, refused });
                    }
                    finished |= place == last;
                }
            }
        }
        Ok(failures)
    }

    /// How many changes can go out at once. All may be refused, and the refusals wait in the socket until send(2) is
    /// back: one that does not fit there is lost, and with it what became of its change (ENOBUFS). With the kernel's
    /// own default, 208 KiB, they always fit; net.core.rmem_default may be less.
    fn batch_size(&mut self, changes: usize) -> Result<usize, Error> {
        if let Some(batch) = self.batch {
            return Ok(batch);
        }
        // One answer always fits, and most processes make no more than one change.
        if changes <= 1 {
            return Ok(1);
        }
        let limit = self
            .transport
            .receive_limit()
            .map_err(|source| Error::Socket { call: "getsockopt", source })?;
        let batch = limit.map_or(BATCH, |limit| (limit / ANSWER).clamp(1, BATCH));
        Ok(*self.batch.insert(batch))
    }

    /// Reads all virtual services, in the kernel's order.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        self.services_with(|state| state)
    }

    /// As [`Client::services`], with what `keep` makes of each: there may be many, and most callers need a part.
    ///
    /// # Errors
    /// As [`Client::services`].
    pub fn services_with<A>(
        &mut self,
        mut keep: impl FnMut(ServiceState) -> A,
    ) -> Result<Vec<A>, Error> {
        self.attributes.clear();
        self.dump(&SERVICES, |bytes| codec::decode_service(bytes).map(&mut keep))
    }

    /// Reads one virtual service.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ESRCH` when it is not there.
    pub fn service(&mut self, key: &ServiceKey) -> Result<ServiceState, Error> {
        self.attributes.clear();
        codec::encode_service_key(&mut self.attributes, key);
        self.get(&SERVICES, codec::decode_service)
    }

    /// Reads the real servers of a virtual service, in the kernel's order. There are none when the service is
    /// not there.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn real_servers(&mut self, key: &ServiceKey) -> Result<Vec<RealServerState>, Error> {
        self.attributes.clear();
        codec::encode_service_key(&mut self.attributes, key);
        self.dump(&REAL_SERVERS, |bytes| codec::decode_real_server(bytes, key.family()))
    }

    /// Reads the timeouts.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.attributes.clear();
        self.get(&TIMEOUTS, codec::decode_timeouts)
    }

    /// Reads the sync daemons that run: at most one of each role.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.attributes.clear();
        self.dump(&DAEMONS, codec::decode_daemon)
    }

    /// Reads the version and the size of the connection table.
    ///
    /// # Errors
    /// When the kernel refuses, or sends what cannot be read.
    pub fn info(&mut self) -> Result<Info, Error> {
        self.attributes.clear();
        self.get(&INFO, codec::decode_info)
    }

    /// Appends a request with the attributes that `self.attributes` holds.
    fn queue(&mut self, command: u8, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let request = Request { command, attributes: &self.attributes };
        let header = GenlHeader { cmd: command, version: IPVS_GENL_VERSION };
        let mut message = NetlinkMessage::from(GenlMessage::new(header, request, self.family));
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let start = self.outgoing.len();
        // Attributes are padded to four bytes, so every message is.
        self.outgoing.resize(start + message.buffer_len(), 0);
        if let Some(room) = self.outgoing.get_mut(start..) {
            message.serialize(room);
        }
    }

    fn send(&mut self) -> Result<(), Error> {
        self.transport.send(&self.outgoing).map_err(|source| Error::Socket { call: "send", source })
    }

    fn receive(&mut self) -> Result<(), Error> {
        self.transport
            .receive(&mut self.incoming)
            .map_err(|source| Error::Socket { call: "receive", source })
    }

    /// Sends a request that has one answer.
    fn get<A>(
        &mut self,
        query: &Query,
        decode: impl FnOnce(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<A, Error> {
        self.outgoing.clear();
        self.queue(query.command, 0);
        self.send()?;
        self.receive_one(query, decode)
    }

    /// Waits for the one answer to the request sent last.
    fn receive_one<A>(
        &mut self,
        query: &Query,
        decode: impl FnOnce(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<A, Error> {
        loop {
            self.receive()?;
            for message in Messages(&self.incoming) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                return match message.answer {
                    Answer::Payload(payload) => match query.content(payload)? {
                        Some(content) => Ok(decode(content)?),
                        None => Err(DecodeError::Missing("content of the answer").into()),
                    },
                    Answer::End(Ok(())) => Err(DecodeError::Missing("answer").into()),
                    Answer::End(Err(errno)) => Err(query.refused(errno)),
                };
            }
        }
    }

    /// Sends a request with any number of answers and reads them until the kernel says that it is done; once more when
    /// it says that they do not fit together.
    fn dump<A>(
        &mut self,
        query: &Query,
        mut decode: impl FnMut(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<Vec<A>, Error> {
        for _ in 1..DUMPS {
            match self.dump_once(query, &mut decode) {
                Err(Error::Interrupted) => {}
                result => return result,
            }
        }
        self.dump_once(query, &mut decode)
    }

    fn dump_once<A>(
        &mut self,
        query: &Query,
        mut decode: impl FnMut(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<Vec<A>, Error> {
        self.outgoing.clear();
        self.queue(query.command, NLM_F_DUMP);
        self.send()?;
        let mut answers = Ok(Vec::new());
        let mut is_interrupted = false;
        loop {
            self.receive()?;
            for message in Messages(&self.incoming) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                is_interrupted |= message.is_interrupted;
                match message.answer {
                    // After one that cannot be read the rest of the dump is taken in all the same: the
                    // socket is of use for the next request only when it is empty.
                    Answer::Payload(payload) => {
                        if let Ok(read) = &mut answers {
                            match query
                                .content(payload)
                                .and_then(|bytes| bytes.map(&mut decode).transpose())
                            {
                                Ok(answer) => read.extend(answer),
                                Err(error) => answers = Err(error.into()),
                            }
                        }
                    }
                    Answer::End(Ok(())) if is_interrupted => return Err(Error::Interrupted),
                    Answer::End(Ok(())) => return answers,
                    Answer::End(Err(errno)) => return Err(query.refused(errno)),
                }
            }
        }
    }
}

/// Something to ask the kernel for.
struct Query {
    command: u8,
    operation: Operation,
    /// The attribute around an answer, if there is one.
    nest: Option<u16>,
}

const FAMILY: Query =
    Query { command: CTRL_CMD_GETFAMILY, operation: Operation::FindFamily, nest: None };
const SERVICES: Query = Query {
    command: IPVS_CMD_GET_SERVICE,
    operation: Operation::ListServices,
    nest: Some(IPVS_CMD_ATTR_SERVICE),
};
const REAL_SERVERS: Query = Query {
    command: IPVS_CMD_GET_DEST,
    operation: Operation::ListServers,
    nest: Some(IPVS_CMD_ATTR_DEST),
};
const TIMEOUTS: Query =
    Query { command: IPVS_CMD_GET_CONFIG, operation: Operation::GetTimeouts, nest: None };
const DAEMONS: Query = Query {
    command: IPVS_CMD_GET_DAEMON,
    operation: Operation::ListDaemons,
    nest: Some(IPVS_CMD_ATTR_DAEMON),
};
const INFO: Query = Query { command: IPVS_CMD_GET_INFO, operation: Operation::GetInfo, nest: None };

impl Query {
    /// What an answer holds.
    fn content<'a>(&self, payload: &'a [u8]) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some(nest) = self.nest else { return Ok(Some(payload)) };
        for attribute in codec::attributes(payload) {
            let attribute = attribute?;
            if attribute.kind == nest {
                return Ok(Some(attribute.value));
            }
        }
        Ok(None)
    }

    fn refused(&self, errno: Errno) -> Error {
        Refused { operation: self.operation, errno }.into()
    }
}

/// The messages of a datagram. Ends after the first that is cut short.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = self.split_first();
        if message.is_err() {
            self.0 = &[];
        }
        Some(message)
    }
}

impl<'a> Messages<'a> {
    fn split_first(&mut self) -> Result<Message<'a>, DecodeError> {
        let message = NetlinkBuffer::new_checked(self.0)?;
        let payload = message.payload();
        let answer = match message.message_type() {
            NLMSG_ERROR => {
                let code = ErrorBuffer::new_checked(payload)?.code();
                Answer::End(match code {
                    None => Ok(()),
                    Some(code) => Err(errno(code.get())?),
                })
            }
            NLMSG_DONE => match DoneBuffer::new_checked(payload).map_or(0, |done| done.code()) {
                0 => Answer::End(Ok(())),
                code => Answer::End(Err(errno(code)?)),
            },
            _ => {
                GenlHeader::parse(payload)?;
                Answer::Payload(payload.get(GENL_HEADER..).unwrap_or_default())
            }
        };
        let length = (message.length() as usize).next_multiple_of(netlink_packet_core::NLA_ALIGNTO);
        self.0 = self.0.get(length..).unwrap_or_default();
        Ok(Message {
            sequence: message.sequence_number(),
            is_interrupted: message.flags() & NLM_F_DUMP_INTR != 0,
            answer,
        })
    }
}

/// `GENL_HDRLEN` of linux/genetlink.h.
const GENL_HEADER: usize = 4;

/// The kernel sends errno negated, from 1 to 4095 (`MAX_ERRNO`); another number is none.
fn errno(code: i32) -> Result<Errno, DecodeError> {
    match code.checked_neg() {
        Some(number @ 1..=4095) => Ok(Errno::from_raw_os_error(number)),
        _ => {
            let value = u32::from_ne_bytes(code.to_ne_bytes());
            Err(DecodeError::Unknown { attribute: "errno", value })
        }
    }
}

#[cfg(test)]
mod tests;
