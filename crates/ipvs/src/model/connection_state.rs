//! The states of connections, by the names that the kernel prints.

use std::fmt;

use super::kernel_names::{UnknownName, kernel_names};

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
