//! Dumps of rtnetlink(7) from the network namespace of the calling thread.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// No datagram of the kernel is as long: dumps come in parts of 32 KiB at most.
const MOST_BYTES: usize = 1 << 16;

/// The length of a netlink header.
const HEADER: usize = 16;

/// Asks for a dump and gives each message to `visit`. Messages that this version of the codec cannot decode are skipped:
/// a newer kernel may have attributes in another form.
pub(super) fn dump(
    request: RouteNetlinkMessage,
    mut visit: impl FnMut(RouteNetlinkMessage),
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(request));
    message.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let mut datagram = Vec::new();
    loop {
        receive(&socket, &mut datagram)?;
        let mut rest = &datagram[..];
        while let Some((bytes, after)) = first_message(rest) {
            rest = after;
            let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
                continue;
            };
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) => visit(inner),
                _ => {}
            }
        }
    }
}

/// The number of requests in one datagram. Their answers have to fit the receive buffer of the socket.
const TOGETHER: usize = 64;

/// Sends requests that have one answer each. An answer that is an error gives `None`.
pub(super) fn ask_each(
    requests: impl IntoIterator<Item = RouteNetlinkMessage>,
) -> io::Result<Vec<Option<RouteNetlinkMessage>>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut requests = requests.into_iter();
    let (mut answers, mut answer) = (Vec::new(), Vec::new());
    loop {
        let mut datagram = Vec::new();
        let mut count = 0;
        for request in requests.by_ref().take(TOGETHER) {
            let mut message =
                NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(request));
            message.header.flags = NLM_F_REQUEST;
            message.finalize();
            let mut bytes = vec![0; message.buffer_len()];
            message.serialize(&mut bytes);
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
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).ok();
                answers.push(message.and_then(|message| match message.payload {
                    NetlinkPayload::InnerMessage(inner) => Some(inner),
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
