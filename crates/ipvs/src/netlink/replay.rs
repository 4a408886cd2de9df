//! A transport for tests that replays captured datagrams, and records the requests.

use std::collections::VecDeque;
use std::io;

use super::Transport;

/// Returns its answers in order, whatever the requests are. Receiving fails after the last answer.
#[derive(Debug)]
pub(super) struct Replay {
    /// The datagrams that were sent.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) receive_limit: Option<usize>,
    answers: VecDeque<Vec<u8>>,
}

impl Replay {
    pub(super) fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { sent: Vec::new(), receive_limit: None, answers: answers.into_iter().collect() }
    }
}

impl Transport for Replay {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.sent.push(datagram.to_vec());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = self.answers.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(())
    }

    fn receive_limit(&self) -> io::Result<Option<usize>> {
        Ok(self.receive_limit)
    }
}
