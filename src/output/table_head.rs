//! The members of a listing of services in JSON, in front of the services.

use ipvs::model::Info;
use serde::Serialize;

use crate::schema::SCHEMA;

/// The head of a listing of services.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TableHead {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<&'static [&'static str]>,
    #[serde(flatten)]
    info: Info,
}

impl TableHead {
    /// The head of a listing. `partial` names the members that are missing or not complete.
    pub const fn new(info: Info, partial: Option<&'static [&'static str]>) -> Self {
        Self { schema: SCHEMA, partial, info }
    }
}
