//! Requests that edit some settings, or depend on the entry that the kernel has.

use ipvs::model::{
    Change, Entry, Forwarding, ForwardingEdit, RealServer, Request, ServerEdit, ServiceKey,
    VirtualService, WeightEdit,
};
use ipvs::plan::perform;
use ipvs::{Client, ErrorKind};
use ipvs_test::kernel::{Kernel, Socket};

fn key() -> ServiceKey {
    ServiceKey::tcp(([10, 0, 0, 1], 80).into())
}

fn server() -> RealServer {
    let server = RealServer::new("10.1.0.1:8080".parse().unwrap());
    server.forwarding(Forwarding::Masquerading).weight(5).upper_threshold(9)
}

fn filled() -> (Kernel, Client<Socket>) {
    let kernel = Kernel::new();
    let mut client = Client::new(kernel.socket()).unwrap();
    client.add_service(&VirtualService::new(key())).unwrap();
    client.add_server(&key(), &server()).unwrap();
    (kernel, client)
}

fn weighted(edit: WeightEdit) -> Request {
    let edit = ServerEdit { weight: Some(edit), ..ServerEdit::default() };
    Request::EditServer(key(), server().key, edit)
}

fn now(client: &mut Client<Socket>) -> RealServer {
    client.server(&key(), &server().key).unwrap().server
}

#[test]
fn relative_weight_is_that_of_the_kernel_and_other_settings_stay() {
    let (_kernel, mut client) = filled();
    for (edit, weight) in [
        (WeightEdit::Add(5), 10),
        (WeightEdit::Percent(25), 3),
        (WeightEdit::Subtract(7), 0),
        (WeightEdit::Percent(50), 0),
    ] {
        perform(&weighted(edit), &mut client).unwrap();
        assert_eq!(now(&mut client), server().weight(weight), "{edit:?}");
    }
    perform(&weighted(WeightEdit::To(RealServer::MAX_WEIGHT)), &mut client).unwrap();
    let error = perform(&weighted(WeightEdit::Add(1)), &mut client).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::OutOfRange, None));
    assert_eq!(now(&mut client).weight, RealServer::MAX_WEIGHT);
}

#[test]
fn edit_of_a_missing_entry_fails_as_the_kernel_would_refuse_it() {
    let kernel = Kernel::new();
    let mut client = Client::new(kernel.socket()).unwrap();
    let request = weighted(WeightEdit::To(1));
    assert_eq!(perform(&request, &mut client).unwrap_err().kind(), ErrorKind::NoService);
    client.add_service(&VirtualService::new(key())).unwrap();
    assert_eq!(perform(&request, &mut client).unwrap_err().kind(), ErrorKind::NotFound);
    let request = Request::IfExists(Box::new(request));
    assert_eq!(perform(&request, &mut client).unwrap(), None);
}

#[test]
fn addition_if_missing_is_done_or_refused() {
    let (_kernel, mut client) = filled();
    let entry = |server| Request::AddIfMissing(Entry::Server(key(), server));
    assert_eq!(perform(&entry(server()), &mut client).unwrap(), None);
    let other = server().weight(6);
    let error = perform(&entry(other), &mut client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert_eq!(now(&mut client), server());
    client.delete_server(&key(), &server().key).unwrap();
    let change = Change::AddServer(key(), other);
    assert_eq!(perform(&entry(other), &mut client).unwrap(), Some(change));
}

#[test]
fn replacement_adds_edits_or_does_nothing() {
    let (_kernel, mut client) = filled();
    let entry = |server| Request::Replace(Entry::Server(key(), server));
    assert_eq!(perform(&entry(server()), &mut client).unwrap(), None);
    let other = server().upper_threshold(0);
    let change = Change::EditServer(key(), other);
    assert_eq!(perform(&entry(other), &mut client).unwrap(), Some(change));
    assert_eq!(now(&mut client), other);
    let service = VirtualService::new(key()).scheduler("rr".parse().unwrap());
    perform(&Request::Replace(Entry::Service(service.clone())), &mut client).unwrap();
    assert_eq!(client.service(&key()).unwrap().service, service);
}

/// Runs an edit while another program writes a server behind each of the first edits.
fn contested(
    times: usize,
    theirs: RealServer,
    edit: &Request,
) -> (Result<(), ErrorKind>, RealServer) {
    let (kernel, _) = filled();
    let mut writer = Client::new(kernel.socket()).unwrap();
    let (mut edits, mut left) = (false, times);
    let socket = kernel.socket().before_request(move |request| {
        // The reading behind an edit shows what the other program wrote meanwhile.
        let is_edit = request.change.is_some();
        if std::mem::replace(&mut edits, is_edit) && !is_edit && left > 0 {
            left -= 1;
            writer.edit_server(&key(), &theirs).unwrap();
        }
        Ok(())
    });
    let mut client = Client::new(socket).unwrap();
    let result = perform(edit, &mut client).map(|_| ()).map_err(|error| error.kind());
    let mut reader = Client::new(kernel.socket()).unwrap();
    (result, now(&mut reader))
}

#[test]
fn contested_edit_is_tried_once_more() {
    let theirs = server().weight(3);
    let add = weighted(WeightEdit::Add(2));
    let (result, server) = contested(1, theirs, &add);
    assert_eq!((result, server.weight), (Ok(()), 5));
    assert_eq!(contested(2, theirs, &add).0, Err(ErrorKind::Interrupted));
    // A change of another setting does not matter.
    let other = theirs.weight(5).upper_threshold(3);
    let edit = ServerEdit {
        forwarding: Some(ForwardingEdit::To(Forwarding::Masquerading)),
        weight: Some(WeightEdit::To(5)),
        lower_threshold: Some(1),
        ..ServerEdit::default()
    };
    let other = other.lower_threshold(1);
    let edit = Request::EditServer(key(), server.key, edit);
    assert_eq!(contested(9, other, &edit), (Ok(()), other));
}
