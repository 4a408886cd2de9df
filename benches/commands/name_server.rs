//! A name server on 127.0.0.1 that has a name for every address and delays each answer by 50 ms, like a distant one.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

/// The delay between a query and its answer.
const DELAY: Duration = Duration::from_millis(50);

/// The interval at which the server checks if it must stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// A name server; it stops when it is dropped.
pub struct NameServer {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// Starts it in the network namespace of the calling thread.
    pub fn start() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:53").context("port 53")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, questions) = mpsc::channel::<(Instant, SocketAddr, Vec<u8>)>();
        let (listener, is_over_too) = (socket.try_clone()?, Arc::clone(&is_over));
        let threads = vec![
            thread::spawn(move || {
                let mut buffer = [0; 512];
                while !is_over_too.load(Ordering::Relaxed) {
                    if let Ok((length, client)) = listener.recv_from(&mut buffer) {
                        let question = buffer.get(..length).unwrap_or_default().to_vec();
                        if sender.send((Instant::now() + DELAY, client, question)).is_err() {
                            return;
                        }
                    }
                }
            }),
            thread::spawn(move || {
                for (due, client, question) in questions {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let _: io::Result<usize> =
                        socket.send_to(&answer(&question).unwrap_or_default(), client);
                }
            }),
        ];
        Ok(Self { is_over, threads })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The answer to a query (RFC 1035): for `4.3.2.1.in-addr.arpa` the name `h-1-2-3-4.test`, and no answer for others.
/// 1.31 truncates names that are longer than its columns.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const DOMAIN: &[u8] = b"test";
    let mut labels = Vec::new();
    let mut rest = question.get(HEADER..)?;
    while let Some((&length, tail)) = rest.split_first() {
        rest = tail;
        if length == 0 {
            break;
        }
        let (label, tail) = rest.split_at_checked(length.into())?;
        labels.push(label);
        rest = tail;
    }
    let end = question.len() - rest.len() + 4; // type and class
    let mut host = b"h".to_vec();
    for label in labels.iter().take(4).rev() {
        host.push(b'-');
        host.extend_from_slice(label);
    }
    let has_name = labels.get(4..) == Some(&[&b"in-addr"[..], b"arpa"]);
    let mut packet = question.get(..2)?.to_vec(); // its number
    packet.extend([0x81, 0x80, 0, 1, 0, u8::from(has_name), 0, 0, 0, 0]);
    packet.extend_from_slice(question.get(HEADER..end)?);
    if has_name {
        // The queried name, PTR, IN, a TTL of one minute, and the name.
        packet.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60]);
        let length = u16::try_from(1 + host.len() + 1 + DOMAIN.len() + 1).ok()?;
        packet.extend(length.to_be_bytes());
        for label in [&host[..], DOMAIN] {
            packet.push(u8::try_from(label.len()).ok()?);
            packet.extend_from_slice(label);
        }
        packet.push(0);
    }
    Some(packet)
}
