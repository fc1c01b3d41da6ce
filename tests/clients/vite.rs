//! A Vite dev server: the page, its modules, and hot reload over the tunnel's own WebSocket.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir_in};

use crate::browser::Browser;
use crate::http::curl;
use crate::process::{Process, app, command, tools};
use crate::tunnel::Tunnel;

const FILES: [&str; 7] = ["greeting.js", "index.html", "lazy.js", "logo.svg", "main.js", "style.css", "vite.config.js"];

const GREETING: &str = "return document.getElementById('greeting').textContent === arguments[0]";
const COLOUR: &str = "return getComputedStyle(document.getElementById('greeting')).color === arguments[0]";
const SOCKET_IS_OPEN: &str = "return sockets.length === 1 && sockets[0].readyState === WebSocket.OPEN";

/// A dev server over a copy of the app that the test may change.
struct Vite {
    address: SocketAddr,
    _process: Process,
    folder: TempDir,
}

impl Vite {
    async fn start() -> Result<Self> {
        let installed = tools().join("vite");
        ensure!(installed.join("node_modules/vite").is_dir(), "Vite is missing; run tests/setup");
        // Beside node_modules, where Node finds the packages that the app imports.
        let folder = tempdir_in(&installed)?;
        for file in FILES {
            fs::copy(app("vite").join(file), folder.path().join(file))?;
        }
        let mut vite = command("node");
        vite.arg(installed.join("node_modules/vite/bin/vite.js")).current_dir(folder.path()).env("NO_COLOR", "1");
        let mut process = Process::start("vite", &mut vite)?;
        let address = process.address("http://127.0.0.1:").await?;
        Ok(Self { address, _process: process, folder })
    }

    fn file(&self, name: &str) -> impl AsRef<Path> {
        self.folder.path().join(name)
    }
}

#[tokio::test]
async fn a_vite_app_reloads_hot() -> Result<()> {
    let vite = Vite::start().await?;
    let tunnel = Tunnel::to(vite.address).await?;
    let browser = Browser::open(&tunnel.url).await?;
    browser.until(GREETING, &[json!("Hello")]).await?;
    browser.until(SOCKET_IS_OPEN, &[]).await?;
    browser.run("window.mark = 'not reloaded'", &[]).await?;

    fs::write(vite.file("greeting.js"), "export const greeting = 'Good evening';")?;
    browser.until(GREETING, &[json!("Good evening")]).await?;
    fs::write(vite.file("style.css"), "#greeting { color: rgb(7, 8, 9); }")?;
    browser.until(COLOUR, &[json!("rgb(7, 8, 9)")]).await?;

    let mark = browser.run("return window.mark", &[]).await?;
    assert_eq!(mark, "not reloaded");
    let sockets = browser.run("return sockets.map(({ url }) => new URL(url).host)", &[]).await?;
    let here = tunnel.url.replace("http://", "");
    assert_eq!(sockets, json!([here]), "the page reached Vite past the tunnel");
    browser.close().await
}

#[tokio::test]
async fn every_module_of_a_vite_app_is_the_one_that_vite_serves() -> Result<()> {
    let vite = Vite::start().await?;
    let tunnel = Tunnel::to(vite.address).await?;
    let browser = Browser::open(&tunnel.url).await?;
    browser.until("return window.lazy === 'loaded when asked for'", &[]).await?;
    browser.until("return document.getElementById('logo').naturalWidth === 17", &[]).await?;
    browser.until(COLOUR, &[json!("rgb(1, 2, 3)")]).await?;
    let duration = browser.run("return document.getElementById('duration').textContent", &[]).await?;
    assert_eq!(duration, "1 minute", "a package from npm, bundled by Vite");

    let loaded = "return performance.getEntriesByType('resource').map(({ name }) => name)";
    let loaded = browser.run(loaded, &[]).await?;
    let urls: Vec<&str> = loaded.as_array().context("a list")?.iter().filter_map(Value::as_str).collect();
    assert!(urls.len() >= 8, "{urls:?}");
    for url in urls {
        let path = url.strip_prefix(&tunnel.url).context("a URL of the tunnel")?;
        let direct = curl(&[], &format!("http://{}{path}", vite.address)).await?;
        assert_eq!(curl(&[], url).await?, direct, "{path}");
        assert_eq!(direct.status, 200, "{path}");
    }
    browser.close().await
}
