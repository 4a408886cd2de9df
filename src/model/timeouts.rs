//! The connection timeouts that `--set` changes.

/// Seconds until an idle connection's entry goes, for each network namespace (`IPVS_CMD_SET_CONFIG`).
///
/// When set, a zero leaves that timeout as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// An established TCP connection.
    pub tcp: u32,
    /// A TCP connection after a FIN.
    pub tcp_fin: u32,
    /// A UDP exchange.
    pub udp: u32,
}
