//! Dumps of rtnetlink(7) from the network namespace of the calling thread.
//!
//! Gives the callers the bytes of messages. `RouteNetlinkMessage` would decode them, but would link decoders for every kind
//! of message, interface and queueing discipline, which makes the program larger by a sixth and its start slower.

use std::io;

use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlaBuffer, NlasIterator,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// No datagram of the kernel is as long: dumps come in parts of 32 KiB at most.
const MOST_BYTES: usize = 1 << 16;

/// The length of a netlink header.
const HEADER: usize = 16;

// linux/rtnetlink.h
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_GETADDR: u16 = 22;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_GETNEIGH: u16 = 30;
pub(super) const RTM_GETQDISC: u16 = 38;

/// A message behind its netlink header.
struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { kind: header.message_type, body: payload.to_vec() })
    }
}

/// The bytes of a request.
fn encode(kind: u16, request: &dyn Emitable, flags: u16) -> Vec<u8> {
    let mut body = vec![0; request.buffer_len()];
    request.emit(&mut body);
    let payload = NetlinkPayload::InnerMessage(Message { kind, body });
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The kind of the messages that answer a request: RTM_NEWLINK for RTM_GETLINK.
fn kind_of_answers(request: u16) -> u16 {
    request - 2
}

/// Asks for a dump and gives each answer to `visit`, as the bytes behind the netlink header.
pub(super) fn dump(
    kind: u16,
    request: &dyn Emitable,
    mut visit: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let bytes = encode(kind, request, NLM_F_DUMP | NLM_F_REQUEST);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let mut datagram = Vec::new();
    loop {
        receive(&socket, &mut datagram)?;
        let mut rest = &datagram[..];
        while let Some((bytes, after)) = first_message(rest) {
            rest = after;
            let Ok(message) = NetlinkMessage::<Message>::deserialize(bytes) else {
                continue;
            };
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) if inner.kind == kind_of_answers(kind) => {
                    visit(&inner.body);
                }
                _ => {}
            }
        }
    }
}

/// The number of requests in one datagram. Their answers have to fit the receive buffer of the socket.
const TOGETHER: usize = 64;

/// Sends requests that have one answer each. An answer that is an error gives `None`.
pub(super) fn ask_each<R: Emitable>(
    kind: u16,
    requests: impl IntoIterator<Item = R>,
) -> io::Result<Vec<Option<Vec<u8>>>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut requests = requests.into_iter();
    let (mut answers, mut answer) = (Vec::new(), Vec::new());
    loop {
        let mut datagram = Vec::new();
        let mut count = 0;
        for request in requests.by_ref().take(TOGETHER) {
            let mut bytes = encode(kind, &request, NLM_F_REQUEST);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            datagram.extend(bytes);
            count += 1;
        }
        if count == 0 {
            return Ok(answers);
        }
        socket.send_to(&datagram, &SocketAddr::new(0, 0), 0)?;
        // The kernel answers in the order of the requests.
        while count > 0 {
            receive(&socket, &mut answer)?;
            let mut rest = &answer[..];
            while let Some((bytes, after)) = first_message(rest) {
                rest = after;
                count -= 1;
                let message = NetlinkMessage::<Message>::deserialize(bytes).ok();
                answers.push(message.and_then(|message| match message.payload {
                    NetlinkPayload::InnerMessage(inner) if inner.kind == kind_of_answers(kind) => {
                        Some(inner.body)
                    }
                    _ => None,
                }));
            }
        }
    }
}

/// Receives the next datagram of the kernel, by one system call: tens of thousands of routes are asked for.
pub(super) fn receive(socket: &Socket, datagram: &mut Vec<u8>) -> io::Result<()> {
    loop {
        datagram.clear();
        datagram.reserve(MOST_BYTES);
        let (length, sender) = socket.recv_from(datagram, 0)?;
        if length >= MOST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // Any process may send to a netlink socket; only the kernel has port 0.
        if sender.port_number() == 0 {
            return Ok(());
        }
    }
}

/// The first message of a datagram, and the bytes behind it.
pub(super) fn first_message(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(*datagram.first_chunk::<4>()?);
    let length = usize::try_from(length).ok().filter(|&length| length >= HEADER)?;
    let message = datagram.get(..length)?;
    Some((message, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The attributes in some bytes, up to the first that is malformed.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// The value of the first attribute of a kind.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|one| one.kind() == kind).map(value)
}

/// The value of an attribute.
pub(super) fn value(attribute: NlaBuffer<&[u8]>) -> &[u8] {
    let length = usize::from(attribute.length());
    attribute.into_inner().get(4..length).unwrap_or_default()
}

/// A text without its terminating zero.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
