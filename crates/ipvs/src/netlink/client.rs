//! The client: requests with sequence numbers, answers matched to them.

use std::fmt;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rustix::io::Errno;

use super::codec::{self, DecodeError};
use super::message::{Answer, Message, Messages};
use super::outcome::{Failure, Outcome};
use super::uapi::*;
use super::{Counted, Detail, KernelSocket, Transport};
use crate::error::{Error, ErrorKind, Operation, Subject};
use crate::model::{Change, Info, RealServerState, ServiceKey, ServiceState, SyncDaemon, Timeouts};

/// How many changes go out in one datagram. The kernel handles them in turn within one send(2); from about
/// this number on, the system calls no longer show beside the work (6.1: 13 µs a change).
const BATCH: usize = 64;

/// The most room of the socket that an answer to a change takes: a refusal quotes its request, which makes 200 bytes
/// in an allocation that the kernel counts as 768 (6.1) or 1280 (where `MAX_SKB_FRAGS` is larger).
const ANSWER: usize = 2048;

/// The most real servers for which memory is allocated before they are read.
const EXPECTED_SERVERS: usize = 16;

/// How often a dump is begun again that the kernel says was interrupted. No kernel says so of IPVS to this day.
const DUMPS: usize = 5;

/// A connection to the kernel's IPVS, in the network namespace of the thread that made it.
pub struct Client<T = KernelSocket> {
    pub(super) transport: T,
    family: u16,
    sequence: u32,
    /// The number of the dump whose end has not been read.
    dump: Option<u32>,
    /// The number of real servers in their last dump. Services mostly have as many as the service before them.
    servers: usize,
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

impl Client<KernelSocket> {
    /// Opens a socket and looks the family up.
    ///
    /// # Errors
    /// [`ErrorKind::NoFamily`] when ip_vs is not loaded, see [`load_module`](super::load_module).
    pub fn connect() -> Result<Self, Error> {
        let socket = KernelSocket::open().map_err(|error| Error::io(Operation::Connect, error))?;
        Self::new(socket)
    }
}

impl<T: Transport> Client<T> {
    /// Looks the family up over a transport.
    ///
    /// # Errors
    /// [`ErrorKind::NoFamily`] when the kernel has no IPVS.
    pub fn new(transport: T) -> Result<Self, Error> {
        let mut client = Self {
            transport,
            family: 0,
            sequence: 0,
            dump: None,
            servers: 0,
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
        self.send(Operation::FindFamily)?;
        self.receive_one(&FAMILY, codec::decode_family)
    }

    /// Makes one change.
    ///
    /// # Errors
    /// The kernel's refusal, with its reason as [`Error::kind`]; nothing has changed then.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        self.apply_all([change])?.complete()
    }

    /// Makes changes in order, many at a time. Refusals do not keep the kernel from making the other changes; the outcome
    /// names them, and the compiler warns where a program drops it:
    ///
    /// ```compile_fail
    /// #![deny(unused_must_use)]
    /// # use ipvs::{Client, Error, model::Change};
    /// fn clear(client: &mut Client) -> Result<(), Error> {
    ///     client.apply_all(&[Change::Flush])?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// ```
    /// # use ipvs::{Client, Error, model::Change};
    /// fn clear(client: &mut Client) -> Result<(), Error> {
    ///     client.apply_all(&[Change::Flush])?.complete()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// When the socket fails, or the kernel no longer has the family; how many changes were made is not known then.
    pub fn apply_all<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Result<Outcome, Error> {
        let changes: Vec<&Change> = changes.into_iter().collect();
        let mut failures = Vec::new();
        let batch_size = self.batch_size(changes.len())?;
        let mut start = 0;
        for batch in changes.chunks(batch_size) {
            let mut refusals = self.apply_batch(batch)?;
            // Behind a module that was reloaded, the kernel refuses every message with the old number of the family.
            let unknown = trailing_unknown(&refusals, batch.len());
            if unknown > 0 && self.find_family_again()? {
                let kept = batch.len() - unknown;
                refusals.truncate(refusals.len() - unknown);
                let again = self.apply_batch(batch.get(kept..).unwrap_or_default())?;
                refusals.extend(again.into_iter().map(|failure| failure.shifted(kept)));
            }
            failures.extend(refusals.into_iter().map(|failure| failure.shifted(start)));
            start += batch.len();
        }
        Ok(Outcome::new(failures))
    }

    /// Makes changes that fit into one datagram.
    fn apply_batch(&mut self, changes: &[&Change]) -> Result<Vec<Failure>, Error> {
        let Some(mut last) = changes.len().checked_sub(1) else { return Ok(Vec::new()) };
        let mut failures = Vec::new();
        self.outgoing.clear();
        let first = self.sequence.wrapping_add(1);
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
        let operation = changes.first().map_or(Operation::GetInfo, |&change| change.into());
        self.send(operation)?;
        let mut finished = false;
        while !finished {
            self.receive(operation)?;
            for message in Messages(&self.incoming) {
                let message = message.map_err(|error| Error::malformed(operation, error))?;
                let place = message.sequence.wrapping_sub(first) as usize;
                let Some(change) = changes.get(place) else {
                    finished |= place == last;
                    continue;
                };
                let Answer::End(result) = message.answer else { continue };
                if let Err(errno) = result {
                    let error = Error::refused_change(change, errno.raw_os_error());
                    failures.push(Failure { index: place, error });
                }
                finished |= place == last;
            }
        }
        Ok(failures)
    }

    /// Asks for the number of the family again, since it changes when the module is reloaded. Returns whether it has
    /// changed.
    fn find_family_again(&mut self) -> Result<bool, Error> {
        let family = self.find_family()?;
        Ok(std::mem::replace(&mut self.family, family) != family)
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
        let limit =
            self.transport.receive_limit().map_err(|error| Error::io(Operation::Connect, error))?;
        let batch = limit.map_or(BATCH, |limit| (limit / ANSWER).clamp(1, BATCH));
        Ok(*self.batch.insert(batch))
    }

    /// Reads all virtual services, in the kernel's order.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        self.services_in::<Counted, _>(|state| state)
    }

    /// Reads all virtual services in a detail, in the kernel's order, and keeps what `keep` makes of each.
    ///
    /// # Errors
    /// As [`Client::services`].
    pub fn services_in<D: Detail, A>(
        &mut self,
        mut keep: impl FnMut(D::Service) -> A,
    ) -> Result<Vec<A>, Error> {
        self.attributes.clear();
        self.dump(&SERVICES, 0, |bytes| match D::service(bytes) {
            Ok(service) => Ok(keep(service)),
            Err(error) => Err(error.0),
        })
    }

    /// Reads one virtual service.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the service does not exist.
    pub fn service(&mut self, key: &ServiceKey) -> Result<ServiceState, Error> {
        self.service_in::<Counted>(key)
    }

    /// Reads one virtual service in a detail.
    ///
    /// # Errors
    /// As [`Client::service`].
    pub fn service_in<D: Detail>(&mut self, key: &ServiceKey) -> Result<D::Service, Error> {
        self.attributes.clear();
        codec::encode_service_key(&mut self.attributes, key);
        self.get(&SERVICES, |bytes| D::service(bytes).map_err(|error| error.0))
            .map_err(|error| error.with_subject(Subject::Service(*key)))
    }

    /// Reads the real servers of a virtual service, in the kernel's order. A service that does not exist has none.
    ///
    /// # Errors
    /// The kernel's refusal, or a malformed answer.
    pub fn real_servers(&mut self, key: &ServiceKey) -> Result<Vec<RealServerState>, Error> {
        self.real_servers_in::<Counted>(key)
    }

    /// Reads the real servers of a virtual service in a detail, in the kernel's order.
    ///
    /// # Errors
    /// As [`Client::real_servers`].
    pub fn real_servers_in<D: Detail>(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Vec<D::Server>, Error> {
        self.attributes.clear();
        codec::encode_service_key(&mut self.attributes, key);
        let family = key.family();
        let expected = self.servers.min(EXPECTED_SERVERS);
        let decode = |bytes: &[u8]| D::server(bytes, family).map_err(|error| error.0);
        let servers = self.dump(&REAL_SERVERS, expected, decode);
        let servers = servers.map_err(|error| error.with_subject(Subject::Service(*key)))?;
        self.servers = servers.len();
        Ok(servers)
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
        self.dump(&DAEMONS, 0, codec::decode_daemon)
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

    fn send(&mut self, operation: Operation) -> Result<(), Error> {
        self.finish_dump(operation)?;
        self.transport.send(&self.outgoing).map_err(|error| Error::io(operation, error))
    }

    /// Reads a dump that was broken off to its end: until then the kernel begins no other on this socket (`EBUSY`), and
    /// its messages take the room of other answers.
    fn finish_dump(&mut self, operation: Operation) -> Result<(), Error> {
        while let Some(sequence) = self.dump {
            // The end may be in the datagram that was being read.
            let is_end = |message: Message<'_>| {
                message.sequence == sequence && matches!(message.answer, Answer::End(_))
            };
            if Messages(&self.incoming).flatten().any(is_end) {
                self.dump = None;
            } else {
                self.receive(operation)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, operation: Operation) -> Result<(), Error> {
        self.transport.receive(&mut self.incoming).map_err(|error| Error::io(operation, error))
    }

    /// Sends a request that has one answer.
    fn get<A>(
        &mut self,
        query: &Query,
        decode: impl Fn(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<A, Error> {
        self.with_family(|client| {
            client.outgoing.clear();
            client.queue(query.command, 0);
            client.send(query.operation)?;
            client.receive_one(query, &decode)
        })
    }

    /// Asks the kernel, and once more where the family has another number than before. `ENOENT` has no other meaning for
    /// a question.
    fn with_family<A>(
        &mut self,
        mut ask: impl FnMut(&mut Self) -> Result<A, Error>,
    ) -> Result<A, Error> {
        match ask(self) {
            Err(error) if error.is_errno(Errno::NOENT) && self.find_family_again()? => ask(self),
            result => result,
        }
    }

    /// Waits for the one answer to the request sent last.
    fn receive_one<A>(
        &mut self,
        query: &Query,
        decode: impl FnOnce(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<A, Error> {
        let malformed = |error| Error::malformed(query.operation, error);
        loop {
            self.receive(query.operation)?;
            for message in Messages(&self.incoming) {
                let message = message.map_err(malformed)?;
                if message.sequence != self.sequence {
                    continue;
                }
                let content = match message.answer {
                    Answer::Payload(payload) => query.content(payload),
                    Answer::End(Ok(())) => Err(DecodeError::Missing("answer")),
                    Answer::End(Err(errno)) => return Err(query.refused(errno)),
                };
                let content = content.and_then(|content| {
                    content.ok_or(DecodeError::Missing("content of the answer"))
                });
                return content.and_then(decode).map_err(malformed);
            }
        }
    }

    /// Sends a request with any number of answers, probably as many as `expected`, and reads them until the kernel says
    /// that it is done; once more when it says that they do not fit together.
    fn dump<A>(
        &mut self,
        query: &Query,
        expected: usize,
        mut decode: impl FnMut(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<Vec<A>, Error> {
        self.with_family(|client| {
            for _ in 1..DUMPS {
                match client.dump_once(query, expected, &mut decode) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
            client.dump_once(query, expected, &mut decode)
        })
    }

    fn dump_once<A>(
        &mut self,
        query: &Query,
        expected: usize,
        mut decode: impl FnMut(&[u8]) -> Result<A, DecodeError>,
    ) -> Result<Vec<A>, Error> {
        self.outgoing.clear();
        self.queue(query.command, NLM_F_DUMP);
        self.send(query.operation)?;
        self.dump = Some(self.sequence);
        let mut answers = Ok(Vec::with_capacity(expected));
        let mut is_interrupted = false;
        let malformed = |error| Error::malformed(query.operation, error);
        loop {
            self.receive(query.operation)?;
            for message in Messages(&self.incoming) {
                let message = message.map_err(malformed)?;
                if message.sequence != self.sequence {
                    continue;
                }
                is_interrupted |= message.is_interrupted;
                if matches!(message.answer, Answer::End(_)) {
                    self.dump = None;
                }
                match message.answer {
                    // An error does not end the dump.
                    Answer::Payload(payload) => {
                        let Ok(read) = &mut answers else { continue };
                        let decoded = match query.content(payload) {
                            Ok(Some(bytes)) => decode(bytes),
                            Ok(None) => continue,
                            Err(error) => Err(error),
                        };
                        match decoded {
                            Ok(answer) => read.push(answer),
                            Err(error) => answers = Err(malformed(error)),
                        }
                    }
                    Answer::End(Ok(())) if is_interrupted => {
                        return Err(Error::new(ErrorKind::Interrupted, query.operation));
                    }
                    Answer::End(Ok(())) => return answers,
                    Answer::End(Err(errno)) => return Err(query.refused(errno)),
                }
            }
        }
    }
}

/// How many changes at the end of a batch were refused with `ENOENT`.
fn trailing_unknown(refusals: &[Failure], changes: usize) -> usize {
    let last = (0..changes).rev().zip(refusals.iter().rev());
    last.take_while(|(place, failure)| {
        failure.index == *place && failure.error.is_errno(Errno::NOENT)
    })
    .count()
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
    /// The content of an answer.
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
        Error::refused(self.operation, None, errno.raw_os_error())
    }
}

#[cfg(test)]
mod tests;
