//! The settings on the benchmark's command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The kernel to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The machine's own kernel, in network namespaces.
    Own,
    /// QEMU with a clock that counts instructions.
    Qemu,
    /// User Mode Linux: its figures are useless, but it shows quickly that everything runs.
    Uml,
}

/// A measured program.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Program {
    /// ipvsadm 1.31.
    Reference,
    /// Our program.
    Ours,
    /// A bare loop of the system calls that our program needs, or cat.
    Bare,
}

/// The command line.
#[derive(Debug)]
pub struct Settings {
    /// The arguments, for the inner half.
    pub words: Vec<String>,
    /// True for the half that measures.
    pub is_inner: bool,
    /// The directory with our programs.
    pub programs: PathBuf,
    /// 1.31.
    pub reference: PathBuf,
    /// The directory of libraries from the package of 1.31, if this machine lacks any.
    pub libraries: Option<PathBuf>,
    /// Measure only cases whose name contains this text.
    pub only: Option<String>,
    /// The number of rounds for each case.
    pub rounds: Option<usize>,
    /// Measure only time and memory, not system calls.
    pub time_alone: bool,
    /// Do not measure 1.31.
    pub ours_alone: bool,
    /// Measure only five cases, once, and without 1.31, to compare before and after a change.
    pub is_quick: bool,
    /// The file for the results as JSON.
    pub json: Option<PathBuf>,
    /// The accepted results to compare with.
    pub accepted: Option<PathBuf>,
    /// The document whose tables are replaced.
    pub document: Option<PathBuf>,
    kernel: Option<Kernel>,
}

impl Settings {
    /// Parses the command line.
    pub fn read(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let debian = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian/root/usr");
        let mut settings = Self {
            words: Vec::new(),
            is_inner: false,
            programs: Path::new(env!("CARGO_BIN_EXE_ipvsadm")).with_file_name(""),
            reference: debian.join("sbin/ipvsadm"),
            libraries: Some(debian.join("lib/x86_64-linux-gnu")).filter(|path| path.exists()),
            only: None,
            rounds: None,
            time_alone: false,
            ours_alone: false,
            is_quick: false,
            json: None,
            accepted: None,
            document: None,
            kernel: None,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            // cargo bench adds the first of these.
            match word.as_str() {
                "--bench" => continue,
                "--inner" => {
                    settings.is_inner = true;
                    continue;
                }
                _ => {}
            }
            settings.words.push(word.clone());
            match word.as_str() {
                "--time-alone" => {
                    settings.time_alone = true;
                    continue;
                }
                "--ours-alone" => {
                    settings.ours_alone = true;
                    continue;
                }
                "--quick" => {
                    settings.is_quick = true;
                    settings.ours_alone = true;
                    settings.time_alone = true;
                    continue;
                }
                _ => {}
            }
            let value = words.next().with_context(|| format!("{word} takes a value"))?;
            settings.words.push(value.clone());
            match word.as_str() {
                "--programs" => settings.programs = value.into(),
                "--reference" => settings.reference = value.into(),
                "--libraries" => settings.libraries = Some(value.into()),
                "--only" => settings.only = Some(value),
                "--rounds" => settings.rounds = Some(value.parse()?),
                "--accepted" => settings.accepted = Some(value.into()),
                "--json" => settings.json = Some(value.into()),
                "--document" => settings.document = Some(value.into()),
                "--kernel" => {
                    settings.kernel = Some(match value.as_str() {
                        "own" => Kernel::Own,
                        "qemu" => Kernel::Qemu,
                        "uml" => Kernel::Uml,
                        _ => bail!("--kernel is own, qemu or uml"),
                    });
                }
                _ => bail!(
                    "{word}: the options are --only TEXT, --rounds NUMBER, --time-alone, --ours-alone, --quick, \
                     --kernel own|qemu|uml, --programs DIRECTORY, --reference FILE, --libraries DIRECTORY, \
                     --accepted FILE, --json FILE, --document FILE"
                ),
            }
        }
        if !settings.is_inner {
            // The inner half may have another file tree, without the links of this one.
            let paths = [
                ("--programs", Some(&mut settings.programs)),
                ("--reference", Some(&mut settings.reference)),
                ("--libraries", settings.libraries.as_mut()),
            ];
            for (word, path) in paths {
                let Some(path) = path else { continue };
                *path =
                    path.canonicalize().with_context(|| format!("{word} {}", path.display()))?;
                let path = path.to_str().context("a path that is not text")?;
                settings.words.extend([word.to_owned(), path.to_owned()]);
            }
        }
        Ok(settings)
    }

    /// The kernel to measure on: the machine's own if it has IPVS, since users run such kernels.
    pub fn kernel(&self) -> anyhow::Result<Kernel> {
        if let Some(kernel) = self.kernel {
            return Ok(kernel);
        }
        let with_ipvs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with-ipvs");
        let status = Command::new(with_ipvs)
            .arg("true")
            .env("IPVS_KERNEL", "own")
            .stderr(Stdio::null())
            .status()?;
        Ok(if status.success() { Kernel::Own } else { Kernel::Qemu })
    }

    /// The file of one of our programs.
    pub fn ours(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The bare loops, compiled (`benches/bare/loops.c`).
    pub fn loops() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("loops")
    }

    /// True if our programs include ipvsadm-top, which needs a newer Rust than the others.
    pub fn has_top(&self) -> bool {
        self.ours("ipvsadm-top").exists()
    }

    /// The files that the inner half needs besides its own program.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"].map(|name| self.ours(name)).into();
        files.extend(self.has_top().then(|| self.ours("ipvsadm-top")));
        files.push(self.reference.clone());
        files.push(Self::loops());
        files.extend(["/usr/bin/strace", "/usr/bin/cat"].map(PathBuf::from));
        files
    }
}
