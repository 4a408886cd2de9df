//! The notices that go with the programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::crates::Crates;

const HEAD: &str = "\
The programs of ipvsadm are under the MIT license, the text of which is in LICENSE. They contain the work of others,
under the licenses below. If a crate offers several licenses, MIT is the one taken, and Apache-2.0 where it lacks that.

They also contain the Rust standard library, Copyright (c) The Rust Project Contributors, under the MIT license, with
the crates that COPYRIGHT-library.html of each Rust release lists, and parts of GCC's libgcc, under the GNU General
Public License, version 3 or later, with the GCC Runtime Library Exception, version 3.1.

";

const RULE: &str =
    "--------------------------------------------------------------------------------\n";

pub(crate) fn text(crates: &Crates) -> String {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = HEAD.to_owned();
    for linked in crates.linked() {
        writeln!(text, "  {} {}: {}", linked.name, linked.version, linked.license).unwrap();
        let notices = linked.notices();
        assert!(!notices.is_empty(), "{} {} has no license text", linked.name, linked.version);
        for notice in notices {
            owners.entry(notice).or_default().push(linked.name.clone());
        }
    }
    let mut notices: Vec<(Vec<String>, String)> =
        owners.into_iter().map(|(notice, names)| (names, notice)).collect();
    notices.sort();
    for (names, notice) in notices {
        write!(text, "\n{RULE}{}\n{RULE}\n{notice}\n", names.join(", ")).unwrap();
    }
    text
}
