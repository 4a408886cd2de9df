//! Runs without CAP_NET_ADMIN: the kernel refuses netlink requests, and /proc/net shows most of the table.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::Kernel;

/// Debian's nobody and nogroup.
const NOBODY: u32 = 65534;

/// A copy of our ipvsadm that anyone can run, since the build directory may be private.
pub(crate) struct Copy(PathBuf);

impl Copy {
    pub(crate) fn of(program: &Program, name: &str) -> Copy {
        let path = Path::new("/tmp").join(format!("{name}-{}", std::process::id()));
        program.copy_to(&path);
        Copy(path)
    }

    /// Runs it as nobody.
    pub(crate) fn run(&self, line: &str) -> Output {
        let mut command = std::process::Command::new(&self.0);
        command.args(line.split(' ')).current_dir("/").uid(NOBODY).gid(NOBODY);
        command.output().unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn nobody_lists_services_and_connections() {
    fresh_namespace();
    for line in [
        "-A -t 10.0.0.1:80 -s wrr -p 60 -M 255.255.255.0",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 3",
        "-A -u 10.0.0.1:53 -s rr -o",
        "-A -u [2001:db8::1]:53 -s rr",
        "-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -i -w 4",
        "-A -f 7 -s wlc",
        "-a -f 7 -r 10.0.0.3 -g",
        "-A -t [2001:db8::1]:80 -s wlc -p 300 -M 64",
    ] {
        Program::ours().line(line).succeeded();
    }
    let nobody = Copy::of(&Program::ours(), "ipvsadm-lists");
    for line in ["-L -n", "-Ln", "-L -n -c", "-l -n --sort"] {
        let as_root = Program::ours().line(line);
        let as_nobody = nobody.run(line);
        assert!(
            as_nobody.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&as_nobody.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&as_nobody.stderr), "", "{line}");
        assert_eq!(String::from_utf8_lossy(&as_nobody.stdout), as_root.succeeded(), "{line}");
    }
}

/// Removes the members with these names, in all services and real servers.
fn remove(document: &mut Value, names: &[String]) {
    for service in document["services"].as_array_mut().unwrap() {
        for server in service["real_servers"].as_array_mut().unwrap() {
            server.as_object_mut().unwrap().retain(|name, _| !names.contains(name));
        }
        service.as_object_mut().unwrap().retain(|name, _| !names.contains(name));
    }
}

#[test]
fn nobody_gets_json_that_names_what_it_lacks() {
    fresh_namespace();
    for line in [
        "-A -t 10.0.0.1:80 -s wrr -p 60 -M 255.255.255.0",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 3 -x 9",
        "-A -u [2001:db8::1]:53 -s rr -p 60 -M 64 -o",
        "-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -i -w 4",
        "-A -f 7 -s wlc",
        "-a -f 7 -r 10.0.0.3 -g",
    ] {
        Program::ours().line(line).succeeded();
    }
    let nobody = Copy::of(&Program::ours(), "ipvsadm-json");
    for line in ["-L --json", "-L --json -u [2001:db8::1]:53", "-L --json -f 7"] {
        let mut of_root: Value =
            serde_json::from_str(Program::ours().line(line).succeeded()).unwrap();
        let output = nobody.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        let mut of_nobody: Value = serde_json::from_slice(&output.stdout).unwrap();
        let partial = of_nobody.as_object_mut().unwrap().remove("partial").unwrap();
        let names: Vec<String> = serde_json::from_value(partial).unwrap();
        assert!(names.contains(&"counters".to_owned()), "{names:?}");
        let refused = Program::restore().feed::<&str>([], &output.stdout);
        assert!(refused.refused(2).contains("(/partial: family, "), "{}", refused.complaint());
        of_root.as_object_mut().unwrap().remove("partial");
        remove(&mut of_root, &names);
        assert_eq!(of_nobody, of_root, "{line}");
    }
    let missing = nobody.run("-L --json -t 10.0.0.9:80");
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stderr.starts_with(b"No such service"), "{missing:?}");
}

#[test]
fn nobody_cannot_change_anything_and_the_message_says_why() {
    fresh_namespace();
    let kernel = Kernel::open();
    Program::ours().line("-A -t 10.0.0.1:80 -s rr").succeeded();
    let before = kernel.rules();
    let nobody = Copy::of(&Program::ours(), "ipvsadm-changes");
    for line in ["-A -t 10.0.0.2:80 -s rr", "-D -t 10.0.0.1:80", "-C", "--set 1 2 3", "-Z"] {
        let output = nobody.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{line}");
        assert!(said.contains("ermi") || said.contains("CAP_NET_ADMIN"), "{line}: {said:?}");
        assert_eq!(kernel.rules(), before, "{line}");
    }
}
