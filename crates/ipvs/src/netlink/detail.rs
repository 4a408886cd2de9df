//! How much of an entry a reading decodes: rules alone, or counters and numbers of connections too.

use super::codec::{
    DecodeError, decode_configured_server, decode_configured_service, decode_real_server,
    decode_service,
};
use crate::model::{
    Configured, Family, RealServer, RealServerKey, RealServerState, ServiceKey, ServiceState,
    VirtualService,
};

/// A detail: [`Rules`] or [`Counted`].
pub trait Detail: Decode {}

/// The settings of an entry alone.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

/// The settings of an entry with its counters, rates and numbers of connections.
#[derive(Clone, Copy, Debug)]
pub struct Counted;

impl Detail for Rules {}
impl Detail for Counted {}

/// Decodes entries in one detail.
pub trait Decode {
    /// A virtual service in this detail.
    type Service;
    /// A real server in this detail.
    type Server;

    #[doc(hidden)]
    fn service(bytes: &[u8]) -> Result<Self::Service, Malformed>;

    #[doc(hidden)]
    fn server(bytes: &[u8], service: Family) -> Result<Self::Server, Malformed>;

    /// The key of a service.
    fn service_key(service: &Self::Service) -> &ServiceKey;

    /// The key of a real server.
    fn server_key(server: &Self::Server) -> &RealServerKey;
}

/// Bytes that cannot be decoded.
#[doc(hidden)]
#[derive(Debug)]
pub struct Malformed(pub(super) DecodeError);

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        Self(error)
    }
}

impl Decode for Rules {
    type Service = Configured<VirtualService>;
    type Server = Configured<RealServer>;

    fn service(bytes: &[u8]) -> Result<Self::Service, Malformed> {
        Ok(decode_configured_service(bytes)?)
    }

    fn server(bytes: &[u8], service: Family) -> Result<Self::Server, Malformed> {
        Ok(decode_configured_server(bytes, service)?)
    }

    fn service_key(service: &Self::Service) -> &ServiceKey {
        &service.entry.key
    }

    fn server_key(server: &Self::Server) -> &RealServerKey {
        &server.entry.key
    }
}

impl Decode for Counted {
    type Service = ServiceState;
    type Server = RealServerState;

    fn service(bytes: &[u8]) -> Result<Self::Service, Malformed> {
        Ok(decode_service(bytes)?)
    }

    fn server(bytes: &[u8], service: Family) -> Result<Self::Server, Malformed> {
        Ok(decode_real_server(bytes, service)?)
    }

    fn service_key(service: &Self::Service) -> &ServiceKey {
        &service.service.key
    }

    fn server_key(server: &Self::Server) -> &RealServerKey {
        &server.server.key
    }
}
