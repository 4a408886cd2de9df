//! Reads the names of ports from the services file.

use std::collections::HashMap;
use std::fs;

use ipvs::model::Protocol;

const PATH: &str = "/etc/services";

/// `/etc/services`, read when it is first needed; see services(5).
#[derive(Debug, Default)]
pub(super) struct PortNames {
    tables: Option<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    ports: HashMap<(Protocol, String), u16>,
    names: HashMap<(Protocol, u16), String>,
}

impl PortNames {
    pub(super) fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16> {
        self.tables().ports.get(&(protocol, name.to_owned())).copied()
    }

    /// The names of all ports; a port's first line gives its name.
    pub(super) fn names(&mut self) -> HashMap<(Protocol, u16), String> {
        self.tables().names.clone()
    }

    /// The names of all ports that lead back to their port. A name of two ports leads to the first in the file.
    pub(super) fn exact_names(&mut self) -> HashMap<(Protocol, u16), String> {
        let Tables { ports, names } = self.tables();
        let leads_back =
            |protocol, port, name: &String| ports.get(&(protocol, name.clone())) == Some(&port);
        let names =
            names.iter().filter(|&(&(protocol, port), name)| leads_back(protocol, port, name));
        names.map(|(key, name)| (*key, name.clone())).collect()
    }

    fn tables(&mut self) -> &Tables {
        self.tables.get_or_insert_with(|| {
            // Without the file, no port has a name.
            let text = fs::read(PATH).unwrap_or_default();
            read(&String::from_utf8_lossy(&text))
        })
    }
}

fn read(text: &str) -> Tables {
    let mut tables = Tables::default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
        let Some((port, protocol)) = port.split_once('/') else { continue };
        let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        // The file has the names in lower case.
        let is_named = |known: &Protocol| {
            let name = known.name().bytes().map(|byte| byte.to_ascii_lowercase());
            name.eq(protocol.bytes())
        };
        let Some(protocol) = known.into_iter().find(is_named) else { continue };
        let Ok(port) = port.parse() else { continue };
        // A name of digits would read as another port.
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            tables.names.entry((protocol, port)).or_insert_with(|| name.to_owned());
        }
        for name in std::iter::once(name).chain(words) {
            tables.ports.entry((protocol, name.to_owned())).or_insert(port);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_two_ports_is_the_exact_name_of_the_first() {
        // Debian's file has both lines.
        let tables = read("acr-nema 104/tcp dicom\ndicom 11112/tcp\nhttp 80/tcp\n");
        let mut file = PortNames { tables: Some(tables) };
        assert_eq!(file.names()[&(Protocol::Tcp, 11112)], "dicom");
        let exact = file.exact_names();
        assert_eq!(exact.get(&(Protocol::Tcp, 11112)), None);
        assert_eq!(exact[&(Protocol::Tcp, 104)], "acr-nema");
        assert_eq!(exact[&(Protocol::Tcp, 80)], "http");
    }

    #[test]
    fn port_has_the_name_of_its_first_line_and_every_name_and_alias_leads_to_it() {
        let tables = read(
            "# Network services\n\
             http\t\t80/tcp\t\twww # WorldWideWeb\n\
             web 80/tcp\n\
             domain 53/udp\n\
             broken\n\
             odd 70000/tcp\n\
             443 8443/tcp\n",
        );
        assert_eq!(tables.names.get(&(Protocol::Tcp, 8443)), None);
        assert_eq!(tables.names[&(Protocol::Tcp, 80)], "http");
        assert_eq!(tables.ports[&(Protocol::Tcp, "www".into())], 80);
        assert_eq!(tables.ports[&(Protocol::Tcp, "web".into())], 80);
        assert_eq!(tables.ports.get(&(Protocol::Tcp, "domain".into())), None);
        assert_eq!(tables.ports.get(&(Protocol::Tcp, "odd".into())), None);
    }
}
