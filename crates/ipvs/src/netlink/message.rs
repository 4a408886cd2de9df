//! Splits a datagram from the kernel into messages.

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
};
use netlink_packet_generic::GenlHeader;
use rustix::io::Errno;

use super::codec::DecodeError;

/// One message from the kernel.
pub(super) struct Message<'a> {
    /// The number of the request that it answers.
    pub(super) sequence: u32,
    /// The table changed since the message before it. Any message of a dump may say so, and each says it once.
    pub(super) is_interrupted: bool,
    pub(super) answer: Answer<'a>,
}

/// The kinds of messages that the client tells apart.
pub(super) enum Answer<'a> {
    /// The attributes of a message of the family.
    Payload(&'a [u8]),
    /// An acknowledgement, the end of a dump, or an error.
    End(Result<(), Errno>),
}

/// The messages of a datagram. Ends after the first that is cut short.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

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

/// The kernel sends errno negated, from 1 to 4095 (`MAX_ERRNO`); the kernel sends no other number.
fn errno(code: i32) -> Result<Errno, DecodeError> {
    match code.checked_neg() {
        Some(number @ 1..=4095) => Ok(Errno::from_raw_os_error(number)),
        _ => {
            let value = u32::from_ne_bytes(code.to_ne_bytes());
            Err(DecodeError::Unknown { attribute: "errno", value })
        }
    }
}
