//! Where the measured programs are; a peer that is missing is installed with `cargo install`, once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A program to compare with.
struct Peer {
    package: &'static str,
    version: &'static str,
    program: &'static str,
    /// More words for `cargo install`.
    flags: &'static [&'static str],
}

const BORE: Peer = Peer { package: "bore-cli", version: "0.6.0", program: "bore", flags: &["--locked"] };

/// Its lock file names a `time` that current compilers refuse, so it is built with today's dependencies; `embedded`
/// is its own feature set without OpenSSL, whose headers would otherwise be needed. Plain TCP is the same code in both.
const RATHOLE: Peer = Peer {
    package: "rathole",
    version: "0.5.0",
    program: "rathole",
    flags: &["--no-default-features", "--features", "embedded"],
};

/// Paths of all programs under test.
pub(crate) struct Programs {
    pub(crate) forwarder: PathBuf,
    pub(crate) relay: PathBuf,
    pub(crate) bore: PathBuf,
    pub(crate) rathole: PathBuf,
    /// What the report says about them.
    pub(crate) versions: Vec<String>,
}

impl Programs {
    /// Finds or installs what `includes` asks for.
    pub(crate) fn find(includes: impl Fn(&str) -> bool) -> Result<Self> {
        let mut programs = Self {
            forwarder: env::var_os("FORWARDER").map_or_else(|| env!("CARGO_BIN_EXE_forwarder").into(), PathBuf::from),
            relay: env::var_os("RELAY").map_or_else(|| env!("CARGO_BIN_EXE_relay").into(), PathBuf::from),
            bore: BORE.path(),
            rathole: RATHOLE.path(),
            versions: Vec::new(),
        };
        for peer in [BORE, RATHOLE].iter().filter(|peer| includes(peer.program)) {
            peer.install()?;
            programs.versions.push(format!("{} {}", peer.program, peer.version));
        }
        if includes("ours") || includes("embedded") {
            let version = Command::new(&programs.forwarder).arg("--version").output();
            let version = version.with_context(|| format!("could not start {}", programs.forwarder.display()))?;
            programs.versions.push(String::from_utf8_lossy(&version.stdout).trim().to_owned());
        }
        Ok(programs)
    }
}

impl Peer {
    fn path(&self) -> PathBuf {
        peers_folder().join("bin").join(self.program)
    }

    fn install(&self) -> Result<()> {
        if self.path().exists() {
            return Ok(());
        }
        eprintln!(
            "installing {} {} under {} (some minutes, once)",
            self.package,
            self.version,
            peers_folder().display()
        );
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["install", self.package, "--version", self.version, "--quiet", "--root"])
            .arg(peers_folder())
            .args(self.flags)
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            bail!("could not install {} {}: cargo ended with {status}", self.package, self.version);
        }
        Ok(())
    }
}

/// Size of `program` without symbols, in bytes.
pub(crate) fn stripped_size(program: &Path, folder: &Path) -> Result<f64> {
    let copy = folder.join("stripped");
    let status = Command::new("strip").arg("-o").arg(&copy).arg(program).status();
    let status = status.context("could not start `strip`: install binutils")?;
    if !status.success() {
        bail!("`strip {}` ended with {status}", program.display());
    }
    Ok(fs::metadata(copy)?.len() as f64)
}

/// Next to the build, so that `cargo clean` takes it along.
fn peers_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
}
