//! Load from wrk; a run with more than a few failed requests is a fault and not a figure.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{process::Running, visitor::Target};

/// Connections kept busy at once.
pub(crate) const CONNECTIONS: usize = 32;

/// What wrk may take beyond the time it was told.
const GRACE: Duration = Duration::from_secs(15);

/// A run in which more than one request in so many failed says nothing about speed.
const FAILED_LIMIT: f64 = 1.0 / 1000.0;

/// What one run of wrk counted.
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// Answers other than 2xx and 3xx, and broken connections.
    pub(crate) failed: f64,
}

/// Whether a connection serves one request or many.
#[derive(Clone, Copy)]
pub(crate) enum Connections {
    Kept,
    PerRequest,
}

/// Version, or how to install it.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("wrk").arg("--version").output();
    let Ok(output) = output else {
        bail!(
            "`wrk` is missing: `apt-get install wrk` (Debian, Ubuntu), `dnf install wrk` (Fedora), or `nix shell nixpkgs#wrk`"
        );
    };
    // "wrk debian/4.1.0-3+b2 [epoll] Copyright ..."
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

pub(crate) fn run(target: &Target, connections: Connections, seconds: u64, folder: &Path) -> Result<Load> {
    let mut command = Command::new("wrk");
    // One thread keeps 32 connections busy and leaves the other cores to those who are measured.
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--timeout", "5s"]);
    command.args(["-H", &format!("Host: {}", target.host)]);
    if let Connections::PerRequest = connections {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(format!("http://{}/small", target.address)).stdout(Stdio::piped());
    let mut running = Running::spawn(&mut command, folder)?;
    let mut output = running.child.stdout.take().context("wrk has no output to read")?;
    running.wait(Duration::from_secs(seconds) + GRACE)?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Load> {
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: f64 = requests.context("wrk counted no requests")?.0.parse()?;
    let per_second = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let per_second = per_second.context("wrk gave no rate")?.trim().parse()?;
    // "Socket errors: connect 0, read 12, write 0, timeout 3" and "Non-2xx or 3xx responses: 17"
    let faults: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Socket errors:") || line.starts_with("Non-2xx"))
        .collect();
    let counts = faults.iter().filter_map(|line| line.split_once(':'));
    let words = counts.flat_map(|(_, counts)| counts.split([' ', ',']));
    let failed = words.filter_map(|word| word.parse::<f64>().ok()).sum();
    ensure!(failed <= requests * FAILED_LIMIT, "of {requests} requests too many failed: {}", faults.join(", "));
    Ok(Load { requests, per_second, failed })
}
