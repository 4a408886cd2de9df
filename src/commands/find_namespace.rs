//! Finds the network namespace that a user names.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use ipvs::ErrorKind;
use ipvs::kernel::Namespace;

use super::Error;

/// The network namespace of a word. A word with a slash is a path; another one is a name of
/// [`Namespace::DIRECTORY`]; if no name is like that, a number is that of a process.
///
/// # Errors
/// When there is no such namespace, when the file is not a namespace, and when the caller may not enter the namespace.
pub fn find_namespace(word: &OsStr) -> Result<Namespace, Error> {
    let path = Path::new(word);
    if word.as_encoded_bytes().contains(&b'/') {
        return Ok(Namespace::from_path(path)?);
    }
    let named = Path::new(Namespace::DIRECTORY).join(path);
    let digits = word.to_str().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let pid = digits.and_then(|digits| digits.parse().ok());
    let found = match pid {
        Some(pid) if !named.exists() => Namespace::from_pid(pid),
        _ => Namespace::from_path(named),
    };
    found.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::NoNamespace { word: word.to_string_lossy().into_owned(), pid, names: names() }
        }
        _ => error.into(),
    })
}

/// The names that a message offers.
fn names() -> Vec<String> {
    let entries = fs::read_dir(Namespace::DIRECTORY).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}
