//! The rules file that the service loads at boot: the schedulers and persistence engines that its lines want.
//!
//! Names of hosts and ports in the lines are not looked up, since the doctor sends nothing unasked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::{fs, io};

use ipvs::model::{Change, Entry, Protocol, Request, VirtualService};
use ipvs_rules::{Answers, Command, lines, parse_line};

use super::{BootRules, WantedPart};
use crate::errors::KernelPart;
use crate::host::{modprobe_is_banned, module_state};

/// The file of the service, and that of Debian.
const FILES: &[&str] = &["/etc/sysconfig/ipvsadm", "/etc/ipvsadm.rules"];

/// Looks at the first rules file that exists. openSUSE has settings instead of rules at the first path; such lines want
/// nothing.
///
/// # Errors
/// If a file that exists cannot be read.
pub fn look_at_boot_rules() -> io::Result<Option<BootRules>> {
    for path in FILES {
        match fs::read(path) {
            Ok(text) => {
                let wanted = wanted(&text).into_iter().map(|((part, name), line)| {
                    let state = module_state(&part.module(&name));
                    WantedPart { part, name, line, state }
                });
                let wanted: Vec<WantedPart> = wanted.collect();
                if wanted.is_empty() {
                    continue;
                }
                let is_loading_banned = modprobe_is_banned();
                return Ok(Some(BootRules { path: (*path).to_owned(), wanted, is_loading_banned }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The schedulers and engines of a text, with their first lines.
fn wanted(text: &[u8]) -> BTreeMap<(KernelPart, String), u64> {
    let mut wanted = BTreeMap::new();
    for (number, line) in lines(text) {
        let Ok(Some(parsed)) = parse_line(line) else { continue };
        let Ok(Command::Request(request)) = parsed.resolve(&mut AnyAddress) else { continue };
        let Some(service) = added_service(&request) else { continue };
        let scheduler = (KernelPart::Scheduler, service.scheduler.as_str());
        let engine = service.engine.as_ref().map(|engine| (KernelPart::Engine, engine.as_str()));
        for (part, name) in [Some(scheduler), engine].into_iter().flatten() {
            wanted.entry((part, name.to_owned())).or_insert(number);
        }
    }
    wanted
}

fn added_service(request: &Request) -> Option<&VirtualService> {
    match request {
        Request::Change(Change::AddService(service) | Change::EditService(service))
        | Request::AddIfMissing(Entry::Service(service))
        | Request::Replace(Entry::Service(service)) => Some(service),
        _ => None,
    }
}

/// Some address and port for each name: neither matters for a scheduler.
struct AnyAddress;

impl Answers for AnyAddress {
    fn address(&mut self, _host: &str) -> Result<IpAddr, String> {
        Ok(Ipv4Addr::LOCALHOST.into())
    }

    fn port(&mut self, _name: &str, _protocol: Protocol) -> Option<u16> {
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_want_schedulers_and_engines() {
        let text = b"# comment\n-A -t www.example.com:http -s wrr\n\n-A -u 192.0.2.1:5060 -s rr --pe sip -p\n\
            -A -f 3 -s wrr\n-a -f 3 -r 10.0.0.1\nnonsense\nIPVSADM_CONFIG=/etc/x\n";
        let wanted: Vec<_> = wanted(text)
            .into_iter()
            .map(|((part, name), line)| format!("{} {line}", part.module(&name)))
            .collect();
        assert_eq!(wanted, ["ip_vs_rr 4", "ip_vs_wrr 2", "ip_vs_pe_sip 4"]);
    }
}
