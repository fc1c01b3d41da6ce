//! A WebDAV server under `litmus`, the protocol's own test client: the same verdicts through the tunnel as directly.

use std::fs;
use std::net::SocketAddr;
use std::process::Output;

use anyhow::{Context, Result};
use tempfile::{TempDir, tempdir};
use tokio::time::timeout;

use crate::lighttpd::Lighttpd;
use crate::process::{PATIENCE, Process, command, python};
use crate::tunnel::Tunnel;

/// A server of an empty folder.
struct WebDav {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl WebDav {
    async fn start() -> Result<Self> {
        let folder = tempdir()?;
        let mut process = Process::start("webdav", python("webdav/server.py").arg(folder.path()))?;
        let address = process.address("listening on ").await?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

/// Runs all of litmus's suites and returns what it says, line by line.
async fn litmus(url: &str) -> Result<Vec<String>> {
    // It leaves its logs where it runs, and fails as a whole when one test does, which is for the comparison to judge.
    let folder = tempdir()?;
    let mut litmus = command("litmus");
    litmus.args(["-k", &format!("{url}/")]).current_dir(folder.path());
    let output: Output = timeout(PATIENCE, litmus.output())
        .await
        .context("litmus does not end")?
        .context("litmus did not start; run tests/setup")?;
    let text = String::from_utf8_lossy(&output.stdout).replace(url, "URL");
    // Progress is written over itself with carriage returns; the last writing counts.
    let last = |line: &str| line.rsplit('\r').next().unwrap_or(line).to_owned();
    Ok(without_fragments(text.lines().map(last)))
}

/// What litmus says of a request target with a fragment is left out: no client may send one (RFC 9112 §3.2), and the HTTP
/// library of the public end drops it before anybody sees it, where this server refuses it.
fn without_fragments(lines: impl Iterator<Item = String>) -> Vec<String> {
    let about = |line: &String| {
        line.contains("delete_fragment") || line.contains("pass (with 1 warning)") || line == "-> 1 warning was issued."
    };
    lines.filter(|line| !about(line)).collect()
}

/// Litmus's verdicts on one server, directly and through a tunnel to another of the same kind.
async fn compare(server: SocketAddr, other: SocketAddr, path: &str) -> Result<()> {
    let tunnel = Tunnel::to(other).await?;
    let (direct, through) = (format!("http://{server}{path}"), format!("{}{path}", tunnel.loopback));
    let (direct, through) = tokio::try_join!(litmus(&direct), litmus(&through))?;
    assert_eq!(through.join("\n"), direct.join("\n"));
    let summaries = direct.iter().filter(|line| line.starts_with("<- summary for"));
    assert_eq!(summaries.count(), 5, "{direct:#?}");
    Ok(())
}

#[tokio::test]
async fn litmus_judges_a_webdav_server_as_it_does_directly() -> Result<()> {
    let (server, other) = (WebDav::start().await?, WebDav::start().await?);
    compare(server.address, other.address, "").await
}

#[tokio::test]
async fn litmus_judges_a_server_that_knows_only_its_own_name_as_it_does_directly() -> Result<()> {
    // Lighttpd, like Apache, refuses a Destination on another host than the one it is called by.
    let (folder, other) = (tempdir()?, tempdir()?);
    fs::create_dir(folder.path().join("dav"))?;
    fs::create_dir(other.path().join("dav"))?;
    let (server, other) = (Lighttpd::start(folder.path()).await?, Lighttpd::start(other.path()).await?);
    compare(server.address, other.address, "/dav").await
}
