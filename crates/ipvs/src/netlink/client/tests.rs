//! A client whose kernel is a replay: sequence numbers, ends, refusals, batches, and malformed answers.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ipvs_test::messages::{HEADER, answering, fixture, messages, nests};
use proptest::prelude::*;

use netlink_packet_core::NLM_F_DUMP_INTR;

use super::*;
use crate::model::{Protocol, RealServer, RealServerKey, SyncRole, VirtualService};
use crate::netlink::replay::Replay;
use crate::values;

/// The number of requests that find the family; the requests of a test are numbered from here on.
const FAMILY: u32 = 1;
const FIRST: u32 = 2;

fn client(answers: impl IntoIterator<Item = Vec<u8>>) -> Client<Replay> {
    let family = answering(FAMILY, &fixture("family"));
    Client::new(Replay::new(std::iter::once(family).chain(answers))).unwrap()
}

/// The fixture as the answer to the first request.
fn answer(name: &str) -> Vec<u8> {
    answering(FIRST, &fixture(name))
}

/// True if a client failed because the replay has no more answers.
fn is_end_of_answers(error: &Error) -> bool {
    error.kind() == ErrorKind::Timeout && std::error::Error::source(error).is_some()
}

/// The kernel's word on a request: 0, or an errno.
fn acknowledgement(sequence: u32, errno: Option<Errno>) -> Vec<u8> {
    let mut message = answering(sequence, &fixture("ack"));
    let code = errno.map_or(0, |errno| -errno.raw_os_error());
    message[HEADER..HEADER + 4].copy_from_slice(&code.to_ne_bytes());
    message
}

fn service(host: u8) -> VirtualService {
    let address = IpAddr::from([10, 0, 0, host]);
    VirtualService::new(ServiceKey::Address { protocol: Protocol::Tcp, address, port: 80 })
}

fn additions(count: u8) -> Vec<Change> {
    (0..count).map(|host| Change::AddService(service(host))).collect()
}

fn sequence(message: &[u8]) -> u32 {
    u32::from_ne_bytes(*message[8..].first_chunk().unwrap())
}

fn wants_acknowledgement(message: &[u8]) -> bool {
    u16::from_ne_bytes(*message[6..].first_chunk().unwrap()) & NLM_F_ACK != 0
}

#[test]
fn requests_go_to_the_family_that_was_looked_up() {
    let mut client = client([answer("info")]);
    client.info().unwrap();
    let [look_up, info] = client.transport.sent.as_slice() else { panic!("{client:?}") };
    assert!(look_up.windows(5).any(|name| name == b"IPVS\0"));
    assert_eq!(info[4..6], 0x1c_u16.to_ne_bytes());
    assert_eq!(info[HEADER], IPVS_CMD_GET_INFO);
}

/// A refusal quotes the request; these were made by another program.
#[test]
fn request_is_byte_for_byte_one_that_the_kernel_has_understood() {
    const ERRNO: usize = 4;
    let quoted = |name: &str| fixture(name)[HEADER + ERRNO + HEADER..].to_vec();
    let sent = |client: Client<Replay>| client.transport.sent[1][HEADER..].to_vec();

    let service = |port| {
        let address = IpAddr::from([10, 0, 0, 1]);
        let key = ServiceKey::Address { protocol: Protocol::Tcp, address, port };
        VirtualService { scheduler: "rr".parse().unwrap(), ..VirtualService::new(key) }
    };
    let mut adding = client([answer("ack")]);
    adding.apply(&Change::AddService(service(80))).unwrap();
    assert_eq!(sent(adding), quoted("error_exists"));
    let mut asking = client([answer("service")]);
    asking.service(&service(81).key).unwrap();
    assert_eq!(sent(asking), quoted("error_missing"));
}

#[test]
fn each_change_is_a_command_of_its_own() {
    let key = service(1).key;
    let server_key = RealServerKey { address: IpAddr::from([10, 0, 0, 2]), port: 80 };
    let server = RealServer::new(server_key);
    let daemon = codec::decode_daemon(&nests("daemons")[0]).unwrap();
    let timeouts = Timeouts { tcp: 1, tcp_fin: 2, udp: 3 };
    for (change, command) in [
        (Change::AddService(service(1)), IPVS_CMD_NEW_SERVICE),
        (Change::EditService(service(1)), IPVS_CMD_SET_SERVICE),
        (Change::DeleteService(key), IPVS_CMD_DEL_SERVICE),
        (Change::AddServer(key, server), IPVS_CMD_NEW_DEST),
        (Change::EditServer(key, server), IPVS_CMD_SET_DEST),
        (Change::DeleteServer(key, server_key), IPVS_CMD_DEL_DEST),
        (Change::Zero(Some(key)), IPVS_CMD_ZERO),
        (Change::Zero(None), IPVS_CMD_ZERO),
        (Change::Flush, IPVS_CMD_FLUSH),
        (Change::SetTimeouts(timeouts), IPVS_CMD_SET_CONFIG),
        (Change::StopDaemon(daemon.role), IPVS_CMD_DEL_DAEMON),
        (Change::StartDaemon(daemon), IPVS_CMD_NEW_DAEMON),
    ] {
        let mut client = client([answer("ack"), answering(FIRST + 1, &fixture("info"))]);
        client.apply(&change).unwrap();
        assert_eq!(client.transport.sent[1][HEADER], command, "{change:?}");
    }
}

#[test]
fn kernel_without_the_family_is_told_from_one_that_refuses() {
    let connect = |answer: Vec<u8>| Client::new(Replay::new([answer])).unwrap_err();
    let missing = connect(answering(FAMILY, &fixture("family_missing")));
    assert_eq!(missing.kind(), ErrorKind::NoFamily, "{missing}");
    let forbidden = connect(acknowledgement(FAMILY, Some(Errno::PERM)));
    assert_eq!(forbidden.kind(), ErrorKind::NotPermitted, "{forbidden}");
}

#[test]
fn dump_is_read_to_its_end_over_many_datagrams() {
    let services = answer("services");
    let mut answers: Vec<Vec<u8>> =
        messages(&services).iter().map(|message| message.to_vec()).collect();
    answers.push(answer("done"));
    assert_eq!(client(answers).services().unwrap().len(), 8);
    let at_once = [services, answer("done")].concat();
    assert_eq!(client([at_once]).services().unwrap().len(), 8);
}

#[test]
fn dump_that_does_not_end_is_an_error() {
    let error = client([answer("services")]).services().unwrap_err();
    assert!(is_end_of_answers(&error), "{error}");
}

#[test]
fn dump_that_ends_with_an_errno_is_refused() {
    let mut done = answer("done");
    done[HEADER..].copy_from_slice(&(-Errno::NOBUFS.raw_os_error()).to_ne_bytes());
    let error = client([answer("services"), done]).services().unwrap_err();
    assert_eq!(error.operation(), Operation::ListServices);
    assert_eq!(error.errno(), Some(Errno::NOBUFS.raw_os_error()));
}

#[test]
fn dump_is_begun_again_whichever_message_says_that_it_was_interrupted() {
    let flag = |message: &mut [u8]| {
        let [low, high] = NLM_F_DUMP_INTR.to_ne_bytes();
        message[6] |= low;
        message[7] |= high;
    };
    for interrupted in [0, 3, 8] {
        let dump = [answer("services"), answer("done")].concat();
        let mut dump: Vec<Vec<u8>> = messages(&dump).into_iter().map(<[u8]>::to_vec).collect();
        flag(&mut dump[interrupted]);
        let again = |number| answering(FIRST + number, &dump.concat());
        let mut restless = client((0..).map(again).take(DUMPS));
        let error = restless.services().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        assert_eq!(restless.transport.sent.len(), 1 + DUMPS);

        let whole = [answer("services"), answer("done")].concat();
        let at_last = answering(FIRST + 2, &whole);
        let acknowledged = acknowledgement(FIRST + 3, None);
        let mut client = client([again(0), again(1), at_last, acknowledged]);
        assert_eq!(client.services().unwrap().len(), 8);
        client.apply(&Change::Flush).unwrap();
    }
}

#[test]
fn answers_to_other_requests_are_skipped() {
    let others =
        || [answering(77, &fixture("error_missing")), answering(FIRST + 1, &fixture("info"))];
    let with_others = |answers: Vec<Vec<u8>>| client(others().into_iter().chain(answers));
    assert_eq!(with_others(vec![answer("info")]).info().unwrap().table_size, 4096);
    let dump = vec![
        answering(77, &fixture("services")),
        answering(77, &fixture("done")),
        answer("services"),
        answer("done"),
    ];
    assert_eq!(with_others(dump).services().unwrap().len(), 8);
    with_others(vec![answer("ack")]).apply(&Change::Flush).unwrap();
}

#[test]
fn what_one_request_asks_for_is_what_it_gets() {
    let timeouts = client([answer("config")]).timeouts().unwrap();
    assert_eq!(timeouts, Timeouts { tcp: 901, tcp_fin: 121, udp: 301 });
    let state = client([answer("service")]).service(&service(1).key).unwrap();
    assert_eq!(state.service.key, service(1).key);
    let daemons = client([answer("daemons"), answer("done")]).daemons().unwrap();
    assert_eq!(daemons.len(), 2);
    let servers = client([answer("destinations"), answer("done")]).real_servers(&service(9).key);
    assert_eq!(servers.unwrap().len(), 7);
}

#[test]
fn refusal_names_the_operation_and_the_entry() {
    let key = service(1).key;
    let error = client([answer("error_missing")]).service(&key).unwrap_err();
    assert_eq!(error.to_string(), "cannot read service tcp 10.0.0.1:80: no such service");
    let error = client([answer("error_permission")]).services().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the services: CAP_NET_ADMIN in the initial user namespace is needed"
    );
    let error = client([answer("error_exists")]).apply(&additions(1)[0]).unwrap_err();
    assert_eq!(error.to_string(), "cannot add service tcp 10.0.0.0:80: it exists already");
    let error = client([answer("error_missing")]).apply(&Change::DeleteService(key));
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "cannot delete service tcp 10.0.0.1:80: no such service");
}

#[test]
fn of_three_changes_the_second_and_the_last_are_refused() {
    let mut client = client([
        acknowledgement(FIRST + 1, Some(Errno::EXIST)),
        acknowledgement(FIRST + 2, Some(Errno::NOENT)),
        // The number of the family is the same: the scheduler does not exist.
        answering(FIRST + 3, &fixture("family")),
    ]);
    let outcome = client.apply_all(&additions(3)).unwrap();
    let failures = outcome.failures();
    let failures: Vec<(usize, ErrorKind)> =
        failures.iter().map(|failure| (failure.index, failure.error.kind())).collect();
    let expected = [(1, ErrorKind::Exists), (2, ErrorKind::NoScheduler)];
    assert_eq!(failures, expected);
}

#[test]
fn sixty_four_changes_go_out_at_once_and_only_the_last_wants_an_answer() {
    let (first, second, third) = (FIRST + 63, FIRST + 127, FIRST + 129);
    let mut client = client([
        acknowledgement(first, None),
        acknowledgement(FIRST + 70, Some(Errno::EXIST)),
        acknowledgement(second, None),
        acknowledgement(third, None),
    ]);
    let outcome = client.apply_all(&additions(130)).unwrap();
    let failures = outcome.failures();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [70]);
    let sent: Vec<Vec<&[u8]>> =
        client.transport.sent[1..].iter().map(|datagram| messages(datagram)).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 2]);
    let sent = sent.concat();
    let numbers: Vec<u32> = sent.iter().map(|message| sequence(message)).collect();
    assert_eq!(numbers, (FIRST..FIRST + 130).collect::<Vec<u32>>());
    let acknowledged = sent.iter().filter(|message| wants_acknowledgement(message));
    assert_eq!(
        acknowledged.map(|message| sequence(message)).collect::<Vec<_>>(),
        [first, second, third]
    );
}

#[test]
fn no_more_changes_go_out_at_once_than_answers_fit_into_the_socket() {
    for (limit, sizes) in [
        (Some(0), vec![1; 5]),
        (Some(2 * ANSWER), vec![2, 2, 1]),
        (Some(BATCH * ANSWER), vec![5]),
        (None, vec![5]),
    ] {
        let mut sequence = FIRST - 1;
        let answers: Vec<Vec<u8>> = sizes
            .iter()
            .map(|&size| {
                sequence += u32::try_from(size).unwrap();
                acknowledgement(sequence, Some(Errno::EXIST))
            })
            .collect();
        let mut client = client(answers);
        client.transport.receive_limit = limit;
        let outcome = client.apply_all(&additions(5)).unwrap();
        let failures = outcome.failures();
        assert_eq!(failures.len(), sizes.len());
        assert_eq!(failures.last().unwrap().index, 4);
        let sent = client.transport.sent[1..].iter().map(|datagram| messages(datagram).len());
        assert_eq!(sent.collect::<Vec<_>>(), sizes);
    }
}

#[test]
fn daemon_that_is_stopped_before_it_began_is_waited_for_no_longer_than_the_next_answer() {
    let changes = [Change::StopDaemon(SyncRole::Backup)];
    let mut client = client([answering(FIRST + 1, &fixture("info"))]);
    assert!(client.apply_all(&changes).unwrap().is_complete());
    let sent = messages(&client.transport.sent[1]);
    assert_eq!(sent.iter().map(|sent| sent[HEADER]).collect::<Vec<_>>(), [10, IPVS_CMD_GET_INFO]);
}

#[test]
fn change_whose_answer_never_comes_is_not_reported_as_made() {
    for answers in [vec![], vec![acknowledgement(FIRST, Some(Errno::EXIST))]] {
        let error = client(answers).apply_all(&additions(2)).unwrap_err();
        assert!(is_end_of_answers(&error), "{error}");
    }
}

#[test]
fn no_change_asks_nothing() {
    let mut client = client([]);
    assert!(client.apply_all(&[]).unwrap().is_complete());
    assert_eq!(client.transport.sent.len(), 1);
}

#[test]
fn client_is_of_use_after_an_answer_that_cannot_be_read() {
    let services = answer("services");
    let mut garbled = services.clone();
    // The first attribute of the first service claims to be longer than the service.
    garbled[HEADER + 8] = 0xff;
    for unreadable in [garbled, services[..services.len() - 1].to_vec()] {
        let mut client = client([
            unreadable,
            answer("done"),
            answering(FIRST + 1, &fixture("services")),
            answering(FIRST + 1, &fixture("done")),
        ]);
        let error = client.services().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert_eq!(client.services().unwrap().len(), 8);
    }
}

#[test]
fn dump_that_is_cut_short_is_a_shorter_list_between_messages_and_an_error_elsewhere() {
    let whole = answer("services");
    let mut ends = vec![0];
    for message in messages(&whole) {
        ends.push(ends[ends.len() - 1] + message.len());
    }
    for end in 0..=whole.len() {
        let services = client([whole[..end].to_vec(), answer("done")]).services();
        match (services, ends.iter().position(|&between| between == end)) {
            (Ok(services), Some(count)) => assert_eq!(services.len(), count),
            (Err(error), None) if error.kind() == ErrorKind::Malformed => {}
            (outcome, _) => panic!("{end}: {outcome:?}"),
        }
    }
}

/// Asks for everything and takes any answer.
fn ask_all(answers: &[Vec<u8>]) {
    let key = service(1).key;
    let answers = || answers.iter().cloned();
    let _ = client(answers()).services();
    let _ = client(answers()).service(&key);
    let _ = client(answers()).real_servers(&key);
    let _ = client(answers()).timeouts();
    let _ = client(answers()).daemons();
    let _ = client(answers()).info();
    let _ = client(answers()).apply_all(&additions(2));
    let _ = Client::new(Replay::new(answers()));
}

const FIXTURES: [&str; 16] = [
    "ack",
    "config",
    "daemons",
    "destinations",
    "destinations6",
    "destinations_after_traffic",
    "done",
    "error_exists",
    "error_missing",
    "error_permission",
    "family",
    "family_missing",
    "info",
    "service",
    "services",
    "services_after_traffic",
];

#[test]
fn answer_that_is_cut_short_anywhere_is_no_panic() {
    for name in FIXTURES {
        let whole = answer(name);
        // One message has it all; a dump is cut in the test above.
        for end in 0..whole.len().min(400) {
            ask_all(&[whole[..end].to_vec(), answer("done")]);
        }
    }
}

#[test]
fn number_that_is_no_errno_is_an_error() {
    for code in [1, -4096, i32::MIN] {
        let mut answer = acknowledgement(FIRST, None);
        answer[HEADER..HEADER + 4].copy_from_slice(&i32::to_ne_bytes(code));
        let error = client([answer]).apply(&Change::Flush).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}

proptest! {
    #![proptest_config(values::cases(500))]

    #[test]
    fn answer_with_wrong_bytes_is_no_panic(
        name in proptest::sample::select(&FIXTURES[..]),
        wrong in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = answer(name);
        for (place, byte) in wrong {
            *place.get_mut(&mut bytes) = byte;
        }
        ask_all(&[bytes, answer("done")]);
    }
}

/// A kernel that has begun a dump begins no other on the same socket before the first is read to its end.
struct OneDump {
    waiting: VecDeque<Vec<u8>>,
    /// How many receptions succeed before one fails.
    breaks_after: Option<usize>,
    family: u16,
    lookups: usize,
}

impl OneDump {
    fn client() -> Client<OneDump> {
        let (waiting, family) = (VecDeque::new(), FAMILY_NUMBER);
        Client::new(OneDump { waiting, breaks_after: None, family, lookups: 0 }).unwrap()
    }

    /// Reloads the module, which gives the family another number.
    fn reload(&mut self) {
        self.family += 1;
    }
}

impl Transport for OneDump {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let is_busy = !self.waiting.is_empty();
        for message in messages(datagram) {
            let number = sequence(message);
            let kind = u16::from_ne_bytes(*message[4..].first_chunk().unwrap());
            let is_dump =
                u16::from_ne_bytes(*message[6..].first_chunk().unwrap()) & NLM_F_DUMP == NLM_F_DUMP;
            match (kind, is_dump) {
                (16, _) => {
                    self.lookups += 1;
                    self.waiting.push_back(family_with_number(number, self.family));
                }
                (kind, _) if kind != self.family => {
                    self.waiting.push_back(acknowledgement(number, Some(Errno::NOENT)));
                }
                (_, true) if is_busy => {
                    self.waiting.push_back(acknowledgement(number, Some(Errno::BUSY)));
                }
                (_, true) => {
                    let dump = answering(number, &fixture("services"));
                    self.waiting.extend(messages(&dump).into_iter().map(<[u8]>::to_vec));
                    self.waiting.push_back(answering(number, &fixture("done")));
                }
                (_, false) if message[HEADER] == IPVS_CMD_GET_INFO => {
                    self.waiting.push_back(answering(number, &fixture("info")));
                }
                (_, false) if wants_acknowledgement(message) => {
                    self.waiting.push_back(acknowledgement(number, None));
                }
                (_, false) => {}
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.breaks_after {
            Some(0) => {
                self.breaks_after = None;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        *buffer = self.waiting.pop_front().ok_or(io::ErrorKind::TimedOut)?;
        Ok(())
    }
}

/// Eight services and the end, each a datagram.
const DATAGRAMS: usize = 9;

#[test]
fn dump_that_breaks_off_at_any_message_is_read_to_its_end_before_the_next_request() {
    for breaks_after in 0..DATAGRAMS {
        let mut client = OneDump::client();
        client.transport.breaks_after = Some(breaks_after);
        let error = client.services().unwrap_err();
        assert!(is_end_of_answers(&error), "{error}");
        assert_eq!(client.services().unwrap().len(), 8, "after {breaks_after} messages");

        client.transport.breaks_after = Some(breaks_after);
        client.services().unwrap_err();
        client.apply(&Change::Flush).unwrap();
        assert_eq!(client.info().unwrap().table_size, 4096);
        assert_eq!(client.services().unwrap().len(), 8);
    }
}

#[test]
fn client_is_of_use_after_a_callback_that_panics() {
    for panics_at in 1..=8 {
        let mut client = OneDump::client();
        let mut seen = 0;
        let panicking = catch_unwind(AssertUnwindSafe(|| {
            client.services_in::<Counted, _>(|_| {
                seen += 1;
                assert_ne!(seen, panics_at, "as a callback may");
            })
        }));
        assert!(panicking.is_err());
        assert_eq!(client.services().unwrap().len(), 8, "after {panics_at} messages");
    }
    // The end is in the datagram in which the callback panics.
    let at_once = [answer("services"), answer("done")].concat();
    let again =
        [answering(FIRST + 1, &fixture("services")), answering(FIRST + 1, &fixture("done"))];
    let mut client = client([at_once, again.concat()]);
    let panicking =
        AssertUnwindSafe(|| client.services_in::<Counted, _>(|_| panic!("as a callback may")));
    assert!(catch_unwind(panicking).is_err());
    assert_eq!(client.services().unwrap().len(), 8);
}

#[test]
fn number_of_the_family_is_asked_for_again_once_when_the_module_was_reloaded() {
    let mut client = OneDump::client();
    client.transport.reload();
    assert_eq!(client.services().unwrap().len(), 8);
    client.transport.reload();
    assert!(client.apply_all(&additions(130)).unwrap().is_complete());
    client.transport.reload();
    assert_eq!(client.info().unwrap().table_size, 4096);
    assert_eq!(client.transport.lookups, 4);
}

#[test]
fn family_that_is_gone_is_named_and_not_a_scheduler() {
    let gone = || {
        [
            acknowledgement(FIRST, Some(Errno::NOENT)),
            answering(FIRST + 1, &fixture("family_missing")),
        ]
    };
    let of_change = client(gone()).apply(&additions(1)[0]).unwrap_err();
    let of_dump = client(gone()).services().unwrap_err();
    let of_question = client(gone()).info().unwrap_err();
    for error in [of_change, of_dump, of_question] {
        assert_eq!(error.kind(), ErrorKind::NoFamily, "{error}");
    }
}

#[test]
fn changes_that_a_reload_comes_between_are_made_once() {
    let mut client = client([
        acknowledgement(FIRST, Some(Errno::EXIST)),
        acknowledgement(FIRST + 2, Some(Errno::NOENT)),
        acknowledgement(FIRST + 3, Some(Errno::NOENT)),
        family_with_number(FIRST + 4, FAMILY_NUMBER + 1),
        acknowledgement(FIRST + 6, Some(Errno::EXIST)),
    ]);
    let outcome = client.apply_all(&additions(4)).unwrap();
    let failed: Vec<usize> = outcome.failures().iter().map(|failure| failure.index).collect();
    assert_eq!(failed, [0, 3]);
    let [_, four, _, two] = client.transport.sent.as_slice() else { panic!("{client:?}") };
    assert_eq!((messages(four).len(), messages(two).len()), (4, 2));
}

/// The answer to a question for the family, with another number in CTRL_ATTR_FAMILY_ID.
fn family_with_number(sequence: u32, number: u16) -> Vec<u8> {
    let mut answer = answering(sequence, &fixture("family"));
    let attribute = [6_u16.to_ne_bytes(), 1_u16.to_ne_bytes(), FAMILY_NUMBER.to_ne_bytes()];
    let place = answer.windows(6).position(|bytes| bytes == attribute.concat()).unwrap();
    answer[place + 4..place + 6].copy_from_slice(&number.to_ne_bytes());
    answer
}

const FAMILY_NUMBER: u16 = 0x1c;
