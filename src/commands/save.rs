//! `-S` and ipvsadm-save: the table as rule lines.

use std::io::Write;

use ipvs::state::{ListedRules, read_consistent, read_rules, same_entries};
use ipvs::{Client, ErrorKind};

use super::session::Session;
use super::{Comments, Error};
use crate::process::AtomicFile;
use crate::resolve::Labels;
use ipvs::model::{Change, ServiceKey};
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
    let with_path = |source| Error::SaveFile { path: path.clone(), source };
    let file = AtomicFile::resolve(path).map_err(with_path)?;
    // A file that cannot be read may hold rules.
    if is_empty
        && !save.may_be_empty
        && file.read().map_or(true, |text| text.is_some_and(|text| holds_rules(&text)))
    {
        return Err(Error::NothingToSave { path: path.clone() });
    }
    let lines = rule_lines(&rules, save, session)?;
    if let Some(comments) = lines.comments {
        return Err(Error::NoLine { comments, file: Some(path.clone()) });
    }
    file.write(&lines.text).map_err(with_path)
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

/// Tells if a text has rules that saving nothing would lose.
fn holds_rules(text: &[u8]) -> bool {
    use CommandName::{Set, StartDaemon, StopDaemon};

    let is_rule = |line| match words(line).map(|words| Tokens::new(words).next()) {
        Ok(None) => false,
        Ok(Some(Ok(Token::Command { spec, .. }))) => {
            !matches!(spec.command, Set | StartDaemon | StopDaemon)
        }
        Ok(Some(_)) | Err(_) => true,
    };
    lines(text).any(|(_, line)| is_rule(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_comments_and_settings_holds_no_rules() {
        assert!(!holds_rules(b""));
        assert!(!holds_rules(b"# none yet\n\n--set 900 120 300\n--start-daemon=master\n"));
        assert!(holds_rules(b"# one\n-A -t 10.0.0.1:80\n"));
    }
}
