//! Packet filters of the network namespace of the calling thread: nf_tables by nfnetlink, the tables of legacy iptables,
//! and classifiers of tc(8).
//!
//! Names the abilities of rules that other programs depend on, and does not evaluate rules.

use std::fs;
use std::io;

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::tc::TcHeader;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::modules::{ModuleState, module_state};
use super::rtnetlink::{
    RTM_GETQDISC, attribute, attributes, dump, first_message, receive, text, value,
};

/// Tables and rules of nf_tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NfTables {
    /// The tables, each with its family: `inet filter`.
    pub tables: Vec<String>,
    /// True if a rule sets the mark of packets.
    pub sets_marks: bool,
    /// True if a rule translates source addresses.
    pub translates_sources: bool,
}

// linux/netfilter/nfnetlink.h and nf_tables.h
const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_RULE: u16 = SUBSYSTEM | 7;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const TABLE_NAME: u16 = 1;
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const META_KEY: u16 = 2;
const META_SOURCE_REGISTER: u16 = 3;
const META_MARK: u32 = 3;
const NAT_TYPE: u16 = 1;
const NAT_OF_SOURCES: u32 = 0;
const TARGET_NAME: u16 = 1;

// linux/rtnetlink.h
const DISCIPLINE_KIND: u16 = 1;

/// The lengths of the headers of netlink and nfnetlink.
const HEADERS: usize = 16 + 4;

/// All tables, and the abilities of all rules.
///
/// A module that is not loaded has no rules. It is not asked, since a question would load it, also from a container.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] without CAP_NET_ADMIN, [`io::ErrorKind::NotFound`] if nothing tells whether the
/// kernel has loaded the module, and the errors of the netlink socket.
pub fn nf_tables() -> io::Result<NfTables> {
    let mut found = NfTables::default();
    match module_state("nf_tables") {
        Some(ModuleState::Loadable | ModuleState::Missing(_)) => return Ok(found),
        // In a container without its list of modules, nf_tables may be a part of the kernel.
        Some(ModuleState::NoDirectory(_)) => return Err(io::ErrorKind::NotFound.into()),
        Some(ModuleState::Present) | None => {}
    }
    let asked = ask(GET_TABLE, |family, attributes| found.tables.extend(table(family, attributes)))
        .and_then(|()| match found.tables.is_empty() {
            true => Ok(()),
            false => ask(GET_RULE, |_, attributes| judge(attributes, &mut found)),
        });
    match asked {
        // Without CAP_NET_ADMIN the kernel may have rules.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Other errors come from a kernel without nf_tables.
        _ => Ok(found),
    }
}

/// Asks for a dump, and gives the family and the attributes of each message to `visit`.
fn ask(kind: u16, mut visit: impl FnMut(u8, &[u8])) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    let mut request = Vec::with_capacity(HEADERS);
    request.extend(20_u32.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence, port, and an nfgenmsg for all families.
    request.extend([0; 12]);
    socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
    let mut datagram = Vec::new();
    loop {
        receive(&socket, &mut datagram)?;
        let mut rest = &datagram[..];
        while let Some((message, after)) = first_message(rest) {
            rest = after;
            match message_type(message) {
                Some(NLMSG_DONE) => return Ok(()),
                Some(NLMSG_ERROR) => return Err(refusal(message)),
                _ => {}
            }
            if let (Some(&family), Some(attributes)) = (message.get(16), message.get(HEADERS..)) {
                visit(family, attributes);
            }
        }
    }
}

fn message_type(message: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*message.get(4..)?.first_chunk()?))
}

fn refusal(message: &[u8]) -> io::Error {
    let code =
        message.get(16..).and_then(<[u8]>::first_chunk).map(|bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(code.unwrap_or_default().saturating_neg())
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn table(family: u8, attributes: &[u8]) -> Option<String> {
    let family = match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "other",
    };
    Some(format!("{family} {}", text(attribute(attributes, TABLE_NAME)?)))
}

/// Adds the abilities of a rule.
fn judge(rule: &[u8], found: &mut NfTables) {
    let expressions = attribute(rule, RULE_EXPRESSIONS).unwrap_or_default();
    for expression in attributes(expressions) {
        let expression = value(expression);
        let name = attribute(expression, EXPRESSION_NAME).map(text).unwrap_or_default();
        let data = attribute(expression, EXPRESSION_DATA).unwrap_or_default();
        let number_of = |kind| attribute(data, kind).and_then(number);
        match name.as_str() {
            "meta" => {
                let is_set = number_of(META_SOURCE_REGISTER).is_some();
                found.sets_marks |= is_set && number_of(META_KEY) == Some(META_MARK);
            }
            "masq" => found.translates_sources = true,
            "nat" => found.translates_sources |= number_of(NAT_TYPE) == Some(NAT_OF_SOURCES),
            // iptables writes rules of nf_tables with its own targets.
            "target" => match attribute(data, TARGET_NAME).map(text).unwrap_or_default().as_str() {
                "MARK" | "CONNMARK" => found.sets_marks = true,
                "MASQUERADE" | "SNAT" => found.translates_sources = true,
                _ => {}
            },
            _ => {}
        }
    }
}

/// The tables of legacy iptables and arptables, each with its program: `iptables nat`. Root alone may read them.
///
/// # Errors
/// If the lists cannot be read. A kernel without legacy iptables has no lists.
pub fn legacy_tables() -> io::Result<Vec<String>> {
    let mut tables = Vec::new();
    for (program, file) in [
        ("iptables", "ip_tables_names"),
        ("ip6tables", "ip6_tables_names"),
        ("arptables", "arp_tables_names"),
    ] {
        match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
            Ok(text) => tables.extend(text.lines().map(|name| format!("{program} {name}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tables)
}

/// Tests whether an interface has a queueing discipline for classifiers of incoming packets: clsact or ingress.
///
/// # Errors
/// The errors of the netlink socket.
pub fn has_classifiers() -> io::Result<bool> {
    let mut found = false;
    let header = TcHeader::default();
    dump(RTM_GETQDISC, &header, |message| {
        let attributes = message.get(header.buffer_len()..).unwrap_or_default();
        let kind = attribute(attributes, DISCIPLINE_KIND).map(text);
        found |= matches!(kind.as_deref(), Some("clsact" | "ingress"));
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A rule with one expression.
    fn rule(name: &str, data: &[u8]) -> NfTables {
        let name = nla(EXPRESSION_NAME, format!("{name}\0").as_bytes());
        // The flag of nested attributes.
        let expression = [name, nla(0x8000 | EXPRESSION_DATA, data)].concat();
        let rule = nla(0x8000 | RULE_EXPRESSIONS, &nla(0x8001, &expression));
        let mut found = NfTables::default();
        judge(&[nla(1, b"mangle\0"), rule].concat(), &mut found);
        found
    }

    #[test]
    fn rules_are_known_by_their_expressions() {
        let key = |key: u32| nla(META_KEY, &key.to_be_bytes());
        let source = nla(META_SOURCE_REGISTER, &1_u32.to_be_bytes());
        let destination = nla(1, &1_u32.to_be_bytes());
        assert!(rule("meta", &[key(3), source.clone()].concat()).sets_marks);
        assert!(!rule("meta", &[key(3), destination].concat()).sets_marks);
        assert!(!rule("meta", &[key(4), source].concat()).sets_marks);
        assert!(rule("target", &nla(TARGET_NAME, b"MARK\0")).sets_marks);
        assert!(rule("masq", &[]).translates_sources);
        for (kind, is_of_sources) in [(0_u32, true), (1, false)] {
            let found = rule("nat", &nla(NAT_TYPE, &kind.to_be_bytes()));
            assert_eq!(found.translates_sources, is_of_sources);
        }
        assert_eq!(rule("target", &nla(TARGET_NAME, b"DNAT\0")), NfTables::default());
        assert_eq!(rule("counter", &[]), NfTables::default());
    }

    #[test]
    fn table_is_named_with_its_family() {
        assert_eq!(table(2, &nla(TABLE_NAME, b"nat\0")).unwrap(), "ip nat");
        assert_eq!(table(2, &[1, 2]), None);
        assert!(refusal(&[0; 3]).raw_os_error().is_some());
    }
}
