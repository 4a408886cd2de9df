//! `--doctor` on a kernel that has not loaded ip_vs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::doctor::{Lab, NAT, faults, findings, mend};
use crate::program::Program;
use crate::wait::wait_until;

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
        // The kernel loads the module for a question about its table.
        let title = |severity| vec![format!("LVS-KERNEL-01 {severity}")];
        assert_eq!(faults(&lab.director), title("error"));
        let server = &lab.servers[0];
        server.ip("address add 203.0.113.1/32 dev lo");
        let found = findings(server, "--doctor").into_iter().map(|(title, _)| title);
        assert_eq!(found.collect::<Vec<_>>(), title("note"));
        assert!(!Path::new("/sys/module/ip_vs").exists());
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
