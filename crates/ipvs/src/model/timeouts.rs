//! The timeouts of connections.

/// Seconds until an idle connection's entry goes, for each network namespace (`IPVS_CMD_SET_CONFIG`).
///
/// When set, a zero leaves that timeout as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timeouts {
    /// An established TCP connection.
    pub tcp: u32,
    /// A TCP connection after a FIN.
    pub tcp_fin: u32,
    /// A UDP exchange.
    pub udp: u32,
}

impl Timeouts {
    /// Timeouts of established TCP connections, of TCP connections after a FIN, and of UDP, in seconds.
    pub const fn new(tcp: u32, tcp_fin: u32, udp: u32) -> Self {
        Self { tcp, tcp_fin, udp }
    }

    /// These timeouts set over others: zeros leave those as they are.
    pub const fn over(&self, others: &Self) -> Self {
        const fn either(new: u32, old: u32) -> u32 {
            if new == 0 { old } else { new }
        }
        Self {
            tcp: either(self.tcp, others.tcp),
            tcp_fin: either(self.tcp_fin, others.tcp_fin),
            udp: either(self.udp, others.udp),
        }
    }
}
