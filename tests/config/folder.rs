//! A home directory and a project in it, of which the forwarder knows nothing else.

use crate::support::process::{Process, forwarder};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The user's own file, from the home directory.
pub(crate) const USERS: &str = ".config/http-tunnel/config.toml";

/// The project's file, from the home directory.
pub(crate) const PROJECTS: &str = "project/tunnel.toml";

pub(crate) struct Folder(TempDir);

/// What a program that has ended leaves behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        std::fs::create_dir(folder.path("project")).expect("it is made");
        folder
    }

    /// The same with a project's file.
    pub(crate) fn with(text: &str) -> Self {
        let folder = Self::new();
        folder.write(PROJECTS, text);
        folder
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(&path, text).expect("it is written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// The forwarder in the project's folder.
    pub(crate) fn forwarder(&self, words: &[&str]) -> Command {
        let mut command = forwarder();
        command.current_dir(self.path("project")).env("HOME", self.0.path()).args(words);
        command
    }

    /// The same as a process whose events can be waited for, on ports of its own.
    pub(crate) fn start(&self, words: &[&str]) -> Process {
        let apart = ["--json", "--listen", "127.0.0.1:0", "--inspect", "off"];
        Process::start(&mut self.forwarder(&[&["start"], words, &apart].concat()))
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        ended(&mut self.forwarder(words))
    }
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Host with port of a URL on this machine, and where that is.
pub(crate) fn place(url: &serde_json::Value) -> (String, SocketAddr) {
    let host = url.as_str().expect("a URL").strip_prefix("http://").expect("an http URL").to_owned();
    let port = host.rsplit_once(':').expect("a port").1.parse().expect("a port");
    (host, SocketAddr::from(([127, 0, 0, 1], port)))
}
