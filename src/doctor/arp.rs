//! Asks by ARP who has an address, and collects all answers: the kernel keeps only one.
//!
//! The question has no sender address (RFC 5227), so no machine learns anything from it. nix has the addresses of
//! interfaces as sockets need them; rustix has the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// A hardware address of Ethernet.
pub type Hardware = [u8; 6];

/// The owners of addresses.
pub type Owners = BTreeMap<Ipv4Addr, BTreeSet<Hardware>>;

/// The hardware type of Ethernet in linux/if_arp.h.
const ARPHRD_ETHER: u16 = 1;
/// The EtherType of ARP.
const ETHERTYPE: u16 = 0x0806;
/// Ethernet and IPv4, with lengths of 6 and 4 bytes.
const KINDS: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];
/// The shortest frame of Ethernet, without its checksum.
const SHORTEST: usize = 60;

/// Asks on interfaces for addresses, and waits for the answers of other machines. Interfaces other than Ethernet are skipped.
///
/// # Errors
/// The errors of the sockets: it takes CAP_NET_RAW.
pub fn who_has(wanted: &[(String, Ipv4Addr)], patience: Duration) -> io::Result<Owners> {
    let interfaces = ethernet_interfaces()?;
    let own: BTreeSet<Hardware> = interfaces.values().map(|(_, hardware)| *hardware).collect();
    let mut sockets = BTreeMap::new();
    for (name, address) in wanted {
        let Some((link, hardware)) = interfaces.get(name) else { continue };
        if !sockets.contains_key(name) {
            sockets.insert(name, open(link)?);
        }
        if let Some(socket) = sockets.get(name) {
            // A full queue of the interface loses a question.
            let _ = send(socket, &question(hardware, *address), SendFlags::empty());
        }
    }
    let sockets: Vec<OwnedFd> = sockets.into_values().collect();
    let addresses: BTreeSet<Ipv4Addr> = wanted.iter().map(|(_, address)| *address).collect();
    let mut owners = Owners::new();
    let end = Instant::now() + patience;
    while !sockets.is_empty() {
        let timeout = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        let mut polled: Vec<PollFd<'_>> =
            sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        // Answers that came in time count, also if this process runs again only after the end.
        let is_over = matches!(poll(&mut polled, timeout.as_ref()), Ok(0)) || Instant::now() >= end;
        for socket in &sockets {
            let mut frame = [0; 128];
            while let Ok((length, _)) = recv(socket, &mut frame[..], RecvFlags::empty()) {
                let Some((address, hardware)) = frame.get(..length).and_then(answer) else {
                    continue;
                };
                if addresses.contains(&address) && !own.contains(&hardware) {
                    owners.entry(address).or_default().insert(hardware);
                }
            }
        }
        if is_over {
            break;
        }
    }
    Ok(owners)
}

/// The interfaces of Ethernet with their hardware addresses.
fn ethernet_interfaces() -> io::Result<BTreeMap<String, (LinkAddr, Hardware)>> {
    let mut found = BTreeMap::new();
    for interface in getifaddrs()? {
        let Some(link) = interface.address.and_then(|address| address.as_link_addr().copied())
        else {
            continue;
        };
        let is_ethernet = link.hatype() == ARPHRD_ETHER && link.halen() == 6;
        if let Some(hardware) = link.addr().filter(|_| is_ethernet) {
            found.insert(interface.interface_name, (link, hardware));
        }
    }
    Ok(found)
}

fn open(link: &LinkAddr) -> io::Result<OwnedFd> {
    let protocol = NonZeroU32::new(ETHERTYPE.to_be().into()).map(Protocol::from_raw);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol)?;
    // The address has no protocol, so the socket's remains.
    bind(socket.as_raw_fd(), link)?;
    Ok(socket)
}

fn question(own: &Hardware, wanted: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SHORTEST);
    frame.extend([0xff; 6]);
    frame.extend(own);
    frame.extend(ETHERTYPE.to_be_bytes());
    frame.extend(KINDS);
    frame.extend(REQUEST);
    frame.extend(own);
    frame.extend(Ipv4Addr::UNSPECIFIED.octets());
    frame.extend([0; 6]);
    frame.extend(wanted.octets());
    frame.resize(SHORTEST, 0);
    frame
}

/// The sender of an ARP reply.
fn answer(frame: &[u8]) -> Option<(Ipv4Addr, Hardware)> {
    let rest = frame.get(12..)?.strip_prefix(&ETHERTYPE.to_be_bytes())?;
    let rest = rest.strip_prefix(&KINDS)?.strip_prefix(&REPLY)?;
    let (hardware, rest) = rest.split_first_chunk::<6>()?;
    Some((Ipv4Addr::from(*rest.first_chunk::<4>()?), *hardware))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_from_a_reply_alone() {
        let wanted = Ipv4Addr::new(192, 0, 2, 100);
        let mut frame = question(&[2, 0, 0, 0, 0, 1], wanted);
        assert_eq!((frame.len(), answer(&frame)), (SHORTEST, None));
        frame[21] = 2;
        frame[28..32].copy_from_slice(&wanted.octets());
        assert_eq!(answer(&frame), Some((wanted, [2, 0, 0, 0, 0, 1])));
        frame[12] = 9;
        assert_eq!(answer(&frame), None);
        assert_eq!(answer(&frame[..30]), None);
    }
}
