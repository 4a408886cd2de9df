//! The attributes of the family IPVS: the model's types to bytes, and the kernel's bytes to the model's
//! types. Each `encode_x` precedes its `decode_x`.
//!
//! Knows linux/ip_vs.h; knows no socket and no message header.

mod attribute;
mod config;
mod daemon;
mod real_server;
mod service;
mod stats;

use thiserror::Error;

pub(super) use attribute::attributes;
pub(super) use config::{decode_family, decode_info, decode_timeouts};
pub(super) use daemon::decode_daemon;
pub(super) use real_server::{decode_configured_server, decode_real_server};
pub(super) use service::{decode_configured_service, decode_service, encode_service_key};

use crate::model::{Change, NameError};
use crate::netlink::uapi::*;

/// Bytes from the kernel that are not what linux/ip_vs.h says.
#[derive(Debug, Error)]
pub(crate) enum DecodeError {
    /// A frame or an attribute is cut short.
    #[error(transparent)]
    Frame(#[from] netlink_packet_core::DecodeError),
    /// A value has fewer bytes than its kind needs.
    #[error("attribute {kind} has {length} bytes, which are too few")]
    TooShort {
        /// The attribute's number within its nest.
        kind: u16,
        /// The bytes that it has.
        length: usize,
    },
    /// A name is not UTF-8.
    #[error("attribute {kind} is not text")]
    NotText {
        /// The attribute's number within its nest.
        kind: u16,
    },
    /// A name has a form that no name has.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something needed is not there.
    #[error("no attribute {0}")]
    Missing(&'static str),
    /// A number has a meaning that this version does not know.
    #[error("{attribute} is {value}, which this version does not know")]
    Unknown {
        /// The attribute's name in linux/ip_vs.h.
        attribute: &'static str,
        /// Its value.
        value: u32,
    },
}

/// Appends the attributes of a change and gives the number of its command.
pub(super) fn encode_change(buffer: &mut Vec<u8>, change: &Change) -> u8 {
    match change {
        Change::AddService(service) => {
            service::encode_service(buffer, service);
            IPVS_CMD_NEW_SERVICE
        }
        Change::EditService(service) => {
            service::encode_service(buffer, service);
            IPVS_CMD_SET_SERVICE
        }
        Change::DeleteService(key) => {
            encode_service_key(buffer, key);
            IPVS_CMD_DEL_SERVICE
        }
        Change::AddServer(key, server) => {
            encode_service_key(buffer, key);
            real_server::encode_real_server(buffer, server);
            IPVS_CMD_NEW_DEST
        }
        Change::EditServer(key, server) => {
            encode_service_key(buffer, key);
            real_server::encode_real_server(buffer, server);
            IPVS_CMD_SET_DEST
        }
        Change::DeleteServer(key, server) => {
            encode_service_key(buffer, key);
            real_server::encode_real_server_key(buffer, server);
            IPVS_CMD_DEL_DEST
        }
        Change::Zero(key) => {
            if let Some(key) = key {
                encode_service_key(buffer, key);
            }
            IPVS_CMD_ZERO
        }
        Change::Flush => IPVS_CMD_FLUSH,
        Change::SetTimeouts(timeouts) => {
            config::encode_timeouts(buffer, timeouts);
            IPVS_CMD_SET_CONFIG
        }
        Change::StartDaemon(daemon) => {
            daemon::encode_daemon(buffer, daemon);
            IPVS_CMD_NEW_DAEMON
        }
        Change::StopDaemon(role) => {
            daemon::encode_daemon_role(buffer, *role);
            IPVS_CMD_DEL_DAEMON
        }
    }
}
