//! The reason of a fault, in brackets behind the sentence of 1.31, and the words to type instead. A hint is made from the
//! faulty words and the table of options only when a message is printed.

use std::net::{IpAddr, Ipv6Addr};

use crate::table::{COMMANDS, CommandName, CommandSpec, OPTIONS, OptionName};

/// The option of a command as it is usually typed: `-L`, `--set`.
fn option_of(spec: &CommandSpec) -> String {
    match spec.short {
        Some(letter) => format!("-{letter}"),
        None => format!("--{}", spec.long),
    }
}

/// Words that other programs use for a command, with ours.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("show", "-L"),
    ("ls", "-L"),
    ("status", "-L"),
    ("flush", "-C"),
    ("add", "-A for a service or -a for a real server"),
    ("edit", "-E for a service or -e for a real server"),
    ("del", "-D for a service or -d for a real server"),
    ("delete", "-D for a service or -d for a real server"),
    ("remove", "-D for a service or -d for a real server"),
];

/// For a line without a command: the command that its first word is the name of.
pub(crate) fn for_missing_command(words: &str) -> String {
    let word = words.split(' ').next().unwrap_or_default();
    let own_name = COMMANDS.iter().find(|spec| spec.long == word).map(option_of);
    let other_name = || OTHER_NAMES.iter().find(|(name, _)| *name == word);
    match own_name.or_else(|| other_name().map(|(_, command)| (*command).to_owned())) {
        Some(command) => format!(" (did you mean {command}?)"),
        None => String::new(),
    }
}

/// For an option before the command: the command of the line, which has to come first.
pub(crate) fn for_option_before_command(command: Option<CommandName>) -> String {
    match COMMANDS.iter().find(|spec| Some(spec.command) == command) {
        Some(spec) => format!(" (put {} first)", option_of(spec)),
        None => " (the first option has to be a command, such as -L)".to_owned(),
    }
}

/// For an option that a command rejects: the commands that accept it. The names are those of messages.
pub(crate) fn for_rejected_option(option: &str, command: &str) -> String {
    let server_command = match command {
        "add-service" => Some("-A adds a service; -a adds a real server to it"),
        "edit-service" => Some("-E edits a service; -e edits its real servers"),
        "delete-service" => Some("-D deletes a service; -d deletes a real server of it"),
        _ => None,
    };
    if (option, command) == ("real-server", "list") {
        return " (-L -c -r lists the connections of a real server)".to_owned();
    }
    if let (Some(hint), "real-server") = (server_command, option) {
        return format!(" ({hint})");
    }
    let owners =
        OPTIONS.iter().find(|spec| spec.title == option).map_or(&[][..], |spec| spec.owners);
    let specs =
        owners.iter().filter_map(|owner| COMMANDS.iter().find(|spec| spec.command == *owner));
    let commands: Vec<String> = specs.map(option_of).collect();
    if commands.is_empty() {
        String::new()
    } else {
        format!(" (it goes with {})", commands.join(", "))
    }
}

/// For two options that exclude each other.
pub(crate) fn for_conflict(option: &str, other: &str) -> &'static str {
    match (option, other) {
        ("dry-run" | "confirm" | "if-exists", _) => "",
        (_, "drain") => " (a drain sets weight 0 and keeps all other settings)",
        _ => "",
    }
}

/// For an argument that a command lacks: the option that it may be the value of.
pub(crate) fn for_argument(missing: Option<OptionName>, word: &str) -> String {
    match missing {
        Some(OptionName::RealServer) => format!(" (a real server is the value of -r: -r {word})"),
        Some(OptionName::TcpService) => {
            format!(" (a service is the value of -t, -u, --sctp-service or -f: -t {word})")
        }
        _ => String::new(),
    }
}

/// For a text that is not an endpoint: the endpoint in it.
pub(crate) fn for_endpoint(text: &str) -> String {
    if let Some((scheme, rest)) = text.split_once("://") {
        let endpoint = rest.split(['/', '?']).next().unwrap_or_default();
        let has_port = endpoint.rsplit(']').next().unwrap_or_default().contains(':');
        let port = match scheme {
            _ if has_port => "",
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        return format!("; instead of a URL, write {endpoint}{port}");
    }
    match ipv6_and_port(text) {
        Some((address, port)) => {
            format!("; an IPv6 address with a port is written [{address}]:{port}")
        }
        None => String::new(),
    }
}

/// For a service on all ports that is not persistent: the forms of a service that are accepted. `endpoint` is its address.
pub(crate) fn for_zero_port(address: IpAddr) -> String {
    let text = address.to_string();
    match address {
        IpAddr::V4(_) => {
            format!("without a port a service takes all ports and needs -p; one port: {text}:80")
        }
        IpAddr::V6(_) => match ipv6_and_port(&text) {
            Some((before, port)) => format!(
                "{text} is an address without a port; port {port} of {before}: [{before}]:{port}"
            ),
            None => format!(
                "without a port a service takes all ports and needs -p; one port: [{text}]:80"
            ),
        },
    }
}

/// An IPv6 address with a port behind it and no brackets around it.
fn ipv6_and_port(text: &str) -> Option<(Ipv6Addr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.strip_prefix('[').unwrap_or(address);
    let (address, port) = (address.strip_suffix(']').unwrap_or(address), port);
    Some((address.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_found_in_a_url() {
        let hint = for_endpoint("http://10.0.0.1:8080/index.html?x=1");
        assert_eq!(hint, "; instead of a URL, write 10.0.0.1:8080");
        assert_eq!(for_endpoint("https://web/"), "; instead of a URL, write web:443");
        assert_eq!(
            for_endpoint("http://[2001:db8::1]"),
            "; instead of a URL, write [2001:db8::1]:80"
        );
    }

    #[test]
    fn ipv6_address_and_port_without_brackets_are_shown_with_them() {
        let hint = for_endpoint("2001:db8:0:0:0:0:0:5:80");
        assert_eq!(hint, "; an IPv6 address with a port is written [2001:db8::5]:80");
        assert_eq!(for_endpoint("10.0.0.1:80:90"), "");
        assert_eq!(for_endpoint("bogus..:80"), "");
    }
}
