//! `-S` and ipvsadm-save: the table as rule lines, as a JSON document, or as a digest.

use std::io::Write;

use ipvs::netlink::Transport;
use ipvs::state::{ListedRules, Selection, read_consistent, read_rules, same_entries};
use ipvs::{Client, ErrorKind};
use ipvs_rules::{CommandName, Save, SaveForm, Token, Tokens, lines, words};

use super::{Error, Session};
use crate::output::{SavedRules, SavedText, write_digest};
use crate::process::AtomicFile;
use crate::resolve::{Labels, Resolver};
use crate::rules_file::{RuleFile, is_document};
use crate::schema::ONLY_SOME;

/// Reads the table once and saves it. A digest, and a save into a file, read until two readings agree.
///
/// # Errors
/// The kernel's refusal, or the output's. If no line can express a rule, all lines are written, with that rule as a
/// comment.
pub fn save<T: Transport>(
    save: &Save,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match (&save.file, save.form) {
        (Some(_), _) | (None, SaveForm::Digest(_)) => save_consistently(save, session, out),
        (None, SaveForm::Lines | SaveForm::Json) => {
            let client = session.client()?;
            let services = read_rules(client, selection(save))?;
            let rules = rules_of(services, save, client)?;
            print(&rules, save, session, out)
        }
    }
}

/// Reads the table until two readings have the same services and real servers, and saves it.
///
/// # Errors
/// As [`save`]; when no two readings agree; when an empty table would replace a file that holds rules.
pub fn save_consistently<T: Transport>(
    save: &Save,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let client = session.client()?;
    let services = read_consistent(client, selection(save), same_entries).map_err(restless)?;
    let rules = rules_of(services, save, client)?;
    let Some(path) = &save.file else {
        return print(&rules, save, session, out);
    };
    let with_path = |source| Error::SaveFile { path: path.clone(), source };
    let file = AtomicFile::resolve(path).map_err(with_path)?;
    // A file that cannot be read may hold rules.
    if !rules.has_services()
        && !save.may_be_empty
        && file.read().map_or(true, |text| text.is_some_and(|text| holds_rules(&text)))
    {
        return Err(Error::NothingToSave { path: path.clone() });
    }
    let text = text_of(&rules, save, session)?;
    if let Some(inexpressible) = text.inexpressible {
        return Err(Error::NoLine { inexpressible, form: save.form, file: Some(path.clone()) });
    }
    file.write(&text.text).map_err(with_path)
}

fn selection(save: &Save) -> Selection<'_> {
    save.service.map_or(Selection::Within(&save.scopes), Selection::One)
}

fn restless(error: ipvs::Error) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => Error::Restless,
        _ => Error::Library(error),
    }
}

fn rules_of<T: Transport>(
    services: Vec<ListedRules>,
    save: &Save,
    client: &mut Client<T>,
) -> Result<SavedRules, Error> {
    let mut rules = SavedRules::new(services);
    if save.with_settings {
        let timeouts = client.timeouts()?;
        rules.add_settings(timeouts, client.daemons()?);
    }
    Ok(rules)
}

/// Writes the rules or their digest to a stream, also if no option expresses some of them.
fn print<T: Transport>(
    rules: &SavedRules,
    save: &Save,
    session: &mut Session<T>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let text = text_of(rules, save, session)?;
    let written = match save.form {
        SaveForm::Lines | SaveForm::Json => out.write_all(&text.text),
        SaveForm::Digest(weights) => write_digest(out, &text.text, weights),
    };
    written.map_err(Error::Output)?;
    match text.inexpressible {
        None => Ok(()),
        Some(inexpressible) => {
            out.flush().map_err(Error::Output)?;
            Err(Error::NoLine { inexpressible, form: save.form, file: None })
        }
    }
}

fn text_of<T: Transport>(
    rules: &SavedRules,
    save: &Save,
    session: &mut Session<T>,
) -> Result<SavedText, Error> {
    if save.form == SaveForm::Json {
        let has_all = save.service.is_none() && save.scopes.is_empty();
        let partial = (!has_all).then_some(ONLY_SOME);
        return rules.document(partial).map_err(Error::Output);
    }
    let numeric = Labels::numeric();
    let labels =
        if save.is_numeric { &numeric } else { session.resolver.label_exactly(rules.addresses()) };
    rules.lines(labels).map_err(Error::Output)
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
    match is_document(text) {
        true => {
            let file = RuleFile::read(text, &mut Resolver::new());
            !file.bad_rules.is_empty() || file.describes_a_table()
        }
        false => lines(text).any(|(_, line)| is_rule(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_comments_and_settings_holds_no_rules() {
        assert!(!holds_rules(b""));
        assert!(!holds_rules(b"# none yet\n\n--set 900 120 300\n--start-daemon=master\n"));
        assert!(holds_rules(b"# one\n-A -t 10.0.0.1:80\n"));
        assert!(!holds_rules(b"{\"schema\":1,\"services\":[]}"));
        assert!(holds_rules(b"{\"services\":[{\"fwmark\":7}]}") && holds_rules(b"{"));
    }
}
