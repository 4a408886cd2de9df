//! The serde form of real servers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{NoNumber, unknown};
use crate::model::{
    Counters, Forwarding, OtherChecksum, OtherForwarding, OtherTunnel, Rates, RealServer,
    RealServerKey, RealServerState, Tunnel, TunnelChecksum,
};

serde_by_form! {
    RealServer as RealServerForm,
    RealServerState as RealServerStateForm,
    Tunnel as TunnelForm,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ForwardingWord {
    Masquerading,
    DirectRouting,
    Tunneling,
    Local,
    Bypass,
    Unknown,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RealServerForm {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) forwarding: ForwardingWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forwarding_number: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tunnel: Option<Tunnel>,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
}

impl From<&RealServer> for RealServerForm {
    fn from(server: &RealServer) -> Self {
        let (forwarding, forwarding_number, tunnel) = match server.forwarding {
            Forwarding::Masquerading => (ForwardingWord::Masquerading, None, None),
            Forwarding::DirectRouting => (ForwardingWord::DirectRouting, None, None),
            Forwarding::Tunneling(tunnel) => (ForwardingWord::Tunneling, None, Some(tunnel)),
            Forwarding::LocalNode => (ForwardingWord::Local, None, None),
            Forwarding::Bypass => (ForwardingWord::Bypass, None, None),
            Forwarding::Other(other) => (ForwardingWord::Unknown, Some(other.number()), None),
        };
        Self {
            address: server.key.address,
            port: server.key.port,
            forwarding,
            forwarding_number,
            tunnel,
            weight: server.weight,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        }
    }
}

impl TryFrom<RealServerForm> for RealServer {
    type Error = NoNumber;

    fn try_from(form: RealServerForm) -> Result<Self, NoNumber> {
        let forwarding = match form.forwarding {
            ForwardingWord::Masquerading => Forwarding::Masquerading,
            ForwardingWord::DirectRouting => Forwarding::DirectRouting,
            ForwardingWord::Tunneling => Forwarding::Tunneling(form.tunnel.unwrap_or_default()),
            ForwardingWord::Local => Forwarding::LocalNode,
            ForwardingWord::Bypass => Forwarding::Bypass,
            ForwardingWord::Unknown => Forwarding::Other(unknown(
                form.forwarding_number,
                OtherForwarding::new,
                "forwarding_number",
            )?),
        };
        Ok(Self {
            key: RealServerKey { address: form.address, port: form.port },
            forwarding,
            weight: form.weight,
            upper_threshold: form.upper_threshold,
            lower_threshold: form.lower_threshold,
        })
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TunnelWord {
    Ipip,
    Gue,
    Gre,
    Unknown,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChecksumWord {
    None,
    Full,
    Remote,
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TunnelForm {
    r#type: TunnelWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    type_number: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<ChecksumWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum_number: Option<u16>,
}

impl From<&Tunnel> for TunnelForm {
    fn from(tunnel: &Tunnel) -> Self {
        let (r#type, type_number, port, checksum) = match *tunnel {
            Tunnel::Ipip => (TunnelWord::Ipip, None, None, None),
            Tunnel::Gue { port, checksum } => (TunnelWord::Gue, None, Some(port), Some(checksum)),
            Tunnel::Gre { checksum } => (TunnelWord::Gre, None, None, Some(checksum)),
            Tunnel::Other { kind, port, checksum } => {
                (TunnelWord::Unknown, Some(kind.number()), Some(port), Some(checksum))
            }
        };
        let (checksum, checksum_number) = match checksum {
            None => (None, None),
            Some(TunnelChecksum::None) => (Some(ChecksumWord::None), None),
            Some(TunnelChecksum::Full) => (Some(ChecksumWord::Full), None),
            Some(TunnelChecksum::Remote) => (Some(ChecksumWord::Remote), None),
            Some(TunnelChecksum::Other(other)) => {
                (Some(ChecksumWord::Unknown), Some(other.number()))
            }
        };
        Self { r#type, type_number, port, checksum, checksum_number }
    }
}

impl TryFrom<TunnelForm> for Tunnel {
    type Error = NoNumber;

    fn try_from(form: TunnelForm) -> Result<Self, NoNumber> {
        let port = form.port.unwrap_or_default();
        let checksum = match form.checksum {
            None | Some(ChecksumWord::None) => TunnelChecksum::None,
            Some(ChecksumWord::Full) => TunnelChecksum::Full,
            Some(ChecksumWord::Remote) => TunnelChecksum::Remote,
            Some(ChecksumWord::Unknown) => TunnelChecksum::Other(unknown(
                form.checksum_number,
                OtherChecksum::new,
                "checksum_number",
            )?),
        };
        Ok(match form.r#type {
            TunnelWord::Ipip => Self::Ipip,
            TunnelWord::Gue => Self::Gue { port, checksum },
            TunnelWord::Gre => Self::Gre { checksum },
            TunnelWord::Unknown => {
                let kind = unknown(form.type_number, OtherTunnel::new, "type_number")?;
                Self::Other { kind, port, checksum }
            }
        })
    }
}

/// The state of a real server without the numbers of unknown attributes.
#[derive(Serialize, Deserialize)]
struct RealServerStateForm {
    #[serde(flatten)]
    server: RealServer,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    counters: Counters,
    rates: Rates,
}

impl From<&RealServerState> for RealServerStateForm {
    fn from(state: &RealServerState) -> Self {
        Self {
            server: state.server,
            active_connections: state.active_connections,
            inactive_connections: state.inactive_connections,
            persistent_connections: state.persistent_connections,
            counters: state.counters,
            rates: state.rates,
        }
    }
}

impl From<RealServerStateForm> for RealServerState {
    fn from(form: RealServerStateForm) -> Self {
        Self {
            server: form.server,
            active_connections: form.active_connections,
            inactive_connections: form.inactive_connections,
            persistent_connections: form.persistent_connections,
            counters: form.counters,
            rates: form.rates,
            unknown_attributes: Vec::new(),
        }
    }
}
