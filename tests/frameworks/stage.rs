//! A relay at `tunnel.test`, as if behind a proxy that does TLS, and a forwarder of a dev server at `app.tunnel.test`.

use std::cell::RefCell;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use serde_json::Value;
use tempfile::{TempDir, tempdir_in};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::http::{Answer, curl};
use crate::process::{PATIENCE, Process, app, command, run, tools};

/// What visitors call.
pub(crate) const HOST: &str = "app.tunnel.test";
/// Where its pages come from.
pub(crate) const ORIGIN: &str = "https://app.tunnel.test";

/// A tunnel to one dev server.
pub(crate) struct Stage {
    relay: SocketAddr,
    forwarder: Process,
    _relay: Process,
}

impl Stage {
    /// A tunnel with these further words for the forwarder.
    pub(crate) async fn of(service: SocketAddr, words: &[&str]) -> Result<Self> {
        let behind_tls = ["--public-url", "https://{tunnel}.tunnel.test", "--trusted-proxy", "127.0.0.1"];
        Self::start(service, words, &behind_tls).await
    }

    /// The same without TLS, for a browser.
    pub(crate) async fn plain(service: SocketAddr) -> Result<Self> {
        Self::start(service, &[], &[]).await
    }

    async fn start(service: SocketAddr, words: &[&str], words_of_relay: &[&str]) -> Result<Self> {
        let mut command_of_relay = command(env!("CARGO_BIN_EXE_relay"));
        command_of_relay.args(["--listen", "127.0.0.1:0", "--domain", "tunnel.test", "--open", "--json"]);
        let mut process = Process::start("relay", command_of_relay.args(words_of_relay))?;
        let relay = process.line(|line| event(line, "listening")?["address"].as_str()?.parse().ok()).await?;
        let mut forwarder = command(env!("CARGO_BIN_EXE_forwarder"));
        forwarder.arg(service.to_string()).args(["--json", "--name", "app", "--inspect", "off"]).args(words);
        forwarder.args(["--endpoint", &format!("ws://{relay}")]);
        let mut forwarder = Process::start("forwarder", &mut forwarder)?;
        forwarder.line(|line| event(line, "online")).await?;
        Ok(Self { relay, forwarder, _relay: process })
    }

    /// The tunnel's page.
    pub(crate) fn url(&self) -> String {
        format!("http://{HOST}:{}/", self.relay.port())
    }

    /// Calls a path of the tunnel with curl and further options.
    pub(crate) async fn call(&self, options: &[&str], path: &str) -> Result<Answer> {
        let host = format!("Host: {HOST}");
        let mut all = vec!["--header", &host, "--header", "X-Forwarded-Proto: https"];
        all.extend(options);
        curl(&all, &format!("http://{}{path}", self.relay)).await
    }

    /// Sends a form as a browser does from a page of the tunnel's.
    pub(crate) async fn submit(&self, options: &[&str], path: &str) -> Result<Answer> {
        let origin = format!("Origin: {ORIGIN}");
        let referer = format!("Referer: {ORIGIN}{path}");
        let mut all = vec!["--header", &origin, "--header", &referer];
        all.extend(options);
        self.call(&all, path).await
    }

    /// Opens a WebSocket as a page of the tunnel's does and waits for the first message.
    pub(crate) async fn first_message(&self, path: &str, protocol: Option<&str>) -> Result<String> {
        let mut request = format!("ws://{HOST}{path}").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("origin", ORIGIN.parse()?);
        headers.insert("x-forwarded-proto", "https".parse()?);
        if let Some(protocol) = protocol {
            headers.insert("sec-websocket-protocol", protocol.parse()?);
        }
        let opened = client_async(request, TcpStream::connect(self.relay).await?);
        let (mut socket, _) = timeout(PATIENCE, opened).await??;
        let message = timeout(PATIENCE, socket.next()).await?;
        Ok(String::from_utf8_lossy(&message.context("no message came")??.into_data()).into_owned())
    }

    /// The next tip.
    pub(crate) async fn tip(&mut self) -> Result<String> {
        self.forwarder.line(tip).await
    }

    /// The tips that were given so far and nobody has taken.
    pub(crate) async fn tips(mut self) -> Result<Vec<String>> {
        // Events keep their order, so that this call's line is behind every tip.
        self.call(&[], "/the-last-call").await?;
        let tips = RefCell::new(Vec::new());
        let last = self.forwarder.line(|line| {
            tips.borrow_mut().extend(tip(line));
            event(line, "request").filter(|request| request["path"] == "/the-last-call")
        });
        last.await?;
        Ok(tips.into_inner())
    }

    /// What the doctor says about this check of the service.
    pub(crate) async fn doctor(&self, service: SocketAddr, words: &[&str], check: &str) -> Result<Value> {
        let mut doctor = command(env!("CARGO_BIN_EXE_forwarder"));
        doctor.args(["doctor", &service.to_string(), "--json", "--name", "other", "--endpoint"]);
        doctor.arg(format!("ws://{}", self.relay)).args(words);
        let output = timeout(PATIENCE, doctor.output()).await??;
        let findings: Value = serde_json::from_slice(&output.stdout)?;
        let finding = findings.as_array().and_then(|list| list.iter().find(|finding| finding["check"] == check));
        finding.cloned().with_context(|| format!("no {check} in {findings:#}"))
    }
}

fn event(line: &str, kind: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == kind)
}

fn tip(line: &str) -> Option<String> {
    Some(event(line, "notice")?["text"].as_str()?.strip_prefix("tip: ")?.to_owned())
}

/// A copy of an application that the test may change, beside the packages that it imports.
pub(crate) async fn copy(name: &str) -> Result<TempDir> {
    let installed =
        fs::canonicalize(tools().join(name)).with_context(|| format!("{name} is missing; run tests/setup"))?;
    let folder = tempdir_in(installed)?;
    run(command("cp").arg("-r").arg(app(name).join(".")).arg(folder.path())).await?;
    Ok(folder)
}

/// A program of the packages that `tests/setup` installed with an application.
pub(crate) fn node(name: &str, program: &str, folder: &Path) -> Result<tokio::process::Command> {
    let program = tools().join(name).join("node_modules").join(program);
    if !program.is_file() {
        bail!("{} is missing; run tests/setup", program.display());
    }
    let mut node = command("node");
    node.arg(fs::canonicalize(program)?).current_dir(folder).env("NO_COLOR", "1").env("NEXT_TELEMETRY_DISABLED", "1");
    Ok(node)
}

/// A port that nobody has at this moment, for servers that do not choose one themselves.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What stands between two marks.
pub(crate) fn between<'a>(text: &'a str, before: &str, behind: &str) -> Result<&'a str> {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(behind));
    found.map(|(found, _)| found).with_context(|| format!("no {before:?} in {text}"))
}
