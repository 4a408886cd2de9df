//! Links the programs with gcc's unwinder inside instead of libgcc_s.so: a shared library less to find, map and
//! relocate is a tenth of the time of `ipvsadm -A` (0.25 of 2.7 ms in instructions, Linux 6.1).
//!
//! The standard library asks for `-lgcc_s`. A linker script of that name, found first, gives it the archives
//! that every gcc has.
//!
//! Orders the code by link-order.ld, which says why.
//!
//! Builds in a git clone also learn their commit, which `ipvsadm -v` prints. A source tarball has none.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Functions of newer glibc that the programs would otherwise ask for, so that they run with RHEL 9's glibc 2.34. They are
/// hidden, since shared libraries need glibc's.
///
/// gcc's unwinder finds its tables by `_dl_find_object`, of glibc 2.35. A release aborts on a panic and is stripped, so only
/// the addresses in the backtrace are lost.
///
/// The standard library uses `pidfd_spawnp` and `pidfd_getpid`, of glibc 2.39, if they are there. The programs would start
/// without them, but the packages would ask for 2.39. `pidfd_getpid` says whether they work, and these say no.
const FOR_OLD_GLIBC: &str = "\
    #define LACKING __attribute__((visibility(\"hidden\"))) int\n\
    LACKING _dl_find_object(void *address, void *result) { (void)address, (void)result; return -1; }\n\
    LACKING pidfd_getpid(int fd) { (void)fd; return -1; }\n\
    LACKING pidfd_spawnp(int *fd) { (void)fd; return 38; /* ENOSYS */ }\n";

/// The standard library asks glibc for the limits of the main thread's stack when a program starts, so that it can name a
/// stack overflow in a message. glibc reads `/proc/self/maps` for the answer, which takes a tenth of a short command. This
/// function refuses instead. BENCHMARKS.md has the figures.
///
/// A stack overflow still ends the program by SIGSEGV at the guard page, but without the message.
const WITHOUT_STACK_LIMITS: &str = "\
    __attribute__((visibility(\"hidden\"), section(\".text.pthread_getattr_np\")))\n\
    int pthread_getattr_np(unsigned long thread, void *attributes)\n\
    { (void)thread, (void)attributes; return 38; /* ENOSYS */ }\n";

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
        let source = folder.join("replacements.c");
        fs::write(&source, [FOR_OLD_GLIBC, WITHOUT_STACK_LIMITS].concat())?;
        println!("cargo::rustc-link-arg-bins={}", source.display());
        order_code()?;
    }
    Ok(())
}

/// Gives the linker the order of the code. GNU ld and LLVM's lld know INSERT in a linker script; other linkers get none.
fn order_code() -> io::Result<()> {
    let script = Path::new("link-order.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if ["mold", "gold", "wild"].iter().any(|linker| flags.contains(linker)) {
        return Ok(());
    }
    println!("cargo::rustc-link-arg-bins=-T");
    println!("cargo::rustc-link-arg-bins={}", script.canonicalize()?.display());
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
