//! Loading ip_vs into the kernel where it is a module.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The path of modprobe when the kernel has no setting.
const USUAL_PATH: &str = "/sbin/modprobe";

/// Runs modprobe for ip_vs by its absolute path, which the kernel knows, without a shell and with an empty environment:
/// modprobe reads options from it. The output of modprobe is dropped.
///
/// # Errors
/// When modprobe cannot be started, or kernel.modprobe is empty, which bans loading. The status of modprobe is ignored:
/// without the module, the family is still missing.
pub fn load_module() -> io::Result<()> {
    let setting = fs::read("/proc/sys/kernel/modprobe");
    let path = modprobe_path(setting.ok().as_deref())
        .ok_or_else(|| io::Error::other("kernel.modprobe is empty: no module may be loaded"))?;
    Command::new(path)
        .args(["--", "ip_vs"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|_| ())
}

/// The path of modprobe for a setting of kernel.modprobe. There is none where loading is banned.
fn modprobe_path(setting: Option<&[u8]>) -> Option<PathBuf> {
    let Some(setting) = setting else { return Some(USUAL_PATH.into()) };
    let path = Path::new(OsStr::from_bytes(setting.strip_suffix(b"\n").unwrap_or(setting)));
    match path.as_os_str().as_bytes() {
        b"" => None,
        _ if path.is_absolute() => Some(path.to_owned()),
        _ => Some(USUAL_PATH.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_setting_bans_modprobe_and_a_missing_one_does_not() {
        for (setting, path) in [
            (Some("/usr/sbin/modprobe\n"), Some("/usr/sbin/modprobe")),
            (Some("/opt/with blank\n"), Some("/opt/with blank")),
            (Some("\n"), None),
            (Some(""), None),
            (Some("modprobe\n"), Some(USUAL_PATH)),
            (None, Some(USUAL_PATH)),
        ] {
            let found = modprobe_path(setting.map(str::as_bytes));
            assert_eq!(found, path.map(PathBuf::from), "{setting:?}");
        }
    }
}
