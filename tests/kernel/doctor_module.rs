//! `--doctor` on a kernel that has not loaded ip_vs.

use std::fs;
use std::process::Command;

use crate::doctor::{Lab, NAT, faults, mend, wait_until};
use crate::program::Program;

/// Forbids the kernel and the programs to load modules by themselves, until it is dropped.
struct NoModprobe(String);

impl NoModprobe {
    const SETTING: &str = "/proc/sys/kernel/modprobe";

    fn new() -> NoModprobe {
        let before = fs::read_to_string(Self::SETTING).unwrap();
        fs::write(Self::SETTING, "\n").unwrap();
        NoModprobe(before)
    }
}

impl Drop for NoModprobe {
    fn drop(&mut self) {
        fs::write(Self::SETTING, &self.0).unwrap();
    }
}

/// Removes ip_vs and the modules that use it. Fails while a namespace of an earlier test is not gone.
fn unload() -> bool {
    let holders = fs::read_dir("/sys/module/ip_vs/holders").unwrap();
    let names = holders.map(|entry| entry.unwrap().file_name());
    let command = Command::new("modprobe").arg("-r").args(names).arg("ip_vs").output();
    command.unwrap().status.success()
}

#[test]
fn doctor_mends_a_kernel_without_its_module() {
    let lab = Lab::new();
    lab.serve();
    assert_eq!(faults(&lab.director), [""; 0]);
    // The module of the machine's own kernel may be in use.
    if std::env::var("WITH_IPVS").as_deref() == Ok("uml") {
        wait_until("a kernel without ip_vs", unload);
        let forbidden = NoModprobe::new();
        let refused = lab.director.within(|| Program::ours().line("-A -t 192.0.2.100:80"));
        assert_eq!(refused.code(), 2);
        assert!(lab.loses_some());
        mend(&lab.director, "LVS-KERNEL-01", &lab.director);
        drop(forbidden);
    }
    lab.rules(NAT);
    assert_eq!(lab.answers(4), 4);
    assert_eq!(faults(&lab.director), [""; 0]);
}
