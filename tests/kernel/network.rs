//! Network namespaces: a fresh one for each test, and hosts joined by veth for tests with traffic. A network namespace
//! belongs to a thread, and child processes inherit it; these functions never change the tester's namespace.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Iff, RtAddrFamily, Rtm};
use neli::consts::socket::NlFamily;
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};
use neli::socket::synchronous::NlSocketHandle;
use neli::utils::Groups;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

use crate::wait::wait_until;

/// Moves the calling thread to a new network namespace, with an empty table and with loopback up. Without loopback the
/// kernel refuses every real server as "not unicast".
pub(crate) fn fresh_namespace() {
    unshare(CloneFlags::CLONE_NEWNET)
        .expect("a network namespace of its own: run `make test`, as root or with its kernel");
    loopback_up();
}

/// It uses netlink, since it runs thousands of times and starting `ip` is slow under User Mode Linux.
fn loopback_up() {
    let socket = NlSocketHandle::connect(NlFamily::Route, None, Groups::empty()).unwrap();
    let loopback = IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_index(1)
        .up()
        .build()
        .unwrap();
    let message: Nlmsghdr<Rtm, Ifinfomsg> = NlmsghdrBuilder::default()
        .nl_type(Rtm::Newlink)
        .nl_flags(NlmF::REQUEST | NlmF::ACK)
        .nl_payload(NlPayload::Payload(loopback))
        .build()
        .unwrap();
    socket.send(&message).unwrap();
    let (answer, _) = socket.recv_all::<Rtm, Ifinfomsg>().unwrap();
    assert!(
        answer.iter().all(|message| matches!(message.nl_payload(), NlPayload::Ack(_))),
        "lo is not up: {answer:?}"
    );
}

/// A machine of a lab: a network namespace that threads can enter.
pub(crate) struct Host {
    namespace: File,
}

impl Host {
    /// Creates a machine that has only loopback.
    pub(crate) fn new() -> Host {
        let home = current_namespace();
        fresh_namespace();
        let namespace = current_namespace();
        enter(&home);
        Host { namespace }
    }

    /// Runs a function there; processes and threads that it starts stay there.
    pub(crate) fn within<T>(&self, action: impl FnOnce() -> T) -> T {
        let home = current_namespace();
        enter(&self.namespace);
        let result = action();
        enter(&home);
        result
    }

    /// A path of its network namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// Runs `ip` there, with its arguments as one line.
    pub(crate) fn ip(&self, line: &str) {
        self.within(|| ip(line));
    }

    /// Connects two machines and gives each end its address, written with the prefix length.
    pub(crate) fn join(
        &self,
        name: &str,
        address: &str,
        peer: &Host,
        peer_name: &str,
        peer_address: &str,
    ) {
        let there = peer.path();
        self.ip(&format!("link add {name} type veth peer name {peer_name} netns {there}"));
        for (host, name, address) in [(self, name, address), (peer, peer_name, peer_address)] {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            host.ip(&format!("address add {address} dev {name}{nodad}"));
            host.ip(&format!("link set {name} up"));
        }
        // The kernel drops packets until a work item has seen the carrier of both ends.
        for (host, name) in [(self, name), (peer, peer_name)] {
            host.within(|| wait_until(&format!("the carrier of {name}"), || is_running(name)));
        }
    }

    /// Sets a value under /proc/sys/net, which belongs to the thread's namespace.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.within(|| std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }
}

/// Returns whether an interface of the calling thread's namespace can send and receive.
fn is_running(name: &str) -> bool {
    let socket = NlSocketHandle::connect(NlFamily::Route, None, Groups::empty()).unwrap();
    let interface = IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_index(if_nametoindex(name).unwrap().try_into().unwrap())
        .build()
        .unwrap();
    let message: Nlmsghdr<Rtm, Ifinfomsg> = NlmsghdrBuilder::default()
        .nl_type(Rtm::Getlink)
        .nl_flags(NlmF::REQUEST)
        .nl_payload(NlPayload::Payload(interface))
        .build()
        .unwrap();
    socket.send(&message).unwrap();
    let (answer, _) = socket.recv_all::<Rtm, Ifinfomsg>().unwrap();
    let found = answer.iter().find_map(|message| message.get_payload());
    found.unwrap_or_else(|| panic!("no {name}: {answer:?}")).ifi_flags().contains(Iff::RUNNING)
}

/// Runs `ip` in the namespace of the calling thread.
pub(crate) fn ip(line: &str) {
    let output =
        Command::new("ip").args(line.split(' ')).output().expect("iproute2: run `make test`");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn current_namespace() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn enter(namespace: &File) {
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
}
