//! Lighttpd serves a folder: files as they are, repositories under `/git/` through git's own CGI program, WebDAV under `/dav/`.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use tempfile::{TempDir, tempdir};

use crate::process::{Process, app, command, run};

/// It takes its listening socket over from the test, so that no port can be lost to another program in between.
const START: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec lighttpd -D -f \"$0\"";

/// A server that ends with the test.
pub(crate) struct Lighttpd {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _process: Process,
    _state: TempDir,
}

impl Lighttpd {
    /// Serves the folder.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let git = run(command("git").arg("--exec-path")).await?;
        let git = String::from_utf8(git)?;
        let state = tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut lighttpd = command("sh");
        lighttpd
            .args(["-c", START])
            .arg(app("lighttpd/lighttpd.conf"))
            // Debian keeps it where only root looks.
            .env("PATH", format!("{path}:/usr/sbin"))
            .env("LISTEN_FDS", "1")
            .env("FOLDER", folder)
            .env("STATE", state.path())
            .env("GIT_HTTP_BACKEND", format!("{}/git-http-backend", git.trim()))
            .stdin(Stdio::from(OwnedFd::from(listener)));
        let mut process = Process::start("lighttpd", &mut lighttpd)?;
        process.line(|line| line.contains("server started").then_some(())).await?;
        Ok(Self { address, _process: process, _state: state })
    }
}
