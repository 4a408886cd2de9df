//! The rules file that the service loads at boot: the schedulers and persistence engines that its lines want.
//!
//! Names of hosts and ports in the lines are not looked up, since the doctor sends nothing unasked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::{fs, io};

use ipvs::model::{Change, Entry, Protocol, Request, VirtualService};
use ipvs_rules::{Answers, Command, lines, parse_line};

use super::{BootRules, WantedPart};
use crate::errors::KernelPart;
use crate::host::{modprobe_is_banned, module_state};

/// The unit of the service.
const UNIT: &str = "ipvsadm.service";
/// The folders of systemd.unit(5) that have the links of enabled units.
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The rules file of the service, which has settings instead on openSUSE.
const RULES: &str = "/etc/sysconfig/ipvsadm";
/// The rules file of Debian, and of settings that name no file.
const DEBIAN_RULES: &str = "/etc/ipvsadm.rules";
/// The settings of the service; those of a later file replace earlier ones.
const SETTINGS: &[&str] = &["/etc/default/ipvsadm", RULES, "/etc/sysconfig/ipvsadm-config"];

/// Looks at the rules file that the service loads, if the service is enabled, and if its settings and the file exist.
///
/// # Errors
/// If a file that exists cannot be read.
pub fn look_at_boot_rules() -> io::Result<Option<BootRules>> {
    let read = |path: &str| match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    };
    if !is_enabled() {
        return Ok(None);
    }
    let Some((path, text)) = find_rules(read)? else { return Ok(None) };
    let wanted = wanted(&text).into_iter().map(|((part, name), line)| {
        let state = module_state(&part.module(&name));
        WantedPart { part, name, line, state }
    });
    let wanted: Vec<WantedPart> = wanted.collect();
    let is_loading_banned = modprobe_is_banned();
    Ok((!wanted.is_empty()).then_some(BootRules { path, wanted, is_loading_banned }))
}

/// True if a target wants the unit at boot, or a runlevel the script of Debian's 1.31.
fn is_enabled() -> bool {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let ends_with = |path: &Path, end: &str| path.to_string_lossy().ends_with(end);
    let of_units = UNITS.iter().flat_map(|folder| names(Path::new(folder)));
    let mut targets =
        of_units.filter(|path| ends_with(path, ".wants") || ends_with(path, ".requires"));
    if targets.any(|target| target.join(UNIT).symlink_metadata().is_ok()) {
        return true;
    }
    (2..=5).flat_map(|level| names(Path::new(&format!("/etc/rc{level}.d")))).any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('S') && name.get(3..) == Some("ipvsadm")
    })
}

/// The path and the text of the rules that the service loads, by the decisions of `systemd/boot`. `None` if it loads none.
fn find_rules(
    read: impl Fn(&str) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Option<(String, Vec<u8>)>> {
    let text = read(RULES)?;
    let has_settings = text.as_deref().is_some_and(is_settings);
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    for path in SETTINGS.iter().filter(|&&path| path != RULES || has_settings) {
        let text = read(path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter_map(setting);
        settings.extend(lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    if settings.get("AUTO").is_some_and(|value| value != "true") {
        return Ok(None);
    }
    let named = settings.get("IPVSADM_CONFIG").filter(|path| !path.is_empty());
    let path = match (text, named) {
        (Some(text), _) if !has_settings => return Ok(Some((RULES.to_owned(), text))),
        (_, Some(path)) => path,
        _ => DEBIAN_RULES,
    };
    Ok(read(path)?.map(|text| (path.to_owned(), text)))
}

/// True for a text of settings: at least one `NAME=VALUE`, and otherwise only comments.
fn is_settings(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(str::trim);
    let is_comment = |line: &str| line.is_empty() || line.starts_with('#');
    lines.clone().all(|line| is_comment(line) || setting(line).is_some())
        && lines.any(|line| !is_comment(line))
}

/// A line `NAME=VALUE`. The value is one word or quoted, so that neither a rule nor a command is mistaken for a setting.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().split_once('=')?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| is_letter(c) && !c.is_ascii_digit())
        || !name.chars().all(is_letter)
    {
        return None;
    }
    let (value, rest) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..)?.split_once(quote)?,
        _ => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            let is_word = value.chars().all(|c| is_letter(c) || "./:@%+,-".contains(c));
            is_word.then_some((value, rest))?
        }
    };
    let comment = rest.trim_start();
    let is_end = comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len());
    is_end.then_some((name, value))
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
    fn settings_differ_from_rules() {
        for (text, expected) in [
            ("IPVSADM_CONFIG=\"/etc/lvs/table\" # rules\r\n", true),
            ("# a comment\n\n DAEMON='both'\nIFACE=\n", true),
            ("# a comment\n", false),
            ("-A -t 192.0.2.1:80\nAUTO=true\n", false),
            ("AUTO=true; reboot\n", false),
            ("AUTO=$(reboot)\n", false),
            ("AUTO=\"true\"#\n", false),
            ("2=3\n", false),
        ] {
            assert_eq!(is_settings(text.as_bytes()), expected, "{text}");
        }
    }

    /// The rules file that the service loads from files with these texts.
    fn found(files: &[(&str, &str)]) -> Option<String> {
        let read = |path: &str| {
            let file = files.iter().find(|(name, _)| *name == path);
            Ok(file.map(|(_, text)| text.as_bytes().to_vec()))
        };
        find_rules(read).unwrap().map(|(path, _)| path)
    }

    #[test]
    fn rules_are_found_where_the_service_finds_them() {
        let rules = "-A -t 192.0.2.1:80\n";
        assert_eq!(found(&[(RULES, rules), (DEBIAN_RULES, rules)]).unwrap(), RULES);
        assert_eq!(found(&[(DEBIAN_RULES, rules)]).unwrap(), DEBIAN_RULES);
        assert_eq!(found(&[]), None);
        let of_suse = (RULES, "IPVSADM_CONFIG=/etc/lvs/table\n");
        assert_eq!(found(&[of_suse, ("/etc/lvs/table", rules)]).unwrap(), "/etc/lvs/table");
        assert_eq!(found(&[of_suse, (DEBIAN_RULES, rules)]), None);
        assert_eq!(found(&[(RULES, "OTHER=1\n"), (DEBIAN_RULES, rules)]).unwrap(), DEBIAN_RULES);
        let manual = ("/etc/default/ipvsadm", "AUTO=\"false\"\nIFACE=\"$(echo eth0)\"\n");
        assert_eq!(found(&[manual, (DEBIAN_RULES, rules)]), None);
        let later = ("/etc/sysconfig/ipvsadm-config", "AUTO=true\n");
        assert_eq!(found(&[manual, later, (DEBIAN_RULES, rules)]).unwrap(), DEBIAN_RULES);
    }

    #[test]
    fn service_reads_the_same_files() {
        let script = include_str!("../../systemd/boot");
        assert!(script.contains(&format!("\nrules={RULES}\ndebian_rules={DEBIAN_RULES}\n")));
        let read = script.split_once("for file in ").unwrap().1.split_once("; do").unwrap().0;
        assert_eq!(read.replace("${rules_are_settings:+\"$rules\"}", RULES), SETTINGS.join(" "));
    }

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
