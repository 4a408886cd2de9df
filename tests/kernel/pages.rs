//! The commands on the pages of docs/ work: each section of a page runs on a fresh director, and prints what the page
//! says.
//!
//! A page may begin with a block `rules`, which each section finds in the kernel and in the file `shop.rules`. A block
//! `sh` runs, and the block `text` after it is its output, in which a line `…` replaces any lines. `sh exit=1` names the
//! exit status. Each line of `sh terminal` runs on a terminal, on which Enter or Ctrl-C is pressed. tests/boot/boot runs
//! `sh booted` in a Debian with systemd, tests/nft runs `sh nft`, and tests/boot/pages runs `sh installed` beside programs
//! such as firewalld: here bash checks their syntax.
//! The commands in files of Ansible, Salt, confd and GitLab run too, and our programs check further blocks `rules`. The
//! test of ldirectord runs the block `ldirectord`, and labs/run the blocks `console`.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::network::fresh_namespace;
use crate::program::Program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Ends the output of a block in that of its section; the exit status follows.
const END: &str = "--- end of the block, exit status ";

/// A page, and the commands that come before a section and that a reader need not see.
struct Page<'a> {
    name: &'a str,
    scenes: &'a [(&'a str, &'a str)],
}

/// A fenced block: its language with further words, and its text.
struct Block {
    language: String,
    text: String,
}

/// A part of the page below a heading.
struct Section {
    title: String,
    blocks: Vec<Block>,
}

impl Page<'_> {
    /// The rules that each section starts with, and the sections that have blocks.
    fn read(&self) -> (String, Vec<Section>) {
        let text = fs::read_to_string(format!("{ROOT}/docs/{}.md", self.name)).unwrap();
        let mut sections = vec![Section { title: String::new(), blocks: Vec::new() }];
        let mut block: Option<Block> = None;
        for line in text.lines() {
            match (&mut block, line.strip_prefix("```")) {
                (Some(_), Some(_)) => {
                    sections.last_mut().unwrap().blocks.push(block.take().unwrap());
                }
                (Some(block), None) => block.text.push_str(&format!("{line}\n")),
                (None, Some(language)) => {
                    block = Some(Block { language: language.to_owned(), text: String::new() });
                }
                (None, None) => {
                    if let Some(title) = line.strip_prefix("## ") {
                        sections.push(Section { title: title.to_owned(), blocks: Vec::new() });
                    }
                }
            }
        }
        let blocks = &mut sections[0].blocks;
        let has_rules = blocks.first().is_some_and(|block| block.language == "rules");
        let rules = if has_rules { blocks.remove(0).text } else { String::new() };
        sections.retain(|section| !section.blocks.is_empty());
        (rules, sections)
    }

    /// Runs all sections of the page.
    fn works(&self) {
        self.works_on("", "");
    }

    /// Runs all sections on a network, and then a command that fails if the set-up is not right.
    fn works_on(&self, network: &str, check: &str) {
        let (rules, sections) = self.read();
        assert!(!sections.is_empty(), "no block in docs/{}.md", self.name);
        for (title, _) in self.scenes {
            let is_known = sections.iter().any(|section| section.title == *title);
            assert!(is_known, "docs/{}.md has no section {title} with a block", self.name);
        }
        for section in &sections {
            let scene = self.scenes.iter().find(|(title, _)| *title == section.title);
            let scene = format!("{network}{}", scene.map_or("", |s| s.1));
            let place = format!("docs/{}.md, {}", self.name, section.title);
            section.works(&place, &rules, [&scene, check]);
        }
    }
}

impl Section {
    /// The script of the section: one process runs all its blocks, because starting one is slow under User Mode Linux.
    fn script(&self, [scene, check]: [&str; 2]) -> String {
        let mut script = format!("{START}{scene}\nset +e +o pipefail\n{CLOSE}");
        for Block { language, text } in &self.blocks {
            let text = match language.as_str() {
                "sh installed" | "sh booted" | "sh nft" => {
                    format!("bash -n <<'ELSEWHERE'\n{text}ELSEWHERE")
                }
                "sh terminal" => text.lines().fold(String::new(), |all, line| all + &typed(line)),
                "yaml" => commands(text),
                "ldirectord" | "console" => String::new(),
                "rules" => format!("ipvsadm-restore --check <<'RULES'\n{text}RULES"),
                "text" => continue,
                _ => format!("{text}{}", commands(text)),
            };
            write!(script, "(\nset -e -o pipefail\n{text}\n)\n{CLOSE}").unwrap();
        }
        write!(script, "{check}\n{CLOSE}").unwrap();
        script
    }

    /// Runs the section, and compares its outputs with those on the page.
    fn works(&self, place: &str, rules: &str, scene: [&str; 2]) {
        fresh_namespace();
        let folder = folder_with_programs();
        fs::write(folder.path().join("shop.rules"), rules).unwrap();
        let output = bash(&self.script(scene), folder.path());
        let mut outputs = output
            .split_inclusive('\n')
            .map(str::to_owned)
            .fold(
                vec![(String::new(), None)],
                |mut outputs: Vec<(String, Option<String>)>, line| {
                    let last = outputs.last_mut().unwrap();
                    match line.strip_prefix(END) {
                        Some(status) => {
                            last.1 = Some(status.trim().to_owned());
                            outputs.push((String::new(), None));
                        }
                        None => last.0.push_str(&line),
                    }
                    outputs
                },
            )
            .into_iter();
        assert_eq!(outputs.next(), Some((String::new(), Some("0".to_owned()))), "{place}: set-up");
        let mut blocks = self.blocks.iter().peekable();
        while let Some(Block { language, text }) = blocks.next() {
            let wanted_status = match language.split_once(" exit=") {
                Some(("sh", status)) => status,
                None if WITHOUT_STATUS.contains(&language.as_str()) => "0",
                _ => panic!("{place}: a block of {language}"),
            };
            let wanted = blocks.next_if(|block| block.language == "text");
            let wanted = wanted.map_or("", |block| block.text.as_str());
            let (printed, status) = outputs.next().unwrap();
            assert_eq!(status.as_deref(), Some(wanted_status), "{place}:\n{text}\n{printed}");
            assert!(
                is_like(&printed, wanted),
                "{place}:\n{text}prints\n{printed}and the page has\n{wanted}"
            );
        }
        assert_eq!(outputs.next(), Some((String::new(), Some("0".to_owned()))), "{place}: check");
    }
}

/// If the page has rules, the machine is director, client and real server: all of 10.0.0.0/8 is on loopback. A scene may
/// start programs that end with the section.
const START: &str = "\
exec 2>&1
trap 'kill $(jobs -p) 2>/dev/null' EXIT
set -e -o pipefail
if [ -s shop.rules ]; then
    ip address add 10.0.0.1/8 dev lo
    ipvsadm -R shop.rules
fi
";
/// The languages whose commands succeed.
const WITHOUT_STATUS: [&str; 9] = [
    "sh",
    "sh booted",
    "sh installed",
    "sh nft",
    "sh terminal",
    "yaml",
    "rules",
    "ldirectord",
    "console",
];

/// A command that somebody types at a terminal, and the keys afterwards: Enter until a command with a question ends, and Ctrl-C
/// until any other one ends. The status of a command that Ctrl-C ended is 130.
fn typed(line: &str) -> String {
    let keys = match line.contains("--confirm") {
        true => "while echo; do sleep 0.2; done",
        false => "sleep 2; while printf '\\003'; do sleep 1; done",
    };
    // script(1) of util-linux 2.38 waits for children of its own that are not those of the terminal, and a shell would give it
    // a process substitution.
    format!(
        "(set +o pipefail; {{ exec 2>&-; {keys}; }} | script -qec '{line}' /dev/null >/dev/null) || \
         [ $? = 130 ]\n"
    )
}

const CLOSE: &str = "printf '%s%s\\n' '--- end of the block, exit status ' $?\n";

/// A folder for a script, with our programs and ipvsadm 1.31 in its folder `programs`.
pub(crate) fn folder_with_programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    for program in [Program::ours(), Program::save(), Program::restore()] {
        let name = Path::new(program.name()).file_name().unwrap();
        symlink(program.name(), programs.join(name)).unwrap();
    }
    let old = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        reference_libraries().display(),
        Program::reference().name()
    );
    let place_of_old = programs.join("ipvsadm-1.31");
    fs::write(&place_of_old, old).unwrap();
    fs::set_permissions(&place_of_old, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs a script in such a folder, and returns its standard output.
pub(crate) fn bash(script: &str, folder: &Path) -> String {
    let programs = folder.join("programs");
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()))
        .env("LC_ALL", "C")
        .env("PAUSE", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Compares a text with a wanted one, in which a line … replaces any lines.
fn is_like(printed: &str, wanted: &str) -> bool {
    let lines: Vec<&str> = wanted.lines().collect();
    let mut rest: Vec<&str> = printed.lines().collect();
    for (index, part) in lines.split(|line| *line == "…").enumerate() {
        let found = match index {
            0 => rest.starts_with(part).then_some(0),
            _ => (0..=rest.len())
                .find(|&from| rest.get(from..).is_some_and(|rest| rest.starts_with(part))),
        };
        let Some(from) = found else { return false };
        rest.drain(..from + part.len());
    }
    rest.is_empty() || lines.last() == Some(&"…")
}

/// How a line begins that holds a command in a playbook, a unit, or a file of GitLab, confd or Salt, and what ends the
/// command. The checks of confd and Salt print nothing here, unless they fail.
const COMMANDS: [(&str, &str); 6] = [
    ("cmd: ", ""),
    ("ExecStart=/usr/sbin/", ""),
    ("script: ", ""),
    ("reload_cmd = ", ""),
    ("check_cmd = ", " >/dev/null"),
    ("- check_cmd: ", " shop.rules >/dev/null"),
];

/// The commands in the files of other programs. Their file of rules is the one of the page.
fn commands(text: &str) -> String {
    let command = |line: &str| {
        COMMANDS.iter().find_map(|(start, end)| {
            let command = line.trim_start().strip_prefix(start)?;
            Some(format!("{}{end}\n", command.trim_matches('"')))
        })
    };
    let script: String = text.lines().filter_map(command).collect();
    script.replace("/etc/ipvsadm.rules", "shop.rules").replace("{{.src}}", "shop.rules")
}

/// The libraries that came with 1.31.
fn reference_libraries() -> PathBuf {
    Path::new(ROOT).join(format!("target/debian/root/usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

/// A director and two real servers with NAT, each on a network of its own. The director is also the client. One network
/// namespace has both servers, and few processes set it up, since they start slowly under User Mode Linux.
pub(crate) const BEHIND_NAT: &str = "
echo 1 >/proc/sys/net/ipv4/ip_forward
ip -force -batch - 2>/dev/null <<'END' || true
netns delete page-servers
netns add page-servers
link add eth0 type dummy
link set eth0 up
address add 203.0.113.1/24 dev eth0
address add 203.0.113.80/32 dev eth0
link add eth1 type veth peer name eth1 netns page-servers
link add eth2 type veth peer name eth2 netns page-servers
address add 10.0.1.1/24 dev eth1
address add 10.0.2.1/24 dev eth2
link set eth1 up
link set eth2 up
END
ip -n page-servers -batch - <<END
link set eth1 up
link set eth2 up
address add 10.0.1.11/24 dev eth1
address add 10.0.2.11/24 dev eth2
route add default via 10.0.1.1
END
for n in 1 2; do
    ip netns exec page-servers busybox httpd -f -p 10.0.$n.11:80 -h /etc >/dev/null 2>&1 &
    server[n]=$!
done
ipvsadm -R <<END
-A -t 203.0.113.80:80 -s rr
-a -t 203.0.113.80:80 -r 10.0.1.11:80 -m
-a -t 203.0.113.80:80 -r 10.0.2.11:80 -m
END
until ipvsadm --doctor --probe >/dev/null; do sleep 0.1; done
";

/// Sixteen requests at once; each server gets eight.
pub(crate) const REQUESTS: &str = "curl -sZ --parallel-immediate --interface 203.0.113.1 --connect-timeout 3 \
'http://203.0.113.80/hosts?[1-16]' >/dev/null 2>&1 || true";

#[test]
fn migrating_works() {
    Page { name: "migrating", scenes: &[] }.works();
}

#[test]
fn troubleshooting_works() {
    let without_route =
        format!("{BEHIND_NAT}ip -n page-servers rule add from 10.0.2.11 blackhole\n{REQUESTS}");
    let without_server = format!("{BEHIND_NAT}kill ${{server[2]}}\nwait ${{server[2]}} || true");
    let persistent =
        format!("{BEHIND_NAT}ipvsadm -E -t 203.0.113.80:80 -s rr -p 300 -M 24\n{REQUESTS}");
    let deleted = format!(
        "{BEHIND_NAT}exec 5<>/dev/tcp/203.0.113.80/80
ipvsadm -d -t 203.0.113.80:80 -r 10.0.2.11:80"
    );
    let without_address = format!("{BEHIND_NAT}ip address delete 203.0.113.80/32 dev eth0");
    let scenes = &[
        ("Connections stay in SYN_RECV", without_route.as_str()),
        ("Connection refused, now and then", &without_server),
        ("All connections go to one server", &persistent),
        ("Clients hang after a reload", &deleted),
        ("The counters stand still", &without_address),
        ("A change is refused", BEHIND_NAT),
        ("A server has lost a setting", BEHIND_NAT),
    ];
    Page { name: "troubleshooting", scenes }.works();
}

#[test]
fn faq_works() {
    let scenes = &[
        (
            "Can the director hide the client's address (SNAT, full NAT)?",
            "iptables() { iptables-legacy \"$@\"; }",
        ),
        ("Does it work in containers?", "ip netns add faq-box\nip -n faq-box link set lo up"),
    ];
    Page { name: "faq", scenes }.works();
}

#[test]
fn fleet_works() {
    let scenes = &[("Check in CI", "mkdir rules\ncp shop.rules rules")];
    Page { name: "fleet", scenes }.works();
}

#[test]
fn keepalived_works() {
    let keepalived = format!(
        "keepalived() {{ '{ROOT}/tests/keepalived' \"$@\"; }}\n\
         ip link add eth0 type dummy\nip link set eth0 multicast on up"
    );
    let address = "ip address add 10.0.0.1/8 dev lo";
    let scenes = &[("keepalived", keepalived.as_str()), ("Nothing: a rule file", address)];
    Page { name: "keepalived", scenes }.works();
}

#[test]
fn health_works() {
    // The section's first round finds one server.
    let one_server = "busybox httpd -p 10.2.0.1:8080 -h /etc
until (exec 3<>/dev/tcp/10.2.0.1/8080) 2>/dev/null; do sleep 0.1; done
PATH=$PATH:/bin";
    Page { name: "health", scenes: &[("A script and a timer", one_server)] }.works();
}

#[test]
fn reading_works() {
    Page { name: "reading", scenes: &[] }.works();
}

#[test]
fn persistent_works() {
    Page { name: "persistent", scenes: &[] }.works();
}

#[test]
fn index_works() {
    // The folder looks like a clone in which `make` has built the programs.
    let clone = format!(
        "make() {{ [ -x target/release/ipvsadm ]; }}\nmkdir target\nln -s ../programs target/release\n\
         ln -s '{ROOT}/tests' tests"
    );
    Page { name: "README", scenes: &[("Trying the commands", clone.as_str())] }.works();
}

#[test]
fn first_use_of_the_readme_works() {
    fresh_namespace();
    let (_, sections) = Page { name: "../README", scenes: &[] }.read();
    let first = sections.iter().find(|section| section.title == "First use").unwrap();
    let commands = &first.blocks[0].text;
    let folder = folder_with_programs();
    let script = format!("{START}{BEHIND_NAT}ipvsadm -C\n{commands}echo done");
    let output = bash(&script, folder.path());
    assert!(output.contains("0 errors") && output.ends_with("done\n"), "{output}");
}

/// The files and namespaces that the README's examples name.
const EXAMPLES: &str = "\
ip address add 10.0.0.1/8 dev lo
ip netns add NAME
ip -n NAME link set lo up
cat >ipvsadm.rules <<'END'
-A -t 10.0.0.1:80 -s wlc
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 5
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 5
END
echo '-A -t 192.0.2.25:25 -s rr' >mail.rules
ipvsadm-restore ipvsadm.rules
command -v jq >/dev/null || jq() { cat; }
";

#[test]
fn examples_of_the_readme_work() {
    fresh_namespace();
    let (_, sections) = Page { name: "../README", scenes: &[] }.read();
    let is_better = |section: &&Section| section.title == "What is better than 1.31";
    let better = sections.iter().find(is_better).unwrap();
    let lines = better.blocks.iter().flat_map(|block| block.text.lines());
    let commands = lines.fold(String::new(), |all, line| {
        let needs_terminal = ["--confirm", "--watch"].iter().any(|option| line.contains(option));
        let command = if needs_terminal { typed(line) } else { format!("{line}\n") };
        format!("{all}cat <<'LINE'\n{line}\nLINE\n{command}")
    });
    let output =
        bash(&format!("{START}{EXAMPLES}{commands}echo done"), folder_with_programs().path());
    assert!(output.ends_with("done\n"), "the last of these failed:\n{output}");
}

/// The network of the cookbook: the director has the virtual addresses, and one namespace has all real servers.
const SHOP: &str = "
echo 1 >/proc/sys/net/ipv4/ip_forward
ip -force -batch - 2>/dev/null <<'END' || true
netns delete shop-servers
netns add shop-servers
address delete 10.0.0.1/8 dev lo
link add eth0 type dummy
link set eth0 up
address add 10.1.0.1/16 dev eth0
address add 10.1.0.100/32 dev eth0
address add 10.1.7.25/32 dev eth0
link add eth1 type veth peer name eth1 netns shop-servers
address add 10.2.0.254/16 dev eth1
link set eth1 up
END
ip -n shop-servers -batch - <<'END'
link set eth1 up
address add 10.2.0.1/16 dev eth1
address add 10.2.0.2/16 dev eth1
address add 10.2.0.3/16 dev eth1
address add 10.2.0.9/16 dev eth1
route add default via 10.2.0.254
END
for port in 25 8080; do
    ip netns exec shop-servers busybox httpd -f -p $port -h /etc >/dev/null 2>&1 &
done
until ipvsadm --doctor --probe >/dev/null; do sleep 0.1; done
";

#[test]
fn cookbook_works() {
    let namespaces = "
for namespace in shop-blue shop-green; do
    ip netns add $namespace
    ip -n $namespace link set lo up
    ip -n $namespace address add 10.0.0.1/8 dev lo
done";
    let scenes = &[("Loop over network namespaces", namespaces)];
    let check = "ipvsadm --doctor --probe >report || { cat report; false; }";
    Page { name: "cookbook", scenes }.works_on(SHOP, check);
}

#[test]
fn omitted_lines_may_be_any() {
    assert!(is_like("a\nb\nc\n", "a\n…\nc\n"));
    assert!(is_like("a\nb\n", "a\n…\n"));
    assert!(is_like("", ""));
    assert!(!is_like("a\nb\n", "a\n"));
    assert!(!is_like("a\nb\n", "…\na\n"));
    assert!(!is_like("a\n", "a\n…\nb\n"));
}
