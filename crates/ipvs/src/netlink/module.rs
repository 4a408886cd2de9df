//! Loading ip_vs into the kernel where it is a module.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where modprobe is when the kernel does not say.
const USUAL_PATH: &str = "/sbin/modprobe";

/// Runs modprobe for ip_vs by its absolute path, which the kernel knows, and without a shell. What modprobe
/// prints is dropped.
///
/// # Errors
/// When modprobe cannot be started. That it did not find the module shows in the family being missing still.
pub fn load_module() -> io::Result<()> {
    let path = fs::read_to_string("/proc/sys/kernel/modprobe")
        .map(|path| PathBuf::from(path.trim_end()))
        .ok()
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| PathBuf::from(USUAL_PATH));
    Command::new(path)
        .args(["--", "ip_vs"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|_| ())
}
