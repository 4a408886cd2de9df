//! A save to a file is atomic: either the old or the new file is there, complete, with its mode and owner. Restoring
//! the new file makes the same table.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::network::fresh_namespace;
use crate::program::{Outcome, Program};
use crate::table::{Kernel, Service, TCP};
use crate::wait::wait_until;

/// The number of system calls at the end of a save at each of which a signal arrives.
const MOMENTS: usize = 50;

pub(crate) const OLD: &str = "# kept by hand\n-A -t 10.9.9.9:80 -s rr\n";
const RULES: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n";

/// A namespace with a table, and a folder with a file of other rules.
struct Place {
    folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new(rules: &str) -> Place {
        fresh_namespace();
        Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules");
        fs::write(&file, OLD).unwrap();
        Place { folder, file }
    }

    fn content(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    /// Returns true if the folder contains only the file.
    fn is_tidy(&self) -> bool {
        fs::read_dir(self.folder.path()).unwrap().count() == 1
    }
}

/// Saves with ipvsadm and with ipvsadm-save, each to a file.
fn both(path: &Path, further: &[&str]) -> [Outcome; 2] {
    let path = path.to_str().unwrap();
    let [save, ours] = [&["-n"][..], &["-S", "-n"]].map(|start| [start, further, &[path]].concat());
    [Program::save().run(save), Program::ours().run(ours)]
}

#[test]
fn a_file_is_replaced_and_keeps_its_mode_and_owner() {
    let place = Place::new(RULES);
    for mode in [0o600, 0o664, 0o444] {
        fs::write(&place.file, OLD).unwrap();
        fs::set_permissions(&place.file, Permissions::from_mode(mode)).unwrap();
        chown(&place.file, Some(12), Some(34)).unwrap();
        for outcome in both(&place.file, &[]) {
            assert_eq!(outcome.succeeded(), "");
            let now = fs::metadata(&place.file).unwrap();
            assert_eq!((now.mode() & 0o7777, now.uid(), now.gid()), (mode, 12, 34));
            assert_eq!(place.content(), RULES);
        }
    }
    let new = place.folder.path().join("new");
    Program::save().run([&new]).succeeded();
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o644, "as any new file");
}

#[test]
fn a_symbolic_link_stays_a_link() {
    let place = Place::new(RULES);
    let target = place.folder.path().join("of the link");
    for was_there in [true, false] {
        fs::remove_file(&place.file).unwrap();
        symlink("of the link", &place.file).unwrap();
        if was_there {
            fs::write(&target, OLD).unwrap();
        }
        for outcome in both(&place.file, &[]) {
            outcome.succeeded();
            assert!(fs::symlink_metadata(&place.file).unwrap().is_symlink(), "{was_there}");
            assert_eq!(fs::read_to_string(&target).unwrap(), RULES);
        }
        fs::remove_file(&target).unwrap();
    }
}

#[test]
fn a_pipe_or_a_device_is_written_to() {
    let place = Place::new(RULES);
    Program::save().run(["/dev/null"]).succeeded();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    assert_eq!(Program::save().run(["-n", "/dev/stdout"]).succeeded(), RULES);
    assert_eq!(Program::save().run(["-n", "-"]).succeeded(), RULES);
    let outcome = Program::save().run([place.folder.path()]);
    assert!(outcome.refused(1).contains("directory"), "{}", outcome.complaint());
    let outcome = Program::save().run(["/dev/full"]);
    assert!(outcome.refused(1).contains("No space left on device"), "{}", outcome.complaint());
}

#[test]
fn a_save_killed_at_any_moment_leaves_a_complete_file() {
    let rules: String = (1..=60)
        .map(|port| {
            format!("-A -t 10.0.0.1:{port} -s rr\n-a -t 10.0.0.1:{port} -r 10.1.0.1:80 -m -w 1\n")
        })
        .collect();
    let place = Place::new(&rules);
    let mut saved = 0;
    let moments = at_each_moment(&place.file, &[Signal::SIGKILL], |status| {
        let content = place.content();
        assert!(content == OLD || content == rules, "{status}, half a file:\n{content}");
        saved += usize::from(content == rules);
    });
    println!("killed at {moments} system calls, {saved} had saved");
    assert!((1..moments).contains(&saved), "{saved} of {moments} had saved");
}

/// Saves to a file again and again, each time until a signal arrives at another system call: at each of the last ones, which
/// write the file, and at some of those before. The file is the old one before each save. Returns the number of saves.
pub(crate) fn at_each_moment(
    file: &Path,
    signals: &[Signal],
    mut check: impl FnMut(ExitStatus),
) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let save = |inject: &str| {
        fs::write(file, OLD).unwrap();
        let mut command = Command::new("strace");
        command.args(["-qq", "-e", "trace=all", "-e", inject, "-o"]).arg(&log);
        command.arg(Program::save().name()).arg("-n").arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("strace is missing: run `make test`, which installs it")
    };
    assert!(save("trace=all").success());
    let log = fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once('(')?.0)).collect();
    let first = calls.len().saturating_sub(MOMENTS);
    let moments = (0..first).step_by(10).chain(first..calls.len());
    for (moment, signal) in moments.clone().zip(signals.iter().cycle()) {
        // strace counts the calls of each name.
        let name = calls[moment];
        let number = calls[..=moment].iter().filter(|call| **call == name).count();
        check(save(&format!("inject={name}:signal={signal}:when={number}")));
    }
    moments.count()
}

/// Runs a function with a small private file system mounted at `path`.
fn on_a_file_system(path: &Path, action: impl FnOnce(&dyn Fn(MsFlags)) + Send) {
    let folder = fs::File::open("/proc/thread-self/ns/net").unwrap();
    thread::scope(|scope| {
        let of_its_own = scope.spawn(|| {
            nix::sched::setns(&folder, CloneFlags::CLONE_NEWNET).unwrap();
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let nothing: Option<&str> = None;
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
            let mount_with =
                |flags| mount(Some("small"), path, Some("tmpfs"), flags, Some("size=64k"));
            mount_with(MsFlags::empty()).unwrap();
            action(&|flags| mount_with(flags).unwrap());
        });
        of_its_own.join().unwrap();
    });
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let place = Place::new(RULES);
    on_a_file_system(place.folder.path(), |_| {
        fs::write(&place.file, OLD).unwrap();
        let filler = place.folder.path().join("filler");
        assert!(fs::write(&filler, vec![0; 1 << 20]).is_err());
        for outcome in both(&place.file, &[]) {
            let sentence = outcome.refused(1);
            assert!(sentence.contains("No space left on device"), "{sentence}");
            assert!(sentence.contains(place.file.to_str().unwrap()), "{sentence}");
            assert_eq!(place.content(), OLD);
        }
        fs::remove_file(filler).unwrap();
        assert!(place.is_tidy(), "something was left behind");
        Program::save().run([&place.file]).succeeded();
    });
}

#[test]
fn a_read_only_directory_leaves_the_old_file() {
    let place = Place::new(RULES);
    on_a_file_system(place.folder.path(), |remount| {
        fs::write(&place.file, OLD).unwrap();
        remount(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY);
        for outcome in both(&place.file, &[]) {
            let sentence = outcome.refused(1);
            assert!(sentence.contains("Read-only file system"), "{sentence}");
            assert_eq!(place.content(), OLD);
        }
    });
}

#[test]
fn an_empty_table_replaces_rules_only_with_allow_empty() {
    let place = Place::new("");
    for further in [&[][..], &["--all"]] {
        for outcome in both(&place.file, further) {
            let sentence = outcome.refused(1);
            assert!(sentence.contains("--allow-empty"), "{sentence}");
            assert!(sentence.contains(place.file.to_str().unwrap()), "{sentence}");
            assert_eq!(place.content(), OLD);
        }
    }
    for outcome in both(&place.file, &["--allow-empty"]) {
        outcome.succeeded();
        assert_eq!(place.content(), "");
    }
    // The save needs no option if the file has no rules; settings do not count as rules.
    for harmless in ["", "# none yet\n", "--set 900 120 300\n"] {
        fs::write(&place.file, harmless).unwrap();
        for outcome in both(&place.file, &["--all"]) {
            outcome.succeeded();
            assert_eq!(place.content(), "--set 900 120 300\n", "over {harmless:?}");
        }
    }
    let gone = place.folder.path().join("new");
    Program::save().run([&gone]).succeeded();
    assert_eq!(fs::read(gone).unwrap(), b"");
}

#[test]
fn a_table_that_cannot_be_read_leaves_the_old_file() {
    let place = Place::new(RULES);
    let folder = place.folder.path();
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&place.file, Permissions::from_mode(0o666)).unwrap();
    let copy = folder.join("ipvsadm-save");
    Program::save().copy_to(&copy);
    let mut as_nobody = Command::new(&copy);
    std::os::unix::process::CommandExt::uid(&mut as_nobody, 65534);
    let output =
        as_nobody.args(["--allow-empty".as_ref(), place.file.as_os_str()]).output().unwrap();
    assert!(!output.status.success());
    assert_ne!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(place.content(), OLD);
}

#[test]
fn with_all_the_timeouts_and_daemons_are_lines_that_1_31_reads_too() {
    let start = "--set 77 66 55\n\
                 --start-daemon master --mcast-interface lo --syncid 5 --sync-maxlen 1400\n\
                 --start-daemon backup --mcast-interface lo --syncid 6 --mcast-group 224.0.0.9 --mcast-port 9000 --mcast-ttl 3\n";
    let place = Place::new(&format!("{RULES}{start}"));
    let before = Kernel::open().rules();
    assert_eq!(before.daemons.len(), 2);
    let mut texts = both(&place.file, &["--all"]).map(|outcome| {
        outcome.succeeded();
        place.content()
    });
    let [text, other] = &mut texts;
    assert_eq!(text, other);
    assert_eq!(Program::save().line("-n --all").succeeded(), text);
    assert_eq!(Program::ours().line("-S -n --all").succeeded(), text);
    assert!(text.starts_with(&format!("{RULES}--set 77 66 55\n--start-daemon master ")), "{text}");
    assert_eq!(Program::save().line("-n").succeeded(), RULES, "without --all");

    for restore in [
        (&|text: &str| Program::reference().feed(["-R"], text.as_bytes()))
            as &dyn Fn(&str) -> Outcome,
        &|text| Program::ours().feed(["-R"], text.as_bytes()),
        &|text| Program::restore().feed::<&str>([], text.as_bytes()),
    ] {
        fresh_namespace();
        restore(text).succeeded();
        assert_eq!(Kernel::open().rules().to_string(), before.to_string());
        assert_eq!(Program::restore().feed(["--diff"], text.as_bytes()).succeeded(), "");
        assert_eq!(Program::save().line("-n --all").succeeded(), text);
    }
}

#[test]
fn one_service_can_be_saved() {
    let place = Place::new(&format!(
        "{RULES}-A -u 10.0.0.1:80 -s wlc\n-A -f 4294967295 -s rr\n-a -f 4294967295 -r 10.1.0.1:0 -g -w 1\n-A -f 7 -6 -s rr\n"
    ));
    for (service, saved) in [
        ("-t 10.0.0.1:80", RULES),
        ("-u 10.0.0.1:80", "-A -u 10.0.0.1:80 -s wlc\n"),
        ("-f 4294967295", "-A -f 4294967295 -s rr\n-a -f 4294967295 -r 10.1.0.1:0 -g -w 1\n"),
        ("-f 7 -6", "-A -f 7 -6 -s rr\n"),
    ] {
        assert_eq!(Program::ours().line(&format!("-S -n {service}")).succeeded(), saved);
        let path = place.file.to_str().unwrap();
        Program::ours().line(&format!("-S -n {service} {path}")).succeeded();
        assert_eq!(place.content(), saved);
    }
    let before = place.content();
    let path = place.file.to_str().unwrap();
    for line in ["-S -n -t 10.0.0.3:80".to_owned(), format!("-S -n -t 10.0.0.3:80 {path}")] {
        let outcome = Program::ours().line(&line);
        assert!(outcome.refused(1).starts_with("No such service"), "{line}");
    }
    assert_eq!(place.content(), before);
}

/// Other programs can make real servers that no option of ipvsadm can express.
#[test]
fn entries_that_no_option_can_express_are_named_and_not_saved() {
    const BYPASS: u32 = 4;
    const UNKNOWN: u32 = 5;
    for (method, named) in [(BYPASS, "bypass"), (UNKNOWN, "number 5")] {
        let place = Place::new("");
        let kernel = Kernel::open();
        let mut service = Service::new(TCP, "10.0.0.1", 80).with("10.1.0.1", 80);
        service.destinations[0].method = method;
        kernel.add(&service);
        for outcome in both(&place.file, &[]) {
            let sentence = outcome.refused(1);
            assert!(sentence.contains("-t 10.0.0.1:80 -r 10.1.0.1:80"), "{sentence}");
            assert!(sentence.contains(named), "{sentence}");
            assert_eq!(place.content(), OLD);
        }
        let printed = Program::ours().line("-S -n");
        assert_eq!(printed.status.code(), Some(1));
        let comment = format!("# -a -t 10.0.0.1:80 -r 10.1.0.1:80 <forwarding method {named}>");
        assert!(String::from_utf8_lossy(&printed.stdout).contains(&comment));
        // A restore deletes the server, and a failed restore rolls this back.
        let failing = format!("{RULES}-A -t 10.0.0.2:80 -s nosuch\n");
        Program::restore().feed::<&str>([], failing.as_bytes()).refused(255);
        assert_eq!(kernel.rules().services, [service]);
        Program::restore().feed::<&str>([], RULES.as_bytes()).succeeded();
        assert_eq!(Program::ours().line("-S -n").succeeded(), RULES);
    }
}

/// A table of this many services, and a program that applies lines to it in a loop.
fn beside_a_writer(
    services: u16,
    lines: impl Fn(u16) -> String + Send + 'static,
    action: impl FnOnce(&Place),
) {
    let service = |port: u16| {
        format!("-A -t 10.0.0.1:{port} -s rr\n-a -t 10.0.0.1:{port} -r 10.1.0.1:80 -m\n")
    };
    let place = Place::new(&(1..=services).map(service).collect::<String>());
    let mut command = Program::ours().command(["-R"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        for number in (1..=65535).cycle() {
            if input.write_all(lines(number).as_bytes()).is_err() {
                return;
            }
        }
    });
    action(&place);
    child.kill().unwrap();
    child.wait().unwrap();
    feeder.join().unwrap();
}

/// A changed weight does not make a reading inconsistent.
#[test]
fn a_table_whose_weights_keep_changing_is_saved() {
    let weight =
        |number: u16| format!("-e -t 10.0.0.1:{} -r 10.1.0.1:80 -m -w {number}\n", number % 60 + 1);
    beside_a_writer(60, weight, |place| {
        for _ in 0..20 {
            fs::write(&place.file, OLD).unwrap();
            Program::save().run([&place.file]).succeeded();
            assert_eq!(place.content().lines().count(), 120);
        }
    });
}

/// No two readings agree, since each service of the writer is another one. The table is small, so that a reading takes few
/// requests.
#[test]
fn a_table_whose_services_keep_changing_is_not_saved_to_a_file() {
    let next = |number: u16| format!("-A -f {number} -s rr\n-D -f {}\n", number.saturating_sub(1));
    beside_a_writer(1, next, |place| {
        wait_until("the writer", || Kernel::open().rules().services.len() > 1);
        // strace gives the other program time before each request.
        let output = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "-e", "trace=sendto"])
            .args(["-e", "inject=sendto:delay_enter=300000"])
            .arg(Program::save().name())
            .arg(&place.file)
            .output()
            .expect("strace is missing: run `make test`, which installs it");
        let sentence = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{sentence}");
        assert!(sentence.contains("changes too fast"), "{sentence}");
        assert!(sentence.ends_with("ipvsadm -S -n >FILE\n"), "{sentence}");
        assert_eq!(place.content(), OLD);
        // One reading is enough for standard output.
        let saved = Program::ours().line("-S -n");
        assert!(saved.succeeded().lines().count() >= 2);
    });
}
