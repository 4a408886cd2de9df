//! /proc/net/ip_vs_conn: the connections and persistence templates of a network namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::fields::{decimal, split_ipv4_endpoint, text, words};
use super::lines::for_each_line;
use super::{Error, net_file};

const PATH: &str = net_file!("ip_vs_conn");

/// One entry of the kernel's connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The protocol's name, as the kernel has it: `TCP`, `UDP`, `SCTP`; `IP` for the template of a firewall
    /// mark.
    pub protocol: &'a str,
    /// The client; port 0 in a template.
    pub client: (IpAddr, u16),
    /// What it connected to; of a firewall mark's template the mark is the address.
    pub service: (IpAddr, u16),
    /// The real server.
    pub server: (IpAddr, u16),
    /// The kernel's name for the state, such as `ESTABLISHED`.
    pub state: &'a str,
    /// Seconds until the entry goes, unless a packet comes.
    pub expires: u32,
    /// The persistence engine and what it knows the client by: bytes that clients send, of the sip engine a Call-ID,
    /// which need not be text.
    pub engine: Option<(&'a str, &'a [u8])>,
}

impl<'a> Connection<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not as the kernel writes it (`ip_vs_conn_seq_show`).
    pub fn read(line: &'a [u8]) -> Result<Self, Error> {
        Self::parse(line).ok_or_else(|| Error::Unexpected {
            path: PATH,
            line: String::from_utf8_lossy(line).into_owned(),
        })
    }

    /// The firewall mark that a template is for: the kernel has it where others have the service's address.
    pub fn fwmark(&self) -> Option<u32> {
        let mark = match self.service.0 {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => u32::try_from(address.to_bits() >> 96).ok()?,
        };
        (self.protocol == "IP").then_some(mark)
    }

    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = words(line);
        Some(Self {
            protocol: text(words.next()?)?,
            client: (words.next_address()?, words.next_port()?),
            service: (words.next_address()?, words.next_port()?),
            server: (words.next_address()?, words.next_port()?),
            state: text(words.next()?)?,
            expires: decimal(words.next()?)?,
            engine: match (words.next(), words.next()) {
                (Some(engine), Some(data)) => Some((text(engine)?, data)),
                _ => None,
            },
        })
    }
}

/// A connection of IPv4 as it stands on its line, where every column is as wide as the kernel makes it at least
/// (`"%-3s %08X %04X %08X %04X %08X %04X %-11s %7u%s"`): nearly all are. To read one takes a quarter of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Connection {
    /// The protocol's name and blanks.
    pub protocol: [u8; 4],
    /// The client, what it connected to, and the real server.
    pub endpoints: [(Ipv4Addr, u16); 3],
    /// The state's name and blanks.
    pub state: [u8; 12],
    /// Seconds until the entry goes, unless a packet comes.
    pub expires: u32,
}

impl Ipv4Connection {
    /// Reads a line, if it is of this kind.
    #[inline]
    pub fn read(line: &[u8]) -> Option<Self> {
        let (protocol, rest) = line.split_first_chunk::<4>()?;
        let (client, rest) = split_ipv4_endpoint(rest, b' ')?;
        let (service, rest) = split_ipv4_endpoint(rest, b' ')?;
        let (server, rest) = split_ipv4_endpoint(rest, b' ')?;
        let (state, rest) = rest.split_first_chunk::<12>()?;
        let is_text = state.iter().fold(0, |all, byte| all | byte).is_ascii();
        if protocol.last() != Some(&b' ') || state.last() != Some(&b' ') || !is_text {
            return None;
        }
        let expires = decimal(words(rest).next()?)?;
        let endpoints = [client, service, server];
        Some(Self { protocol: *protocol, endpoints, state: *state, expires })
    }
}

/// Whether the kernel has the file: it comes with ip_vs.
pub fn has_connections() -> bool {
    Path::new(PATH).exists()
}

/// Calls `each` with every line that [`Connection::read`] reads, in the kernel's order. The memory that it
/// needs does not depend on how many there are.
///
/// # Errors
/// When the file cannot be read, and what `each` gives.
pub fn for_each_connection_line<E: From<Error>>(
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut is_heading = true;
    for_each_line(PATH, |line| if std::mem::take(&mut is_heading) { Ok(()) } else { each(line) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_has_three_endpoints_a_state_and_a_time() {
        let line = b"TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55";
        let connection = Connection::read(line).unwrap();
        assert_eq!(connection.protocol, "TCP");
        assert_eq!(connection.client, ("10.0.0.1".parse().unwrap(), 40003));
        assert_eq!(connection.server, ("10.9.0.77".parse().unwrap(), 8080));
        assert_eq!((connection.state, connection.expires), ("SYN_RECV", 55));
        assert_eq!(connection.engine, None);
    }

    #[test]
    fn connection_of_an_engine_has_its_data() {
        let line = b"UDP 2001:0db8:0000:0000:0000:0000:0000:0001 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0001 13C4 0A090002 13C4 NONE    54 sip 1@host";
        let connection = Connection::read(line).unwrap();
        assert_eq!(connection.client.0, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!(connection.server.0, "10.9.0.2".parse::<IpAddr>().unwrap());
        assert_eq!(connection.engine, Some(("sip", &b"1@host"[..])));
    }

    #[test]
    fn template_of_a_firewall_mark_has_the_mark_for_an_address() {
        let line = b"IP  0A000000 0000 00000007 0000 0A090002 0000 NONE       300";
        assert_eq!(Connection::read(line).unwrap().fwmark(), Some(7));
        let line = b"IP  2001:0db8:0000:0000:0000:0000:0000:0000 0000 \
            0000:0007:0000:0000:0000:0000:0000:0000 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0002 0000 NONE       300";
        assert_eq!(Connection::read(line).unwrap().fwmark(), Some(7));
        let line = b"TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55";
        assert_eq!(Connection::read(line).unwrap().fwmark(), None);
    }

    #[test]
    fn what_clients_send_need_not_be_text() {
        let line = b"UDP 0A000001 0000 0A000001 13C4 0A090002 13C4 UDP    54 sip caf\xe9@host";
        let connection = Connection::read(line).unwrap();
        assert_eq!(connection.engine, Some(("sip", &b"caf\xe9@host"[..])));
    }

    #[test]
    fn line_that_is_cut_short_or_garbled_is_an_error() {
        let line = b"TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55";
        for end in 0..line.len() - 2 {
            assert!(Connection::read(&line[..end]).is_err());
        }
        assert!(Connection::read(b"\xff\xff").is_err());
    }
}
