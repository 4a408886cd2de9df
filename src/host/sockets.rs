//! Listening sockets, and counters of dropped packets, from files of `/proc/net` of the calling thread's network namespace.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a TCP socket that accepts connections.
const LISTEN: &str = "0A";
/// The state of a UDP socket without a peer.
const UNCONNECTED: &str = "07";

/// The addresses and ports on which programs accept TCP connections.
///
/// # Errors
/// If the lists cannot be read. A kernel without IPv6 has no list of IPv6.
pub fn listeners() -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for file in ["tcp", "tcp6"] {
        for line in lines_of(file)? {
            // The kernel lists listening sockets before all others.
            let Some(listener) = local_address(&line?, LISTEN) else { break };
            found.push(listener);
        }
    }
    Ok(found)
}

/// The addresses and ports on which programs wait for UDP datagrams.
///
/// # Errors
/// If the lists cannot be read. A kernel without IPv6 has no list of IPv6.
pub fn receivers() -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for file in ["udp", "udp6"] {
        for line in lines_of(file)? {
            found.extend(local_address(&line?, UNCONNECTED));
        }
    }
    Ok(found)
}

/// The lines of a list of sockets. A list that is not there has none.
fn lines_of(file: &str) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let file = match File::open(format!("/proc/thread-self/net/{file}")) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(file.into_iter().flat_map(|file| BufReader::new(file).lines().skip(1)))
}

/// The address of a line, if its socket has the state. An IPv4 address that IPv6 maps is one of IPv4.
fn local_address(line: &str, wanted: &str) -> Option<SocketAddr> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (address, port) = local.split_once(':').filter(|_| state == wanted)?;
    // The kernel prints each 32 bits of an address as a number in host order.
    let mut words = address.as_bytes().chunks(8).map(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    });
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(words.next()??).into(),
        _ => {
            let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
        }
    };
    Some(SocketAddr::new(address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// A counter of `/proc/net/snmp` or `/proc/net/netstat`, such as `InUnknownProtos` of `Ip`.
pub fn counter(file: &str, group: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).ok()?;
    counter_in(&text, group, name)
}

/// Each group has a line of names and then a line of values.
fn counter_in(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines =
        text.lines().filter_map(|line| line.split_once(':')).filter(|(of, _)| *of == group);
    let (names, values) = (lines.next()?.1, lines.next()?.1);
    let place = names.split_ascii_whitespace().position(|one| one == name)?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_in_host_order() {
        for (local, expected) in [
            (format!("{:08X}:1F90", u32::from_ne_bytes([10, 0, 0, 1])), "10.0.0.1:8080"),
            ("00000000000000000000000000000000:0050".to_owned(), "[::]:80"),
            (
                format!(
                    "{:08X}0000000000000000{:08X}:0050",
                    u32::from_ne_bytes([0x20, 1, 0x0d, 0xb8]),
                    u32::from_ne_bytes([0, 0, 0, 5])
                ),
                "[2001:db8::5]:80",
            ),
            (
                format!(
                    "0000000000000000{:08X}{:08X}:0050",
                    u32::from_ne_bytes([0, 0, 0xff, 0xff]),
                    u32::from_ne_bytes([10, 0, 0, 1])
                ),
                "10.0.0.1:80",
            ),
        ] {
            let line =
                |state| format!("   0: {local} 00000000:0000 {state} 00000000:00000000 00:0");
            assert_eq!(local_address(&line("0A"), LISTEN), Some(expected.parse().unwrap()));
            assert_eq!(local_address(&line("01"), LISTEN), None);
        }
        assert_eq!(local_address("", LISTEN), None);
    }

    #[test]
    fn counters_are_found_by_their_names() {
        let text = "Ip: Forwarding InUnknownProtos\nIp: 1 7\nTcpExt: A B\nTcpExt: 2 3\n";
        assert_eq!(counter_in(text, "Ip", "InUnknownProtos"), Some(7));
        assert_eq!(counter_in(text, "TcpExt", "B"), Some(3));
        assert_eq!(counter_in(text, "TcpExt", "C"), None);
        assert_eq!(counter_in(text, "IpExt", "A"), None);
    }

    #[test]
    fn listening_socket_of_this_process_is_found() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listeners().unwrap().contains(&own.local_addr().unwrap()));
        let own = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(receivers().unwrap().contains(&own.local_addr().unwrap()));
    }
}
