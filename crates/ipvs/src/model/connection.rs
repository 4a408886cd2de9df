//! Entries of the kernel's connection table: connections of clients, and templates that persistence keeps.

use std::fmt;
use std::net::SocketAddr;

use super::Protocol;

/// An entry of the connection table, as `/proc/net/ip_vs_conn` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Connection {
    /// The protocol of its packets.
    pub protocol: ConnectionProtocol,
    /// The client. A template has port 0, and the client's network where the service has a netmask.
    pub client: SocketAddr,
    /// The virtual service as the entry names it.
    pub target: ConnectionTarget,
    /// The real server.
    pub server: SocketAddr,
    /// The state of the protocol's state machine.
    pub state: ConnectionState,
    /// Seconds until the entry expires unless a packet arrives.
    pub expires: u32,
    /// The data of a persistence engine. Only templates of services with an engine have it.
    pub engine: Option<Box<EngineData>>,
    /// The director that made the entry. Only `/proc/net/ip_vs_conn_sync` tells.
    pub origin: Option<ConnectionOrigin>,
}

impl Connection {
    /// An entry without engine data, of unknown origin.
    pub const fn new(
        protocol: ConnectionProtocol,
        [client, server]: [SocketAddr; 2],
        target: ConnectionTarget,
        state: ConnectionState,
        expires: u32,
    ) -> Self {
        Self { protocol, client, target, server, state, expires, engine: None, origin: None }
    }

    /// True if the entry is a persistence template: it assigns a client to a real server and carries no packets. The files
    /// of `/proc` have no flag for it, so the entry is recognized by its client port 0. The module `ip_vs_ftp` makes
    /// entries with that port, too: connections that it expects, until their first packet.
    pub const fn is_template(&self) -> bool {
        self.client.port() == 0
    }

    /// True if the entry is a template that the kernel has invalidated because its real server was drained or deleted.
    pub const fn is_dead_template(&self) -> bool {
        self.is_template() && self.server.port() == u16::MAX
    }
}

/// The virtual end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionTarget {
    /// The virtual address and port. A connection of a firewall mark service has the address that its client used.
    Address(SocketAddr),
    /// A template of a firewall mark service has the mark in place of an address.
    Fwmark(u32),
}

/// The data by which a persistence engine recognizes a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineData {
    /// The engine's name, such as `sip`.
    pub engine: String,
    /// Bytes that the client sent: a Call-ID for `sip`. They need not be UTF-8.
    pub data: Vec<u8>,
}

/// The director that made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionOrigin {
    /// This one: the connection was scheduled here.
    Local,
    /// Another one: a sync daemon received the entry.
    Synced,
}

impl ConnectionOrigin {
    /// `local` or `synced`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Synced => "synced",
        }
    }
}

impl fmt::Display for ConnectionOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Defines an enum of the kernel's names, each of which is parsed from and printed as its text, and `Other` for a name
/// of a newer kernel.
macro_rules! kernel_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name that this version does not know.
            Other(UnknownName),
        }

        impl $name {
            /// The names of this version, in the order of the variants.
            pub const NAMES: &[&str] = &[$($text),+];

            /// The name that the kernel prints.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(name) => &name.0,
                }
            }

            /// The value with the name in these bytes. Only bytes that are not UTF-8 have none.
            pub(crate) fn from_bytes(name: &[u8]) -> Option<Self> {
                $(if name == $text.as_bytes() {
                    return Some(Self::$variant);
                })+
                std::str::from_utf8(name).ok().map(Self::from_name)
            }

            /// The value with this name. Every text has one: `Other` where no variant has the name.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    _ => Self::Other(UnknownName(name.into())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// A name that no variant has. Only `from_name` makes one, so that equal names are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnknownName(Box<str>);

kernel_names! {
    /// The protocol of a connection, by the kernel's name.
    ConnectionProtocol {
        /// TCP.
        Tcp = "TCP",
        /// UDP.
        Udp = "UDP",
        /// SCTP.
        Sctp = "SCTP",
        /// Any: the template of a firewall mark service.
        Ip = "IP",
    }
}

impl ConnectionProtocol {
    /// The transport protocol, if the entry has one that services are balanced by.
    pub const fn transport(&self) -> Option<Protocol> {
        match self {
            Self::Tcp => Some(Protocol::Tcp),
            Self::Udp => Some(Protocol::Udp),
            Self::Sctp => Some(Protocol::Sctp),
            Self::Ip | Self::Other(_) => None,
        }
    }
}

kernel_names! {
    /// The state of a connection, by the kernel's name (`tcp_state_name_table`, `sctp_state_name_table` and
    /// `udp_state_name_table` of Linux 6.1).
    ConnectionState {
        /// A template, or a connection of which no packet was seen.
        None = "NONE",
        /// A template whose connection was established.
        Assured = "ASSURED",
        /// TCP and SCTP: established.
        Established = "ESTABLISHED",
        /// TCP: a SYN from the server.
        SynSent = "SYN_SENT",
        /// TCP: a SYN from the client.
        SynRecv = "SYN_RECV",
        /// TCP: the server has closed its direction.
        FinWait = "FIN_WAIT",
        /// TCP: both directions are closed.
        TimeWait = "TIME_WAIT",
        /// TCP: reset, or closed.
        Close = "CLOSE",
        /// TCP: the client has closed its direction.
        CloseWait = "CLOSE_WAIT",
        /// TCP: the last acknowledgement is missing.
        LastAck = "LAST_ACK",
        /// TCP: no packet of a connection yet.
        Listen = "LISTEN",
        /// TCP: half open while the kernel defends itself against SYN floods (`secure_tcp`).
        SynAck = "SYNACK",
        /// UDP: the one state that it has.
        Udp = "UDP",
        /// SCTP: an INIT from the client.
        Init1 = "INIT1",
        /// SCTP: INIT.
        Init = "INIT",
        /// SCTP: the client sent a COOKIE.
        CookieSent = "COOKIE_SENT",
        /// SCTP: the server replied to a COOKIE.
        CookieReplied = "COOKIE_REPLIED",
        /// SCTP: the client waits for a COOKIE.
        CookieWait = "COOKIE_WAIT",
        /// SCTP: COOKIE.
        Cookie = "COOKIE",
        /// SCTP: the client sent the COOKIE back.
        CookieEchoed = "COOKIE_ECHOED",
        /// SCTP: SHUTDOWN sent.
        ShutdownSent = "SHUTDOWN_SENT",
        /// SCTP: SHUTDOWN received.
        ShutdownReceived = "SHUTDOWN_RECEIVED",
        /// SCTP: SHUTDOWN acknowledged.
        ShutdownAckSent = "SHUTDOWN_ACK_SENT",
        /// SCTP: refused.
        Rejected = "REJECTED",
        /// SCTP: closed.
        Closed = "CLOSED",
    }
}

impl ConnectionState {
    /// True if the connection has begun to close, or has ended.
    pub const fn is_closing(&self) -> bool {
        matches!(
            self,
            Self::FinWait
                | Self::TimeWait
                | Self::Close
                | Self::CloseWait
                | Self::LastAck
                | Self::ShutdownSent
                | Self::ShutdownReceived
                | Self::ShutdownAckSent
                | Self::Rejected
                | Self::Closed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_parsed_from_its_name_and_an_unknown_name_is_kept() {
        for name in ["NONE", "SYN_RECV", "SHUTDOWN_ACK_SENT", "NEW_STATE", ""] {
            assert_eq!(ConnectionState::from_name(name).as_str(), name);
        }
        assert_eq!(ConnectionState::from_name("TIME_WAIT"), ConnectionState::TimeWait);
    }
}
