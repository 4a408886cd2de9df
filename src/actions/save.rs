//! `-S` and ipvsadm-save: the table as rule lines.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use ipvs::state::{ListedRules, read_consistent, read_rules, same_entries};
use ipvs::{Client, ErrorKind};
use tempfile::Builder;

use super::session::Session;
use super::{Comments, Error};
use crate::model::{Change, ServiceKey};
use crate::resolve::Labels;
use ipvs_rules::{CommandName, Save, Token, Tokens, has_line, lines, words, write_change};

/// Reads the table once and saves it.
///
/// # Errors
/// When the kernel says no, or when the lines cannot be written. When the kernel has a rule that no line can say, the
/// lines are written all the same, and that rule as a comment.
pub fn save(save: &Save, session: &mut Session, out: &mut dyn Write) -> Result<(), Error> {
    match &save.file {
        Some(_) => save_consistently(save, session, out),
        None => {
            let client = session.client()?;
            let services = read_rules(client, save.service.into())?;
            let rules = rules_of(services, save, client)?;
            print(&rules, save, session, out)
        }
    }
}

/// Reads the table until two readings have the same services and real servers, and saves it.
///
/// # Errors
/// As [`save`], and when no two readings agree, or nothing would take the place of a file's rules.
pub fn save_consistently(
    save: &Save,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let client = session.client()?;
    let services = read_consistent(client, save.service.into(), same_entries).map_err(restless)?;
    let rules = rules_of(services, save, client)?;
    let Some(path) = &save.file else {
        return print(&rules, save, session, out);
    };
    let is_empty = !rules.iter().any(|rule| matches!(rule.change, Change::AddService(_)));
    if is_empty && !save.may_be_empty && holds_rules(path) {
        return Err(Error::NothingToSave { path: path.clone() });
    }
    let lines = rule_lines(&rules, save, session)?;
    if let Some(comments) = lines.comments {
        return Err(Error::NoLine { comments, file: Some(path.clone()) });
    }
    replace(path, &lines.text).map_err(|source| Error::SaveFile { path: path.clone(), source })
}

/// A change that makes a part of the table.
#[derive(PartialEq, Eq)]
struct Rule {
    change: Change,
    /// An attribute of a newer kernel, which no line can say.
    unknown_attribute: Option<u16>,
}

impl Rule {
    fn new(change: Change, unknown_attributes: &[u16]) -> Self {
        Self { change, unknown_attribute: unknown_attributes.first().copied() }
    }

    fn has_line(&self) -> bool {
        self.unknown_attribute.is_none() && has_line(&self.change)
    }
}

fn restless(error: ipvs::Error) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => Error::Restless,
        _ => Error::Library(error),
    }
}

/// The changes that make the table out of nothing, in the order of `-L`.
fn rules_of(
    services: Vec<ListedRules>,
    save: &Save,
    client: &mut Client,
) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::with_capacity(services.len());
    for ListedRules { service, servers } in services {
        let key = service.entry.key;
        rules.push(Rule::new(Change::AddService(service.entry), &service.unknown_attributes));
        rules.extend(servers.into_iter().map(|server| {
            Rule::new(Change::AddServer(key, server.entry), &server.unknown_attributes)
        }));
    }
    if save.with_settings {
        rules.push(Rule::new(Change::SetTimeouts(client.timeouts()?), &[]));
        let daemons = client.daemons()?.into_iter().map(Change::StartDaemon);
        rules.extend(daemons.map(|daemon| Rule::new(daemon, &[])));
    }
    Ok(rules)
}

/// Rules as text.
struct Lines {
    text: Vec<u8>,
    /// The rules that are comments, if any.
    comments: Option<Comments>,
}

/// Writes the lines to a stream, which has them even if some are comments.
fn print(
    rules: &[Rule],
    save: &Save,
    session: &mut Session,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let lines = rule_lines(rules, save, session)?;
    out.write_all(&lines.text).map_err(Error::Output)?;
    match lines.comments {
        None => Ok(()),
        Some(comments) => {
            out.flush().map_err(Error::Output)?;
            Err(Error::NoLine { comments, file: None })
        }
    }
}

fn rule_lines(rules: &[Rule], save: &Save, session: &mut Session) -> Result<Lines, Error> {
    let numeric = Labels::numeric();
    let labels = if save.is_numeric {
        &numeric
    } else {
        session.resolver.label_exactly(rules.iter().filter_map(|rule| match &rule.change {
            Change::AddServer(_, server) => Some(server.key.address),
            Change::AddService(service) => match service.key {
                ServiceKey::Address { address, .. } => Some(address),
                ServiceKey::Fwmark { .. } => None,
            },
            _ => None,
        }))
    };
    let mut text = Vec::new();
    let mut comments: Option<Comments> = None;
    // A service that is a comment takes its real servers with it: their lines alone could not be restored.
    let mut commented_service = None;
    let mut line = Vec::new();
    for rule in rules {
        let has_line = rule.has_line();
        let is_of_comment = match &rule.change {
            Change::AddService(service) => {
                commented_service = (!has_line).then_some(service.key);
                false
            }
            Change::AddServer(key, _) => commented_service == Some(*key),
            _ => false,
        };
        line.clear();
        write_change(&mut line, &rule.change, labels).map_err(Error::Output)?;
        if let Some(attribute) = rule.unknown_attribute {
            write!(line, " <attribute {attribute}>").map_err(Error::Output)?;
        }
        if (!has_line || is_of_comment) && !line.starts_with(b"# ") {
            text.extend_from_slice(b"# ");
        }
        text.extend_from_slice(&line);
        text.push(b'\n');
        if !has_line {
            match &mut comments {
                Some(comments) => comments.more += 1,
                None => {
                    let line = String::from_utf8_lossy(&line);
                    let first = line.trim_start_matches("# ").to_owned();
                    comments = Some(Comments { first, more: 0 });
                }
            }
        }
    }
    Ok(Lines { text, comments })
}

/// Whether a file has rules that saving nothing would lose. One that cannot be read may have.
fn holds_rules(path: &Path) -> bool {
    use CommandName::{Set, StartDaemon, StopDaemon};

    let is_rule = |line| match words(line).map(|words| Tokens::new(words).next()) {
        Ok(None) => false,
        Ok(Some(Ok(Token::Command { spec, .. }))) => {
            !matches!(spec.command, Set | StartDaemon | StopDaemon)
        }
        Ok(Some(_)) | Err(_) => true,
    };
    // A pipe or a device is written to, and replaced by nothing; to read from one can take for ever.
    if fs::metadata(path).is_ok_and(|file| !file.is_file()) {
        return false;
    }
    match fs::read(path) {
        Ok(text) => lines(&text).any(|(_, line)| is_rule(line)),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Puts a file in the place of another: whatever happens, the old one or the new one is there, whole. Mode and
/// owner stay.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) if !old.is_file() && !old.is_dir() => {
            // A device or a pipe is written to; there is nothing to replace.
            return fs::OpenOptions::new().write(true).open(path)?.write_all(content);
        }
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A link stays one: what it leads to is replaced, or made.
    let path = match (&old, fs::read_link(path)) {
        (Some(old), _) if old.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        (Some(_), _) => fs::canonicalize(path)?,
        (None, Ok(target)) => return replace(&folder_of(path).join(target), content),
        (None, Err(_)) => path.to_owned(),
    };
    let folder = folder_of(&path);
    // What is wrong with the folder is said of it, not of a file in it that nobody asked for.
    fs::metadata(folder)?;
    // As wide as a shell's redirection makes a new file, narrowed by the umask; in the place of another, nobody
    // else's until it has that one's mode.
    let mode = if old.is_some() { 0o600 } else { 0o666 };
    let mut builder = Builder::new();
    builder.prefix(".ipvsadm-save.").permissions(fs::Permissions::from_mode(mode));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(content)?;
    if let Some(old) = &old {
        // The mode first: once the file is somebody else's, only CAP_FOWNER could change it. The owner's change takes
        // set-user-ID bits away, which a file of rules has no use for.
        file.as_file().set_permissions(old.permissions())?;
        let new = file.as_file().metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.as_file().sync_all()?;
    let folder = fs::File::open(folder)?;
    file.persist(&path).map_err(|error| match error.error.kind() {
        // As containers have single files of the host.
        io::ErrorKind::ResourceBusy => io::Error::other(
            "it is a mount point, which no new file can replace; to write into it: ipvsadm-save >FILE",
        ),
        _ => error.error,
    })?;
    // The new file is there, whole; a crash now may bring the old one back, whole.
    let _ = folder.sync_all();
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn replaced_file_keeps_its_mode_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("rules"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn file_of_comments_holds_no_rules() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules");
        assert!(!holds_rules(&file));
        fs::write(&file, "# none yet\n\n--set 900 120 300\n--start-daemon=master\n").unwrap();
        assert!(!holds_rules(&file));
        fs::write(&file, "# one\n-A -t 10.0.0.1:80\n").unwrap();
        assert!(holds_rules(&file));
    }

    #[test]
    fn pipe_is_not_read_to_see_whether_it_holds_rules() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(!holds_rules(&pipe));
    }
}
