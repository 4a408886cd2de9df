//! `/proc/net/ip_vs_conn` and `/proc/net/ip_vs_conn_sync`: the connection table of a network namespace.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::NetFile;
use super::fields::{decimal, text, words};
use super::lines::Lines;
use crate::error::Error;
use crate::model::{
    Connection, ConnectionFilter, ConnectionOrigin, ConnectionProtocol, ConnectionState,
    ConnectionTarget, EngineData,
};

/// An iterator over the entries of the connection table, in the kernel's order. Its memory does not depend on how many
/// entries there are, and it may be dropped before the end.
#[derive(Debug)]
pub struct Connections<R = File> {
    lines: Lines<R>,
    /// The column titles have been read.
    is_past_heading: bool,
    has_origin: bool,
    /// `None` if it matches all entries.
    filter: Option<ConnectionFilter>,
    /// The entry that was parsed last.
    entry: Connection,
}

impl Connections<File> {
    /// Opens `/proc/net/ip_vs_conn` of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the file cannot be opened: ip_vs is not loaded.
    pub fn open() -> Result<Self, Error> {
        Ok(Self::new(NetFile::Connections, NetFile::Connections.open()?))
    }

    /// Opens `/proc/net/ip_vs_conn_sync` of the calling thread's network namespace, whose entries have their origin but
    /// no engine data.
    ///
    /// # Errors
    /// When the file cannot be opened: ip_vs is not loaded.
    pub fn open_with_origin() -> Result<Self, Error> {
        Ok(Self::new(NetFile::ConnectionsSync, NetFile::ConnectionsSync.open()?))
    }
}

impl<R: Read> Connections<R> {
    /// Reads entries in the format of `/proc/net/ip_vs_conn`, such as a copy of the file.
    pub fn from_reader(reader: R) -> Self {
        Self::new(NetFile::Connections, reader)
    }

    pub(crate) fn new(file: NetFile, reader: R) -> Self {
        let has_origin = file == NetFile::ConnectionsSync;
        Self {
            lines: Lines::new(file, reader),
            is_past_heading: false,
            has_origin,
            filter: None,
            entry: no_entry(),
        }
    }

    /// The entries that match a filter. Only `/proc/net/ip_vs_conn_sync` has the origin of an entry, so a filter with an
    /// origin matches no entry of another file.
    #[must_use]
    pub fn matching(self, filter: ConnectionFilter) -> Self {
        let filter = Some(filter).filter(|filter| *filter != ConnectionFilter::default());
        Self { filter, ..self }
    }

    /// Reads the next entry. `None` at the end of the table. The iterator returns copies of the same entries.
    ///
    /// # Errors
    /// When the file cannot be read, or the line is malformed. The next call goes on with the next line.
    pub fn read_next(&mut self) -> Result<Option<&Connection>, Error> {
        if !self.is_past_heading {
            self.lines.next()?;
            self.is_past_heading = true;
        }
        loop {
            let path = self.lines.path();
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if parse_connection(line, self.has_origin, &mut self.entry).is_none() {
                return Err(path.unexpected(line));
            }
            if self.filter.as_ref().is_none_or(|filter| filter.matches(&self.entry)) {
                return Ok(Some(&self.entry));
            }
        }
    }
}

impl<R: Read> Iterator for Connections<R> {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().map(Option::<&Connection>::cloned).transpose()
    }
}

/// True if the calling thread's network namespace has a connection table: the file comes with ip_vs.
pub fn has_connections() -> bool {
    Path::new(NetFile::Connections.path()).exists()
}

/// A value for the first line to replace.
const fn no_entry() -> Connection {
    let end = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let target = ConnectionTarget::Address(end);
    Connection::new(ConnectionProtocol::Ip, [end, end], target, ConnectionState::None, 0)
}

/// Parses a line as `ip_vs_conn_seq_show` and `ip_vs_conn_sync_seq_show` write it, and replaces all fields of an entry.
/// A new entry would be moved several times on its way: the benchmark of `-Lnc` shows the difference.
fn parse_connection(line: &[u8], has_origin: bool, entry: &mut Connection) -> Option<()> {
    let mut words = words(line);
    entry.protocol = ConnectionProtocol::from_bytes(words.next()?)?;
    entry.client = words.next_socket_address()?;
    let target = words.next_socket_address()?;
    entry.target = match fwmark(&entry.protocol, target) {
        Some(mark) => ConnectionTarget::Fwmark(mark),
        None => ConnectionTarget::Address(target),
    };
    entry.server = words.next_socket_address()?;
    entry.state = ConnectionState::from_bytes(words.next()?)?;
    entry.origin = if has_origin { Some(parse_origin(words.next()?)?) } else { None };
    entry.expires = decimal(words.next()?)?;
    entry.engine = match (words.next(), words.next()) {
        (Some(engine), Some(data)) => {
            let engine = text(engine)?.to_owned();
            Some(Box::new(EngineData { engine, data: data.to_vec() }))
        }
        _ => None,
    };
    Some(())
}

fn parse_origin(word: &[u8]) -> Option<ConnectionOrigin> {
    match word {
        b"LOCAL" => Some(ConnectionOrigin::Local),
        b"SYNC" => Some(ConnectionOrigin::Synced),
        _ => None,
    }
}

/// The firewall mark that the kernel writes in place of the virtual address in a template of such a service.
fn fwmark(protocol: &ConnectionProtocol, target: SocketAddr) -> Option<u32> {
    if *protocol != ConnectionProtocol::Ip || target.port() != 0 {
        return None;
    }
    match target.ip() {
        IpAddr::V4(address) => Some(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            if bits << 32 == 0 { u32::try_from(bits >> 96).ok() } else { None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Connection {
        parsed(line, false).unwrap()
    }

    fn parsed(line: &[u8], has_origin: bool) -> Option<Connection> {
        let mut entry = no_entry();
        parse_connection(line, has_origin, &mut entry).map(|()| entry)
    }

    const SYN_RECV: &[u8] = b"TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 SYN_RECV         55";

    #[test]
    fn connection_has_three_endpoints_a_state_and_a_time() {
        let connection = parse(SYN_RECV);
        assert_eq!(connection.protocol, ConnectionProtocol::Tcp);
        assert_eq!(connection.client, "10.0.0.1:40003".parse().unwrap());
        assert_eq!(connection.server, "10.9.0.77:8080".parse().unwrap());
        let target = ConnectionTarget::Address("10.0.0.1:81".parse().unwrap());
        assert_eq!(connection.target, target);
        assert_eq!((connection.state, connection.expires), (ConnectionState::SynRecv, 55));
        assert_eq!((connection.engine, connection.origin), (None, None));
    }

    #[test]
    fn connection_of_an_engine_has_its_data() {
        let connection = parse(
            b"UDP 2001:0db8:0000:0000:0000:0000:0000:0001 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0001 13C4 0A090002 13C4 NONE    54 sip 1@host",
        );
        assert!(connection.is_template());
        assert_eq!(connection.client.ip(), "2001:db8::1".parse::<IpAddr>().unwrap());
        let engine = EngineData { engine: "sip".into(), data: b"1@host".into() };
        assert_eq!(connection.engine.as_deref(), Some(&engine));
    }

    #[test]
    fn engine_data_need_not_be_utf8() {
        let line = b"UDP 0A000001 0000 0A000001 13C4 0A090002 13C4 UDP    54 sip caf\xe9@host";
        assert_eq!(parse(line).engine.unwrap().data, b"caf\xe9@host");
    }

    #[test]
    fn template_of_a_firewall_mark_has_the_mark_for_an_address() {
        let ipv4 = parse(b"IP  0A000000 0000 00000007 0000 0A090002 0000 NONE       300");
        assert_eq!(ipv4.target, ConnectionTarget::Fwmark(7));
        let ipv6 = parse(
            b"IP  2001:0db8:0000:0000:0000:0000:0000:0000 0000 \
            0000:0007:0000:0000:0000:0000:0000:0000 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0002 0000 NONE       300",
        );
        assert_eq!(ipv6.target, ConnectionTarget::Fwmark(7));
        assert!(matches!(parse(SYN_RECV).target, ConnectionTarget::Address(_)));
    }

    #[test]
    fn origin_stands_before_the_time() {
        let line = b"TCP 0A000001 9C43 0A000001 0051 0A09004D 1F90 ESTABLISHED SYNC         55";
        let connection = parsed(line, true).unwrap();
        assert_eq!(connection.origin, Some(ConnectionOrigin::Synced));
        assert_eq!(connection.expires, 55);
        assert!(parsed(SYN_RECV, true).is_none());
    }

    #[test]
    fn line_that_is_cut_short_or_garbled_is_an_error() {
        for end in 0..SYN_RECV.len() - 2 {
            assert!(parsed(&SYN_RECV[..end], false).is_none());
        }
        assert!(parsed(b"\xff\xff", false).is_none());
    }

    #[test]
    fn entry_keeps_nothing_of_the_one_before_it() {
        let lines: [&[u8]; 4] = [
            b"XYZ 0A000001 0000 0A000001 13C4 0A090002 13C4 NEW_STATE 54 sip 1@host",
            b"IP  0A000000 0000 00000007 0000 0A090002 0000 NONE       300",
            SYN_RECV,
            b"UDP 2001:0db8:0000:0000:0000:0000:0000:0001 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0001 13C4 0A090002 13C4 NONE    54",
        ];
        for first in lines {
            for second in lines {
                let mut entry = parse(first);
                parse_connection(second, false, &mut entry).unwrap();
                assert_eq!(entry, parse(second));
            }
        }
    }
}
