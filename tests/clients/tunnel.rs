//! A tunnel is the real `forwarder` with the relay inside, on a port of its own.

use std::env;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lighttpd::Lighttpd;
use crate::process::{Process, command};

/// The public end of one service, as long as it lives.
pub(crate) struct Tunnel {
    /// `http://NAME.localhost:PORT`, for clients that find `*.localhost` on loopback by themselves.
    pub(crate) url: String,
    /// `http://127.0.0.1:PORT`, for the others.
    pub(crate) loopback: String,
    _end: End,
}

/// What answers, and dies with the tunnel.
enum End {
    Forwarder { _process: Process },
    Folder { _server: Lighttpd },
    Service,
}

impl Tunnel {
    /// A tunnel to a service.
    pub(crate) async fn to(service: SocketAddr) -> Result<Self> {
        match Binary::chosen() {
            Binary::Direct => Ok(Self::direct(service, End::Service)),
            Binary::At(path) => Self::start(&path, &service.to_string()).await,
        }
    }

    /// A tunnel to the files of a folder. Lighttpd plays the control: a server known to be right.
    pub(crate) async fn to_folder(folder: &Path) -> Result<Self> {
        let folder_name = folder.to_str().context("test folders have plain names")?;
        match Binary::chosen() {
            Binary::Direct => {
                let server = Lighttpd::start(folder).await?;
                Ok(Self::direct(server.address, End::Folder { _server: server }))
            }
            Binary::At(path) => Self::start(&path, folder_name).await,
        }
    }

    async fn start(binary: &str, target: &str) -> Result<Self> {
        let mut command = command(binary);
        command.args([target, "--listen", "127.0.0.1:0", "--json"]);
        let mut process = Process::start("forwarder", &mut command)?;
        let url = process.line(online_url).await?;
        let (_, port) = url.rsplit_once(':').context("a URL with its port")?;
        Ok(Self { loopback: format!("http://127.0.0.1:{port}"), url, _end: End::Forwarder { _process: process } })
    }

    fn direct(service: SocketAddr, end: End) -> Self {
        let url = format!("http://{service}");
        Self { loopback: url.clone(), url, _end: end }
    }
}

enum Binary {
    Direct,
    At(String),
}

impl Binary {
    fn chosen() -> Self {
        match env::var("FORWARDER") {
            Ok(choice) if choice == "direct" => Self::Direct,
            Ok(path) => Self::At(path),
            Err(_) => Self::At(env!("CARGO_BIN_EXE_forwarder").to_owned()),
        }
    }
}

fn online_url(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let url = (event["event"] == "online").then(|| event["url"].as_str())??;
    Some(url.trim_end_matches('/').to_owned())
}
