//! A program started by a test is heard line by line and never outlives the test.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

/// How long a program may take on a busy machine before the test calls it stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What the machine's owner has set for the world: neither a proxy nor another relay may come between a client and loopback.
const SETTINGS: [&str; 10] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "TUNNEL_CONFIG",
    "TUNNEL_ENDPOINT",
    "TUNNEL_NAME",
    "TUNNEL_TOKEN",
    "all_proxy",
    "http_proxy",
    "https_proxy",
];

/// A command without input and without the owner's settings, which dies with the test.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    // Where there is no file with settings.
    command.env("XDG_CONFIG_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-settings"));
    for variable in SETTINGS {
        command.env_remove(variable);
    }
    command
}

/// A command of Python with the packages that `tests/setup` installed.
pub(crate) fn python(script: &str) -> Command {
    let mut command = command(tools().join("venv/bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("-u").arg(app(script));
    command
}

/// Where `tests/setup` puts what is not a Debian package.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools")
}

/// A file of the applications.
pub(crate) fn app(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(path)
}

/// Runs a command to its end and returns its standard output; any other end than success is an error that says why.
pub(crate) async fn run(command: &mut Command) -> Result<Vec<u8>> {
    let finished = timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("{command:?} did not end"))?
        .with_context(|| format!("{command:?} did not start; run tests/setup"))?;
    ensure!(
        finished.status.success(),
        "{command:?}: {}\n{}{}",
        finished.status,
        String::from_utf8_lossy(&finished.stdout),
        String::from_utf8_lossy(&finished.stderr),
    );
    Ok(finished.stdout)
}

/// A program that runs beside the test.
pub(crate) struct Process {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Process {
    /// Starts it; its output goes to the test's own, which the harness shows when the test fails.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name}: {command:?} did not start; run tests/setup"))?;
        let (sender, lines) = mpsc::unbounded_channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        tokio::spawn(hear(name, stdout.context("piped above")?, sender.clone()));
        tokio::spawn(hear(name, stderr.context("piped above")?, sender));
        Ok(Self { child, lines })
    }

    /// The first of the lines to come in which `wanted` finds something.
    pub(crate) async fn line<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = async {
            while let Some(line) = self.lines.recv().await {
                if let Some(found) = wanted(&line) {
                    return Ok(found);
                }
            }
            bail!("it ended before it said what the test waits for")
        };
        timeout(PATIENCE, found).await.context("it does not say what the test waits for")?
    }

    /// How it ended, once it has.
    pub(crate) async fn end(&mut self) -> Result<ExitStatus> {
        let end = timeout(PATIENCE, self.child.wait()).await;
        Ok(end.context("it does not end")??)
    }

    /// The loopback address whose port stands right after `mark`, in the first line that has both.
    pub(crate) async fn address(&mut self, mark: &str) -> Result<SocketAddr> {
        let port = self.line(|line| number_after(line, mark)).await?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The whole group: a dev server and a browser have children of their own.
        if let Some(pid) = self.child.id() {
            let kill = format!("kill -s KILL -- -{pid}");
            if let Err(error) = std::process::Command::new("sh").args(["-c", &kill]).status() {
                eprintln!("{kill}: {error}");
            }
        }
    }
}

async fn hear(name: &str, output: impl AsyncRead + Unpin, lines: UnboundedSender<String>) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        eprintln!("{name}: {line}");
        // Nobody waits for a line any more: it has been shown, that is enough.
        lines.send(line).ok();
    }
}

fn number_after(line: &str, mark: &str) -> Option<u16> {
    let (_, rest) = line.split_once(mark)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    rest[..digits.unwrap_or(rest.len())].parse().ok()
}
