//! Performs one request: sends its change, or reads an entry, edits it and sends it back.

use crate::error::Error;
use crate::model::{Change, Request};
use crate::netlink::{Client, Transport};

/// Performs a request, and returns the change that was made. An edit that finds its settings in place makes no change
/// and returns `None`.
///
/// The kernel replaces all settings of an entry at once. An edit by another program between reading and writing is lost.
///
/// ```no_run
/// use ipvs::plan::perform;
/// use ipvs::{Client, Request, ServiceKey};
///
/// let mut client = Client::connect()?;
/// let service = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
/// let drain = Request::set_weight(service, "10.1.0.1:80".parse()?, 0);
/// perform(&drain, &mut client)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The kernel's refusal. [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when an entry to edit does not exist.
pub fn perform<T: Transport>(
    request: &Request,
    client: &mut Client<T>,
) -> Result<Option<Change>, Error> {
    let change = match request {
        Request::Change(change) => Some(change.clone()),
        Request::EditService(key, edit) => {
            let current = client.service(key)?.service;
            let edited = edit.applied_to(&current);
            (edited != current).then_some(Change::EditService(edited))
        }
        Request::EditServer(service, key, edit) => {
            let current = client.server(service, key)?.server;
            let edited = edit.applied_to(&current);
            (edited != current).then_some(Change::EditServer(*service, edited))
        }
    };
    if let Some(change) = &change {
        client.apply(change)?;
    }
    Ok(change)
}
