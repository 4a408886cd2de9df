//! Completion in real shells at a terminal, with services, servers and schedulers of the kernel.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::network::fresh_namespace;
use crate::program::Program;

/// Debian's nobody.
const NOBODY: u32 = 65534;

const RULES: &str = "\
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m
-a -t 10.0.0.1:80 -r 10.0.0.3:8080 -m
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8::2]:80
-A -u 10.0.0.1:53 -s rr
-A -f 7 -s rr
-A -f 8 -6 -s rr
-a -f 8 -6 -r [2001:db8::9]:0
";

/// A typed line, and the line after the shell has replaced its last word by all completions.
const CASES: &[(&str, &[&str])] = &[
    ("ipvsadm -a -t ", &["10.0.0.1:80", "[2001:db8::1]:80"]),
    ("ipvsadm -a -t 10.0.0.1:", &["10.0.0.1:80"]),
    ("ipvsadm --delete-service --udp-service ", &["10.0.0.1:53"]),
    ("ipvsadm -L -t10", &["-t10.0.0.1:80"]),
    ("ipvsadm -at ", &["10.0.0.1:80", "[2001:db8::1]:80"]),
    ("ipvsadm -d -f ", &["7", "8"]),
    ("ipvsadm -A -t ", &[]),
    ("ipvsadm -d -t 10.0.0.1:80 -r ", &["10.0.0.2:8080", "10.0.0.3:8080"]),
    ("ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.3:", &["10.0.0.3:8080"]),
    ("ipvsadm -e -f 8 -6 -r ", &["[2001:db8::9]:0"]),
    ("ipvsadm -a -t 10.0.0.1:80 -r ", &[]),
    ("ipvsadm -A -f 9 -s w", &["wlc", "wrr"]),
    ("ipvsadm -A -f 9 -s sh -b ", &["sh-fallback", "sh-port"]),
    ("ipvsadm -A -f 9 -s sh -b sh-port,", &["sh-port,sh-fallback"]),
    ("ipvsadm -A -f 9 --pe ", &["sip"]),
    ("ipvsadm --start-daemon ", &["backup", "master"]),
    ("ipvsadm --start-daemon master --mcast-interface ", &["lo"]),
    ("ipvsadm --d", &["--delete-server", "--delete-service", "--doctor"]),
    ("ipvsadm --doctor=LVS-TUN", &["--doctor=LVS-TUN-01", "--doctor=LVS-TUN-02"]),
    ("ipvsadm -E -f 7 --p", &["--pe", "--persistent"]),
    ("ipvsadm -E -f 7 --i", &["--if-exists", "--ipv6"]),
    ("ipvsadm -E -t 10.0.0.1:80 --i", &["--if-exists"]),
    ("ipvsadm -D -t 10.0.0.1:80 --co", &["--color", "--confirm"]),
    ("ipvsadm -R --d", &["--dry-run"]),
    ("ipvsadm -a -f 7 -r 10.0.0.2 --tun-", &[]),
    (
        "ipvsadm -a -f 7 -r 10.0.0.2 -i --tun-",
        &["--tun-csum", "--tun-nocsum", "--tun-port", "--tun-remcsum", "--tun-type"],
    ),
    ("ipvsadm -a -f 7 -r 10.0.0.2 -i --tun-type g", &["gre", "gue"]),
    // fish completes for programs that exist.
    #[cfg(feature = "top")]
    ("ipvsadm-top --n", &["--netns", "--numeric"]),
    ("ipvsadm -L -c --th", &["--thresholds"]),
    ("ipvsadm -L --co", &["--color", "--connection"]),
    ("ipvsadm -L -c --co", &["--color", "--count", "--count-by"]),
    ("ipvsadm -L -c --count-by client/", &["client/24", "client/24,64"]),
    ("ipvsadm -L -c --count-by s", &["server", "service", "state"]),
    ("ipvsadm -L -c --origin ", &["local", "synced"]),
    ("ipvsadm -L --metrics --by ", &["service"]),
    ("ipvsadm -L --summary --no-", &["--no-header"]),
    ("ipvsadm -L -c --state NONE,SYN_", &["NONE,SYN_RECV", "NONE,SYN_SENT"]),
    ("ipvsadm -L -c -t 10.0.0.1:80 -r ", &["10.0.0.2:8080", "10.0.0.3:8080"]),
    ("ipvsadm -L -n --n", &["--netns", "--nosort"]),
    ("ipvsadm -S --set", &["--settings"]),
    ("ipvsadm -L --su", &["--summary"]),
    ("ipvsadm --net", &["--netns"]),
    ("ipvsadm --color ", &["always", "auto", "never"]),
    ("ipvsadm --color never --cl", &["--clear"]),
    ("ipvsadm -L --color=n", &["--color=never"]),
    ("ipvsadm -R Carg", &["Cargo.lock", "Cargo.toml"]),
    ("ipvsadm-restore --no", &["--no-empty", "--noflush"]),
    ("ipvsadm-save --color n", &["never"]),
    ("ipvsadm -S --di", &["--digest"]),
    ("ipvsadm-save --al", &["--all", "--allow-empty"]),
];

/// The project's folder of completions.
fn completions() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/completions").to_owned()
}

/// The services of the cases, in a namespace of their own.
fn services() {
    fresh_namespace();
    Program::ours().feed(["-R"], RULES.as_bytes()).succeeded();
}

/// Creates an empty directory for a shell's settings and results.
fn home(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shell-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A shell as a user starts it, with our programs first in its PATH. Its /sys shows the interfaces of the test's
/// namespace instead of the machine's.
fn shell(name: &str, home: &Path) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_ipvsadm")).parent().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "mount -t sysfs sysfs /sys && exec \"$@\"", "sh", name])
        .env_clear()
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", ours.display()))
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .env("HOME", home)
        .env("ZDOTDIR", home)
        .env("COMPLETIONS", completions())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Types each line into a shell at a terminal, followed by the keys that insert all completions and record the result,
/// and returns the results. The shell's settings make it print READY, bind the keys and write to `result` in its home.
fn typed(command_line: &str, home: &Path, lines: &[&str]) -> Vec<String> {
    let mut child = shell("timeout", home)
        .args(["600", "script", "-qec", command_line, "/dev/null"])
        .spawn()
        .unwrap();
    let mut screen = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("READY") {
        seen.clear();
        assert_ne!(screen.read_line(&mut seen).unwrap(), 0, "{command_line} ended");
    }
    let mut keys = child.stdin.take().unwrap();
    for line in lines {
        write!(keys, "{line}\x18a\x18b").unwrap();
    }
    writeln!(keys, "exit").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{command_line}: {rest}");
    fs::read_to_string(home.join("result")).unwrap().lines().map(str::to_owned).collect()
}

/// Compares the completed line of each case with the expected one.
fn assert_completed(shell: &str, results: &[String], unquote: impl Fn(&str) -> String) {
    assert_eq!(results.len(), CASES.len(), "{shell}: {results:?}");
    for ((line, completions), result) in CASES.iter().zip(results) {
        let start = line.rfind(' ').unwrap() + 1;
        let expected = match completions {
            [] => line[start..].to_owned(),
            completions => completions.join(" "),
        };
        // For bash, the value behind `=` is a word of its own.
        let expected = if shell == "bash" { expected.replace(" --doctor=", " ") } else { expected };
        let result = unquote(result);
        assert_eq!(result[start..].trim_end(), expected, "{shell}: {line:?}: {result:?}");
    }
}

fn lines() -> Vec<&'static str> {
    CASES.iter().map(|(line, _)| *line).collect()
}

const BASH_SETTINGS: &str = r#"
. "$COMPLETIONS/ipvsadm.bash"
bind 'set bell-style none'
bind '"\C-xa": insert-completions'
note() { printf '%s\n' "$READLINE_LINE" >>~/result; READLINE_LINE=; }
bind -x '"\C-xb": note'
echo READY
"#;

#[test]
fn bash_completes() {
    services();
    let home = home("bash");
    fs::write(home.join("settings"), BASH_SETTINGS).unwrap();
    let results = typed("bash --noprofile --rcfile ~/settings -i", &home, &lines());
    assert_completed("bash", &results, str::to_owned);
}

/// zsh searches a thousand files for completions, which is slow under User Mode Linux; it gets only the files that ours
/// need.
const ZSH_SETTINGS: &str = r#"
all=($fpath)
fpath=($COMPLETIONS ${(M)fpath:#*/Base} ${(M)fpath:#*/Completion})
autoload -Uz compinit
compinit -u -D
fpath=($fpath $all)
autoload -Uz ${^all}/_*(N:t)
all() { _main_complete; compstate[insert]=all; }
note() { print -r -- $BUFFER >>~/result; BUFFER= }
zle -C all complete-word all
zle -N note
bindkey '^Xa' all '^Xb' note
unsetopt beep
print READY
"#;

#[test]
fn zsh_completes() {
    services();
    let home = home("zsh");
    fs::write(home.join(".zshrc"), ZSH_SETTINGS).unwrap();
    let results = typed("zsh -i", &home, &lines());
    // Brackets are patterns to zsh, and it quotes them.
    assert_completed("zsh", &results, |line| line.replace('\\', ""));
}

#[test]
fn fish_completes() {
    services();
    let mut child = shell("fish", &home("fish"))
        .args(["--no-config", "-c"])
        .arg(
            "set fish_complete_path $COMPLETIONS; \
             while read -l line; \
                 echo (complete -C $line | string replace -r '\\t.*' '' | path sort); \
             end",
        )
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines() {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let results: Vec<String> = CASES
        .iter()
        .zip(text.lines())
        .map(|((line, _), found)| {
            let start = line.rfind(' ').unwrap() + 1;
            let word = &line[start..];
            // fish 4 also prints completions that merely contain the word. It offers them only if nothing begins with it.
            let found: Vec<&str> = found.split(' ').filter(|text| text.starts_with(word)).collect();
            // fish offers no completion where the other shells leave the word unchanged.
            let found = if found.is_empty() { word.to_owned() } else { found.join(" ") };
            format!("{}{found}", &line[..start])
        })
        .collect();
    assert_completed("fish", &results, str::to_owned);
}

/// A copy of a program and its completions that anyone can run, since the project's directory may be private.
struct Public(PathBuf);

impl Public {
    fn new() -> Public {
        let path = PathBuf::from(format!("/tmp/completions-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Program::ours().copy_to(&path.join("ipvsadm"));
        for name in ["ipvsadm.bash", "ipvsadm.fish"] {
            fs::copy(format!("{}/{name}", completions()), path.join(name)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Public(path)
    }

    /// Returns the completions of a line's last word in bash and fish, run as nobody.
    fn complete(&self, line: &str) -> String {
        let bash = format!(
            ". ./ipvsadm.bash; COMP_LINE='{line}' COMP_POINT={}; _ipvsadm ./ipvsadm; echo \"${{COMPREPLY[*]}}\"",
            line.len()
        );
        // fish would look for the program's own file.
        let fish = format!(
            ". ./ipvsadm.fish; set -p PATH $PWD; set fish_complete_path; echo (complete -C '{line}' | string replace -r '\\t.*' '' | path sort)"
        );
        let [by_bash, by_fish] =
            [("bash", &["-c", &bash] as &[&str]), ("fish", &["--no-config", "-c", &fish])].map(
                |(shell, arguments)| {
                    // A completion that waits for a name server or a module would take longer.
                    let mut command = Command::new("timeout");
                    command
                        .args(["60", shell])
                        .args(arguments)
                        .current_dir(&self.0)
                        .env("HOME", &self.0)
                        .uid(NOBODY);
                    let output = command.output().unwrap();
                    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
                    assert!(output.status.success(), "{shell}: {}", output.status);
                    String::from_utf8(output.stdout).unwrap()
                },
            );
        assert_eq!(by_bash, by_fish, "{line:?}");
        by_bash
    }
}

impl Drop for Public {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn without_rights_completion_uses_proc_and_prints_no_errors() {
    services();
    let nobody = Public::new();
    assert_eq!(nobody.complete("ipvsadm -D -t "), "10.0.0.1:80 [2001:db8::1]:80\n");
    assert_eq!(nobody.complete("ipvsadm -d -t 10.0.0.1:80 -r "), "10.0.0.2:8080 10.0.0.3:8080\n");
    // The user has made a mistake: there is no service of that name.
    assert_eq!(nobody.complete("ipvsadm -d -t nonsense -r "), "\n");
}

/// /proc and /sys show nothing of IPVS, as before the module is loaded, or in a container.
#[test]
fn without_ipvs_completion_prints_no_errors_and_offers_the_usual_schedulers() {
    fresh_namespace();
    let script = "
        . \"$COMPLETIONS/ipvsadm.bash\"
        for COMP_LINE in 'ipvsadm -D -t ' 'ipvsadm -d -f 7 -r ' 'ipvsadm -A -f 7 -s ov'; do
            COMP_POINT=${#COMP_LINE}; _ipvsadm ipvsadm; echo \"${COMPREPLY[*]}\"
        done";
    let output = shell("unshare", &home("empty"))
        .args([
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs none /sys && mount -t tmpfs none /proc && exec bash -c \"$1\"",
            "sh",
            script,
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\n\novf\n");
}

/// Inserted values are quoted: a name must not run, expand or become several words.
#[test]
fn bash_quotes_an_interface_that_is_named_as_a_command() {
    fresh_namespace();
    let script = "
        . \"$COMPLETIONS/ipvsadm.bash\"
        COMP_LINE='ipvsadm --start-daemon master --mcast-interface '
        COMP_POINT=${#COMP_LINE}; _ipvsadm ipvsadm
        printf '%s\\n' \"${COMPREPLY[@]}\"
        eval \"printf '%s\\n' ${COMPREPLY[*]}\"";
    let add = "for name in '$(id)' '*' '`id`;' 'a b'; do ip link add \"$name\" type dummy; done";
    let output = shell("bash", &home("quoted"))
        .arg("-c")
        .arg(format!("{add} 2>/dev/null; exec bash -c \"$1\""))
        .args(["sh", script])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let mut names = lines.split_off(lines.len() / 2);
    lines.sort_unstable();
    names.sort_unstable();
    assert_eq!(lines, ["\\$\\(id\\)", "\\*", "\\`id\\`\\;", "lo"], "{text}");
    assert_eq!(names, ["$(id)", "*", "`id`;", "lo"], "{text}");
}

/// `read` reads a pipe with one system call for each byte.
#[test]
fn bash_reads_a_listing_in_blocks() {
    fresh_namespace();
    let rules: String = (1..=500).map(|port| format!("-A -t 10.0.0.1:{port} -s rr\n")).collect();
    Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
    let home = home("blocks");
    let script = "
        . \"$COMPLETIONS/ipvsadm.bash\"
        COMP_LINE='ipvsadm -D -t '; COMP_POINT=${#COMP_LINE}
        _ipvsadm ipvsadm; echo ${#COMPREPLY[@]}";
    let output = shell("strace", &home)
        .args(["-qq", "-o", "calls", "-e", "trace=read", "bash", "-c", script])
        .current_dir(&home)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "500\n", "{output:?}");
    let calls = fs::read_to_string(home.join("calls")).unwrap();
    let reads = calls.lines().count();
    assert!(reads < 1000, "{reads} reads of a listing of {} bytes", rules.len());
}
