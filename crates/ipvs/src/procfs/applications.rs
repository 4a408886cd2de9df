//! `/proc/net/ip_vs_app`: the application helpers of a network namespace, such as that of FTP.

use std::io::Read;

use super::NetFile;
use super::fields::{decimal, text, words};
use super::lines::Lines;
use crate::error::Error;
use crate::model::ConnectionProtocol;

/// A helper that watches the connections of a port, because they announce further ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Application {
    /// The name, such as `ftp`.
    pub name: String,
    /// The protocol.
    pub protocol: ConnectionProtocol,
    /// The port of the virtual services that it watches.
    pub port: u16,
    /// The number of connections that it watches now.
    pub uses: u32,
}

/// Reads a text in the form of `/proc/net/ip_vs_app`: a heading, and a line for each port of a helper
/// (`ip_vs_app_seq_show`).
///
/// # Errors
/// When the text cannot be read, or a line has another form.
pub fn read_applications(reader: impl Read) -> Result<Vec<Application>, Error> {
    let mut lines = Lines::new(NetFile::Applications, reader);
    let mut applications = Vec::new();
    lines.next()?;
    while let Some(line) = lines.next()? {
        applications.push(application(line).ok_or_else(|| NetFile::Applications.unexpected(line))?);
    }
    Ok(applications)
}

fn application(line: &[u8]) -> Option<Application> {
    let mut words = words(line);
    let protocol = ConnectionProtocol::from_bytes(words.next()?)?;
    let port = decimal(words.next()?)?.try_into().ok()?;
    let uses = decimal(words.next()?)?;
    let name = text(words.next()?)?.to_owned();
    Some(Application { name, protocol, port, uses })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_of_a_helper_has_a_line() {
        let file = "prot port    usecnt name\n\
                    TCP  21      3      ftp              \n\
                    TCP  2121    0      ftp              \n";
        let found = read_applications(file.as_bytes()).unwrap();
        let expected = [(21, 3), (2121, 0)].map(|(port, uses)| Application {
            name: "ftp".to_owned(),
            protocol: ConnectionProtocol::Tcp,
            port,
            uses,
        });
        assert_eq!(found, expected);
        assert_eq!(read_applications("prot port    usecnt name\n".as_bytes()).unwrap(), []);
        assert!(read_applications("prot\nTCP 70000 0 ftp\n".as_bytes()).is_err());
    }
}
