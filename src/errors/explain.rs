//! The reason of a refusal, for the brackets behind 1.31's sentence.
//!
//! One errno of IPVS has many causes. After a failure, this module looks at the machine and at the kernel's table, and names
//! a cause only if it sees it. Nothing is looked at before a failure.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipvs::Client;
use ipvs::error::{Error, ErrorKind, Operation, Subject};
use ipvs::model::{
    Change, Family, InterfaceName, RealServer, RealServerKey, ServiceKey, SyncDaemon, SyncRole,
    VirtualService,
};

use super::reasons::{self, KernelPart, WaysToLoad};
use crate::host::{
    Capabilities, Capability, RouteKind, addresses, interfaces, is_initial_user_namespace,
    modprobe_is_banned, modprobe_path, module_state, routes,
};

/// A process explains this many failures. The input of -R may have thousands of refused lines, and each look at a large table
/// takes time.
const MOST: usize = 50;

/// The most entries of the table, or of the machine, that a reason lists.
const LISTED: usize = 8;

/// The reason of an error, if it can be seen now.
pub fn reason(error: &Error) -> Option<String> {
    static EXPLAINED: AtomicUsize = AtomicUsize::new(0);

    if EXPLAINED.fetch_add(1, Ordering::Relaxed) >= MOST {
        return None;
    }
    match (error.kind(), error.operation()) {
        (_, Operation::OpenFile | Operation::ReadFile) => None,
        (ErrorKind::NoFamily, _) => missing_ipvs(),
        (ErrorKind::NotPermitted, _) => not_permitted(),
        (ErrorKind::NoInterface, _) => match error.change()? {
            Change::StartDaemon(daemon) => no_interface(daemon),
            _ => None,
        },
        (ErrorKind::NoScheduler, _) => match error.change()? {
            Change::AddService(service) | Change::EditService(service) => no_scheduler(service),
            _ => None,
        },
        (ErrorKind::Invalid, _) => match (error.subject()?, error.operation()) {
            (Subject::Server(service, server), _) => invalid_server(service, server),
            (Subject::Daemon(_), Operation::StartDaemon) => invalid_daemon(),
            _ => None,
        },
        (ErrorKind::OutOfRange, _) => match error.change()? {
            Change::AddServer(_, server) | Change::EditServer(_, server) => {
                crossed_thresholds(server)
            }
            _ => None,
        },
        (ErrorKind::Exists, _) => match error.subject()? {
            Subject::Service(service) => Some(format!("{service}; -E edits it")),
            Subject::Server(service, server) => Some(format!("{server} of {service}; -e edits it")),
            Subject::Daemon(role) => Some(format!("the {role}; --stop-daemon {role} ends it")),
            _ => None,
        },
        (ErrorKind::NotFound | ErrorKind::NoService, _) => match error.subject()? {
            Subject::Service(service) => missing_service(service),
            Subject::Server(service, _) if error.kind() == ErrorKind::NoService => {
                missing_service(service)
            }
            Subject::Server(service, server) => missing_server(service, server),
            Subject::Daemon(role) => missing_daemon(*role),
            _ => None,
        },
        _ => None,
    }
}

/// An edit that keeps a threshold may cross the other one.
fn crossed_thresholds(server: &RealServer) -> Option<String> {
    let RealServer { lower_threshold: lower, upper_threshold: upper, .. } = server;
    let is_crossed = lower > upper;
    is_crossed.then(|| format!("the lower threshold {lower} is above the upper one, {upper}"))
}

/// The reason why the kernel has no IPVS, if it can be seen now.
pub fn missing_ipvs() -> Option<String> {
    let capabilities = Capabilities::effective();
    reasons::no_ipvs(&WaysToLoad {
        is_banned: modprobe_is_banned(),
        state: module_state("ip_vs"),
        missing_modprobe: modprobe_path().filter(|path| !path.exists()),
        may_load: capabilities.is_ok_and(|held| held.contains(Capability::SysModule)),
    })
}

/// Root may lack the right too; everybody else is told to be root by 1.31's sentence.
fn not_permitted() -> Option<String> {
    reasons::no_rights(
        rustix::process::geteuid().is_root(),
        is_initial_user_namespace().ok()?,
        Capabilities::effective().ok()?.contains(Capability::NetAdmin),
    )
    .map(str::to_owned)
}

/// A list of names or entries, the first few of them.
fn list(entries: &[String]) -> String {
    let shown = entries.get(..LISTED.min(entries.len())).unwrap_or_default().join(", ");
    match entries.len().checked_sub(LISTED) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn no_interface(daemon: &SyncDaemon) -> Option<String> {
    let interfaces = interfaces().ok()?;
    if interfaces.iter().any(|interface| interface.name == daemon.interface.as_str()) {
        return None;
    }
    let names: Vec<String> = interfaces.into_iter().map(|interface| interface.name).collect();
    let default = match daemon.interface == InterfaceName::default() {
        true => ", the default: --mcast-interface names another",
        false => "",
    };
    Some(format!("{}{default}; here are {}", daemon.interface, list(&names)))
}

fn no_scheduler(service: &VirtualService) -> Option<String> {
    let missing = |part: KernelPart, name: &str| {
        reasons::missing_part(part, name, module_state(&part.module(name)), modprobe_is_banned())
    };
    let engine = service.engine.as_ref().map(|engine| engine.as_str());
    let scheduler = missing(KernelPart::Scheduler, service.scheduler.as_str());
    scheduler.or_else(|| missing(KernelPart::Engine, engine?))
}

/// `EINVAL` for a real server.
fn invalid_server(service: &ServiceKey, server: &RealServerKey) -> Option<String> {
    let address = server.address;
    if Family::of(address) != service.family() {
        let daemons = Client::connect().ok()?.daemons().ok()?;
        let daemon = daemons.first()?;
        return Some(format!(
            "the sync daemon {0} runs, so a real server needs the IP version of its service; --stop-daemon {0} ends it",
            daemon.role
        ));
    }
    not_unicast(address)
}

/// The form of an address that keeps it from being a real server's, or the state of the network that does.
fn not_unicast(address: IpAddr) -> Option<String> {
    let kind = match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(address) if address.is_broadcast() => Some("the broadcast address"),
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            Some("link-local, and IPVS has no interface to go with it")
        }
        _ => None,
    };
    if let Some(kind) = kind {
        return Some(format!("{address} is {kind}; a real server needs a unicast address"));
    }
    if address.is_ipv6() {
        return None;
    }
    let addresses = addresses().ok()?;
    if !addresses.iter().any(|own| own.address.is_ipv4()) {
        return Some(
            "this network namespace has no IPv4 address, so the kernel knows no address as unicast; \
             ip link set lo up mends it"
                .to_owned(),
        );
    }
    let routes = routes().ok()?;
    let route = routes
        .iter()
        .find(|route| route.kind == RouteKind::Broadcast && route.destination == Some(address))?;
    let interface = interfaces().ok()?.into_iter().find(|one| Some(one.index) == route.interface);
    let place = interface.map(|interface| format!(" of {}", interface.name)).unwrap_or_default();
    Some(format!("{address} is a broadcast address{place}; a real server needs a unicast address"))
}

/// `EINVAL` for a sync daemon.
fn invalid_daemon() -> Option<String> {
    let mut client = Client::connect().ok()?;
    for service in client.services().ok()? {
        let key = service.service.key;
        let other = client
            .real_servers(&key)
            .ok()?
            .into_iter()
            .find(|server| Family::of(server.server.key.address) != key.family());
        if let Some(server) = other {
            return Some(reasons::other_family(&key, &server.server.key));
        }
    }
    None
}

/// The services that may be meant: the same address and port in another protocol, then other ports of the address.
fn missing_service(missing: &ServiceKey) -> Option<String> {
    let mut client = Client::connect().ok()?;
    let keys: Vec<ServiceKey> =
        client.services().ok()?.into_iter().map(|service| service.service.key).collect();
    // Other lines of the input may have added it meanwhile.
    if keys.contains(missing) {
        return None;
    }
    let near = near_services(missing, &keys);
    Some(match near.is_empty() {
        true => missing.to_string(),
        false => format!("{missing}; there is {}", list(&near)),
    })
}

fn near_services(missing: &ServiceKey, keys: &[ServiceKey]) -> Vec<String> {
    let names = |is_near: &dyn Fn(&ServiceKey) -> bool| -> Vec<String> {
        keys.iter().filter(|&key| is_near(key)).map(ToString::to_string).collect()
    };
    match *missing {
        ServiceKey::Address { address, port, .. } => {
            let bracketed = without_brackets(address, port);
            let same_endpoint = names(&|key| match *key {
                ServiceKey::Address { address: a, port: p, .. } => {
                    (a, p) == (address, port) || Some((a, p)) == bracketed
                }
                ServiceKey::Fwmark { .. } => false,
            });
            if !same_endpoint.is_empty() {
                return same_endpoint;
            }
            names(&|key| matches!(*key, ServiceKey::Address { address: a, .. } if a == address))
        }
        ServiceKey::Fwmark { mark, .. } => {
            names(&|key| matches!(*key, ServiceKey::Fwmark { mark: m, .. } if m == mark))
        }
    }
}

/// An IPv6 address and a port typed without brackets: the port has become the end of the address.
fn without_brackets(address: IpAddr, port: u16) -> Option<(IpAddr, u16)> {
    let text = address.to_string();
    let (address, end) = text.rsplit_once(':').filter(|_| port == 0 && address.is_ipv6())?;
    Some((address.parse().ok()?, end.parse().ok()?))
}

/// The real servers that may be meant: other ports of the address.
fn missing_server(service: &ServiceKey, missing: &RealServerKey) -> Option<String> {
    let servers = Client::connect().ok()?.real_servers(service).ok()?;
    let keys: Vec<RealServerKey> = servers.into_iter().map(|server| server.server.key).collect();
    if keys.contains(missing) {
        return None;
    }
    let near = keys.iter().filter(|key| key.address == missing.address);
    let near: Vec<String> = near.map(ToString::to_string).collect();
    let named = format!("{missing} of {service}");
    Some(match near.is_empty() {
        true => named,
        false => format!("{named}; there is {}", list(&near)),
    })
}

fn missing_daemon(role: SyncRole) -> Option<String> {
    let daemons = Client::connect().ok()?.daemons().ok()?;
    if daemons.iter().any(|daemon| daemon.role == role) {
        return None;
    }
    Some(match daemons.first() {
        Some(other) => format!("no {role}; the {} runs", other.role),
        None => format!("no {role}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_services_are_those_of_the_same_endpoint_and_then_of_the_same_address() {
        let key = |text: &str| text.parse::<ServiceKey>().unwrap();
        let keys = ["udp 10.0.0.9:80", "tcp 10.0.0.9:8080", "tcp [2001:db8::5]:80"].map(key);
        let near = |text| near_services(&key(text), &keys);
        assert_eq!(near("tcp 10.0.0.9:80"), ["udp 10.0.0.9:80"]);
        assert_eq!(near("tcp 10.0.0.9:81"), ["udp 10.0.0.9:80", "tcp 10.0.0.9:8080"]);
        assert_eq!(near("tcp [2001:db8::5:80]:0"), ["tcp [2001:db8::5]:80"]);
        assert_eq!(near("tcp 10.0.0.8:80"), Vec::<String>::new());
    }
}
