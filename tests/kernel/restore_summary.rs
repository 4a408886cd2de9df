//! The line at the end of a restore that counts its changes, for people: on a terminal and in the journal of a unit.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::network::fresh_namespace;
use crate::program::Program;

const OLD: &str = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 5
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 5
-A -f 7 -s rr
-a -f 7 -r 10.1.0.1:0 -m -w 1
";
const NEW: &str = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 9
-a -t 10.0.0.1:80 -r 10.1.0.4:80 -m -w 5
-A -f 8 -s rr
";
const SUMMARY: &str = "2 added, 1 edited, 3 deleted, 2 unchanged";

#[test]
fn people_get_one_line_and_programs_none() {
    fresh_namespace();
    let file = |rules| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), rules).unwrap();
        file
    };
    let (old, new) = (file(OLD), file(NEW));
    let restore = |file: &tempfile::NamedTempFile| Program::restore().command([file.path()]);
    let silent = restore(&old).env("JOURNAL_STREAM", "1:2").output().unwrap();
    assert!(silent.status.success() && silent.stderr.is_empty(), "{silent:?}");

    let line = format!("{} {}", Program::restore().name(), new.path().display());
    let mut script = Command::new("script");
    let shown = script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), format!("{SUMMARY}\r\n"));

    // As systemd.exec(5) says, the variable names the stream.
    restore(&old).status().unwrap();
    let journal = tempfile::NamedTempFile::new().unwrap();
    let metadata = journal.as_file().metadata().unwrap();
    let status = restore(&new)
        .env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()))
        .stderr(journal.reopen().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(fs::read_to_string(journal.path()).unwrap(), format!("{SUMMARY}\n"));
}
