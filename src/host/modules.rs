//! Kernel modules: whether one is there, and whether it could be loaded.

use std::fs;
use std::path::{Path, PathBuf};

use super::sysctl;

/// The state of a kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleState {
    /// The module is loaded, or built into the kernel.
    Present,
    /// Its file is below the directory of modules, so modprobe(8) can load it.
    Loadable,
    /// The directory of modules lacks it.
    Missing(PathBuf),
    /// There is no directory with the modules of the running kernel.
    NoDirectory(PathBuf),
}

/// The release of the running kernel, as `uname -r` prints it.
pub fn kernel_release() -> Option<String> {
    sysctl("kernel/osrelease").filter(|release| !release.is_empty())
}

/// The value of a module's parameter. `None` if the module is missing or has no such parameter that can be read.
pub fn module_parameter(module: &str, parameter: &str) -> Option<String> {
    let path = Path::new("/sys/module").join(module).join("parameters").join(parameter);
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// True if a module is loaded, by its name with underscores. A module with parameters that is built into the kernel counts as
/// loaded. `None` if the kernel's list of modules cannot be seen.
pub fn module_is_loaded(name: &str) -> Option<bool> {
    let modules = Path::new("/sys/module");
    modules.is_dir().then(|| modules.join(name).exists())
}

/// Looks for a module by its name with underscores. `None` if the release of the kernel is unknown, or if the list of modules
/// cannot be read.
pub fn module_state(name: &str) -> Option<ModuleState> {
    if Path::new("/sys/module").join(name).exists() {
        return Some(ModuleState::Present);
    }
    let directory = Path::new("/lib/modules").join(kernel_release()?);
    if !directory.is_dir() {
        return Some(ModuleState::NoDirectory(directory));
    }
    let listed = |list: &str| -> Option<bool> {
        Some(is_listed(&fs::read_to_string(directory.join(list)).ok()?, name))
    };
    if listed("modules.builtin") == Some(true) {
        return Some(ModuleState::Present);
    }
    Some(if listed("modules.dep")? {
        ModuleState::Loadable
    } else {
        ModuleState::Missing(directory)
    })
}

/// Tests whether a list of modules.dep(5) or modules.builtin has a module: each line begins with the path of its file, which
/// may be compressed.
fn is_listed(list: &str, name: &str) -> bool {
    let file_of = |line: &str| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split(".ko").next().unwrap_or_default().replace('-', "_")
    };
    list.lines().any(|line| file_of(line) == name)
}

/// The program that the kernel runs to load a module, if the kernel names one.
pub fn modprobe_path() -> Option<PathBuf> {
    let path = PathBuf::from(sysctl("kernel/modprobe")?);
    Some(path).filter(|path| path.is_absolute())
}

/// Tests whether an administrator has banned the loading of modules: kernel.modprobe is empty, or kernel.modules_disabled
/// is set.
pub fn modprobe_is_banned() -> bool {
    sysctl("kernel/modprobe").is_some_and(|path| path.is_empty())
        || sysctl("kernel/modules_disabled").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_is_found_by_the_name_of_its_file() {
        let list = "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/libcrc32c.ko.xz\n\
                    kernel/net/netfilter/ipvs/ip_vs_wrr.ko: kernel/net/netfilter/ipvs/ip_vs.ko\n\
                    kernel/net/x-y.ko.zst:\n";
        for name in ["ip_vs", "ip_vs_wrr", "x_y"] {
            assert!(is_listed(list, name), "{name}");
        }
        for name in ["ip", "ip_vs_rr", "libcrc32c", ""] {
            assert!(!is_listed(list, name), "{name}");
        }
    }
}
