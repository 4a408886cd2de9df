//! Notes on changes that may surprise people who typed them. Only a terminal gets them.

use super::preview::plain;
use super::{AppliedPlan, Error, Session, change};
use ipvs::model::{Change, Forwarding, RealServer, Request, ServiceKey, VirtualService};
use ipvs::netlink::Transport;
use ipvs_rules::{OptionName, TableChange};

/// The options of a command line, as far as notes depend on them.
#[derive(Clone, Debug, Default)]
pub struct TypedOptions {
    /// The options.
    pub names: Vec<OptionName>,
    /// The value of `-w`.
    pub weight: Option<String>,
    /// The value of `-r`.
    pub server: Option<String>,
}

impl TypedOptions {
    fn has(&self, name: OptionName) -> bool {
        self.names.contains(&name)
    }

    /// The port in the value of `-r`, if it is a number.
    fn port(&self) -> Option<u16> {
        let text = self.server.as_deref()?;
        let (host, port) = text.rsplit_once(':')?;
        let is_host = host.ends_with(']') || !host.contains(':');
        if is_host { port.parse().ok() } else { None }
    }
}

/// The entry that an edit without `--keep` replaces.
enum Before {
    Service(VirtualService),
    Server(RealServer),
}

/// Performs a request, and returns the notes on it.
///
/// # Errors
/// As [`change`].
pub fn change_with_notes<T: Transport>(
    request: &Request,
    typed: &TypedOptions,
    session: &mut Session<T>,
) -> Result<Vec<String>, Error> {
    let plain = plain(request);
    // An entry that cannot be read has no notes; the change itself reports the failure.
    let before = match plain {
        Request::Change(Change::EditService(service)) => {
            let state = session.client()?.service(&service.key);
            state.ok().map(|state| Before::Service(state.service))
        }
        Request::Change(Change::EditServer(key, server)) => {
            let state = session.client()?.server(key, &server.key);
            state.ok().map(|state| Before::Server(state.server))
        }
        _ => None,
    };
    change(request, session)?;
    Ok(notes(plain, typed, before))
}

/// The notes on a change that was made.
pub fn notes_on(change: &TableChange, typed: &TypedOptions, applied: &AppliedPlan) -> Vec<String> {
    let TableChange::Request(request) = change else { return Vec::new() };
    let before = match plain(request) {
        Request::Change(Change::EditService(service)) => {
            let rules = applied.before().service(&service.key);
            rules.map(|rules| Before::Service(rules.service().clone()))
        }
        Request::Change(Change::EditServer(key, server)) => {
            let rules = applied.before().service(key);
            let mut servers = rules.into_iter().flat_map(|rules| rules.servers());
            let old = servers.find(|rule| rule.server.key == server.key);
            old.map(|rule| Before::Server(rule.server))
        }
        _ => None,
    };
    notes(plain(request), typed, before)
}

fn notes(request: &Request, typed: &TypedOptions, before: Option<Before>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Request::Change(change) = request {
        notes.extend(before.and_then(|before| reset(&before, change, typed)));
        notes.extend(unused_port(change, typed));
    }
    let plus = typed.weight.as_deref().filter(|text| text.starts_with('+'));
    if let Some(text) = plus.filter(|_| !typed.has(OptionName::Keep)) {
        notes.push(format!(
            "-w {text} sets the weight to {}; with -e --keep, it adds to the weight",
            text.trim_start_matches('+')
        ));
    }
    notes
}

/// The settings that an edit has changed although the line does not have them.
fn reset(before: &Before, change: &Change, typed: &TypedOptions) -> Option<String> {
    use OptionName::*;

    let mut settings = Vec::new();
    let mut note = |name, is_changed, options: &[OptionName]| {
        if is_changed && !options.iter().any(|&option| typed.has(option)) {
            settings.push(name);
        }
    };
    let command = match (before, change) {
        (Before::Server(old), Change::EditServer(_, new)) => {
            // Direct routing of an own address is local.
            let as_old = old.forwarding(new.forwarding);
            let is_other = !old.serves_as(&as_old);
            note("forwarding method", is_other, &[Gatewaying, Ipip, Masquerading]);
            note("weight", old.weight != new.weight, &[Weight]);
            note("upper threshold", old.upper_threshold != new.upper_threshold, &[UpperThreshold]);
            note("lower threshold", old.lower_threshold != new.lower_threshold, &[LowerThreshold]);
            "-e"
        }
        (Before::Service(old), Change::EditService(new)) => {
            note("scheduler", old.scheduler != new.scheduler, &[Scheduler]);
            let flags_differ = old.scheduler_flags != new.scheduler_flags;
            note("scheduler flags", flags_differ, &[SchedulerFlags]);
            note("persistence", old.persistence != new.persistence, &[Persistent, Netmask]);
            note("persistence engine", old.engine != new.engine, &[Engine]);
            note("one-packet scheduling", old.one_packet != new.one_packet, &[Ops]);
            "-E"
        }
        _ => return None,
    };
    let (last, first) = settings.split_last()?;
    let list = match first {
        [] => (*last).to_owned(),
        first => format!("{} and {last}", first.join(", ")),
    };
    Some(format!("{command} has also changed: {list}; --keep leaves what you omit as it is"))
}

/// A port that a forwarding method does not use.
fn unused_port(change: &Change, typed: &TypedOptions) -> Option<String> {
    let (Change::AddServer(key, server) | Change::EditServer(key, server)) = change else {
        return None;
    };
    let ServiceKey::Address { port: service_port, .. } = key else { return None };
    let port = typed.port().filter(|port| port != service_port)?;
    let is_used = matches!(server.forwarding, Forwarding::Masquerading);
    if is_used || typed.has(OptionName::OwnPort) {
        return None;
    }
    Some(format!(
        "port {port} is not used: -g and -i send packets to the service's port {service_port} \
         (--own-port keeps the port in the table)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::Client;
    use ipvs_rules::{Command, Token, Tokens, parse_numeric_line};
    use ipvs_test::kernel::Kernel;

    fn typed(line: &str) -> TypedOptions {
        let mut typed = TypedOptions::default();
        for token in Tokens::new(line.split(' ')).flatten() {
            let Token::Option { spec, value } = token else { continue };
            typed.names.push(spec.option);
            match spec.option {
                OptionName::Weight => typed.weight = value.map(str::to_owned),
                OptionName::RealServer => typed.server = value.map(str::to_owned),
                _ => {}
            }
        }
        typed
    }

    /// The notes on a line over a small table.
    fn notes(line: &str) -> Vec<String> {
        let client = Client::new(Kernel::new().socket()).unwrap();
        let mut session = Session::with_client(client);
        for line in [
            "-A -t 10.0.0.1:80 -s rr -p 300",
            "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5 -x 9",
            "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
            line,
        ] {
            let Some(Command::Request(request)) = parse_numeric_line(line.as_bytes()).unwrap()
            else {
                panic!("{line} is not a request");
            };
            let notes = change_with_notes(&request, &typed(line), &mut session).unwrap();
            if line.ends_with("--sort") {
                return notes;
            }
        }
        panic!("{line} does not end with --sort");
    }

    #[test]
    fn reset_that_nobody_typed_is_noted_and_names_keep() {
        for (line, note) in [
            (
                "-e -t 10.0.0.1:80 -r 10.1.0.1 -w 0 --sort",
                "-e has also changed: forwarding method and upper threshold; --keep leaves",
            ),
            (
                "-e -t 10.0.0.1:80 -r 10.1.0.1 -m -x 9 --sort",
                "-e has also changed: weight; --keep leaves",
            ),
            ("-E -t 10.0.0.1:80 -s rr --sort", "-E has also changed: persistence; --keep leaves"),
            (
                "-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -g --sort",
                "port 8080 is not used: -g and -i send packets to the service's port 80",
            ),
            (
                "-e -t 10.0.0.1:80 -r 10.1.0.2 -w +5 --sort",
                "-w +5 sets the weight to 5; with -e --keep, it adds",
            ),
        ] {
            let notes = notes(line);
            assert!(notes.len() == 1 && notes[0].starts_with(note), "{line}: {notes:?}");
        }
        for line in [
            "-e -t 10.0.0.1:80 -r 10.1.0.1 -m -w 0 -x 9 --sort",
            "-e -t 10.0.0.1:80 -r 10.1.0.1 -g -w 0 -x 0 --sort",
            "-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w +5 --sort",
            "-E -t 10.0.0.1:80 -s wlc -p 300 --sort",
            "-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m --sort",
            "-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -g --own-port --sort",
            "-e -t 10.0.0.1:80 -r 10.1.0.2 -w 7 --sort",
        ] {
            assert_eq!(notes(line), [""; 0], "{line}");
        }
    }
}
