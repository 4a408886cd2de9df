//! Links the programs with gcc's unwinder inside instead of libgcc_s.so: a shared library less to find, map and
//! relocate is a tenth of the time of `ipvsadm -A` (0.25 of 2.7 ms in instructions, Linux 6.1).
//!
//! The standard library asks for `-lgcc_s`. A linker script of that name, found first, gives it the archives
//! that every gcc has.
//!
//! Builds in a git clone also learn their commit, which `ipvsadm -v` prints. A source tarball has none.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// gcc's unwinder asks glibc 2.35 or newer for its tables: without this function, RHEL 9 with glibc 2.34 could not run
/// the programs. A release aborts on a panic and is stripped, so only the addresses in the backtrace are lost. The
/// function is hidden, since shared libraries need glibc's.
const NO_TABLES: &str = "\
    __attribute__((visibility(\"hidden\"))) int _dl_find_object(void *address, void *result) {\n\
    \x20   (void)address, (void)result;\n\
    \x20   return -1;\n\
    }\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    name_commit();
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux")
        || env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu")
    {
        return Ok(());
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    if env::var("PROFILE").as_deref() == Ok("release") {
        // The linker is a C compiler, which compiles it.
        let source = folder.join("no_tables.c");
        fs::write(&source, NO_TABLES)?;
        println!("cargo::rustc-link-arg-bins={}", source.display());
    }
    Ok(())
}

/// Gives the commit to `-v` as `IPVSADM_COMMIT`, unless it has the tag of a version.
fn name_commit() {
    if !Path::new(".git").exists() {
        return;
    }
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let is_release = git(&["describe", "--exact-match", "--match", "v[0-9]*"]).is_some();
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| !is_release) {
        println!("cargo::rustc-env=IPVSADM_COMMIT={commit}");
    }
}

/// The output of a git command, if it succeeds.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
