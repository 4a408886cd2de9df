//! The options of a tunnel, and the types that accept each of them.

use std::str::FromStr;

use crate::error::{RuleError, ValueError};
use ipvs::model::{Tunnel, TunnelChecksum};

#[derive(Debug, Default)]
pub(super) struct TunnelOptions {
    pub(super) kind: Option<TunnelKind>,
    pub(super) port: Option<u16>,
    pub(super) has_no_checksum: bool,
    pub(super) has_checksum: bool,
    pub(super) has_remote_checksum: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum TunnelKind {
    #[default]
    Ipip,
    Gue,
    Gre,
}

impl TunnelKind {
    fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::Gre => "gre",
        }
    }
}

impl FromStr for TunnelKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let kind = [Self::Ipip, Self::Gue, Self::Gre].into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| ValueError::NotATunnel(text.to_owned()))
    }
}

impl TunnelOptions {
    pub(super) fn is_given(&self) -> bool {
        let Self { kind, port, has_no_checksum, has_checksum, has_remote_checksum } = self;
        kind.is_some()
            || port.is_some()
            || *has_no_checksum
            || *has_checksum
            || *has_remote_checksum
    }

    /// Makes the tunnel. The checks come in the order of 1.31.
    pub(super) fn tunnel(&self) -> Result<Tunnel, RuleError> {
        let Self { kind, port, has_no_checksum, has_checksum, has_remote_checksum } = *self;
        let kind = kind.unwrap_or_default();
        let tunnel = kind.name();
        let (has_port, has_checksums, has_remote) = match kind {
            TunnelKind::Ipip => (false, false, false),
            TunnelKind::Gue => (true, true, true),
            TunnelKind::Gre => (false, true, false),
        };
        let illegal = |option| Err(RuleError::TunnelIllegal { option, tunnel });
        let conflict = |later, earlier| Err(RuleError::TunnelConflict { later, earlier, tunnel });
        if has_port && port.is_none() {
            return Err(RuleError::TunnelMissing { option: "tun-port", tunnel });
        }
        if !has_port && port.is_some() {
            return illegal("tun-port");
        }
        if has_no_checksum && !has_checksums {
            return illegal("tun-nocsum");
        }
        if has_checksum && !has_checksums {
            return illegal("tun-csum");
        }
        if has_checksum && has_no_checksum {
            return conflict("tun-csum", "tun-nocsum");
        }
        if has_remote_checksum && !has_remote {
            return illegal("tun-remcsum");
        }
        if has_remote_checksum && has_no_checksum {
            return conflict("tun-remcsum", "tun-nocsum");
        }
        if has_remote_checksum && has_checksum {
            return conflict("tun-remcsum", "tun-csum");
        }
        let checksum = match (has_checksum, has_remote_checksum) {
            (true, _) => TunnelChecksum::Full,
            (_, true) => TunnelChecksum::Remote,
            _ => TunnelChecksum::None,
        };
        Ok(match (kind, port) {
            (TunnelKind::Gue, Some(port)) => Tunnel::Gue { port, checksum },
            (TunnelKind::Gre, _) => Tunnel::Gre { checksum },
            _ => Tunnel::Ipip,
        })
    }
}
