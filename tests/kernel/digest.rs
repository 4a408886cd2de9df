//! `--digest`: the word for a table that a shell computes from its saved lines.

use std::process::Command;

use crate::network::fresh_namespace;
use crate::program::Program;

const RULES: &str = "\
-A -t 10.0.0.1:80 -s wrr -p 300 -M 24
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 15 --tun-type gue --tun-port 6080 -x 100 -y 50
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 0
-A -t [2001:db8::1]:443 -s sh -b sh-port
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g
-A -f 7 -6 -s rr
";

/// The first word that a shell prints for the saved lines of some services, through a filter.
fn of_shell(services: &str, filter: &str) -> String {
    let script = format!("\"$0\" -S -n {services} | {filter} sha256sum | cut -d' ' -f1");
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let ours = Program::ours();
    let output =
        Command::new("sh").args(["-c", &script, ours.name()]).env("PATH", path).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_digest_is_that_of_the_saved_lines_without_their_weights() {
    fresh_namespace();
    for rules in ["", RULES] {
        Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
        for services in ["", "--within 10.0.0.0/8 --within fwmark:7"] {
            for (option, filter) in
                [("--digest", "sed -E 's/ -w [0-9]+//' |"), ("--digest=all", "")]
            {
                let arguments = format!("{option} {services}");
                let printed = Program::ours().line(format!("-S {arguments}").trim());
                assert_eq!(printed.succeeded(), of_shell(services, filter), "{arguments}");
                assert_eq!(printed.text(), Program::save().line(arguments.trim()).succeeded());
            }
        }
    }
    let one = Program::ours().line("-S --digest -f 7 -6");
    assert_eq!(one.succeeded(), of_shell("-f 7 -6", ""));
}

#[test]
fn a_digest_changes_with_the_table_and_not_with_its_weights() {
    fresh_namespace();
    let digests = || {
        ["-S --digest", "-S --digest=all"].map(|line| {
            let printed = Program::ours().line(line);
            assert_eq!(printed.succeeded().len(), 65);
            printed.text().to_owned()
        })
    };
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
    let before = digests();
    Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 7").succeeded();
    let drained = digests();
    assert_eq!(drained[0], before[0]);
    assert_ne!(drained[1], before[1]);
    Program::ours().line("-e -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 7 -x 9").succeeded();
    assert_ne!(digests()[0], before[0]);
}
