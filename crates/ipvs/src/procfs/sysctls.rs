//! The settings of IPVS in a network namespace: the files of `/proc/sys/net/ipv4/vs`.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Operation, Subject};

/// The directory. The kernel shows the settings of the calling thread's network namespace.
const DIRECTORY: &str = "/proc/sys/net/ipv4/vs";

/// A setting of IPVS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sysctl {
    /// The name behind `net.ipv4.vs.`, such as `conntrack`.
    pub name: String,
    /// The value. Several numbers have one blank between them.
    pub value: String,
}

impl Sysctl {
    /// A setting with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Reads the settings of the calling thread's network namespace in the order of their names. There are none without ip_vs,
/// and in the namespaces of other user namespaces on kernels before 7.1. Settings that only root may read are left out.
pub(crate) fn read_sysctls() -> Result<Vec<Sysctl>, Error> {
    read_directory(Path::new(DIRECTORY))
}

fn read_directory(directory: &Path) -> Result<Vec<Sysctl>, Error> {
    let failed = |error: io::Error| {
        Error::io(Operation::ReadFile, error).with_subject(Subject::File(directory.into()))
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut sysctls = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // A module that is unloaded meanwhile takes its settings along.
        let (Ok(name), Ok(text)) =
            (entry.file_name().into_string(), fs::read_to_string(entry.path()))
        else {
            continue;
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        sysctls.push(Sysctl::new(name, words.join(" ")));
    }
    sysctls.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(sysctls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted_and_have_one_blank_between_numbers() {
        let directory = Path::new("/proc/sys/kernel");
        let found = read_directory(directory).unwrap();
        assert!(found.is_sorted_by_key(|sysctl| &sysctl.name), "{found:?}");
        let printk = found.iter().find(|sysctl| sysctl.name == "printk").unwrap();
        let text = fs::read_to_string(directory.join("printk")).unwrap();
        assert_eq!(printk.value, text.trim_end().replace('\t', " "));
        assert_eq!(read_directory(&directory.join("missing")).unwrap(), []);
    }
}
