//! What the benchmark is told on its command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Where to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The machine's own kernel, in network namespaces.
    Own,
    /// QEMU with a clock that counts instructions.
    Qemu,
    /// User Mode Linux: no use for numbers, but it shows quickly that everything runs.
    Uml,
}

/// Which of the two programs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Program {
    /// ipvsadm 1.31.
    Reference,
    /// This one.
    Ours,
}

/// The command line.
#[derive(Debug)]
pub struct Settings {
    /// The words themselves, for the inner half.
    pub words: Vec<String>,
    /// Whether this is the half that measures.
    pub is_inner: bool,
    /// The directory with our three programs.
    pub programs: PathBuf,
    /// 1.31.
    pub reference: PathBuf,
    /// Libraries that 1.31 came with.
    pub libraries: PathBuf,
    /// Only cases whose name has this in it.
    pub only: Option<String>,
    /// How often each case is measured.
    pub rounds: Option<usize>,
    /// Measure time alone: neither memory nor system calls.
    pub time_alone: bool,
    /// Where results go, for programs.
    pub json: Option<PathBuf>,
    /// The document whose tables are to be replaced.
    pub document: Option<PathBuf>,
    kernel: Option<Kernel>,
}

impl Settings {
    /// Reads the command line.
    pub fn read(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let debian = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian/root/usr");
        let mut settings = Self {
            words: Vec::new(),
            is_inner: false,
            programs: Path::new(env!("CARGO_BIN_EXE_ipvsadm")).with_file_name(""),
            reference: debian.join("sbin/ipvsadm"),
            libraries: debian.join("lib/x86_64-linux-gnu"),
            only: None,
            rounds: None,
            time_alone: false,
            json: None,
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
            if word == "--time-alone" {
                settings.time_alone = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{word} takes a value"))?;
            settings.words.push(value.clone());
            match word.as_str() {
                "--programs" => settings.programs = value.into(),
                "--reference" => settings.reference = value.into(),
                "--libraries" => settings.libraries = value.into(),
                "--only" => settings.only = Some(value),
                "--rounds" => settings.rounds = Some(value.parse()?),
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
                    "{word}: the options are --only TEXT, --rounds NUMBER, --time-alone, --kernel own|qemu|uml, \
                     --programs DIRECTORY, --reference FILE, --libraries DIRECTORY, --json FILE, --document FILE"
                ),
            }
        }
        if !settings.is_inner {
            // The inner half may see another tree, without the links of this one.
            for (word, path) in [
                ("--programs", &mut settings.programs),
                ("--reference", &mut settings.reference),
                ("--libraries", &mut settings.libraries),
            ] {
                *path =
                    path.canonicalize().with_context(|| format!("{word} {}", path.display()))?;
                let path = path.to_str().context("a path that is not text")?;
                settings.words.extend([word.to_owned(), path.to_owned()]);
            }
        }
        Ok(settings)
    }

    /// Where to measure: the machine's own kernel if it has IPVS, since that is what people have.
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

    /// What the inner half needs beside itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"].map(|name| self.ours(name)).into();
        files.push(self.reference.clone());
        files.extend(["/usr/bin/time", "/usr/bin/strace", "/usr/bin/cat"].map(PathBuf::from));
        files
    }
}
