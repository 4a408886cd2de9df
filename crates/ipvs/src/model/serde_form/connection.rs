//! The serde form of connections, and of an address with its port.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::model::{
    Connection, ConnectionOrigin, ConnectionProtocol, ConnectionState, ConnectionTarget,
    EngineData, RealServerKey,
};

serde_by_form! {
    RealServerKey as EndpointForm,
    Connection as ConnectionForm,
}

#[derive(Serialize, Deserialize)]
struct EndpointForm {
    address: IpAddr,
    port: u16,
}

impl From<SocketAddr> for EndpointForm {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl From<EndpointForm> for SocketAddr {
    fn from(form: EndpointForm) -> Self {
        Self::new(form.address, form.port)
    }
}

impl From<&RealServerKey> for EndpointForm {
    fn from(key: &RealServerKey) -> Self {
        Self { address: key.address, port: key.port }
    }
}

impl From<EndpointForm> for RealServerKey {
    fn from(form: EndpointForm) -> Self {
        Self { address: form.address, port: form.port }
    }
}

#[derive(Serialize, Deserialize)]
struct ConnectionForm<'a> {
    /// In lower case, as the protocols of services.
    protocol: String,
    client: EndpointForm,
    service: TargetForm,
    real_server: EndpointForm,
    state: Cow<'a, str>,
    expires: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persistence_engine: Option<Cow<'a, str>>,
    /// JSON is UTF-8, so other bytes are lost: replacement characters take their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine_data: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<ConnectionOrigin>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TargetForm {
    Endpoint(EndpointForm),
    Fwmark { fwmark: u32 },
}

impl<'a> From<&'a Connection> for ConnectionForm<'a> {
    fn from(connection: &'a Connection) -> Self {
        let engine = connection.engine.as_deref();
        Self {
            protocol: connection.protocol.as_str().to_ascii_lowercase(),
            client: connection.client.into(),
            service: match connection.target {
                ConnectionTarget::Fwmark(fwmark) => TargetForm::Fwmark { fwmark },
                ConnectionTarget::Address(address) => TargetForm::Endpoint(address.into()),
            },
            real_server: connection.server.into(),
            state: connection.state.as_str().into(),
            expires: connection.expires,
            persistence_engine: engine.map(|engine| engine.engine.as_str().into()),
            engine_data: engine.map(|engine| String::from_utf8_lossy(&engine.data)),
            origin: connection.origin,
        }
    }
}

impl From<ConnectionForm<'_>> for Connection {
    fn from(form: ConnectionForm<'_>) -> Self {
        let target = match form.service {
            TargetForm::Fwmark { fwmark } => ConnectionTarget::Fwmark(fwmark),
            TargetForm::Endpoint(endpoint) => ConnectionTarget::Address(endpoint.into()),
        };
        let engine = form.persistence_engine.map(|engine| {
            let data = form.engine_data.unwrap_or_default().into_owned().into_bytes();
            Box::new(EngineData { engine: engine.into_owned(), data })
        });
        Self {
            protocol: ConnectionProtocol::from_name(&form.protocol.to_ascii_uppercase()),
            client: form.client.into(),
            target,
            server: form.real_server.into(),
            state: ConnectionState::from_name(&form.state),
            expires: form.expires,
            engine,
            origin: form.origin,
        }
    }
}
