//! Messages if the kernel has no IPVS. All kernels of these tests have it, so strace changes the name in the request
//! for the family. The kernel then answers as for a missing family, and the thread's /proc is empty.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::network::fresh_namespace;
use crate::program::Program;

/// The request for the family IPVS, CTRL_CMD_GETFAMILY, with a changed letter in the name: a netlink header, a generic
/// netlink header, and the attribute. It is the first request of a process, and again the first after modprobe.
fn request_for_another_family() -> Vec<u8> {
    let header = [32_u32.to_ne_bytes(), [0; 4], 1_u32.to_ne_bytes(), [0; 4]];
    let mut question = header.concat();
    question[4..6].copy_from_slice(&16_u16.to_ne_bytes());
    question[6..8].copy_from_slice(&1_u16.to_ne_bytes());
    question.extend([3, 2, 0, 0]);
    question.extend([9_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    question.extend(b"IPVX\0\0\0\0");
    question
}

/// Gives the calling thread and its children an empty /proc, since listings read /proc first.
fn empty_proc() {
    let nothing: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    mount(Some("empty"), "/proc", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
}

#[test]
fn kernel_without_ipvs_is_reported_in_two_lines_if_the_command_needs_it() {
    fresh_namespace();
    empty_proc();
    let question: String =
        request_for_another_family().iter().map(|byte| format!("{byte:02x}")).collect();
    let inject = format!("inject=sendto:poke_enter=@arg2={question}");
    let (ours, save, restore) = (Program::ours(), Program::save(), Program::restore());
    for (program, arguments) in [
        (&ours, ""),
        (&ours, "-L -n"),
        (&ours, "-L --timeout"),
        (&ours, "-Z -t 192.0.2.0:1"),
        (&ours, "-C"),
        (&ours, "-R"),
        (&save, "-n"),
        (&restore, ""),
    ] {
        // With another sequence number than its own, the program would wait for its answer.
        let output = Command::new("timeout")
            .args(["60", "strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", &inject])
            .arg(program.name())
            .args(arguments.split_whitespace())
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null())
            .output()
            .expect("strace is missing: run `make test`, which installs it");
        let what = format!("{} {arguments}", program.name());
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "Can't initialize ipvs: Protocol not available\n\
             Are you sure that IP Virtual Server is built in the kernel or as module?\n",
            "{what}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{what}");
        assert_eq!(output.status.code(), Some(2), "{what}");
    }
}

/// A script instead of modprobe records its run and its environment. An empty kernel.modprobe forbids loading.
#[test]
fn modprobe_gets_no_environment_and_an_empty_setting_is_respected() {
    fresh_namespace();
    empty_proc();
    let place = tempfile::tempdir().unwrap();
    let (script, note) = (place.path().join("modprobe"), place.path().join("note"));
    fs::write(&script, format!("#!/bin/bash -p\nexport -p >{}\n", note.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all("/proc/sys/kernel").unwrap();
    let question: String =
        request_for_another_family().iter().map(|byte| format!("{byte:02x}")).collect();
    let inject = format!("inject=sendto:poke_enter=@arg2={question}");
    for (setting, runs) in [(script.to_str().unwrap(), true), ("", false)] {
        let _ = fs::remove_file(&note);
        fs::write("/proc/sys/kernel/modprobe", format!("{setting}\n")).unwrap();
        let output = Command::new("timeout")
            .args(["60", "strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", &inject])
            .args([Program::ours().name(), "-C"])
            .env("MODPROBE_OPTIONS", "--config=/tmp/evil")
            .env("BASH_ENV", "/tmp/evil")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(note.exists(), runs, "{setting:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let banned = "kernel.modprobe is empty";
        assert_eq!(stderr.contains(banned), !runs, "{setting:?}: {stderr}");
        if runs {
            let environment = fs::read_to_string(&note).unwrap();
            assert!(!environment.contains("evil"), "{environment}");
        }
    }
}

/// The kernel's release is the name of a directory of modules. The thread's /proc names one that does not exist.
#[test]
fn missing_directory_of_modules_is_the_reason() {
    fresh_namespace();
    empty_proc();
    fs::create_dir_all("/proc/sys/kernel").unwrap();
    fs::write("/proc/sys/kernel/modprobe", "/bin/true\n").unwrap();
    fs::write("/proc/sys/kernel/osrelease", "6.1.0-removed\n").unwrap();
    // The module is loaded on the kernel of the tests, which /sys shows.
    mount(Some("empty"), "/sys", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let question: String =
        request_for_another_family().iter().map(|byte| format!("{byte:02x}")).collect();
    let inject = format!("inject=sendto:poke_enter=@arg2={question}");
    let output = Command::new("timeout")
        .args(["60", "strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", &inject])
        .args([Program::ours().name(), "-C"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("Can't initialize ipvs: "), "{stderr}");
    assert!(stderr.contains("/lib/modules/6.1.0-removed"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}
