//! What is said where the kernel has no IPVS. Any kernel that these tests run on has it: strace changes the name in the
//! question for the family on its way, so that the kernel answers what it answers for a family that is not there, and
//! the thread's /proc is an empty one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::network::fresh_namespace;
use crate::program::Program;

/// The question for the family IPVS, CTRL_CMD_GETFAMILY, with a letter of the name changed: a netlink header, a generic
/// one, and the attribute. It is the first question of a process, and the first again after modprobe.
fn question_for_another() -> Vec<u8> {
    let header = [32_u32.to_ne_bytes(), [0; 4], 1_u32.to_ne_bytes(), [0; 4]];
    let mut question = header.concat();
    question[4..6].copy_from_slice(&16_u16.to_ne_bytes());
    question[6..8].copy_from_slice(&1_u16.to_ne_bytes());
    question.extend([3, 2, 0, 0]);
    question.extend([9_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    question.extend(b"IPVX\0\0\0\0");
    question
}

/// Lets the calling thread and its children see nothing in /proc, from where listings come if they can.
fn empty_proc() {
    let nothing: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    mount(Some("empty"), "/proc", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
}

#[test]
fn kernel_without_ipvs_is_said_in_two_lines_to_whoever_needs_one() {
    fresh_namespace();
    empty_proc();
    let question: String =
        question_for_another().iter().map(|byte| format!("{byte:02x}")).collect();
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
        // A question with another number than the program's would leave it waiting for its answer.
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

/// A script in modprobe's place notes that it ran, and its environment. An empty kernel.modprobe bans loading.
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
        question_for_another().iter().map(|byte| format!("{byte:02x}")).collect();
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
        if runs {
            let environment = fs::read_to_string(&note).unwrap();
            assert!(!environment.contains("evil"), "{environment}");
        }
    }
}
