//! Performs one request: sends its change, or reads an entry, edits it and sends it back.

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Operation, Subject};
use crate::model::{
    Change, Entry, RealServer, RealServerKey, Request, ServerEdit, ServiceEdit, ServiceKey,
    VirtualService, WeightEdit, WeightTooLarge,
};
use crate::netlink::{Client, Transport};

/// The number of times that an edit is tried while another program changes the same entry.
const EDITS: usize = 2;

/// The number of times that an addition is tried while another program adds and deletes the same entry.
const ADDITIONS: usize = 5;

/// Performs a request, and returns the change that was made. A request that finds its settings in place makes no change
/// and returns `None`.
///
/// The kernel replaces all settings of an entry at once, so an edit reads the entry, changes it, and reads it back. If
/// another program has changed one of the named settings meanwhile, it tries once more. A setting that another program
/// changes between the reading and the change is lost, unless both hold a [`Lock`](crate::kernel::Lock).
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
/// The kernel's refusal. [`ErrorKind::NotFound`] when an entry to edit does not exist, [`ErrorKind::NoService`] when the
/// service of a real server does not. [`ErrorKind::OutOfRange`] when a weight would be too large,
/// [`ErrorKind::Interrupted`] when another program keeps changing the entry.
pub fn perform<T: Transport>(
    request: &Request,
    client: &mut Client<T>,
) -> Result<Option<Change>, Error> {
    match request {
        Request::Change(change) => {
            client.apply(change)?;
            Ok(Some(change.clone()))
        }
        Request::EditService(key, edit) => edit_service(key, edit, client),
        Request::EditServer(service, key, edit) => edit_server(service, key, edit, client),
        Request::AddIfMissing(entry) => add(entry, client, |error, _| Err(error)),
        Request::Replace(entry) => add(entry, client, |_, client| {
            let change = entry.edit();
            client.apply(&change)?;
            Ok(change)
        }),
        Request::IfExists(request) => match perform(request, client) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NoService) => {
                Ok(None)
            }
            result => result,
        },
    }
}

fn edit_service<T: Transport>(
    key: &ServiceKey,
    edit: &ServiceEdit,
    client: &mut Client<T>,
) -> Result<Option<Change>, Error> {
    let has_settings = |service: &VirtualService| service.serves_as(&edit.applied_to(service));
    let mut current = client.service(key)?.service;
    let mut made = None;
    for _ in 0..EDITS {
        if has_settings(&current) {
            return Ok(made);
        }
        let change = Change::EditService(edit.applied_to(&current));
        client.apply(&change)?;
        made = Some(change);
        current = client.service(key)?.service;
    }
    if has_settings(&current) {
        return Ok(made);
    }
    Err(contested(Operation::EditService, Subject::Service(*key)))
}

fn edit_server<T: Transport>(
    service: &ServiceKey,
    key: &RealServerKey,
    edit: &ServerEdit,
    client: &mut Client<T>,
) -> Result<Option<Change>, Error> {
    let subject = Subject::Server(*service, *key);
    let edited = |edit: &ServerEdit, server: &RealServer| {
        edit.applied_to(server).map_err(|error| too_large(error, subject.clone()))
    };
    for _ in 0..EDITS {
        let current = read_server(service, key, client)?;
        let wanted = edited(edit, &current)?;
        if current.serves_as(&wanted) {
            return Ok(None);
        }
        let change = Change::EditServer(*service, wanted);
        client.apply(&change)?;
        // Settings that the edit does not name may change meanwhile. A relative weight is done once.
        let weight = edit.weight.map(|_| WeightEdit::To(wanted.weight));
        let now = read_server(service, key, client)?;
        if now.serves_as(&edited(&ServerEdit { weight, ..*edit }, &now)?) {
            return Ok(Some(change));
        }
    }
    Err(contested(Operation::EditServer, subject))
}

/// Reads a real server. The error for a missing one is that of an edit.
fn read_server<T: Transport>(
    service: &ServiceKey,
    key: &RealServerKey,
    client: &mut Client<T>,
) -> Result<RealServer, Error> {
    let errno = match client.server(service, key) {
        Err(error) if error.kind() == ErrorKind::NotFound => match client.service(service) {
            Ok(_) => Errno::NOENT,
            Err(error) if error.kind() == ErrorKind::NotFound => Errno::SRCH,
            Err(error) => return Err(error),
        },
        result => return result.map(|state| state.server),
    };
    let subject = Some(Subject::Server(*service, *key));
    Err(Error::refused(Operation::EditServer, subject, errno.raw_os_error()))
}

/// Adds an entry. If it exists with other settings, `otherwise` gets the kernel's refusal.
fn add<T: Transport>(
    entry: &Entry,
    client: &mut Client<T>,
    mut otherwise: impl FnMut(Error, &mut Client<T>) -> Result<Change, Error>,
) -> Result<Option<Change>, Error> {
    let addition = entry.addition();
    let mut attempt = 1;
    loop {
        let refusal = match client.apply(&addition) {
            Ok(()) => return Ok(Some(addition)),
            Err(error) if error.kind() == ErrorKind::Exists => error,
            Err(error) => return Err(error),
        };
        let is_as_wanted = match entry {
            Entry::Service(wanted) => {
                client.service(&wanted.key).map(|state| state.service.serves_as(wanted))
            }
            Entry::Server(service, wanted) => {
                client.server(service, &wanted.key).map(|state| state.server.serves_as(wanted))
            }
        };
        let result = match is_as_wanted {
            Ok(true) => return Ok(None),
            Ok(false) => otherwise(refusal, client),
            Err(error) => Err(error),
        };
        match result {
            // Another program has deleted the entry since the refusal.
            Err(error) if error.kind() == ErrorKind::NotFound && attempt < ADDITIONS => {
                attempt += 1;
            }
            result => return result.map(Some),
        }
    }
}

fn contested(operation: Operation, subject: Subject) -> Error {
    Error::new(ErrorKind::Interrupted, operation)
        .with_subject(subject)
        .with_detail("another program keeps changing the same settings")
}

fn too_large(error: WeightTooLarge, subject: Subject) -> Error {
    Error::new(ErrorKind::OutOfRange, Operation::EditServer)
        .with_subject(subject)
        .with_detail(error.to_string())
}
